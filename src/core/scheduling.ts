/** What the scheduler remembers between two decisions; everything here can be lost without harm but for host blocks. */
import type { WorkerState } from "./core.ts";
import type { Plan } from "./plan.ts";
import type { ReadyClass } from "./ready.ts";
import type { Free } from "./resources.ts";

/** One place in the order of classes. A class with tasks that have aged has two: those tasks, and the rest. */
export interface Turn {
  cls: ReadyClass;
  aged: boolean;
  /** the largest part of the largest worker that one task takes */
  bulk: number;
}

export interface Order {
  turns: Turn[];
  builtMs: number;
  /** the next task has aged then */
  validUntilMs: number;
  /** depends on measured run times and on the pool */
  measured: boolean;
  /** how many there were */
  workers: number;
  /** no task needs fewer cpus */
  leastCpus: number;
  /** some are bound to a scheduler */
  bound: boolean;
}

/** Room on one worker that is kept for a class that was passed over. */
export interface Reservation {
  cls: ReadyClass;
  worker: WorkerState;
  /** when the room is expected to be there; Infinity = unknown */
  fromMs: number;
  /** what is left beside the class then */
  spare: Free;
  /** classes after it in the order have to respect it */
  inForce: boolean;
}

/** How fast a worker is: wall time of its attempts relative to the mean of their category. */
export interface Speed {
  samples: number;
  /** 1 = as the others, 2 = takes twice as long */
  slowness: number;
}

/** Of the logarithm of measured ÷ expected run time. */
export interface ErrorSpread {
  samples: number;
  mean: number;
  /** sum of squared distances from the mean */
  squares: number;
}

export interface Scheduling {
  order: Order | null;
  /** how `auto` orders the classes of each workflow at present */
  plans: Map<number, Plan>;
  /** hosts that get nothing new, until when (null = until unblocked) */
  blockedHosts: Map<string, number | null>;
  /** bytes of each input that a worker has already, by worker and digest */
  cached: Map<number, Map<string, number>>;
  /** the inputs of a task; null while nobody knows them */
  inputs: ((workflow: number, task: number) => readonly TaskInput[]) | null;
  speeds: Map<number, Speed>;
  /** how far expected run times are off, by workflow */
  errors: Map<number, ErrorSpread>;
  /** by worker */
  reservations: Map<number, Reservation>;
  /** workers that may hold more than they run */
  ahead: Set<WorkerState>;
  /** state of the generator behind `random` */
  random: number;
}

export interface TaskInput {
  digest: string;
  bytes: number;
}

export function createScheduling(seed: number): Scheduling {
  return {
    order: null,
    plans: new Map(),
    blockedHosts: new Map(),
    cached: new Map(),
    inputs: null,
    speeds: new Map(),
    errors: new Map(),
    reservations: new Map(),
    ahead: new Set(),
    random: seed >>> 0,
  };
}

/** Uniform in [0, 1), the same for every run from the same seed (mulberry32, public domain). */
export function nextRandom(scheduling: Scheduling): number {
  scheduling.random = (scheduling.random + 0x6d2b79f5) >>> 0;
  const { random } = scheduling;
  let mixed = Math.imul(random ^ (random >>> 15), random | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

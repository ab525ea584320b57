/**
 * Deliberate bugs. Each is one that could be made in earnest, switched on from outside, and has to be found by the simulation. That the
 * simulation finds nothing in the real thing means something only because of these.
 */
import type { Core } from "../../src/core/core.ts";
import type { Effect } from "../../src/core/events.ts";
import { OUTCOME_OK, outcomeIndex, READY } from "../../src/core/states.ts";
import { take } from "../../src/core/resources.ts";
import type { Ledger, LedgerRecord } from "../../src/ledger/ledger.ts";
import type { Offer, ToServer } from "../../src/protocol/session.ts";
import type { Call } from "./calls.ts";
import type { WorkerFlaws } from "./worker.ts";

const LOST = outcomeIndex("worker_lost");
/** crash limits that were made larger */
const spoilt = new WeakSet<object>();

export interface Mutant {
  name: string;
  about: string;
  /** validate() is not asked: the promise itself has to be seen broken */
  blind?: boolean;
  /** an effect of the core on its way out; null = it gets lost */
  effect?(effect: Effect, core: Core): Effect | null;
  /** a workflow was loaded after a restart */
  loaded?(core: Core): void;
  /** after each step of the core */
  stepped?(core: Core): void;
  ledger?(ledger: Ledger): Ledger;
  toServer?(frame: ToServer, core: Core, worker: number): ToServer;
  offer?(offer: Offer): Offer;
  held?(
    held: Extract<ToServer, { type: "hello" }>["held"],
  ): Extract<ToServer, { type: "hello" }>["held"];
  acknowledgesEarly?: boolean;
  /** runners that poll are answered before anything is durable */
  answersEarly?: boolean;
  /** nobody looks whose lease is over */
  forgetsLeases?: boolean;
  /** what a runner asks, as the server understands it */
  call?(call: Call): Call;
  /** what additions wait for */
  after?(tasks: readonly number[]): readonly number[];
  forgetsTheLost?: boolean;
  worker?: WorkerFlaws;
}

/** Leaves out records of one kind. */
function withoutRecords(kind: LedgerRecord["kind"]): (ledger: Ledger) => Ledger {
  return (ledger) => ({
    ...ledger,
    commit: (records) => ledger.commit(records.filter((record) => record.kind !== kind)),
  });
}

function withoutEffects(type: Effect["type"]): (effect: Effect) => Effect | null {
  return (effect) => (effect.type === type ? null : effect);
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "no-fence",
    about: "results are accepted whatever attempt they belong to",
    blind: true,
    toServer(frame, core, worker) {
      if (frame.type !== "finished") return frame;
      return {
        ...frame,
        batches: frame.batches.map((batch) => {
          const tasks = core.workflows.get(batch.workflow);
          if (!tasks) return batch;
          return {
            ...batch,
            attempts: batch.tasks.map((task) => {
              tasks.owner[task] = worker;
              return tasks.attempt[task]!;
            }),
          };
        }),
      };
    },
  },
  {
    name: "acknowledged-before-commit",
    about: "results are acknowledged when they arrive, not when they are durable",
    acknowledgesEarly: true,
  },
  {
    name: "commit-lies",
    about: "a commit returns before its records are durable: a crash loses the last one",
    ledger(ledger) {
      let waiting: LedgerRecord[] = [];
      return {
        ...ledger,
        commit(records) {
          const before = waiting;
          waiting = [...records];
          if (before.length > 0) ledger.commit(before);
        },
      };
    },
  },
  {
    name: "lost-cascade",
    about: "tasks run although something upstream failed",
    blind: true,
    stepped(core) {
      for (const tasks of core.workflows.values())
        for (const block of tasks.definition.blocks)
          (block as { onUpstreamFailure: string }).onUpstreamFailure = "run";
    },
  },
  {
    name: "deaf-sets",
    about: "a dependency on a group is met when all but one of it have ended",
    blind: true,
    stepped(core) {
      for (const tasks of core.workflows.values())
        tasks.setLeft.forEach((left, set) => {
          if (left === tasks.graph.setSize[set]! && left > 1) tasks.setLeft[set] = left - 1;
        });
    },
  },
  {
    name: "double-release",
    about: "an attempt that ends gives its room back twice",
    blind: true,
    effect(effect, core) {
      const worker = effect.type === "verdicts" ? core.workers.get(effect.worker) : undefined;
      const holding = worker && [...worker.holding.values()][0];
      if (worker && holding) take(worker.free, holding.cls.requirement, -1);
      return effect;
    },
  },
  {
    name: "leaking-room",
    about: "an attempt that ends keeps a little of its room",
    effect(effect, core) {
      const worker = effect.type === "verdicts" ? core.workers.get(effect.worker) : undefined;
      if (worker) worker.free.cpus -= 0.5;
      return effect;
    },
  },
  {
    name: "generous-offer",
    about: "a worker is believed to have twice the cpus it has",
    offer: (offer) => ({ ...offer, cpus: offer.cpus * 2 }),
  },
  {
    name: "forgotten-retry-count",
    about: "a failure does not count against the retries",
    blind: true,
    stepped(core) {
      for (const tasks of core.workflows.values()) tasks.failures.clear();
    },
  },
  {
    name: "retries-anew-after-restart",
    about: "failures of an earlier life of the server do not count",
    loaded(core) {
      for (const tasks of core.workflows.values()) tasks.failures.clear();
    },
  },
  {
    name: "attempts-anew-after-restart",
    about: "numbers of attempts start again with the server",
    loaded(core) {
      for (const tasks of core.workflows.values())
        tasks.attempt.forEach((_, task) => {
          if (tasks.state[task] === READY) tasks.attempt[task] = 0;
        });
    },
  },
  {
    name: "unrecorded-loss",
    about: "that an attempt was lost is recorded nowhere",
    effect: withoutEffects("lost"),
  },
  {
    name: "unrecorded-cancel",
    about: "a cancellation is not recorded",
    effect: withoutEffects("canceled"),
  },
  {
    name: "unrecorded-reset",
    about: "a reset is not recorded",
    effect: withoutEffects("reset"),
  },
  {
    name: "unrecorded-assignment",
    about: "attempts are handed out without a record",
    ledger: withoutRecords("assigned"),
  },
  {
    name: "unrecorded-end",
    about: "nobody is told that a workflow has ended",
    effect: withoutEffects("ended"),
  },
  {
    name: "lost-worker-kept",
    about: "a worker that is gone keeps its tasks for ever",
    forgetsTheLost: true,
  },
  {
    name: "no-kill",
    about: "a returning worker goes on with attempts that nobody wants, and its room is given away",
    blind: true,
    stepped(core) {
      for (const worker of core.workers.values())
        for (const [key, cls] of worker.ghosts) {
          worker.ghosts.delete(key);
          worker.running--;
          take(worker.free, cls.requirement, -1);
        }
    },
  },
  {
    name: "held-ignored",
    about: "what a returning worker still has is not asked for",
    held: () => [],
  },
  {
    name: "unbound",
    about: "the scheduler that a task is bound to is ignored",
    stepped(core) {
      for (const tasks of core.workflows.values())
        for (const cls of tasks.classes) cls.scheduler = null;
    },
  },
  {
    name: "lost-in-queue",
    about: "a task that was put back falls out of the queue",
    blind: true,
    stepped(core) {
      for (const tasks of core.workflows.values())
        for (const cls of tasks.classes)
          if (cls.ready === 1 && cls.id % 2 === 0) {
            cls.queue.clear();
            cls.ready = 0;
          }
    },
  },
  {
    name: "failure-taken-for-success",
    about: "a signal is recorded as success",
    toServer(frame) {
      if (frame.type !== "finished") return frame;
      const signal = outcomeIndex("signal");
      return {
        ...frame,
        batches: frame.batches.map((batch) => ({
          ...batch,
          outcomes: batch.outcomes.map((each) => (each === signal ? OUTCOME_OK : each)),
        })),
      };
    },
  },
  {
    name: "eager-worker",
    about: "a worker starts what it holds in advance without waiting for room",
    worker: { ignoresWidth: true },
  },
  {
    name: "never-resends",
    about: "a worker that returns says it has results and does not send them again",
    worker: { neverResends: true },
  },
  {
    name: "lease-for-ever",
    about: "nobody looks whose lease is over",
    forgetsLeases: true,
  },
  {
    name: "late-completion-accepted",
    about: "whoever completes a job is believed, whatever happened to his claim",
    call: (call) =>
      call.kind === "complete"
        ? { ...call, claim: null, completion: { ...call.completion, attempt: null } }
        : call,
  },
  {
    name: "forgotten-keys",
    about: "an idempotency key is not remembered: the same claim is answered with other jobs",
    ledger: (ledger) => ({ ...ledger, answer: () => null }),
  },
  {
    name: "claims-answered-early",
    about: "runners that poll are answered before anything is durable",
    answersEarly: true,
  },
  {
    name: "learned-room-kept",
    about: "what was given by a learned allocation is given back as what is given now",
    blind: true,
    stepped(core) {
      for (const tasks of core.workflows.values()) tasks.handed.clear();
    },
  },
  {
    name: "exhausted-as-before",
    about: "what had too little is given the same again",
    blind: true,
    effect(effect, core) {
      if (effect.type !== "assign" || !effect.grant) return effect;
      const tasks = core.workflows.get(effect.workflow)!;
      if (!effect.tasks.some((task) => tasks.override.has(task))) return effect;
      const { cpus, memoryBytes, diskBytes } = tasks.classes[effect.block]!.requirement;
      return { ...effect, grant: { cpus, memoryBytes, diskBytes } };
    },
  },
  {
    name: "crash-limit-off-by-one",
    about: "a task is let go on after it has taken as many workers along as it may",
    stepped(core) {
      for (const { definition } of core.workflows.values())
        for (const { faults } of definition.blocks) {
          if (faults?.crashLimit === undefined || spoilt.has(faults)) continue;
          faults.crashLimit++;
          spoilt.add(faults);
        }
    },
  },
  {
    name: "crashes-forgotten",
    about: "that attempts were lost with their worker while they ran is recorded nowhere",
    ledger: (ledger) => ({
      ...ledger,
      commit: (records) =>
        ledger.commit(
          records.map((record) => {
            if (record.kind !== "finished") return record;
            const { outcomes } = record.columns;
            const messages = record.messages.filter(([row]) => outcomes[row] !== LOST);
            return { ...record, messages };
          }),
        ),
    }),
  },
  {
    name: "block-ignored",
    about: "a blocked host gets new attempts",
    stepped: (core) => core.scheduling.blockedHosts.clear(),
  },
  {
    name: "block-forgotten",
    about: "a restart forgets which hosts are blocked",
    ledger: (ledger) => ({ ...ledger, hostBlocks: () => [] }),
  },
  {
    name: "placement-ignored",
    about: "required hosts and features are ignored",
    stepped(core) {
      for (const tasks of core.workflows.values())
        for (const cls of tasks.classes) cls.placement = null;
    },
  },
  {
    name: "addition-waits-for-nothing",
    about: "added tasks do not wait for what they were added behind",
    after: () => [],
  },
  {
    name: "waiting-retry-forgotten",
    about: "that a task is to run again when its dying attempt has ended is recorded nowhere",
    effect(effect, core) {
      if (effect.type !== "reset") return effect;
      const { again } = core.workflows.get(effect.workflow)!;
      return { ...effect, tasks: effect.tasks.filter((task) => !again.has(task)) };
    },
  },
];

import { describe, expect, test } from "bun:test";
import { apply, type WorkerState } from "./core.ts";
import { ownAttempt } from "./tasks.ts";
import type { Effect, Grant } from "./events.ts";
import { LEARN_EVERY } from "./first-allocation.ts";
import { DrivenCore, handed, type Handed, only } from "./testing/driven-core.ts";
import { randomNumbers } from "./testing/random.ts";
import { block, CAPACITY, workflowOf } from "./testing/workflows.ts";
import { type Outcome, outcomeIndex } from "./states.ts";
import { type CategorySettings, DEFAULT_REQUIREMENT, type Requirement } from "./workflow.ts";

const MIB = 2 ** 20;
const NO_PREFETCH = { prefetchMax: 0 };

const need = (change: Partial<Requirement>): Requirement => ({ ...DEFAULT_REQUIREMENT, ...change });

/** A workflow of `count` tasks in a category `c` with these settings. */
function learning(count: number, memoryBytes: number, settings: CategorySettings) {
  return workflowOf([block(count, { requirement: need({ memoryBytes }) })], {
    categories: { c: settings },
  });
}

interface Ended {
  outcome?: Outcome;
  peakBytes: number | null;
  wallUs?: number;
  cpus?: number;
}

function end(core: DrivenCore, attempt: Handed, ended: Ended): Effect[] {
  const { outcome = "ok", peakBytes, wallUs = 100_000, cpus = 1 } = ended;
  return core.step({
    type: "finished",
    worker: attempt.worker,
    batch: {
      workflow: 1,
      cls: attempt.cls,
      tasks: [attempt.task],
      attempts: [attempt.attempt],
      outcomes: [outcomeIndex(outcome)],
      wallUs: [wallUs],
      userUs: [wallUs * cpus],
      systemUs: [0],
      peakBytes: [peakBytes],
    },
  });
}

/** Ends everything that is handed out, one by one, until `count` have ended; answers what is out then. */
function work(
  core: DrivenCore,
  out: Handed[],
  count: number,
  ended: (task: number) => Ended,
): Handed[] {
  const queue = [...out];
  for (let i = 0; i < count && queue.length > 0; i++) {
    const next = queue.shift()!;
    queue.push(...handed(end(core, next, ended(next.task))));
  }
  return queue;
}

function grants(effects: readonly Effect[]): (Grant | null)[] {
  return only(effects, "assign").map(({ grant }) => grant);
}

describe("first allocation", () => {
  test("what is declared until 25 tasks were measured, then what they used", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(100, 1024 * MIB, { allocation: "max" }));
    const first = core.join(1);
    expect(grants(first)).toEqual([{ cpus: 1, memoryBytes: 1024 * MIB, diskBytes: 0 }]);
    expect(handed(first)).toHaveLength(4);
    const out = work(core, handed(first), LEARN_EVERY - 1, () => ({ peakBytes: 100 * MIB }));
    const next = end(core, out[0]!, { peakBytes: 100 * MIB });
    expect(grants(next)).toEqual([{ cpus: 1, memoryBytes: 100 * MIB, diskBytes: 0 }]);
    // The three before it keep theirs until they end.
    expect(core.core.workers.get(1)!.free.memoryBytes).toBe(
      4096 * MIB - 3 * 1024 * MIB - 100 * MIB,
    );
  });

  test("it grows with what is used, up to the largest worker and never above", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(200, 100 * MIB, { allocation: "max" }));
    core.join(1, { memoryBytes: 1000 * MIB, cpus: 2 });
    const first = handed(core.join(2, { memoryBytes: 3000 * MIB, cpus: 2 }));
    let out = work(
      core,
      [...handed(core.effects.slice(0)), ...first].slice(0, 4),
      LEARN_EVERY,
      () => ({
        peakBytes: 900 * MIB,
      }),
    );
    const memory = (): number[] =>
      [...core.tasks.classes].map((cls) => cls.requirement.memoryBytes);
    expect(memory()[0]).toBeGreaterThanOrEqual(900 * MIB);
    expect(memory()[0]).toBeLessThan(1000 * MIB);
    out = work(core, out, 1, () => ({ peakBytes: 5000 * MIB }));
    expect(memory()).toEqual([3000 * MIB]);
    // The largest worker goes: what no other has helps nobody.
    core.lose(2);
    expect(memory()).toEqual([1000 * MIB]);
    core.join(3, { memoryBytes: 2000 * MIB });
    expect(memory()).toEqual([2000 * MIB]);
  });

  test("not less than 16 MiB: small processes around a smaller one would be too much", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(100, 0, { allocation: "min_waste" }));
    const first = core.join(1);
    expect(grants(first)).toMatchObject([{ memoryBytes: 0 }]);
    work(core, handed(first), LEARN_EVERY, () => ({ peakBytes: 2 * MIB }));
    expect(core.tasks.classes[0]!.requirement.memoryBytes).toBe(16 * MIB);
  });

  test("cpus are learned too, and fit the worker that has the memory", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(100, 100 * MIB, { allocation: "max" }));
    core.join(1, { cpus: 8, memoryBytes: 500 * MIB });
    core.join(2, { cpus: 2, memoryBytes: 4000 * MIB });
    work(core, handed(core.effects), LEARN_EVERY, () => ({ peakBytes: 2000 * MIB, cpus: 6 }));
    expect(core.tasks.classes[0]!.requirement).toMatchObject({ cpus: 6, memoryBytes: 500 * MIB });
  });

  test("fixed: only reserved, nothing is learned or held to", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(100, 100 * MIB, { maxConcurrent: 50 }));
    const first = core.join(1);
    expect(grants(first)).toEqual([null]);
    work(core, handed(first), 60, () => ({ peakBytes: MIB }));
    expect(core.tasks.classes[0]!.requirement.memoryBytes).toBe(100 * MIB);
    expect(core.tasks.handed.size).toBe(0);
  });
});

describe("a task that had too little", () => {
  const began = (retries = 0): { core: DrivenCore; out: Handed[] } => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(
      workflowOf([block(100, { requirement: need({ memoryBytes: 100 * MIB }), retries })], {
        categories: { c: { allocation: "min_waste" } },
      }),
    );
    return { core, out: handed(core.join(1)) };
  };

  test("gets more at once; others of its category keep theirs, and retries are not touched", () => {
    const { core, out } = began();
    const effects = end(core, out[1]!, { outcome: "oom", peakBytes: 130 * MIB });
    const again = only(effects, "assign");
    expect(again).toMatchObject([{ tasks: [1], attempts: [2], grant: { memoryBytes: 272 * MIB } }]);
    expect(only(effects, "verdicts")[0]!.reasons[0]![1]).toBe(
      "100 MiB of memory were too little: again with 272 MiB",
    );
    expect(core.tasks.failures.size).toBe(0);
    const next = end(core, out[0]!, { peakBytes: 10 * MIB });
    expect(grants(next)).toMatchObject([{ memoryBytes: 100 * MIB }]);
    end(core, handed(again)[0]!, { peakBytes: 200 * MIB });
    expect(core.state(1)).toBe("succeeded");
  });

  test("as much as any of its kind used, when that is more", () => {
    const { core, out } = began();
    end(core, out[0]!, { peakBytes: 800 * MIB });
    const effects = end(core, out[1]!, { outcome: "oom", peakBytes: 130 * MIB });
    expect(only(effects, "assign").find(({ tasks }) => tasks[0] === 1)?.grant?.memoryBytes).toBe(
      800 * MIB,
    );
  });

  test("fails when it had all of the largest worker, however many retries are left", () => {
    const { core, out } = began(9);
    let attempt = out[0]!;
    const given: number[] = [];
    for (;;) {
      const effects = end(core, attempt, { outcome: "oom", peakBytes: null });
      const again = only(effects, "assign").find(({ tasks }) => tasks[0] === 0);
      if (!again) {
        // It waits until nothing else runs beside it, or has failed.
        if (core.state(0) === "failed") {
          expect(only(effects, "verdicts")[0]!.reasons[0]![1]).toContain(
            "no worker known has more",
          );
          break;
        }
        const other = handed(core.effects).filter(({ task }) => core.state(task) === "assigned");
        work(
          core,
          other.filter(({ task }) => task !== 0),
          1000,
          () => ({ peakBytes: 10 * MIB }),
        );
        break;
      }
      given.push(again.grant!.memoryBytes);
      attempt = handed([again])[0]!;
    }
    for (const bytes of given) expect(bytes).toBeLessThanOrEqual(CAPACITY.memoryBytes);
    expect(given.slice(0, 3)).toEqual([200 * MIB, 400 * MIB, 800 * MIB]);
  });

  test("an oom without a learning category is a failure like any other", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(1, { requirement: need({ memoryBytes: MIB }) })]));
    end(core, handed(core.join(1))[0]!, { outcome: "oom", peakBytes: 2 * MIB });
    expect(core.state(0)).toBe("failed");
  });

  test("so it is with queue depth, which reserves nothing", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(1, MIB, { allocation: "max" }));
    const [attempt] = handed(core.join(1, { maxParallel: 2 }));
    // It is told all the same: a worker that comes back to a restarted server has to say under which class it has what.
    expect(grants(core.effects)).toMatchObject([{ memoryBytes: MIB }]);
    end(core, attempt!, { outcome: "oom", peakBytes: 2 * MIB });
    expect(core.state(0)).toBe("failed");
  });

  test("an allocation larger than every worker that is left shrinks to the largest, above what was too little", () => {
    const { core, out } = began();
    end(core, out[0]!, { outcome: "oom", peakBytes: 900 * MIB });
    core.lose(1);
    core.join(2, { memoryBytes: 1200 * MIB });
    expect(core.tasks.override.get(0)!.cls.requirement.memoryBytes).toBe(1200 * MIB);
    core.lose(2);
    core.join(3, { memoryBytes: 90 * MIB });
    expect(core.state(0)).toBe("ready");
  });
});

describe("a duplicate is given what is usual when it starts", () => {
  const MEMORY = CAPACITY.memoryBytes;

  /** Task 0 runs with 1 GiB; the 25 after it used 64 MiB, and so much is its duplicate given. */
  function doubled(): { core: DrivenCore; long: Handed; spare: Handed } {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(learning(26, 1024 * MIB, { allocation: "max", speculate: 2 }));
    const [long, other] = handed(core.join(1, { cpus: 2 }));
    core.start(long!);
    work(core, [other!], 25, () => ({ peakBytes: 64 * MIB, cpus: 0.1 }));
    core.join(2, { cpus: 1 });
    const [spare] = handed(core.later(2300));
    expect(spare).toMatchObject({ worker: 2, task: 0, attempt: 2 });
    expect(free(core)).toEqual([MEMORY - 1024 * MIB, MEMORY - 64 * MIB]);
    return { core, long: long!, spare: spare! };
  }

  const free = (core: DrivenCore): number[] =>
    [...core.core.workers.values()].map((worker) => worker.free.memoryBytes);

  test("it wins", () => {
    const { core, long, spare } = doubled();
    end(core, spare, { peakBytes: MIB });
    expect(free(core)).toEqual([MEMORY - 1024 * MIB, MEMORY]);
    end(core, long, { outcome: "superseded", peakBytes: MIB });
    expect(free(core)).toEqual([MEMORY, MEMORY]);
  });

  test("it loses", () => {
    const { core, long, spare } = doubled();
    end(core, long, { peakBytes: MIB });
    expect(free(core)).toEqual([MEMORY, MEMORY - 64 * MIB]);
    end(core, spare, { outcome: "superseded", peakBytes: MIB });
    expect(free(core)).toEqual([MEMORY, MEMORY]);
  });

  test("it has too little: the first goes on", () => {
    const { core, spare } = doubled();
    end(core, spare, { outcome: "oom", peakBytes: 100 * MIB });
    expect(core.state(0)).toBe("running");
    expect(free(core)).toEqual([MEMORY - 1024 * MIB, MEMORY]);
  });

  test("it takes the place of the first, and has too little", () => {
    const { core, spare } = doubled();
    core.lose(1);
    expect(core.state(0)).toBe("running");
    const effects = end(core, spare, { outcome: "oom", peakBytes: 100 * MIB });
    expect(only(effects, "assign")).toMatchObject([
      { tasks: [0], attempts: [3], grant: { memoryBytes: 200 * MIB } },
    ]);
    expect(free(core)).toEqual([MEMORY - 200 * MIB]);
  });

  test("it is cancelled with the first", () => {
    const { core, long, spare } = doubled();
    core.cancel([0]);
    end(core, spare, { outcome: "canceled", peakBytes: MIB });
    end(core, long, { outcome: "canceled", peakBytes: MIB });
    expect(free(core)).toEqual([MEMORY, MEMORY]);
  });
});

test("a restart knows what was used and which tasks had too little", () => {
  const core = new DrivenCore(NO_PREFETCH);
  const first = new DrivenCore(NO_PREFETCH);
  const definition = learning(60, 512 * MIB, { allocation: "max" });
  first.submit(definition);
  work(first, handed(first.join(1)), 30, () => ({ peakBytes: 64 * MIB }));
  const { use } = first.tasks.classes[0]!.category.learning!;
  core.submit(definition, {
    states: new Uint8Array(60),
    attempts: new Uint16Array(60),
    failures: new Map(),
    use: new Map([["c", use]]),
    exhausted: [[7, { resource: "memoryBytes", used: 100 * MIB }]],
    live: [],
  });
  core.join(1, { cpus: 60 });
  const given = new Map(
    only(core.effects, "assign").flatMap(({ tasks, grant }) =>
      tasks.map((task) => [task, grant!.memoryBytes / MIB]),
    ),
  );
  expect(given.get(6)).toBe(64);
  expect(given.get(7)).toBe(1024);
});

test("a worker that comes back after a restart has what it was given, whatever is given now", () => {
  const core = new DrivenCore(NO_PREFETCH);
  const restored = {
    states: new Uint8Array(10),
    attempts: new Uint16Array(10).fill(1),
    failures: new Map(),
    live: [[5, 0, 1]] as const,
  };
  const definition = learning(10, 100 * MIB, { allocation: "max" });
  apply(core.core, { type: "workflow", workflow: 1, definition, restored }, core.nowMs);
  core.step({
    type: "worker_joined",
    worker: 5,
    capacity: { ...CAPACITY, cpus: 1 },
    held: [
      {
        workflow: 1,
        tasks: [0, 3],
        attempts: [1, 1],
        started: [true, false],
        grants: [
          { cpus: 1, memoryBytes: 700 * MIB, diskBytes: 0 },
          { cpus: 1, memoryBytes: 700 * MIB, diskBytes: 0 },
        ],
      },
    ],
  });
  expect(core.core.workers.get(5)!.free.memoryBytes).toBe(CAPACITY.memoryBytes - 700 * MIB);
  const effects = end(core, { worker: 5, task: 0, attempt: 1, cls: 0 }, { peakBytes: MIB });
  // The one that nobody wants moves up until the worker has ended it.
  expect(handed(effects)).toEqual([]);
  core.step({ type: "revoked", worker: 5, workflow: 1, tasks: [3], attempts: [1] });
  expect(core.core.workers.get(5)!.free.memoryBytes).toBe(CAPACITY.memoryBytes - 100 * MIB);
});

test("whatever happens, room given back is room that was taken, and no more than there is", () => {
  let larger = 0;
  let restarts = 0;
  const amounts = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomNumbers(seed);
    const pick = (below: number): number => Math.floor(random() * below);
    const prefetch = pick(2) === 0;
    const config = prefetch ? {} : NO_PREFETCH;
    let core = new DrivenCore(config);
    const modes = ["max", "min_waste", "max_throughput"] as const;
    const definition = workflowOf(
      [
        block(120, { requirement: need({ memoryBytes: 256 * MIB }) }),
        block(60, { requirement: need({ memoryBytes: 64 * MIB }), category: "d" }),
        block(20),
      ],
      {
        categories: {
          c: { allocation: modes[pick(3)]!, speculate: 2 },
          d: { allocation: modes[pick(3)]! },
        },
      },
    );
    core.submit(definition);
    let nextWorker = 1;
    const join = (): void => {
      core.join(nextWorker++, { cpus: 2 + pick(6), memoryBytes: (512 + pick(8192)) * MIB });
    };
    join();
    join();
    const out = new Map<string, Handed & { grant: Grant | null }>();
    let seen = 0;
    /** Connects again, with most of what it had. */
    const rejoin = (worker: number, { capacity }: WorkerState): void => {
      for (const [key, each] of out) if (each.worker === worker && pick(8) === 0) out.delete(key);
      const its = [...out.values()].filter((each) => each.worker === worker);
      const held = {
        workflow: 1,
        tasks: its.map(({ task }) => task),
        attempts: its.map(({ attempt }) => attempt),
        started: its.map(() => true),
        grants: its.map(({ grant }) => grant),
      };
      const event = { type: "worker_joined", worker, capacity, held: [held] } as const;
      core.effects.push(...apply(core.core, event, core.nowMs));
    };
    /** A server that knows of the attempts only what the ledger tells. */
    const restart = (): void => {
      const { state, attempt, owner } = core.tasks;
      const live = Array.from(owner)
        .map((worker, task) => [worker, task, ownAttempt(core.tasks, task)] as const)
        .filter(([worker]) => worker !== 0);
      const { workers } = core.core;
      core = new DrivenCore(config);
      seen = 0;
      const restored = {
        states: state.slice(),
        attempts: attempt.slice(),
        failures: new Map(),
        live,
      };
      apply(core.core, { type: "workflow", workflow: 1, definition, restored }, core.nowMs);
      for (const [id, worker] of workers) rejoin(id, worker);
      core.later(0);
      restarts++;
    };
    const keyOf = ({ worker, task, attempt }: Handed): string => `${worker}/${task}/${attempt}`;
    for (let step = 0; step < 600; step++) {
      for (const effect of only(core.effects.slice(seen), "assign"))
        for (const each of handed([effect])) out.set(keyOf(each), { ...each, grant: effect.grant });
      seen = core.effects.length;
      const list = [...out.values()].filter(({ worker }) => core.core.workers.has(worker));
      const what = random();
      const chosen = list[pick(list.length)];
      if (what < 0.02 || core.core.workers.size === 0) join();
      else if (what < 0.03 && chosen) {
        for (const [key, each] of out) if (each.worker === chosen.worker) out.delete(key);
        core.lose(chosen.worker);
      } else if (what < 0.04) core.cancel([pick(200)]);
      else if (what < 0.05) core.retry([pick(200)]);
      else if (what < 0.06 && chosen && !prefetch) {
        rejoin(chosen.worker, core.core.workers.get(chosen.worker)!);
        core.later(0);
      } else if (what < 0.07 && !prefetch && core.tasks.older.size === 0) restart();
      else if (what < 0.1) core.later(300);
      else if (what < 0.15 && chosen) core.start(chosen);
      else if (chosen) {
        out.delete(keyOf(chosen));
        if (what < 0.2) core.revoked(chosen);
        else if (what < 0.3)
          end(core, chosen, { outcome: "oom", peakBytes: pick(3) === 0 ? null : pick(2048) * MIB });
        else if (what < 0.33) end(core, chosen, { outcome: "exit", peakBytes: MIB });
        else end(core, chosen, { peakBytes: pick(1024) * MIB, cpus: random() * 3 });
      }
    }
    // DrivenCore validates after every step.
    larger += core.tasks.override.size;
    for (const cls of core.tasks.classes)
      for (const { requirement } of cls.category.learning?.classes.values() ?? [])
        amounts.add(requirement.memoryBytes);
  }
  expect(restarts).toBeGreaterThan(10);
  expect(larger).toBeGreaterThan(100);
  expect(amounts.size).toBeGreaterThan(50);
});

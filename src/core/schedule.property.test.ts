import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Core } from "./core.ts";
import type { Capacity } from "./events.ts";
import { mayRun, room, takesWork } from "./placement.ts";
import type { Category } from "./ready.ts";
import { DrivenCore, type Handed, handed, only } from "./testing/driven-core.ts";
import { block, CAPACITY, workflowOf } from "./testing/workflows.ts";
import { ALGORITHMS, DEFAULT_REQUIREMENT } from "./workflow.ts";

const SCHEDULERS = [null, null, "day", "night"] as const;

const anyBlock = fc
  .record({
    count: fc.integer({ min: 1, max: 5 }),
    cpus: fc.constantFrom(0.5, 1, 2, 3, 4, 8),
    memoryBytes: fc.integer({ min: 0, max: 10 }),
    gpus: fc.constantFrom(0, 0, 0.25, 1),
    runtimeSeconds: fc.option(fc.integer({ min: 1, max: 100 })),
    priority: fc.integer({ min: 0, max: 2 }),
    scheduler: fc.constantFrom(...SCHEDULERS),
    category: fc.constantFrom("a", "b"),
    requiredHosts: fc.constantFrom([], [], ["x"], ["x", "y"]),
    preferredHosts: fc.constantFrom([], ["y"]),
    features: fc.constantFrom([], [], ["f"]),
    algorithm: fc.option(fc.constantFrom(...ALGORITHMS), { nil: undefined }),
  })
  .map((given) =>
    block(given.count, {
      requirement: {
        ...DEFAULT_REQUIREMENT,
        cpus: given.cpus,
        memoryBytes: given.memoryBytes,
        gpus: given.gpus,
        runtimeSeconds: given.runtimeSeconds,
      },
      priority: given.priority,
      scheduler: given.scheduler,
      category: given.category,
      placement: {
        requiredHosts: given.requiredHosts,
        preferredHosts: given.preferredHosts,
        features: given.features,
        ...(given.algorithm && { algorithm: given.algorithm }),
      },
    }),
  );

const anyCapacity: fc.Arbitrary<Capacity> = fc
  .record({
    cpus: fc.integer({ min: 1, max: 10 }),
    memoryBytes: fc.integer({ min: 0, max: 20 }),
    gpus: fc.integer({ min: 0, max: 2 }),
    scheduler: fc.constantFrom(...SCHEDULERS),
    strictScheduler: fc.boolean(),
    host: fc.constantFrom("x", "y", "z"),
    features: fc.constantFrom([], ["f"]),
    maxParallel: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 4 }),
    timeLimitSeconds: fc.option(fc.integer({ min: 1, max: 200 }), { freq: 3 }),
  })
  .map((given) => ({ ...CAPACITY, ...given }));

/** Nothing waits for which there is room, but for a reservation or the limit of its category. */
function expectNoIdleRoom(core: Core, nowMs: number): void {
  const running = new Map<Category, number>();
  for (const worker of core.workers.values())
    for (const { cls, running: count } of worker.holding.values())
      running.set(cls.category, (running.get(cls.category) ?? 0) + count);
  for (const cls of core.active) {
    const { maxConcurrent } = cls.category;
    if (maxConcurrent !== null && (running.get(cls.category) ?? 0) >= maxConcurrent) continue;
    for (const worker of core.workers.values()) {
      if (!takesWork(core, worker) || !mayRun(worker, cls, nowMs)) continue;
      if (core.scheduling.reservations.has(worker.id)) continue;
      if (room(worker, cls, 1) > 0)
        throw new Error(`class ${cls.id} waits, and worker ${worker.id} has room for it`);
    }
  }
}

test("never over capacity or bound elsewhere, and no room is left unused", () => {
  fc.assert(
    fc.property(
      fc.array(anyBlock, { minLength: 1, maxLength: 12 }),
      fc.array(anyCapacity, { minLength: 1, maxLength: 5 }),
      fc.constantFrom("auto", "none", "gpus_runtime_memory", "gpus_memory_runtime"),
      fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
      fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      (blocks, capacities, sortMethod, maxConcurrent, choices) => {
        const core = new DrivenCore({ prefetchMs: 1000 });
        const categories = maxConcurrent === undefined ? {} : { a: { maxConcurrent } };
        core.submit(workflowOf(blocks, { sortMethod, categories }));
        let held: Handed[] = [];
        const note = (effects: ReturnType<typeof core.step>): void => {
          held.push(...handed(effects));
          // What is asked back had not started: the worker gives it back at once.
          for (const { worker, tasks } of only(effects, "revoke")) {
            const back = held.filter((each) => each.worker === worker && tasks.includes(each.task));
            held = held.filter((each) => !back.includes(each));
            for (const each of back) note(core.revoked(each));
          }
          expectNoIdleRoom(core.core, core.nowMs);
        };
        capacities.forEach((capacity, i) => note(core.join(i + 1, capacity)));
        for (const choice of choices) {
          core.nowMs += choice % 7000;
          if (held.length === 0) break;
          const [ended] = held.splice(choice % held.length, 1);
          note(core.finish([ended!], "ok", 1 + (choice % 90_000)));
        }
      },
    ),
    {
      numRuns: 300,
      includeErrorInReport: true,
      endOnFailure: false,
      interruptAfterTimeLimit: 20000,
    },
  );
});

test("nobody starves: in front of an endless stream of small tasks the large one starts", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 8 }),
      fc.integer({ min: 1, max: 120 }),
      fc.boolean(),
      fc.constantFrom("auto" as const, "none" as const),
      fc.infiniteStream(fc.double({ min: 0.5, max: 2, noNaN: true })),
      (cpus, seconds, known, sortMethod, factors) => {
        const core = new DrivenCore({ prefetchMs: 40 });
        const requirement = { ...DEFAULT_REQUIREMENT, runtimeSeconds: known ? seconds : null };
        core.submit(
          workflowOf(
            [
              block(1, { requirement: { ...requirement, cpus }, category: "large" }),
              block(4 * cpus, { requirement }),
            ],
            // The large one comes when the worker is busy with small ones already.
            { sortMethod, edges: [1, 0] },
          ),
        );
        const begun = core.nowMs;
        const running: (Handed & { endMs: number })[] = [];
        const note = (effects: ReturnType<typeof core.step>): void => {
          for (const each of handed(effects)) {
            const factor = factors.next().value as number;
            running.push({ ...each, endMs: core.nowMs + seconds * 1000 * factor });
          }
        };
        note(core.join(1, { cpus }));
        // Ageing (10 min) and the longest of the small ones, or as long as draining takes twice.
        const dueMs = begun + 600_000 + 5 * seconds * 1000;
        while (core.state(0) === "blocked" || core.state(0) === "ready") {
          running.sort((a, b) => a.endMs - b.endMs);
          const next = running.shift()!;
          core.nowMs = next.endMs;
          expect(core.nowMs).toBeLessThanOrEqual(dueMs);
          note(core.finish([next], "ok", seconds * 1e6));
          if (next.task > 1) note(core.retry([next.task]));
        }
      },
    ),
    { numRuns: 60 },
  );
});

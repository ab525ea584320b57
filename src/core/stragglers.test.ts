import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Durations } from "./durations.ts";
import { addDuration, createDurations, meanUs, medianUs } from "./durations.ts";
import {
  abortAfterUs,
  abortsOf,
  createAbortTrust,
  mayAbort,
  nearTail,
  noteAborted,
  noteClosed,
  noteSucceeded,
  speculateAfterUs,
} from "./stragglers.ts";
import { normalNumbers, randomNumbers } from "./testing/random.ts";

const SECOND = 1_000_000;
/** Long enough for the lower bound of one second to play no part. */
const TYPICAL = 100 * SECOND;
const MULTIPLIER = 3;

/** P(normal > x); Abramowitz and Stegun 26.2.17, error below 1e-7. */
function above(x: number): number {
  if (x < 0) return 1 - above(-x);
  const t = 1 / (1 + 0.2316419 * x);
  const series =
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

/** A mixture of lognormal humps: share, median in units of TYPICAL, σ. */
type Humps = readonly (readonly [share: number, median: number, sigma: number])[];

function drawer(humps: Humps, seed: number): () => number {
  const uniform = randomNumbers(seed);
  const normal = normalNumbers(seed + 1000);
  return () => {
    let left = uniform();
    for (const [share, median, sigma] of humps) {
      if (left < share) return TYPICAL * median * Math.exp(sigma * normal());
      left -= share;
    }
    return TYPICAL;
  };
}

/** Share of attempts, each `slowdown` times slower than it should be, that run into the limit: exact, no sampling. */
function caught(humps: Humps, limitUs: number, slowdown: number): number {
  return humps.reduce(
    (sum, [share, median, sigma]) =>
      sum + share * above(Math.log(limitUs / (TYPICAL * median * slowdown)) / sigma),
    0,
  );
}

/** Means over many categories of `samples` completions each. */
function rates(humps: Humps, samples: number, tail = 0.99) {
  let healthy = 0;
  let stragglers = 0;
  let workQueue = 0;
  const categories = samples > 1000 ? 40 : 200;
  for (let seed = 0; seed < categories; seed++) {
    const draw = drawer(humps, seed);
    const durations = createDurations();
    for (let i = 0; i < samples; i++) addDuration(durations, draw());
    const limit = abortAfterUs(durations, MULTIPLIER, { tail })!;
    healthy += caught(humps, limit, 1) / categories;
    stragglers += caught(humps, limit, 10) / categories;
    workQueue += caught(humps, MULTIPLIER * meanUs(durations), 1) / categories;
  }
  return { healthy, stragglers, workQueue };
}

describe("the limit for aborts", () => {
  for (const sigma of [0.2, 0.5, 0.8, 1, 1.5])
    for (const samples of [10, 30, 100, 1000, 5000])
      test(`lognormal σ ${sigma} after ${samples}: below 0.1 % of healthy attempts`, () => {
        const { healthy } = rates([[1, 1, sigma]], samples);
        expect(healthy).toBeLessThan(0.001);
      });

  test("lognormal σ 1.5: multiplier × average alone would end 5 % of the healthy", () => {
    expect(rates([[1, 1, 1.5]], 1000).workQueue).toBeGreaterThan(0.05);
  });

  for (const [sigma, samples, least] of [
    [0.2, 10, 0.98],
    [0.2, 100, 0.999],
    [0.5, 30, 0.75],
    [0.5, 1000, 0.85],
  ] as const)
    test(`lognormal σ ${sigma} after ${samples}: ${least * 100} % of those ten times slower are caught`, () => {
      expect(rates([[1, 1, sigma]], samples).stragglers).toBeGreaterThan(least);
    });

  for (const [name, humps] of [
    [
      "half and half, 20 times as long",
      [
        [0.5, 1, 0.1],
        [0.5, 20, 0.1],
      ],
    ],
    [
      "one in ten, 60 times as long",
      [
        [0.9, 1, 0.2],
        [0.1, 60, 0.2],
      ],
    ],
    [
      "one in 50, 10 times as long",
      [
        [0.98, 1, 0.2],
        [0.02, 10, 0.2],
      ],
    ],
    [
      "three kinds",
      [
        [0.6, 1, 0.3],
        [0.3, 8, 0.3],
        [0.1, 50, 0.3],
      ],
    ],
  ] as const satisfies readonly (readonly [string, Humps])[])
    for (const samples of [400, 2000])
      test(`${name}, after ${samples}, at the strictest: below 0.1 % of healthy attempts`, () => {
        expect(rates(humps, samples, 0.999).healthy).toBeLessThan(0.001);
      });

  test("a longer kind that is half of the category does not hide stragglers of its own", () => {
    const last = [
      [0.5, 1, 0.1],
      [0.5, 4, 0.1],
    ] as const;
    expect(rates(last, 1000).stragglers).toBeGreaterThan(0.45);
  });

  test("nothing before ten samples, nothing before a second, never below multiplier × average", () => {
    const durations = createDurations();
    addDuration(durations, 1000, 9);
    expect(abortAfterUs(durations, 3)).toBeNull();
    expect(abortAfterUs(durations, 3, { minSamples: 9 })).toBe(SECOND);
    addDuration(durations, 1000);
    expect(abortAfterUs(durations, 3, { leastUs: 0 })).toBeWithin(3000, 3001);
    const steady = createDurations();
    addDuration(steady, 50 * SECOND, 1000);
    for (const multiplier of [1.5, 3, 10])
      expect(abortAfterUs(steady, multiplier)).toBeCloseTo(multiplier * 50 * SECOND, -3);
  });

  test("an aborted task gets four times as long, more than Work Queue's (multiplier + aborts)", () => {
    const durations = createDurations();
    addDuration(durations, 50 * SECOND, 1000);
    for (const aborts of [0, 1, 2, 3]) {
      const limit = abortAfterUs(durations, 3, { aborts })!;
      expect(limit).toBeCloseTo(3 * 4 ** aborts * 50 * SECOND, -3);
      expect(limit).toBeGreaterThanOrEqual((3 + aborts) * 50 * SECOND);
    }
  });
});

describe("trust in a category's aborts", () => {
  test("two at first; two more for one that was right; none for a wrong one, and a stricter limit", () => {
    const trust = createAbortTrust();
    noteAborted(trust, 1, 30);
    expect(mayAbort(trust)).toBe(true);
    noteAborted(trust, 2, 30);
    expect(mayAbort(trust)).toBe(false);
    noteSucceeded(trust, 1, 30);
    expect(mayAbort(trust)).toBe(false);
    expect(trust.tail).toBe(0.99);
    noteSucceeded(trust, 2, 29);
    expect(trust.tokens).toBeCloseTo(2, 1);
    expect(trust.tail).toBe(0.95);
  });

  test("one wrong abort takes away what many right ones had earned", () => {
    const trust = createAbortTrust();
    for (let task = 0; task < 2000; task++) {
      noteAborted(trust, task, 30);
      noteSucceeded(trust, task, 10);
    }
    expect(trust.tokens).toBe(1024);
    noteAborted(trust, 1, 30);
    noteSucceeded(trust, 1, 40);
    expect(trust.tokens).toBe(1);
  });

  test("one in 2,000 completions gives a token back, up to those of the beginning", () => {
    const trust = createAbortTrust();
    noteAborted(trust, 1, 30);
    noteAborted(trust, 2, 30);
    for (let i = 0; i < 1990; i++) noteSucceeded(trust, 99, 1);
    expect(mayAbort(trust)).toBe(false);
    for (let i = 0; i < 20; i++) noteSucceeded(trust, 99, 1);
    expect(mayAbort(trust)).toBe(true);
    for (let i = 0; i < 9000; i++) noteSucceeded(trust, 99, 1);
    expect(trust.tokens).toBeCloseTo(2, 2);
  });

  test("a task that ended otherwise teaches nothing", () => {
    const trust = createAbortTrust();
    noteAborted(trust, 1, 30);
    noteClosed(trust, 1);
    noteSucceeded(trust, 1, 1);
    expect(trust.tokens).toBeCloseTo(1, 2);
    expect(trust.tail).toBe(0.95);
  });

  test("aborts of a task are counted until it ends", () => {
    const trust = createAbortTrust();
    expect(abortsOf(trust, 1)).toBe(0);
    noteAborted(trust, 1, 30);
    noteAborted(trust, 1, 20);
    expect(abortsOf(trust, 1)).toBe(2);
    noteSucceeded(trust, 1, 25);
    expect(trust.tokens).toBeCloseTo(2, 2);
    expect(abortsOf(trust, 1)).toBe(0);
  });
});

interface Bag {
  humps: Humps;
  tasks: number;
  slots: number;
  /** chance that an attempt is ten times slower than it should be */
  slow: number;
  seed: number;
}

interface Outcome {
  /** aborted attempts that were not slow */
  wrong: number;
  right: number;
  /** slow attempts that went on to the end */
  missed: number;
  makespanUs: number;
}

interface Running {
  task: number;
  startUs: number;
  endUs: number;
  slow: boolean;
}

/** Runs a bag on equal slots, with aborts by this module or, for comparison, by Work Queue's rule; null = none. */
function runBag(bag: Bag, rule: "holdall" | "work_queue" | null): Outcome {
  const draw = drawer(bag.humps, bag.seed);
  const uniform = randomNumbers(bag.seed + 77);
  const lengths = Array.from({ length: bag.tasks }, draw);
  const durations: Durations = createDurations();
  const trust = createAbortTrust();
  const outcome: Outcome = { wrong: 0, right: 0, missed: 0, makespanUs: 0 };
  const aborts = new Map<number, number>();
  const again: number[] = [];
  const running: Running[] = [];
  let next = 0;
  let now = 0;
  // Computed again when the completions have grown by 1 %, as they would be in the core.
  let base = Infinity;
  let baseCount = 0;
  let baseTail = 0;
  const limitOf = (task: number): number => {
    if (rule === "work_queue")
      return durations.count < 10
        ? Infinity
        : meanUs(durations) * (MULTIPLIER + (aborts.get(task) ?? 0));
    if (rule === null || !mayAbort(trust)) return Infinity;
    if (durations.count > baseCount * 1.01 || trust.tail !== baseTail) {
      base = abortAfterUs(durations, MULTIPLIER, { tail: trust.tail }) ?? Infinity;
      baseCount = durations.count;
      baseTail = trust.tail;
    }
    return base * 4 ** abortsOf(trust, task);
  };
  for (;;) {
    while (running.length < bag.slots && (again.length > 0 || next < bag.tasks)) {
      const task = again.pop() ?? next++;
      const slow = uniform() < bag.slow;
      const endUs = now + lengths[task]! * (slow ? 10 : 1);
      running.push({ task, startUs: now, endUs, slow });
    }
    if (running.length === 0) return outcome;
    let first = running[0]!;
    let due = Infinity;
    for (const each of running) {
      const at = Math.min(each.endUs, Math.max(now, each.startUs + limitOf(each.task)));
      if (at < due) [due, first] = [at, each];
    }
    now = due;
    outcome.makespanUs = now;
    running.splice(running.indexOf(first), 1);
    const { task } = first;
    if (now >= first.endUs) {
      const wallUs = first.endUs - first.startUs;
      addDuration(durations, wallUs);
      noteSucceeded(trust, task, wallUs);
      if (first.slow) outcome.missed++;
      continue;
    }
    noteAborted(trust, task, now - first.startUs);
    aborts.set(task, (aborts.get(task) ?? 0) + 1);
    if (first.slow) outcome.right++;
    else outcome.wrong++;
    again.push(task);
  }
}

describe("whole bags of 5,000 tasks on 32 slots", () => {
  const bag = (humps: Humps, slow: number, seed: number): Bag => ({
    humps,
    tasks: 5000,
    slots: 32,
    slow,
    seed,
  });
  const seeds = [1, 2, 3, 4];
  const sum = (humps: Humps, slow: number, rule: "holdall" | "work_queue" | null) =>
    seeds
      .map((seed) => runBag(bag(humps, slow, seed), rule))
      .reduce((a, b) => ({
        wrong: a.wrong + b.wrong,
        right: a.right + b.right,
        missed: a.missed + b.missed,
        makespanUs: a.makespanUs + b.makespanUs,
      }));

  const bags: readonly (readonly [name: string, humps: Humps, workQueue: number])[] = [
    ["lognormal σ 0.2", [[1, 1, 0.2]], 0],
    ["lognormal σ 0.5", [[1, 1, 0.5]], 0.002],
    ["lognormal σ 1", [[1, 1, 1]], 0.1],
    ["lognormal σ 1.5", [[1, 1, 1.5]], 0.3],
    [
      "one in 200 60 times as long",
      [
        [0.995, 1, 0.2],
        [0.005, 60, 0.2],
      ],
      0.1,
    ],
    [
      "one in 50 10 times as long",
      [
        [0.98, 1, 0.2],
        [0.02, 10, 0.2],
      ],
      0.05,
    ],
    [
      "one in ten 20 times as long",
      [
        [0.9, 1, 0.2],
        [0.1, 20, 0.2],
      ],
      0.3,
    ],
    [
      "half 20 times as long",
      [
        [0.5, 1, 0.2],
        [0.5, 20, 0.2],
      ],
      0.05,
    ],
  ];
  for (const [name, humps, workQueue] of bags)
    test(`${name}: fewer aborts than 0.1 % of the tasks, where multiplier × average has ${workQueue * 100} % and more`, () => {
      const tasks = 5000 * seeds.length;
      expect(sum(humps, 0, "holdall").wrong / tasks).toBeLessThan(0.001);
      expect(sum(humps, 0, "work_queue").wrong / tasks).toBeGreaterThanOrEqual(workQueue);
    });

  for (const [sigma, least] of [
    [0.2, 0.95],
    [0.5, 0.8],
  ] as const)
    test(`one attempt in 50 ten times slower, σ ${sigma}: ${least * 100} % of them are caught`, () => {
      const humps = [[1, 1, sigma]] as const;
      const ours = sum(humps, 0.02, "holdall");
      expect(ours.right / (ours.right + ours.missed)).toBeGreaterThan(least);
      expect(ours.wrong / (5000 * seeds.length)).toBeLessThan(0.001);
      expect(ours.makespanUs).toBeLessThan(0.95 * sum(humps, 0.02, null).makespanUs);
    });

  test("whatever the distribution: at most 2 wrong aborts, plus 1 in 2,000, plus as many as were right", () => {
    const hump = fc.tuple(
      fc.double({ min: 0.001, max: 1, noNaN: true }),
      fc.double({ min: 0.1, max: 100, noNaN: true }),
      fc.double({ min: 0.01, max: 2, noNaN: true }),
    );
    fc.assert(
      fc.property(
        fc.array(hump, { minLength: 1, maxLength: 3 }),
        fc.nat(30).map((percent) => percent / 100),
        fc.nat(),
        (weights, slow, seed) => {
          const total = weights.reduce((all, [weight]) => all + weight, 0);
          const humps = weights.map(([weight, ...rest]) => [weight / total, ...rest] as const);
          const { wrong, right } = runBag({ humps, tasks: 400, slots: 16, slow, seed }, "holdall");
          expect(wrong).toBeLessThanOrEqual(2 + 400 / 2000 + right);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("speculation", () => {
  test("from multiplier × median on, not before three quarters would have ended", () => {
    const durations = createDurations();
    addDuration(durations, 10 * SECOND, 4);
    expect(speculateAfterUs(durations, 2)).toBeNull();
    addDuration(durations, 10 * SECOND, 56);
    expect(speculateAfterUs(durations, 2)).toBeCloseTo(20 * SECOND, -3);
    addDuration(durations, 90 * SECOND, 40);
    expect(medianUs(durations)).toBeCloseTo(10 * SECOND, -6);
    expect(speculateAfterUs(durations, 2)! / SECOND).toBeWithin(88, 92);
  });

  test("a slow host that runs a tenth of the bag does not hide itself", () => {
    const durations = createDurations();
    addDuration(durations, 10 * SECOND, 90);
    addDuration(durations, 100 * SECOND, 10);
    expect(speculateAfterUs(durations, 2)! / SECOND).toBeWithin(19, 21);
  });

  test("not for tasks of milliseconds", () => {
    const durations = createDurations();
    addDuration(durations, 2000, 100);
    expect(speculateAfterUs(durations, 2)).toBe(100_000);
  });

  test("only when all that is left fits into the slots at once", () => {
    expect([0, 1, 8, 9].map((left) => nearTail(left, 8))).toEqual([false, true, true, false]);
  });
});

import { describe, expect, test } from "bun:test";
import { missing, runCampaign } from "./campaign.ts";
import { MUTANTS } from "./mutants.ts";
import { makePlan } from "./plan.ts";
import { replayCommand, shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";

const SEEDS = 1000;
/** In all, on a usual machine. Counted is the processor's time, which others on the machine do not use up. */
const CPU_LIMIT_SECONDS = 90;
const TIMEOUT_MS = 600_000;

test(
  `the promise is kept over ${SEEDS} seeds, in which everything that can happen does`,
  () => {
    const before = process.cpuUsage();
    const campaign = runCampaign(1, SEEDS, { stopAfter: 1 });
    const { user, system } = process.cpuUsage(before);
    const [failed] = campaign.failures;
    if (failed) {
      const { faults, tasks, failure } = shrink({ seed: failed.seed });
      throw new Error(
        `seed ${failed.seed}: ${failed.failure}\n  ${replayCommand({ seed: failed.seed })}\n` +
          `smaller: ${failure}\n  ${replayCommand({ seed: failed.seed, faults, tasks })}`,
      );
    }
    expect(missing(campaign.edges)).toEqual([]);
    expect(missing(campaign.faults)).toEqual([]);
    expect(missing(campaign.events)).toEqual([]);
    expect(campaign.accepted).toBeGreaterThan(SEEDS * 100);
    expect((user + system) / 1e6).toBeLessThan(CPU_LIMIT_SECONDS);
  },
  TIMEOUT_MS,
);

test("every plan has 200 tasks with edges, five workers and faults", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { definition, offers, faults } = makePlan(seed, 200);
    expect(definition.taskCount).toBeGreaterThanOrEqual(200);
    const { edges, runs, sets } = definition;
    expect(edges.length + runs.length + sets.length).toBeGreaterThan(0);
    expect(offers.length).toBeGreaterThanOrEqual(5);
    expect(faults.length).toBeGreaterThanOrEqual(8);
  }
});

test("a seed is always the same", () => {
  const told = [1, 2].map(() => {
    const lines: string[] = [];
    const report = simulate({ seed: 7, log: (line) => lines.push(line) });
    return { ...report, lines };
  });
  expect(told[0]!.lines.length).toBeGreaterThan(5);
  expect(told[0]).toEqual(told[1]);
});

describe("a deliberate bug is found", () => {
  for (const mutant of MUTANTS)
    test(
      `${mutant.name}: ${mutant.about}`,
      () => {
        const { failures } = runCampaign(1, SEEDS, { mutant, stopAfter: 1 });
        expect(failures).toHaveLength(1);
      },
      TIMEOUT_MS,
    );
});

test("a failure is made smaller, and the smaller one fails when it is replayed", () => {
  const mutant = MUTANTS.find(({ name }) => name === "unrecorded-loss")!;
  const [failed] = runCampaign(1, SEEDS, { mutant, stopAfter: 1 }).failures;
  const options = { seed: failed!.seed, mutant };
  const { faults, tasks } = shrink(options);
  expect(faults.length).toBeLessThan(4);
  expect(simulate({ ...options, faults, tasks }).failure).not.toBeNull();
  expect(replayCommand({ ...options, faults, tasks })).toContain(`--faults ${faults.join(",")}`);
});

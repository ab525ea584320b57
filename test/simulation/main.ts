// npm run simulate -- [--seeds N] [--seed S] [--tasks N] [--faults 1,2,3] [--mutant NAME] [--mutants]
//
//   --seed S             one seed, told step by step; a failure is made smaller
//   --seeds N            N seeds from --seed (or 1) on
//   --faults LIST        only these faults of the plan, or `none`
//   --mutants            every deliberate bug has to be found within 1,000 seeds
//   --mutant NAME        with this deliberate bug

import { parseArgs } from "node:util";
import { missing, runCampaign } from "./campaign.ts";
import { type Mutant, MUTANTS } from "./mutants.ts";
import { replayCommand, shrink } from "./shrink.ts";
import { simulate, type SimulationOptions } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    seed: { type: "string" },
    tasks: { type: "string" },
    faults: { type: "string" },
    mutant: { type: "string" },
    mutants: { type: "boolean" },
  },
});

const common: Omit<SimulationOptions, "seed"> = {
  ...(values.tasks === undefined ? {} : { tasks: Number(values.tasks) }),
  ...(values.faults === undefined
    ? {}
    : { faults: values.faults === "none" ? [] : values.faults.split(",").map(Number) }),
  ...(values.mutant === undefined ? {} : { mutant: mutantCalled(values.mutant) }),
};

function mutantCalled(name: string): Mutant {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant) return mutant;
  console.error(`no mutant is called ${name}; there are ${MUTANTS.map((m) => m.name).join(", ")}`);
  process.exit(2);
}

function replay(seed: number): boolean {
  const options = { ...common, seed };
  const { failure, steps, attempts, accepted } = simulate({ ...options, log: console.log });
  console.log(`${steps} steps of the core, ${attempts} attempts, ${accepted} accepted completions`);
  if (failure === null) {
    console.log(`seed ${seed}: every promise was kept`);
    return true;
  }
  console.log(`seed ${seed}: ${failure}`);
  tellSmaller(options);
  return false;
}

function tellSmaller(options: SimulationOptions): void {
  const { faults, tasks, failure } = shrink(options);
  console.log(`smaller: ${failure}\n  ${replayCommand({ ...options, faults, tasks })}`);
}

function campaign(firstSeed: number, seeds: number): boolean {
  const startMs = performance.now();
  const result = runCampaign(firstSeed, seeds, {
    ...common,
    progress: ({ seeds: done, failures }) => {
      if (done % 1000 === 0) console.log(`${done} seeds, ${failures.length} failed`);
    },
  });
  const seconds = (performance.now() - startMs) / 1000;
  for (const [edge, count] of result.edges) console.log(`edge ${edge}: ${count} seeds`);
  for (const [kind, count] of result.faults) console.log(`fault ${kind}: ${count} times`);
  for (const [kind, count] of result.events) console.log(`event ${kind}: ${count} times`);
  console.log(
    `${result.seeds} seeds in ${seconds.toFixed(1)} s (${(result.seeds / seconds).toFixed(0)}/s): ` +
      `${result.steps} steps of the core, ${result.attempts} attempts, ${result.accepted} accepted completions`,
  );
  const unseen = [result.edges, result.faults, result.events].flatMap(missing);
  if (unseen.length > 0) console.log(`never seen: ${unseen.join(", ")}`);
  for (const { seed, failure } of result.failures) console.log(`seed ${seed}: ${failure}`);
  if (result.failures[0]) {
    const options = { ...common, seed: result.failures[0].seed };
    console.log(`  ${replayCommand(options)}`);
    tellSmaller(options);
  }
  return result.failures.length === 0;
}

function huntMutants(): boolean {
  let all = true;
  for (const mutant of MUTANTS) {
    const { failures, seeds } = runCampaign(1, 1000, { ...common, mutant, stopAfter: 1 });
    const found = failures[0];
    all &&= found !== undefined;
    console.log(
      found
        ? `${mutant.name}: found by seed ${found.seed}: ${found.failure}`
        : `${mutant.name}: NOT FOUND in ${seeds} seeds (${mutant.about})`,
    );
  }
  return all;
}

const firstSeed = Number(values.seed ?? 1);
const good = values.mutants
  ? huntMutants()
  : values.seeds === undefined
    ? replay(firstSeed)
    : campaign(firstSeed, Number(values.seeds));
process.exitCode = good ? 0 : 1;

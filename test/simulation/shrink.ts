/** Makes a failing run smaller: fewer faults, then fewer tasks, as long as it still fails. */
import { makePlan } from "./plan.ts";
import { DEFAULT_TASKS, simulate, type SimulationOptions } from "./simulate.ts";

export interface Shrunk {
  faults: number[];
  tasks: number;
  failure: string;
}

const SMALLER_TASKS = [10, 25, 50, 100];

/** `options` must fail. Tries at most `patience` runs. */
export function shrink(options: SimulationOptions, patience = 300): Shrunk {
  let tasks = options.tasks ?? DEFAULT_TASKS;
  let faults = [
    ...(options.faults ?? makePlan(options.seed, tasks).faults.map(({ index }) => index)),
  ];
  let failure = "it does not fail";
  const fails = (fewer: number[], size: number): boolean => {
    if (patience-- <= 0) return false;
    const report = simulate({ ...options, faults: fewer, tasks: size, log: () => {} });
    if (report.failure === null) return false;
    failure = report.failure;
    return true;
  };
  const dropFaults = (): void => {
    for (let size = Math.ceil(faults.length / 2); size >= 1; size = Math.floor(size / 2))
      for (let at = 0; at < faults.length;) {
        const fewer = faults.toSpliced(at, size);
        if (fails(fewer, tasks)) faults = fewer;
        else at += size;
      }
  };
  fails(faults, tasks);
  dropFaults();
  for (const size of SMALLER_TASKS)
    if (size < tasks && fails(faults, size)) {
      tasks = size;
      dropFaults();
      break;
    }
  // The last one that failed may not be the last one that was tried.
  failure = simulate({ ...options, faults, tasks }).failure ?? failure;
  return { faults, tasks, failure };
}

/** The command that runs it again. */
export function replayCommand(options: SimulationOptions): string {
  const parts = [`npm run simulate -- --seed ${options.seed}`];
  if (options.tasks !== undefined && options.tasks !== DEFAULT_TASKS)
    parts.push(`--tasks ${options.tasks}`);
  if (options.faults) parts.push(`--faults ${options.faults.join(",") || "none"}`);
  if (options.mutant) parts.push(`--mutant ${options.mutant.name}`);
  return parts.join(" ");
}

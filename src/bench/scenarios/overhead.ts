/** Tasks that do nothing, or sleep: what distribution costs, and from which length on that does not matter. */
import type { EngineId } from "../engines/samples.ts";
import { type Part, type ScenarioRequest, sleeping, SLOW } from "./scenario.ts";

/** Milliseconds a task, and how many: so that the bag takes the fastest engines a second or more. */
const BAGS = [
  { ms: 0, tasks: 4000, quick: 200 },
  { ms: 1, tasks: 4000, quick: 200 },
  { ms: 10, tasks: 1000, quick: 100 },
  { ms: 100, tasks: 200, quick: 20 },
] as const;
/** Tasks a slow engine gets: its time a task is the same with few. */
const FEW = 60;

export function overhead(request: ScenarioRequest, engines: readonly EngineId[]): Part[] {
  const { quick, workers } = request;
  const rounds = request.reps ?? (quick ? 2 : 5);
  const slow = engines.filter((engine) => SLOW[engine] !== undefined);
  const fast = engines.filter((engine) => !slow.includes(engine));
  return BAGS.flatMap((bag) => {
    const tasks = request.tasks ?? (quick ? bag.quick : bag.tasks);
    const part = (count: number, some: readonly EngineId[]): Part => ({
      title: bag.ms === 0 ? `${count} empty tasks` : `${count} tasks of ${bag.ms} ms`,
      workload: sleeping(count, bag.ms, workers),
      rounds,
      warm: true,
      engines: some,
    });
    const few = Math.min(tasks, quick ? 20 : FEW);
    return [part(tasks, fast), part(few, slow)].filter((each) => each.engines?.length !== 0);
  });
}

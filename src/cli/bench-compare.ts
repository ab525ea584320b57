/** `bench dispatch --compare A,B`: does the rate hold when the bag is larger? */
import { dispatchBench, type DispatchResult } from "./bench-dispatch.ts";

export interface CompareResult {
  workers: number;
  fsync: boolean;
  /** in the order in which they ran: the smaller bag before and after the larger one */
  runs: DispatchResult[];
  /** rate of the larger bag ÷ mean rate of the smaller one */
  ratio: number;
}

export async function compareBench(
  [small, large]: readonly [number, number],
  workers: number,
  fsync: boolean,
  note: (text: string) => void,
): Promise<CompareResult> {
  const runs: DispatchResult[] = [];
  for (const tasks of [small, large, small]) {
    const result = await dispatchBench({ tasks, fsync, workers });
    runs.push(result);
    note(`${tasks} tasks: ${Math.round(result.tasks_per_second)}/s`);
  }
  const rate = (i: number): number => runs[i]!.tasks_per_second;
  return { workers, fsync, runs, ratio: (2 * rate(1)) / (rate(0) + rate(2)) };
}

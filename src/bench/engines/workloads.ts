/** Which bags are measured: one, or with --sweep every combination of what is listed. */
import { HoldallError } from "../../core/error.ts";
import type { Workload } from "./samples.ts";

export const SWEEPS = ["tasks", "size", "workers"] as const;
export type SweepName = (typeof SWEEPS)[number];
export type Sweeps = Partial<Record<SweepName, readonly number[]>>;

/** `--sweep tasks=10,100`, given once for each. Throws `usage`. */
export function parseSweeps(words: readonly string[]): Sweeps {
  const sweeps: Sweeps = {};
  for (const word of words) {
    const [, name, list] = /^([^=]*)=(.*)$/.exec(word) ?? [];
    const known = SWEEPS.find((each) => each === name);
    if (known === undefined || list === undefined)
      throw mistake(`--sweep ${word} is not understood`, "such as --sweep tasks=10,100,1000");
    if (sweeps[known] !== undefined)
      throw mistake(`--sweep ${known} is given twice`, "put all values into one list");
    sweeps[known] = list.split(",").map((text) => {
      const value = /^\d+$/.test(text.trim()) ? Number(text) : 0;
      if (Number.isSafeInteger(value) && value > 0) return value;
      throw mistake(`--sweep ${known}: '${text}' is not an integer from 1`);
    });
  }
  return sweeps;
}

/** `size` is what a task has: values for zfp, bytes for zlib, milliseconds for sleeping ones. */
export function sweptWorkloads(base: Workload, sweeps: Sweeps): Workload[] {
  let all = [base];
  for (const name of SWEEPS) {
    const values = sweeps[name];
    if (values !== undefined)
      all = all.flatMap((workload) => values.map((value) => changed(workload, name, value)));
  }
  return all;
}

function changed(workload: Workload, name: SweepName, value: number): Workload {
  if (name !== "size") return { ...workload, [name]: value };
  switch (workload.kind) {
    case "zfp":
      return { ...workload, n: value };
    case "zlib":
      return { ...workload, bytes: value };
    case "sleep":
      return { ...workload, sleep_ms: value };
    case "empty":
      throw mistake("empty tasks have no size", "leave out --sweep size");
  }
}

function mistake(message: string, fix?: string): HoldallError {
  return new HoldallError("usage", message, { fix });
}

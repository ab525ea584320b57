/** Reads what a bench left in its folder. A line that cannot be understood is an error with its place: a figure may not silently be missing. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { HoldallError } from "../../core/error.ts";
import type { EngineId, Environment, Sample } from "../engines/samples.ts";

export interface Results {
  samples: Sample[];
  /** null: environment.json is not there */
  environment: Environment | null;
}

const number = z.number();
const count = z.number().int().nonnegative();

const workload = z.object({
  kind: z.enum(["zfp", "zlib", "empty", "sleep"]),
  tasks: count,
  n: number.nullable(),
  tolerance: number.nullable(),
  bytes: number.nullable(),
  level: number.nullable(),
  sleep_ms: number.nullable(),
  workers: z.number().int().positive(),
});

const spot = z.object({
  warning_s: number.nullable(),
  by: z.enum(["processes", "slurm"]).nullable(),
  kills: count,
  lost: count,
  reexecuted_s: number,
  reexecutions: count,
});

const sample = z.object({
  scenario: z.enum(["engines", "baseline", "overhead", "slurm", "spot", "scale"]),
  engine: z.custom<EngineId>((value) => typeof value === "string" && value !== ""),
  version: z.string(),
  workload,
  round: count,
  place: count,
  warm: z.boolean(),
  startup_s: number.nonnegative(),
  wall_s: number.positive(),
  done: count,
  failed: count,
  task_ms: z.array(number).nullable(),
  compression_ratio: number.nullable(),
  checksum: z.string().nullable(),
  binary: z.string().nullable(),
  manager_cpu_s: number.nullable(),
  manager_peak_bytes: number.nullable(),
  spot: spot.nullable(),
  at_ms: number,
});

const environment = z.object({
  command: z.string(),
  at: z.string(),
  commit: z.string().nullable(),
  cpu: z.string(),
  cores: count,
  memory_bytes: number,
  kernel: z.string(),
  os: z.string(),
  compiler: z.string().nullable(),
  zfp: z.string().nullable(),
  zlib: z.string().nullable(),
  engines: z.record(z.string(), z.string()),
  missing: z.record(z.string(), z.string()),
  load_average: z.array(number),
});

/** Throws `not_found` without samples, `spec` with the line for a broken one. */
export function readResults(folder: string): Results {
  const path = join(folder, "samples.jsonl");
  if (!existsSync(path))
    throw new HoldallError("not_found", `${path} does not exist`, {
      fix: "give the folder that `holdall bench` wrote, such as results/<run>",
    });
  const samples: Sample[] = [];
  readFileSync(path, "utf8")
    .split("\n")
    .forEach((text, i) => {
      if (text.trim() !== "") samples.push(parse<Sample>(text, sample, path, i + 1));
    });
  if (samples.length === 0)
    throw new HoldallError("not_found", `${path} holds no sample`, {
      fix: "the bench was ended before its first run; run it again",
    });
  const about = join(folder, "environment.json");
  return {
    samples,
    environment: existsSync(about)
      ? parse<Environment>(readFileSync(about, "utf8"), environment, about, 1)
      : null,
  };
}

function parse<T>(text: string, shape: z.ZodType<T>, file: string, line: number): T {
  const wrong = (message: string): HoldallError =>
    new HoldallError("spec", message, {
      place: { file, line, column: 1 },
      fix: "run the bench again, or take this line away",
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong(`not JSON: ${text.slice(0, 80)}`);
  }
  const answer = shape.safeParse(value);
  if (answer.success) return answer.data;
  const issue = answer.error.issues[0]!;
  throw wrong(`${issue.path.join(".") || "value"}: ${issue.message}`);
}

/** A bag as drivers read it, and what its tasks left: one line of figures each, written by the task itself. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Workload } from "./samples.ts";

export interface TaskPrograms {
  /** the one copy of compress_task that all engines run */
  compressTask: string;
  sleepTask: string;
  empty: string;
}

export interface Bag {
  workload: Workload;
  /** what drivers read */
  path: string;
  /** where tasks leave their figures, and their marks */
  folder: string;
}

export interface BagOptions {
  workload: Workload;
  programs: TaskPrograms;
  /** of the first task; the others count on from it */
  seed: number;
  /** sleeping tasks note when they begin and end, in `marks/NAME` */
  marks?: boolean;
}

/** In a folder that is there and empty. */
export function writeBag(folder: string, options: BagOptions): Bag {
  const { workload } = options;
  mkdirSync(join(folder, "stats"));
  mkdirSync(join(folder, "marks"));
  const lines: string[] = [];
  for (let i = 0; i < workload.tasks; i++) {
    const name = taskName(i);
    lines.push(JSON.stringify({ name, argv: commandOf(folder, name, i, options) }));
  }
  const path = join(folder, "bag.jsonl");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return { workload, path, folder };
}

export function taskName(index: number): string {
  return `t${String(index + 1).padStart(6, "0")}`;
}

function commandOf(
  folder: string,
  name: string,
  index: number,
  { workload, programs, seed, marks }: BagOptions,
): string[] {
  const figures = ["--seed", String(seed + index), "--stats", join(folder, "stats", name)];
  switch (workload.kind) {
    case "zfp":
      return [
        programs.compressTask,
        ...["--codec", "zfp", "--n", String(workload.n)],
        ...["--tolerance", String(workload.tolerance), ...figures],
      ];
    case "zlib":
      return [
        programs.compressTask,
        ...["--codec", "zlib", "--bytes", String(workload.bytes)],
        ...["--level", String(workload.level), ...figures],
      ];
    case "sleep":
      return [
        programs.sleepTask,
        String(workload.sleep_ms),
        ...(marks === true ? ["--mark", join(folder, "marks", name)] : []),
      ];
    case "empty":
      return [programs.empty];
  }
}

/** What the tasks of a bag say of themselves; of empty and sleeping ones nothing is known. */
export interface BagResults {
  task_ms: number[] | null;
  compression_ratio: number | null;
  /** SHA-256 over the outputs' SHA-256 in the order of the bag; null when an output is missing */
  checksum: string | null;
  /** the build id of the binary that ran, of all tasks; null when they differ or none says */
  binary: string | null;
  /** tasks without figures */
  missing: number;
}

interface Figures {
  total_ms: number;
  bytes_in: number;
  bytes_out: number;
  sha256: string;
  binary: string;
}

export function readResults({ workload, folder }: Bag): BagResults {
  if (workload.kind !== "zfp" && workload.kind !== "zlib")
    return { task_ms: null, compression_ratio: null, checksum: null, binary: null, missing: 0 };
  const all: Figures[] = [];
  for (let i = 0; i < workload.tasks; i++) {
    const figures = readFigures(join(folder, "stats", taskName(i)));
    if (figures !== null) all.push(figures);
  }
  const missing = workload.tasks - all.length;
  const sum = (of: (each: Figures) => number): number =>
    all.reduce((total, each) => total + of(each), 0);
  const binaries = new Set(all.map(({ binary }) => binary));
  const [binary] = binaries;
  return {
    task_ms: all.map(({ total_ms }) => total_ms),
    compression_ratio:
      all.length === 0 ? null : sum(({ bytes_in }) => bytes_in) / sum(({ bytes_out }) => bytes_out),
    checksum:
      missing > 0
        ? null
        : createHash("sha256")
            .update(all.map(({ sha256 }) => `${sha256}\n`).join(""))
            .digest("hex"),
    binary: binaries.size === 1 && binary !== "" ? binary! : null,
    missing,
  };
}

/** The kernel writes figures whole or not at all; what something else wrote is as good as none. */
function readFigures(path: string): Figures | null {
  try {
    const figures = JSON.parse(readFileSync(path, "utf8")) as Partial<Figures>;
    const { total_ms, bytes_in, bytes_out, sha256, binary } = figures;
    const numbers = [total_ms, bytes_in, bytes_out].every((each) => typeof each === "number");
    if (!numbers || typeof sha256 !== "string" || typeof binary !== "string") return null;
    return figures as Figures;
  } catch {
    return null;
  }
}

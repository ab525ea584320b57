/** What a measurement writes: samples as they come, everything else when they are all there. */
import { appendFileSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { HoldallError } from "../../core/error.ts";
import type { Environment, Sample } from "./samples.ts";
import { summarize, summaryText, type WorkloadSummary } from "./summary.ts";

export interface ResultsFolder {
  path: string;
  workFolder: string;
  /** a copy of a program, so that nothing that is built meanwhile changes what is measured */
  keepProgram(path: string): string;
  add(sample: Sample): void;
  /** writes what can be made of the samples so far, and takes the work folder away */
  finish(samples: readonly Sample[], environment: Environment): WorkloadSummary[];
}

/** Throws `conflict` when there are results in it, `usage` when it cannot be written. */
export function openResultsFolder(path: string): ResultsFolder {
  const file = (name: string): string => join(path, name);
  const workFolder = file("work");
  try {
    mkdirSync(path, { recursive: true });
    writeFileSync(file("samples.jsonl"), "", { flag: "wx" });
  } catch (cause) {
    // Of the folder itself it means that a file is there.
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    if (code !== "EEXIST" || syscall === "mkdir")
      throw new HoldallError("usage", `cannot write results into ${path}: ${message}`, {
        fix: "give a folder that can be written with --out",
        cause,
      });
    throw new HoldallError("conflict", `there are results in ${path}`, {
      fix: "give another --out",
      cause,
    });
  }
  mkdirSync(workFolder, { recursive: true });
  return {
    path,
    workFolder,
    keepProgram(program) {
      const copy = join(workFolder, basename(program));
      copyFileSync(program, copy);
      return copy;
    },
    add(sample) {
      appendFileSync(file("samples.jsonl"), `${JSON.stringify(sample)}\n`);
    },
    finish(samples, environment) {
      const summaries = summarize(samples);
      writeFileSync(file("environment.json"), `${JSON.stringify(environment, null, 2)}\n`);
      writeFileSync(file("summary.json"), `${JSON.stringify(summaries, null, 2)}\n`);
      writeFileSync(file("benchmark_summary.txt"), summaryText(summaries));
      rmSync(workFolder, { recursive: true, force: true });
      return summaries;
    },
  };
}

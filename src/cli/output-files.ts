/** `--output-dir D`: D/<task>.<attempt>.out and .err, beside what the ledger keeps. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FinishedBatch } from "../protocol/session.ts";
import type { Engine } from "../server/engine.ts";
import type { Names } from "../server/names.ts";

export function writeOutputFiles(
  engine: Engine,
  names: Names,
  batch: FinishedBatch,
  folder: string,
): void {
  mkdirSync(folder, { recursive: true });
  const outputs = new Map(batch.outputs.map((output) => [output.at, output]));
  const { workflow } = batch;
  const all = names.all(batch.tasks);
  batch.tasks.forEach((task, at) => {
    const attempt = batch.attempts[at]!;
    const output = outputs.get(at);
    // A name may hold what a file name may not.
    const name = all[at]!.replaceAll("%", "%25").replaceAll("/", "%2F");
    for (const stream of ["stdout", "stderr"] as const) {
      const path = join(folder, `${name}.${attempt}.${stream === "stdout" ? "out" : "err"}`);
      const spilled = engine.spill.path(workflow, task, attempt, stream);
      const inline = output?.[stream] ?? null;
      if (inline === null && existsSync(spilled)) copyFileSync(spilled, path);
      else writeFileSync(path, inline ?? "");
    }
  });
}

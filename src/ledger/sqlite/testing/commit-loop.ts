/**
 * A process that owns a ledger, for tests that kill it: `commit-loop.ts STATE_DIR loop|step BATCH`.
 * It prints "open", then the number of each batch once it is committed; `step` waits for a line before each batch.
 */
import { readSync, writeSync } from "node:fs";
import { arrayWorkflow, finished, OPTIONS } from "../../testing/samples.ts";
import { openLedger } from "../open.ts";

const [stateDir, mode, size] = process.argv.slice(2);
const batch = Number(size);
const ledger = openLedger(stateDir!);
const { id } = ledger.insertWorkflow(arrayWorkflow(2 ** 30), "d", OPTIONS, 1);
writeSync(1, "open\n");
for (let number = 0; ; number++) {
  if (mode === "step" && readSync(0, Buffer.alloc(1)) === 0) break;
  const tasks = Array.from({ length: batch }, (_, index) => number * batch + index);
  ledger.commit([finished(id, tasks)]);
  writeSync(1, `${number}\n`);
}
ledger.close();

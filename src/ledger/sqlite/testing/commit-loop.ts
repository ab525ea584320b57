/**
 * A process that owns a ledger, for tests that kill it: `commit-loop.ts STATE_DIR loop|step|store BATCH [no-fsync]`.
 * It prints "open", then the number of each batch once it is committed; `step` waits for a line before each batch; in mode
 * `store` a batch is a workflow of so many explicit tasks.
 */
import { readSync, writeSync } from "node:fs";
import { arrayWorkflow, body, explicitWorkflow, finished, OPTIONS } from "../../testing/samples.ts";
import { openLedger } from "../open.ts";

const [stateDir, mode, size, sync] = process.argv.slice(2);
const batch = Number(size);
const ledger = openLedger(stateDir!, { fsync: sync !== "no-fsync" });
const { id } = ledger.insertWorkflow(arrayWorkflow(2 ** 30), "d", OPTIONS, 1);
writeSync(1, "open\n");
for (let number = 0; ; number++) {
  if (mode === "step" && readSync(0, Buffer.alloc(1)) === 0) break;
  if (mode === "store") {
    const bodies = Array.from({ length: batch }, (_, index) => body(`t_${index}`));
    ledger.insertWorkflow(explicitWorkflow(bodies), "d", OPTIONS, 1);
  } else {
    const tasks = Array.from({ length: batch }, (_, index) => number * batch + index);
    ledger.commit([finished(id, tasks)]);
  }
  writeSync(1, `${number}\n`);
}
ledger.close();

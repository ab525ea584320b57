// The second half of `npm test`: the check, then all tests, then one line with the sums.
//
//   bun scripts/run-tests.ts            everything
//   bun scripts/run-tests.ts src/core   only the test files whose path holds one of the words; no check
//   bun scripts/run-tests.ts --clusters the long ones instead: test/clusters and test/fault/long, one at a time; no check
//
// Files run in parallel, each in a process of its own kind; those that measure times are named
// *.alone.test.ts and run afterwards, one at a time.

import { mkdirSync, rmSync } from "node:fs";
import { addTallies, readJunit, type Tally } from "./tally.ts";

const places = "{src,kernels,scripts,test,examples}/**/*.test.ts";
const reportsDir = "build/test";
/** Continuous integration allows 30 minutes in all; better a failure with a count than a kill. */
const long = process.argv[2] === "--clusters";
const timeLimitMs = (long ? 120 : 25) * 60_000;
const testTimeoutMs = long ? 600_000 : 30_000;
const longPlaces = ["test/clusters/", "test/fault/long/"];

const deadlineMs = Date.now() + timeLimitMs;
const wordsWanted = process.argv.slice(long ? 3 : 2);

async function run(command: string[]): Promise<number> {
  const timeout = Math.max(1, deadlineMs - Date.now());
  const child = Bun.spawn(command, {
    stdio: ["ignore", "inherit", "inherit"],
    timeout,
    killSignal: "SIGKILL",
  });
  const code = await child.exited;
  if (Date.now() >= deadlineMs) console.error(`stopped after ${timeLimitMs / 60_000} minutes`);
  return code;
}

/** Runs test files and counts. A file that reports nothing (it did not load) counts as a failure. */
async function runFiles(name: string, files: string[], options: string[]): Promise<Tally> {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 };
  const report = `${reportsDir}/${name}.xml`;
  const command = [process.execPath, "test", ...options, `--timeout=${testTimeoutMs}`];
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const code = await run([...command, ...reporter, ...files.map((file) => `./${file}`)]);

  const xml = Bun.file(report);
  const result = readJunit((await xml.exists()) ? await xml.text() : "");
  const silent = files.filter((file) => !result.files.has(file));
  for (const file of silent) console.error(`${file}: reported no test, counted as failed`);
  const failed = result.tally.failed + silent.length;
  if (code !== 0 && failed === 0) {
    console.error(`bun test ended with ${code} although no test failed, counted as failed`);
  }
  return { ...result.tally, failed: code !== 0 ? Math.max(1, failed) : failed };
}

const all = await Array.fromAsync(new Bun.Glob(places).scan());
const files = all
  .filter((file) => longPlaces.some((place) => file.startsWith(place)) === long)
  .filter((file) => wordsWanted.length === 0 || wordsWanted.some((word) => file.includes(word)))
  .sort();
const alone = files.filter((file) => long || file.endsWith(".alone.test.ts"));
const together = files.filter((file) => !alone.includes(file));

rmSync(reportsDir, { recursive: true, force: true });
mkdirSync(reportsDir, { recursive: true });

const tallies: Tally[] = [];
if (wordsWanted.length === 0 && !long) {
  const code = await run(["sh", "scripts/check"]);
  tallies.push({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
}
tallies.push(await runFiles("together", together, ["--parallel"]));
tallies.push(await runFiles("alone", alone, ["--isolate"]));

const { passed, failed, skipped } = addTallies(tallies);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);

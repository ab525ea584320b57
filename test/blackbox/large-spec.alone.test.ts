// 50 MB: refused within 2 s when it is no workflow, run when it is one.

import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runReport } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

setDefaultTimeout(120_000);
const SIZE = 50 << 20;

const junk: Record<string, () => Uint8Array | string> = {
  zeros: () => new Uint8Array(SIZE),
  prose: () => "It was a dark and stormy night; the rain fell in torrents.\n".repeat(890_000),
  "keys and values": () =>
    Array.from({ length: 2_500_000 }, (_, i) => `k${i}: some value\n`).join(""),
  brackets: () => "[".repeat(SIZE),
};

test.each(Object.entries(junk))("50 MB of %s are refused within 2 s", async (_, make) => {
  const cwd = scratchDir();
  writeFileSync(join(cwd, "junk.yaml"), make());
  const began = performance.now();
  const { code } = await run(cwd, ["run", "junk.yaml"]);
  expect(performance.now() - began).toBeLessThan(2000);
  expect(code).toBe(2);
  expect(existsSync(join(cwd, ".holdall"))).toBe(false);
});

test("a workflow of 50 MB runs", async () => {
  const cwd = scratchDir();
  // Few tasks with long commands: what is tried is the reading, not the running.
  const tasks = 1000;
  const words = "word ".repeat(SIZE / tasks / 5);
  const lines = ["name: large", "tasks:"];
  for (let i = 0; i < tasks; i++) lines.push(`  - name: t${i}`, `    command: echo ${words}`);
  lines.push("  - name: last", "    command: echo done", "    depends_on: [t999]", "");
  writeFileSync(join(cwd, "workflow.yaml"), lines.join("\n"));
  const report = await runReport(cwd, ["workflow.yaml", "--stdout", "none"]);
  expect(report).toMatchObject({ code: 0, tasks: tasks + 1, succeeded: tasks + 1 });
});

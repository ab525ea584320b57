// `export` and `import`: a workflow with its results goes into another state directory.

import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runReport, spec } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

setDefaultTimeout(120_000);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const there = ["--state-dir", "there"];
const json = async (...args: string[]): Promise<unknown> =>
  JSON.parse((await run(cwd, [...args, "--json"])).stdout);

async function exported(): Promise<void> {
  const document = spec(cwd, {
    name: "w",
    tasks: [
      { name: "a_{i}", command: "echo out {i}; echo err >&2", parameters: { i: "1:3" } },
      { name: "fails", command: "test -e mended", retries: 1, backoff: { initial: "10ms" } },
      { name: "after", command: "echo after", depends_on: "fails" },
    ],
  });
  expect((await run(cwd, ["run", document])).code).toBe(1);
  expect((await run(cwd, ["export", "--out", "w.jsonl"])).code).toBe(0);
}

test("tasks, attempts and output are the same there, and the rest goes on", async () => {
  await exported();
  expect(await json("import", "w.jsonl", ...there)).toEqual({
    ...{ workflow_id: 1, name: "w", tasks: 5, attempts: 5 },
  });
  expect(await json("tasks", ...there)).toEqual(await json("tasks"));
  expect(await json("status", ...there)).toEqual(await json("status"));
  for (const args of [
    ["logs", "a_2"],
    ["logs", "a_2", "--stderr"],
    ["logs", "fails", "--attempt", "1"],
  ]) {
    const [before, after] = [await run(cwd, args), await run(cwd, [...args, ...there])];
    expect(after).toEqual(before);
  }
  writeFileSync(join(cwd, "mended"), "");
  const report = await runReport(cwd, ["1", ...there]);
  expect(report).toMatchObject({ code: 0, succeeded: 5, cached: 3, attempts: 2 });
  // and what is exported from there begins as it did here
  const again = await run(cwd, ["export", "1"]);
  expect(again.stdout).toBe(readFileSync(join(cwd, "w.jsonl"), "utf8"));
});

test("nothing is imported twice, in part, or over another", async () => {
  await exported();
  const twice = await run(cwd, ["import", "w.jsonl"]);
  expect(twice.code).toBe(4);
  expect(twice.stderr).toContain("--name");
  expect(await json("import", "w.jsonl", "--name", "v")).toMatchObject({
    workflow_id: 2,
    name: "v",
  });
  const text = readFileSync(join(cwd, "w.jsonl"), "utf8");
  const lines = text.split("\n");
  const bad: readonly (readonly [string, string])[] = [
    [lines.slice(0, 3).join("\n"), "the file ends too early"],
    [text.slice(0, text.length - 20), "this line is no JSON"],
    [text.replace("echo after", "echo other"), "is not the one that was exported"],
    [text.replace('"outcome":"exit"', '"outcome":"odd"'), "no attempt of a task"],
    ["{}\n", "not what `holdall export` writes"],
    [text.replace('"holdall_export":1', '"holdall_export":99'), "a newer Holdall"],
  ];
  for (const [content, message] of bad) {
    writeFileSync(join(cwd, "bad.jsonl"), content);
    const { code, stderr } = await run(cwd, ["import", "bad.jsonl", "--state-dir", "empty"]);
    expect({ code, stderr: stderr.includes(message) ? message : stderr }).toEqual({
      ...{ code: 2, stderr: message },
    });
  }
  expect((await run(cwd, ["status", "--state-dir", "empty"])).code).toBe(3);
  expect((await run(cwd, ["export", "7"])).code).toBe(3);
  expect((await run(cwd, ["export", "--out", "w.jsonl"])).code).toBe(4);
});

// The examples in every spelling, to their end.

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, run, runReport, spec } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { root, scratchDir } from "../support/scratch.ts";

// Builds the kernel with a C++ compiler.
setDefaultTimeout(240_000);

const SPELLINGS = ["yaml", "json", "json5", "kdl"] as const;

test.each(SPELLINGS)("a workflow in the words of Torc, as %s", async (format) => {
  const cwd = scratchDir();
  const report = await runReport(cwd, [join(root, "examples/torc", `workflow.${format}`)]);
  // three texts, each counted twice after one failure, and one report for all
  expect(report).toMatchObject({ code: 0, tasks: 10, succeeded: 10, attempts: 16 });
  expect(readFileSync(join(cwd, "report.txt"), "utf8")).toBe(
    [
      '{"repeat":3,"unit":"a word"}',
      ...["sea", "stone", "wind"].flatMap((name) => [
        `counts/${name}.lines 3`,
        `counts/${name}.words 6`,
      ]),
      "",
    ].join("\n"),
  );
  expect(linesOf(join(cwd, "actions.log"))).toEqual(["start", "end"]);
});

test.skipIf(requires("cmake", "sh scripts/setup"))(
  "the compress example in JSON, JSON5 and KDL",
  async () => {
    const cwd = scratchDir();
    for (const format of ["json", "json5", "kdl"]) {
      const file = join(root, "examples/compress", `workflow.${format}`);
      const report = await runReport(cwd, [file, "--name", format]);
      expect(report).toMatchObject({ code: 0, name: format, tasks: 26, succeeded: 26, failed: 0 });
    }
  },
);

test("a mistake is told at its place in every spelling", async () => {
  const cwd = scratchDir();
  const told = async (name: string, text: string): Promise<string> => {
    const { code, stderr } = await run(cwd, ["run", spec(cwd, text, name)]);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await told("w.yaml", "name: w\ntasks:\n  - name: a\n    comand: e\n")).toContain(
    "w.yaml:4:5",
  );
  expect(
    await told("w.json", '{"name": "w",\n "tasks": [{"name": "a", "comand": "e"}]}'),
  ).toContain("w.json:2:26");
  expect(await told("w.json5", "{name: 'w',\n tasks: [{name: 'a', comand: 'e'}]}")).toContain(
    "w.json5:2:22",
  );
  expect(await told("w.kdl", 'name "w"\ntask "a" {\n  comand "e"\n}\n')).toContain("w.kdl:3:3");
});

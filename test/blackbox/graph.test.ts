// `graph`: a document as a picture.

import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run, spec } from "../support/holdall.ts";
import { root, scratchDir } from "../support/scratch.ts";

setDefaultTimeout(60_000);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const example = join(root, "examples/compress/workflow.yaml");

test("DOT to stdout, arrays with their count, and nothing is started", async () => {
  const { code, stdout, stderr } = await run(cwd, ["graph", example]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toStartWith("digraph ");
  expect(stdout).toContain("× 24");
  expect(existsSync(join(cwd, ".holdall"))).toBe(false);
});

test("--format mermaid --expand: every task", async () => {
  const { stdout } = await run(cwd, ["graph", example, "--format", "mermaid", "--expand"]);
  expect(stdout).toContain("flowchart LR");
  expect(stdout.match(/\["/g)).toHaveLength(26);
});

test("--out picture.svg: the name says the format, and the picture stands by itself", async () => {
  expect((await run(cwd, ["graph", example, "--out", "picture.svg"])).code).toBe(0);
  const svg = readFileSync(join(cwd, "picture.svg"), "utf8");
  expect(svg).toStartWith('<svg xmlns="http://www.w3.org/2000/svg"');
  expect(svg).toContain("prefers-color-scheme:dark");
  expect(svg).not.toMatch(/href|url\((?!#)|<script|<image/);
  expect(svg.match(/<g>/g)).toHaveLength(svg.match(/<\/g>/g)!.length);
});

test("too many tasks for --expand are refused with the fix", async () => {
  const document = spec(cwd, {
    name: "w",
    tasks: [{ name: "t_{i}", command: "true", parameters: { i: "0:2000" } }],
  });
  const refused = await run(cwd, ["graph", document, "--expand"]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("leave --expand");
  expect((await run(cwd, ["graph", document])).stdout).toContain("× 2,001");
});

test("a folder that is not there is told", async () => {
  const { code, stderr } = await run(cwd, ["graph", example, "--out", "no/where.svg"]);
  expect(code).toBe(2);
  expect(stderr).toContain("cannot write no/where.svg");
});

// What the examples take for granted, and the script that one of them brings.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSpec } from "../src/spec/index.ts";

const examples = import.meta.dir;

test("compress declares every source of the kernels as input of its build", () => {
  const spec = readFileSync(join(examples, "compress", "workflow.yaml"), "utf8");
  const kernels = readdirSync(join(examples, "..", "kernels"));
  const sources = kernels.filter((name) => /\.(txt|cpp|hpp)$/.test(name));
  const declared = spec.matchAll(/\$\{spec_dir\}\/\.\.\/\.\.\/kernels\/([\w.]+)"/g);
  expect(new Set([...declared].map((match) => match[1]))).toEqual(new Set(sources));
});

describe.each(["compress", "torc"])("%s", (name) => {
  test.each(["json", "json5", "kdl"])("is the same workflow in %s as in YAML", (format) => {
    const meaning = (file: string): object => {
      const { source: _source, ...rest } = loadSpec(join(examples, name, file), { cwd: examples });
      return rest;
    };
    expect(meaning(`workflow.${format}`)).toEqual(meaning("workflow.yaml"));
  });
});

test("files lists files that exist", () => {
  const lines = readFileSync(join(examples, "files", "files.txt"), "utf8")
    .trimEnd()
    .split("\n");
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) expect(statSync(line).isFile()).toBe(true);
});

describe("summarize", () => {
  let dir = "";

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "summarize-"));
  });

  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  function summarize(tasks: number): { code: number; lines: string[]; stderr: string } {
    const script = join(examples, "compress", "summarize.py");
    const child = Bun.spawnSync(["python3", script, "--tasks", String(tasks), dir]);
    const lines = child.stdout.toString().trimEnd().split("\n");
    return { code: child.exitCode, lines, stderr: child.stderr.toString() };
  }

  function writeStats(index: number, totalMs: number, ratio: number): void {
    const name = `stats_${String(index).padStart(3, "0")}.json`;
    writeFileSync(join(dir, name), JSON.stringify({ total_ms: totalMs, ratio }));
  }

  test("gives means and percentiles of what is there", () => {
    for (let i = 0; i < 5; i++) writeStats(i, 10 * (i + 1), 2 + i);
    const { code, lines, stderr } = summarize(5);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(lines).toEqual([
      "done      5",
      "failed    0",
      "total_ms  mean 30.00  p50 30.00  p95 48.00",
      "ratio     mean 4.000",
    ]);
  });

  test("counts what is missing or broken as failed, and ignores what is not of this bag", () => {
    writeStats(0, 8, 3);
    writeFileSync(join(dir, "stats_001.json"), '{"codec":');
    writeFileSync(join(dir, "stats_002.json"), "[]");
    mkdirSync(join(dir, "stats_003.json"));
    writeStats(9, 1000, 1000);
    const { code, lines, stderr } = summarize(6);
    expect(code).toBe(0);
    expect(lines.slice(0, 3)).toEqual([
      "done      1",
      "failed    5",
      "total_ms  mean 8.00  p50 8.00  p95 8.00",
    ]);
    for (const index of [1, 2, 3]) expect(stderr).toContain(`stats_00${index}.json`);
  });

  test("has no figures to give if nothing was done", () => {
    expect(summarize(24)).toEqual({ code: 0, lines: ["done      0", "failed    24"], stderr: "" });
  });
});

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MEASURES } from "./measures.ts";
import { answerOf, goalOf, isMet, type Outcome, render, written } from "./performance.ts";

const ROOT = join(import.meta.dir, "..");
const figure = { what: "speed", value: 0.5, unit: "", digits: 2, least: 0.75, further: 0.9 };
const outcome: Outcome = {
  args: ["bench", "spawn"],
  figures: [figure],
  failure: null,
  busy: 12.4,
};

test("a goal is met from its bound on, to either side", () => {
  expect(goalOf(figure)).toBe("≥ 0.75 [0.9]");
  expect(goalOf({ ...figure, least: 200_000, further: 1_000_000 })).toBe("≥ 200,000 [1,000,000]");
  expect(isMet(figure)).toBe(false);
  expect(isMet({ ...figure, value: 0.75 })).toBe(true);
  const { least: _, further: __, ...plain } = figure;
  expect(goalOf(plain)).toBe("");
  expect(isMet(plain)).toBeNull();
  expect(goalOf({ ...plain, most: 3 })).toBe("≤ 3");
  expect(isMet({ ...plain, most: 0.4 })).toBe(false);
});

test("the table has a row for each figure, and one for what could not be measured", () => {
  const failed = { ...outcome, figures: [], failure: "exit code 1: no disk" };
  const text = render([outcome, failed], ["about"]);
  expect(text).toContain("about\n\n| what");
  expect(text).toMatch(
    /^\| speed +\| 0\.50 +\| ≥ 0\.75 \[0\.9\] \| \*\*no\*\* +\| `bench spawn` \| 12 % +\|$/m,
  );
  expect(text).toContain("not measured: exit code 1: no disk");
});

test("the document has the markers, and only what is between them is replaced", () => {
  const text = readFileSync(join(ROOT, "docs/performance.md"), "utf8");
  const once = written(text, "new");
  expect(once).toContain("-->\n\nnew\n\n<!-- end");
  expect(written(once, "new")).toBe(once);
  expect(once.split("<!-- measured")[0]).toBe(text.split("<!-- measured")[0]);
  expect(() => written("no markers", "new")).toThrow("markers missing");
});

test("every measure names a benchmark that exists, in both lengths", () => {
  const routes = readFileSync(join(ROOT, "src/cli/commands/bench.ts"), "utf8");
  for (const { args, quick, within } of MEASURES) {
    expect(args[0]).toBe("bench");
    if (within) expect(within(600)).toEqual(args);
    expect(routes).toContain(`    ${args[1]!}: `);
    expect(quick.slice(0, 2)).toEqual(args.slice(0, 2));
  }
});

test("an answer of another shape is an error, not a figure", () => {
  for (const { figures } of MEASURES) expect(() => figures({})).toThrow();
});

async function failureOf(promise: Promise<unknown>): Promise<string | null> {
  return await promise.then(
    () => null,
    (error: Error) => error.message,
  );
}

describe("a benchmark", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdall-performance-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("that fails says why", async () => {
    const answer = answerOf(["bench", "dispatch", "--tasks", "none"], folder, 20_000);
    expect(await failureOf(answer)).toContain("exit code 2");
  });

  test("that takes too long is ended with the server it started", async () => {
    const args = ["bench", "idle", "--workers", "1", "--seconds", "60"];
    expect(await failureOf(answerOf(args, folder, 2000))).toBe("not done after 2 s");
    const left = readdirSync("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
      } catch {
        return false;
      }
    });
    expect(left).toEqual([]);
    expect(readdirSync(folder).length).toBeGreaterThan(0);
  });
});

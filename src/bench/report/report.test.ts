import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";
import type { Sample } from "../engines/samples.ts";
import { readResults } from "./read.ts";
import { renderReport, writeReport } from "./report.ts";
import { MADE_UP_ENGINES, madeUp } from "./testing/made-up.ts";

const zfp = { kind: "zfp", tasks: 24, n: 200_000, tolerance: 1e-3 } as const;

/** A folder with these samples, removed afterwards. */
function inFolder<T>(samples: readonly Sample[] | string, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "holdall-report-"));
  try {
    const lines =
      typeof samples === "string"
        ? samples
        : samples.map((sample) => `${JSON.stringify(sample)}\n`).join("");
    writeFileSync(join(folder, "samples.jsonl"), lines);
    writeFileSync(join(folder, "environment.json"), JSON.stringify(madeUp(1).environment));
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function page(samples: readonly Sample[]): string {
  return renderReport({ samples: [...samples], environment: madeUp(1).environment });
}

/** What a reader sees: without tags and pictures. */
function read(html: string): string {
  return html
    .replace(/<style>[^]*?<\/style>/, "")
    .replaceAll(/<svg[^]*?<\/svg>/g, "")
    .replaceAll(/<[^>]+>/g, " ")
    .replaceAll(/\s+/g, " ");
}

test("a page holds everything, asks for nothing and is well-formed", () => {
  const html = inFolder(madeUp(1).run("engines", zfp, 5), (folder) => {
    const { report, samples, engines, doubts } = writeReport(folder);
    expect({ samples, engines: engines.length, doubts }).toEqual({
      samples: 5 * MADE_UP_ENGINES.length,
      engines: MADE_UP_ENGINES.length,
      doubts: [],
    });
    return readFileSync(report, "utf8");
  });
  expect(html).not.toMatch(/https?:|<script|<link|<img|@import|url\(/);
  for (const engine of MADE_UP_ENGINES) expect(html).toContain(`>${engine}</text>`);
  const open = [...html.matchAll(/<(svg|table|figure|section|ul|p)\b/g)].length;
  const closed = [...html.matchAll(/<\/(svg|table|figure|section|ul|p)>/g)].length;
  expect(closed).toBe(open);
  expect(html).not.toMatch(/NaN|undefined|Infinity|null/);
});

test("the same samples give the same page", () => {
  const samples = madeUp(3).run("overhead", { kind: "sleep", sleep_ms: 10 }, 3);
  expect(page(samples)).toBe(page(samples));
});

test("every scenario has its plots", () => {
  const { run } = madeUp(5, ["holdall", "ray", "slurm", "slurm-array"]);
  const kills = { by: "processes", kills: 5, lost: 0 } as const;
  const html = page([
    ...run("baseline", zfp, 2),
    ...run("overhead", {}, 2),
    ...run("overhead", { kind: "sleep", sleep_ms: 1 }, 2),
    ...run("scale", { tasks: 100 }, 2),
    ...run("scale", { tasks: 1000 }, 2),
    ...run("spot", { kind: "sleep", sleep_ms: 500 }, 2),
    ...run("spot", { kind: "sleep", sleep_ms: 500 }, 2, { ...kills, warning_s: 0 }),
    ...run("slurm", { kind: "sleep", sleep_ms: 500 }, 2),
  ]);
  for (const title of [
    "Run: 24 zfp tasks of 200,000 floats",
    "Start-up: 24 zfp",
    "The tasks&#x27; own times: 24 zfp".replace("&#x27;", "'"),
    "Throughput against the length of tasks",
    "Makespan against the ideal",
    "Memory of the manager against the size of the bag",
    "Processor time of the manager",
    "Work done again for each worker lost: killed, no warning",
    "Wall time against the undisturbed run: killed, no warning",
    "holdall (pilots)",
  ])
    expect(html).toContain(title);
  expect(html).not.toMatch(/NaN|undefined|Infinity/);
});

/** Two engines whose wall times are given round by round. */
function duel(a: readonly number[], b: readonly number[]): Sample[] {
  const { run } = madeUp(7, ["holdall", "ray"]);
  return run("engines", zfp, a.length).map((sample) => ({
    ...sample,
    wall_s: (sample.engine === "holdall" ? a : b)[sample.round]!,
  }));
}

test("an engine is faster only if it was in every one of enough rounds", () => {
  const faster = "In every round it was faster than ray (2.0×)";
  expect(read(page(duel([1, 1, 1, 1, 1], [2, 2, 2, 2, 2])))).toContain(faster);
  const disagree = read(page(duel([1, 1, 1, 1, 3], [2, 2, 2, 2, 2])));
  expect(disagree).not.toContain("In every round");
  expect(disagree).toContain("Against ray the rounds disagree");
  const few = read(page(duel([1, 1, 1], [2, 2, 2])));
  expect(few).not.toContain("In every round");
  expect(few).toContain("3 repetitions an engine: that shows what happened, not what is typical");
});

test("start-up that is longer than the run is said, and that it changes the order", () => {
  const text = read(page(madeUp(1, ["holdall", "workqueue", "ray"]).run("engines", zfp, 5)));
  expect(text).toContain("For ray and workqueue start-up is longer than the run itself");
  expect(text).toContain("Counting start-up changes the order to holdall, workqueue and ray");
});

test("unequal outputs make the comparison void, at the top of the page", () => {
  const samples = madeUp(1, ["holdall", "ray"]).run("engines", zfp, 2);
  const [first, ...others] = samples;
  const bad = [{ ...first!, checksum: "00".repeat(32) }, ...others];
  expect(read(page(bad))).toContain("✗ Void: the outputs differ");
  expect(inFolder(bad, (folder) => writeReport(folder).doubts)).toHaveLength(1);
});

test("failed tasks are shown where the times are", () => {
  const samples = madeUp(1, ["holdall", "ray"]).run("engines", zfp, 2);
  const bad = samples.map((sample) =>
    sample.engine === "ray" ? { ...sample, done: 20, failed: 4 } : sample,
  );
  expect(read(page(bad))).toContain("✗ Tasks failed in 2 of 4 runs (ray)");
  expect(page(bad)).toContain("(8 failed)</text>");
});

test("names and versions cannot break the page", () => {
  const samples = madeUp(1, ["ray"]).run("engines", zfp, 1);
  const html = page(samples.map((sample) => ({ ...sample, version: `<b>"&'</b><script>` })));
  expect(html).toContain("&lt;script&gt;");
  expect(html).not.toContain("<script");
});

test("a broken line is an error with its place", () => {
  const good = JSON.stringify(madeUp(1, ["ray"]).run("engines", zfp, 1)[0]);
  const error = (lines: string): HoldallError =>
    inFolder(lines, (folder) => {
      try {
        readResults(folder);
      } catch (thrown) {
        return thrown as HoldallError;
      }
      throw new Error("read without an error");
    });
  expect(error(`${good}\n{"scen\n`)).toMatchObject({ code: "spec", place: { line: 2 } });
  const wrong = error(`${good}\n${good.replace('"wall_s":', '"wall":')}\n`);
  expect(wrong).toMatchObject({ code: "spec", place: { line: 2 } });
  expect(wrong.message).toStartWith("wall_s:");
  expect(error("")).toMatchObject({ code: "not_found" });
});

import { expect, test } from "bun:test";
import { testIo } from "../testing.ts";
import { outcomeOf } from "../testing-run.ts";
import { colorsFor, NO_COLORS } from "./colors.ts";
import { planText, shellWord, summaryText } from "./summary.ts";

const options = { colors: NO_COLORS, stateFlag: "", outputDir: null, outputKept: true };
const times = {
  run_time: { mean: 0.0123, p50: 0.0111, p95: 0.0204, max: 0.5 },
  cpu_time: { mean: 0.0101, p50: 0.01, p95: 0.019, max: 0.2 },
  peak_memory: { mean: 5_452_595, p50: 5_400_000, p95: 6_000_000, max: 1_395_864_371 },
};

test("everything succeeded", () => {
  expect(summaryText(outcomeOf({}, { summary: times }), options)).toBe(
    [
      "compress: 26 tasks: 26 succeeded in 1.25 s (20.8 tasks/s)",
      "",
      "                 mean       p50       p95       max",
      "run time      12.3 ms   11.1 ms   20.4 ms    500 ms",
      "CPU time      10.1 ms   10.0 ms   19.0 ms    200 ms",
      "peak memory  5.20 MiB  5.15 MiB  5.72 MiB  1.30 GiB",
      "",
    ].join("\n"),
  );
});

test("failures: where their output is, the last lines of the first, what to do next", () => {
  const outcome = outcomeOf(
    { succeeded: 22, failed: 3, skipped: 1, attempts: 28 },
    {
      summary: {
        failures: [
          {
            name: "compress 007",
            outcome: "exit",
            exit_code: 3,
            message: null,
            stderr_tail: "reading\r\n\x1b[31mno such field\x1b[0m\x07\n",
            stdout_tail: "ignored",
          },
          {
            name: "compress_012",
            outcome: "launch_error",
            exit_code: 127,
            message: "./gone: not found",
            stderr_tail: "",
            stdout_tail: "",
          },
        ],
      },
    },
  );
  const text = summaryText(outcome, {
    ...options,
    stateFlag: " --state-dir st",
    outputDir: "/tmp/out",
  });
  expect(text).toBe(
    [
      "compress: 26 tasks: 22 succeeded, 3 failed, 1 skipped in 1.25 s (20.8 tasks/s)",
      "",
      "3 failed:",
      "  compress 007: exit code 3",
      "    last lines of stderr:",
      "    | reading",
      "    | no such field",
      "  compress_012: launch error: ./gone: not found",
      "  and 1 more",
      "their output is in /tmp/out/TASK.ATTEMPT.out and .err",
      "",
      "next:",
      "  holdall logs '3/compress 007' --state-dir st   all it printed",
      "  holdall tasks 3 --state failed --state-dir st  every failed task",
      "  holdall run 3 --state-dir st                   tries again what did not succeed",
      "",
    ].join("\n"),
  );
});

test("without stderr the end of stdout is shown, at most ten lines", () => {
  const stdout_tail = Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join("");
  const failure = {
    name: "a",
    outcome: "signal",
    exit_code: null,
    message: "signal 9",
    stderr_tail: " \n",
    stdout_tail,
  };
  const text = summaryText(
    outcomeOf({ failed: 1, succeeded: 25 }, { summary: { failures: [failure] } }),
    { ...options, outputKept: false },
  );
  expect(text).toContain("a: signal: signal 9\n    last lines of stdout:\n    | line 20\n");
  expect(text.match(/ {4}\| line/g)).toHaveLength(10);
  expect(text).not.toContain("holdall logs");
});

test("nothing left to do", () => {
  expect(summaryText(outcomeOf({ cached: 26, attempts: 0 }, { summary: times }), options)).toBe(
    "compress: 26 tasks: 26 succeeded (all from earlier runs); nothing was left to do\n",
  );
});

test("interrupted, with work left", () => {
  const outcome = outcomeOf({ succeeded: 4, cached: 2, attempts: 2 }, { end: "interrupted" });
  expect(summaryText(outcome, options)).toBe(
    [
      "compress: 26 tasks: 4 succeeded (2 from earlier runs), 22 not finished in 1.25 s (20.8 tasks/s), interrupted",
      "",
      "next:",
      "  holdall run 3  goes on where this stopped",
      "",
    ].join("\n"),
  );
});

test("no colour codes without a terminal, with NO_COLOR or on a dumb one", () => {
  const outcome = outcomeOf({ succeeded: 25, failed: 1 });
  const codes = (io: ReturnType<typeof testIo>): boolean =>
    summaryText(outcome, { ...options, colors: colorsFor(io, io.stderr) }).includes("\x1b[");
  expect(codes(testIo())).toBe(false);
  expect(codes(testIo({ tty: true, env: { NO_COLOR: "1" } }))).toBe(false);
  expect(codes(testIo({ tty: true, env: { TERM: "dumb" } }))).toBe(false);
  expect(codes(testIo({ tty: true, env: { NO_COLOR: "" } }))).toBe(true);
});

test("what a second run found", () => {
  expect(planText("w", { kept: 20, changed: 2, added: 1, again: 3, removed: 0 })).toBe(
    "w: known here; tasks: 20 kept, 2 changed, 1 new, 3 again",
  );
  expect(planText("w", { kept: 0, changed: 0, added: 0, again: 0, removed: 0 })).toBe("");
});

test("words are quoted only when a shell needs it", () => {
  expect(shellWord("3/a_0.5")).toBe("3/a_0.5");
  expect(shellWord("it's")).toBe("'it'\\''s'");
  expect(shellWord("")).toBe("''");
});

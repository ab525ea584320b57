import { expect, test } from "bun:test";
import { testIo } from "../testing.ts";
import { progressOf } from "../testing-run.ts";
import { NO_COLORS } from "./colors.ts";
import { logLine, progressLine, startProgress } from "./progress.ts";

const half = progressOf({ succeeded: 12, failed: 1, running: 2, ready: 11 });
const speed = { perSecond: 12.34, secondsLeft: 1.05 };

test("a progress line leaves out what matters least as the window narrows", () => {
  const lines = [100, 79, 60, 45, 36, 35, 22, 10, 3].map(
    (width) => `${String(width).padStart(3)} ${progressLine(half, speed, width, NO_COLORS)}`,
  );
  expect(lines).toEqual([
    "100 compress  [===================                   ]  13/26  2 running  1 failed  12.3/s  1 s left",
    " 79 compress  [==========           ]  13/26  2 running  1 failed  12.3/s  1 s left",
    " 60 compress  13/26  2 running  1 failed  12.3/s  1 s left",
    " 45 13/26  2 running  1 failed  12.3/s  1 s left",
    " 36 13/26  2 running  1 failed  1 s left",
    " 35 13/26  2 running  1 failed",
    " 22 13/26  1 failed",
    " 10 13/26",
    "  3 13/",
  ]);
  for (const line of lines) expect(line.length - 4).toBeLessThanOrEqual(Number(line.slice(0, 3)));
});

test("nothing is said about failures, rate and end before there are any", () => {
  const line = progressLine(
    progressOf({ running: 2, ready: 8 }),
    { perSecond: null, secondsLeft: null },
    40,
    NO_COLORS,
  );
  expect(line).toBe("compress  [           ]  0/10  2 running");
});

test("wide characters in a name count as two columns", () => {
  const wide = progressOf({ running: 1 }, { name: "圧縮圧縮圧縮" });
  const line = progressLine(wide, { perSecond: null, secondsLeft: null }, 27, NO_COLORS);
  expect(line).toBe("[         ]  0/1  1 running");
  expect(Bun.stringWidth(progressLine(wide, speed, 60, NO_COLORS))).toBeLessThanOrEqual(60);
});

test("on a terminal: one line rewritten at most 10 times a second, removed at the end", () => {
  const io = testIo({ tty: true, columns: 40, env: { NO_COLOR: "1" } });
  const progress = startProgress(io, () => half);
  io.advance(1000);
  const drawn = io.err().split("\r").slice(1);
  expect(drawn).toHaveLength(10);
  expect(new Set(drawn)).toEqual(new Set(["compress  13/26  2 running  1 failed\x1b[K"]));
  progress.note("draining");
  progress.end();
  io.advance(1000);
  expect(io.err()).toEndWith("failed\x1b[K\r\x1b[Kdraining\n");
  expect(io.timers()).toBe(0);
});

test("on a terminal with colours, what failed is red", () => {
  const io = testIo({ tty: true });
  startProgress(io, () => half);
  io.advance(100);
  expect(io.err()).toContain("\x1b[31m1 failed\x1b[39m");
});

test.each([
  ["no terminal", testIo()],
  ["a dumb terminal", testIo({ tty: true, env: { TERM: "dumb" } })],
])("%s: a plain line every 10 s, the first after 10 s", (_, io) => {
  let shown = progressOf({ running: 2, ready: 98 });
  const progress = startProgress(io, () => shown);
  io.advance(9_999);
  expect(io.err()).toBe("");
  shown = progressOf({ succeeded: 20, running: 2, ready: 78 });
  io.advance(1);
  shown = progressOf({ succeeded: 60, failed: 2, running: 2, ready: 36 });
  io.advance(10_000);
  progress.end();
  expect(io.err()).toBe(
    "compress: 20/100 done, 2 running, 2.00 tasks/s, 40 s left\n" +
      "compress: 62/100 done, 2 running, 2 failed, 4.20 tasks/s, 9 s left\n",
  );
});

test("a run that is short leaves no line", () => {
  const io = testIo();
  startProgress(io, () => half).end();
  expect(io.err()).toBe("");
});

test("large counts are grouped", () => {
  expect(
    logLine(progressOf({ succeeded: 1_234_567, ready: 8_765_433 }), {
      perSecond: 123_456.7,
      secondsLeft: 71,
    }),
  ).toBe("compress: 1,234,567/10,000,000 done, 0 running, 123,457 tasks/s, 1:11 left");
});

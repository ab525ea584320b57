/** What a person sees while a run goes on: one line rewritten in place, or now and then a line in a log file. */
import type { RunProgress } from "../embedded-types.ts";
import type { Io } from "../io.ts";
import { type Colors, colorsFor } from "./colors.ts";
import { count, rate, remaining } from "./units.ts";

/** On a terminal: at most 10 times a second. */
const LIVE_INTERVAL_MS = 100;
/** Elsewhere: at most one line in 10 s, the first after 10 s. */
const LOG_INTERVAL_MS = 10_000;
/** The rate is that of the last seconds, so that it follows what happens. */
const RATE_WINDOW_MS = 10_000;
const RATE_STEP_MS = 500;
const BAR_MIN = 10;
const BAR_MAX = 40;

export interface Progress {
  /** a line for people that stays, above the progress line */
  note(text: string): void;
  /** removes the progress line and stops */
  end(): void;
}

/** Shows progress on `io.stderr` until `end()`. `snapshot` is asked for each line. */
export function startProgress(io: Io, snapshot: () => RunProgress): Progress {
  const live = io.stderr.isTTY && io.env["TERM"] !== "dumb";
  const colors = colorsFor(io, io.stderr);
  const speed = createRate();
  let shown = false;

  const drawLive = (): void => {
    const now = snapshot();
    const line = progressLine(now, speed(now, io.now()), io.stderr.columns() - 1, colors);
    io.stderr.write(`\r${line}\x1b[K`);
    shown = true;
  };
  const writeLine = (): void => {
    const now = snapshot();
    io.stderr.write(`${logLine(now, speed(now, io.now()))}\n`);
  };
  speed(snapshot(), io.now());
  const cancel = live ? io.every(LIVE_INTERVAL_MS, drawLive) : io.every(LOG_INTERVAL_MS, writeLine);
  const clear = (): void => {
    if (shown) io.stderr.write("\r\x1b[K");
    shown = false;
  };
  return {
    note(text) {
      clear();
      io.stderr.write(`${text}\n`);
    },
    end() {
      cancel();
      clear();
    },
  };
}

interface Speed {
  perSecond: number | null;
  secondsLeft: number | null;
}

/** Tasks that ended a second over the last seconds; null until some have. */
function createRate(): (progress: RunProgress, nowMs: number) => Speed {
  const samples: { atMs: number; done: number }[] = [];
  return (progress, nowMs) => {
    const done = doneTasks(progress);
    const newest = samples.at(-1);
    if (newest === undefined || nowMs - newest.atMs >= RATE_STEP_MS) {
      samples.push({ atMs: nowMs, done });
    }
    // One sample older than the window stays: the window is then always full.
    while (samples.length > 2 && nowMs - (samples[1]?.atMs ?? 0) >= RATE_WINDOW_MS) samples.shift();
    const oldest = samples[0];
    if (oldest === undefined || nowMs <= oldest.atMs || done <= oldest.done) {
      return { perSecond: null, secondsLeft: null };
    }
    const perSecond = ((done - oldest.done) * 1000) / (nowMs - oldest.atMs);
    return { perSecond, secondsLeft: (progress.total - done) / perSecond };
  };
}

export function doneTasks({ counts }: RunProgress): number {
  return counts.succeeded + counts.failed + counts.canceled + counts.skipped;
}

function runningTasks({ counts }: RunProgress): number {
  return counts.running;
}

/** One line of at most `width` columns. What matters least is left out first. */
export function progressLine(
  progress: RunProgress,
  speed: Speed,
  width: number,
  colors: Colors,
): string {
  const { counts, total } = progress;
  const done = doneTasks(progress);
  // In the order shown; the highest `drop` goes first.
  const parts: { text: string; drop: number; style?: (text: string) => string }[] = [
    { text: progress.name, drop: 5, style: colors.bold },
    { text: `${count(done)}/${count(total)}`, drop: 0 },
    { text: `${count(runningTasks(progress))} running`, drop: 2 },
  ];
  if (counts.failed > 0) {
    parts.push({ text: `${count(counts.failed)} failed`, drop: 1, style: colors.red });
  }
  if (speed.perSecond !== null) parts.push({ text: `${rate(speed.perSecond)}/s`, drop: 4 });
  if (speed.secondsLeft !== null && done < total) {
    parts.push({ text: `${remaining(speed.secondsLeft)} left`, drop: 3 });
  }
  const used = (): number =>
    parts.reduce((sum, part) => sum + Bun.stringWidth(part.text) + 2, parts.length > 0 ? -2 : 0);
  while (used() > width && parts.length > 1) {
    const worst = parts.reduce((a, b) => (b.drop > a.drop ? b : a));
    parts.splice(parts.indexOf(worst), 1);
  }
  const free = width - used() - 2;
  const texts = parts.map((part) => part.style?.(part.text) ?? part.text);
  if (free >= BAR_MIN && total > 0) {
    const at = parts.findIndex((part) => part.drop === 0);
    texts.splice(at, 0, bar(done / total, Math.min(free, BAR_MAX), colors));
  }
  return texts.join("  ").slice(0, colors.bold("x") === "x" ? Math.max(width, 1) : undefined);
}

function bar(share: number, width: number, colors: Colors): string {
  const inner = width - 2;
  const full = Math.floor(inner * Math.min(1, share));
  return `[${colors.green("=".repeat(full))}${" ".repeat(inner - full)}]`;
}

/** The same for a log file: a sentence without control characters. */
export function logLine(progress: RunProgress, speed: Speed): string {
  const done = doneTasks(progress);
  const parts = [
    `${count(done)}/${count(progress.total)} done`,
    `${count(runningTasks(progress))} running`,
  ];
  if (progress.counts.failed > 0) parts.push(`${count(progress.counts.failed)} failed`);
  if (speed.perSecond !== null) parts.push(`${rate(speed.perSecond)} tasks/s`);
  if (speed.secondsLeft !== null && done < progress.total) {
    parts.push(`${remaining(speed.secondsLeft)} left`);
  }
  return `${progress.name}: ${parts.join(", ")}`;
}

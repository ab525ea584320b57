// npm run performance: runs every benchmark and writes what it measured into docs/performance.md, between two markers; with -- --quick
// it runs shorter ones, whose figures say little, and only prints them.
// One that fails or takes too long leaves a line that says so, and the others run all the same.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { arch, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { type Figure, type Measure, MEASURES } from "./measures.ts";
import { markdownTable } from "./spec-keys.ts";

const FILE = "docs/performance.md";
const BEGIN = "<!-- measured (npm run performance) -->";
const END = "<!-- end: measured -->";

/** All of it, and one command. */
const LIMIT_MS = 8 * 60_000;
const COMMAND_LIMIT_MS = 3 * 60_000;

export interface Outcome {
  readonly args: readonly string[];
  readonly figures: readonly Figure[];
  /** why there are no figures */
  readonly failure: string | null;
  /** percent of all cores that others used meanwhile */
  readonly busy: number;
}

export function goalOf({ least, most, further }: Figure): string {
  const goal = least ?? most;
  if (goal === undefined) return "";
  const sign = least === undefined ? "≤" : "≥";
  const more = further === undefined ? "" : ` [${further.toLocaleString("en")}]`;
  return `${sign} ${goal.toLocaleString("en")}${more}`;
}

export function isMet({ value, least, most }: Figure): boolean | null {
  if (least === undefined && most === undefined) return null;
  return value >= (least ?? -Infinity) && value <= (most ?? Infinity);
}

export function render(outcomes: readonly Outcome[], about: readonly string[]): string {
  const rows = outcomes.flatMap(({ args, figures, failure, busy }) => {
    const command = `\`${args.join(" ")}\``;
    const others = `${busy.toFixed(0)} %`;
    if (failure !== null) return [[`not measured: ${failure}`, "", "", "", command, others]];
    return figures.map((figure, i) => {
      const value = figure.value.toLocaleString("en", {
        minimumFractionDigits: figure.digits,
        maximumFractionDigits: figure.digits,
      });
      const met = isMet(figure);
      return [
        figure.what,
        figure.unit === "" ? value : `${value} ${figure.unit}`,
        goalOf(figure),
        met === null ? "" : met ? "yes" : "**no**",
        i === 0 ? command : "",
        i === 0 ? others : "",
      ];
    });
  });
  const head = ["what", "figure", "goal", "met", "command", "others"];
  return [...about, "", markdownTable([head, ...rows])].join("\n");
}

/** `text` with what is between the markers replaced. */
export function written(text: string, content: string): string {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`markers missing: ${BEGIN} … ${END}`);
  return `${text.slice(0, from + BEGIN.length)}\n\n${content}\n\n${text.slice(to)}`;
}

/** Milliseconds of all cores since they started: what was used, by other guests of this host too, and all. */
function cpuTimes(): { usedMs: number; allMs: number } {
  const [, ...fields] = readFileSync("/proc/stat", "utf8").split("\n")[0]!.split(/ +/);
  // user, nice, system, idle, iowait, irq, softirq, steal; in hundredths of a second
  const times = fields.slice(0, 8).map((ticks) => Number(ticks) * 10);
  const allMs = times.reduce((sum, each) => sum + each, 0);
  return { usedMs: allMs - times[3]! - times[4]!, allMs };
}

let running: Bun.Subprocess | null = null;

/** A group of its own, so that nothing it started is left when it has to be ended. */
function endGroup(): void {
  try {
    if (running) process.kill(-running.pid, "SIGKILL");
  } catch {
    // it has just ended
  }
}

/** What `holdall ARGS --json` prints. Throws when it fails, or is not done in time; then it is ended with all it started. */
export async function answerOf(
  args: readonly string[],
  folder: string,
  limitMs: number,
): Promise<unknown> {
  const child = Bun.spawn([join(import.meta.dir, "../bin/holdall"), ...args, "--json"], {
    detached: true,
    env: { ...process.env, TMPDIR: folder },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  running = child;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup();
  }, limitMs);
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  clearTimeout(timer);
  running = null;
  if (late) throw new Error(`not done after ${Math.round(limitMs / 1000)} s`);
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr.trim().split("\n").at(-1)}`);
  return JSON.parse(stdout);
}

async function perform(
  { args, quick, within, figures }: Measure,
  isQuick: boolean,
  folder: string,
  leftMs: number,
): Promise<Outcome> {
  const full = within?.(leftMs / 1000) ?? args;
  const used = isQuick ? quick : full;
  console.error(used.join(" "));
  const before = cpuTimes();
  const ownMs = ownCpuMs();
  try {
    if (leftMs <= 0) throw new Error("no time was left");
    const limitMs = within ? leftMs : Math.min(leftMs, COMMAND_LIMIT_MS);
    const answer = await answerOf(used, folder, limitMs);
    return { args: used, figures: figures(answer), failure: null, busy: busySince(before, ownMs) };
  } catch (error) {
    const [failure] = (error as Error).message.split("\n");
    return { args: used, figures: [], failure: failure!, busy: busySince(before, ownMs) };
  }
}

function busySince(before: ReturnType<typeof cpuTimes>, ownMs: number): number {
  const { usedMs, allMs } = cpuTimes();
  const others = usedMs - before.usedMs - (ownCpuMs() - ownMs);
  return Math.max(0, (100 * others) / Math.max(1, allMs - before.allMs));
}

/** Of this process and of all it has started and seen end, with what those had started. */
function ownCpuMs(): number {
  const text = readFileSync("/proc/self/stat", "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

function machine(): string {
  const { model } = cpus()[0] ?? { model: "unknown" };
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} cores (${model.trim()}), ${memory} GiB, Linux ${release()} ${arch()}, Bun ${Bun.version}`;
}

if (import.meta.main) {
  const isQuick = process.argv.includes("--quick");
  const folder = mkdtempSync(join(tmpdir(), "holdall-performance-"));
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      endGroup();
      rmSync(folder, { recursive: true, force: true });
      process.exit(130);
    });
  const started = performance.now();
  const date = new Date().toISOString().slice(0, 10);
  const before = loadavg()[0]!.toFixed(1);
  const outcomes: Outcome[] = [];
  for (const [i, measure] of MEASURES.entries()) {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`${i + 1}/${MEASURES.length}, ${seconds} s: `);
    const leftMs = LIMIT_MS - (performance.now() - started);
    const outcome = await perform(measure, isQuick, folder, leftMs);
    outcomes.push(outcome);
    if (outcome.failure !== null) console.error(`  not measured: ${outcome.failure}`);
    for (const figure of outcome.figures) {
      const goal = goalOf(figure) === "" ? "" : ` (goal ${goalOf(figure)})`;
      const value = `${figure.value.toFixed(figure.digits)} ${figure.unit}`.trim();
      console.error(`  ${figure.what}: ${value}${goal}`);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  const after = loadavg()[0]!.toFixed(1);
  const about = [`Measured ${date} on ${machine()}; load ${before} before, ${after} after.`];
  const text = render(outcomes, about);
  if (isQuick) console.log(text);
  else {
    await Bun.write(FILE, written(readFileSync(FILE, "utf8"), text));
    console.error(`${FILE} written`);
  }
  if (outcomes.some(({ failure }) => failure !== null)) process.exitCode = 1;
}

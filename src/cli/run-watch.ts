/** Accompanies a run from its start to its exit code: progress, signals, summary. */
import type { RunHandle, RunOutcome } from "./embedded-types.ts";
import { EXIT } from "./exit.ts";
import type { Io, StopSignal } from "./io.ts";
import { colorsFor } from "./output/colors.ts";
import { printJson } from "./output/json.ts";
import { startProgress } from "./output/progress.ts";
import { planText, summaryText, workLeft } from "./output/summary.ts";
import { count } from "./output/units.ts";

export interface WatchOptions {
  json: boolean;
  quiet: boolean;
  stateFlag: string;
  outputDir: string | null;
  outputKept: boolean;
}

/** Resolves with the exit code once the run has ended; rejects with the run's own error. */
export async function watchRun(handle: RunHandle, io: Io, options: WatchOptions): Promise<number> {
  const silent = options.json || options.quiet;
  if (!silent && handle.plan !== null) {
    const text = planText(handle.progress().name, handle.plan);
    if (text !== "") io.stderr.write(`${text}\n`);
  }
  const progress = silent ? null : startProgress(io, () => handle.progress());
  const say = (text: string): void => {
    if (progress !== null) progress.note(text);
    else if (!options.quiet) io.stderr.write(`${text}\n`);
  };
  handle.onStorage?.((error) =>
    say(
      error === null
        ? "the disk takes data again: going on"
        : `${error.message}; waiting for space: nothing is started until then, and nothing is lost`,
    ),
  );
  const signals = takeSignals(handle, io, say);
  let outcome: RunOutcome;
  try {
    outcome = await handle.done;
  } finally {
    signals.release();
    progress?.end();
  }
  const exitCode = runExitCode(outcome, signals.first());
  if (options.json) printJson(io, outcome.report);
  else if (!options.quiet || exitCode !== EXIT.ok) {
    io.stderr.write(summaryText(outcome, { ...options, colors: colorsFor(io, io.stderr) }));
  }
  return exitCode;
}

/** The first signal drains, the second stops. A lost terminal (SIGHUP) counts like SIGTERM. */
function takeSignals(
  handle: RunHandle,
  io: Io,
  say: (text: string) => void,
): { first(): StopSignal | null; release(): void } {
  let first: StopSignal | null = null;
  let stopping = false;
  const take = (signal: StopSignal) => () => {
    if (first === null) {
      first = signal;
      const { running } = handle.progress().counts;
      const again = signal === "SIGINT" ? "press Ctrl-C again" : "signal again";
      say(`draining: ${count(running)} running; ${again} to stop now`);
      handle.drain();
    } else if (!stopping) {
      stopping = true;
      say("stopping");
      handle.stop();
    }
  };
  const releases = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    io.onSignal(signal, take(signal)),
  );
  return {
    first: () => first,
    release() {
      for (const release of releases) release();
    },
  };
}

/** 0 all succeeded; 1 anything failed, skipped or canceled; 7 --timeout; 130 or 143 interrupted with work left. */
export function runExitCode({ report, end }: RunOutcome, signal: StopSignal | null): number {
  if (workLeft(report) > 0) {
    if (end === "timeout") return EXIT.timeout;
    if (signal !== null) return signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
    return EXIT.taskFailed;
  }
  if (end === "timeout" && report.canceled > 0) return EXIT.timeout;
  return report.failed + report.skipped + report.canceled > 0 ? EXIT.taskFailed : EXIT.ok;
}

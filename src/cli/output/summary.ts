/** What a person reads when a run has ended: the counts, the times, where to look, what to do next. */
import type { Spread, WorkflowSummary } from "../../protocol/api.ts";
import type { RunOutcome, RunPlan } from "../embedded-types.ts";
import type { Colors } from "./colors.ts";
import { table } from "./table.ts";
import { bytes, count, duration, plural, rate } from "./units.ts";

/** Lines shown of the first failure's output. */
const TAIL_LINES = 10;
const TAIL_LINE_LENGTH = 500;

export interface SummaryOptions {
  colors: Colors;
  /** " --state-dir D" when the user gave one: the commands we propose have to find it again */
  stateFlag: string;
  outputDir: string | null;
  /** whether output of tasks was kept at all */
  outputKept: boolean;
}

type Failure = WorkflowSummary["failures"][number];

export function summaryText(outcome: RunOutcome, options: SummaryOptions): string {
  const { report, summary } = outcome;
  const sections = [headline(outcome, options.colors)];
  const spreads = spreadTable(summary);
  if (spreads !== "" && report.attempts > 0) sections.push(spreads);
  const failures = failureText(outcome, options);
  if (failures !== "") sections.push(failures);
  const next = nextSteps(outcome, options);
  if (next !== "") sections.push(next);
  return sections.join("\n");
}

function headline({ report, end }: RunOutcome, colors: Colors): string {
  const states = [`${count(report.succeeded)} succeeded`];
  if (report.failed > 0) states.push(colors.red(`${count(report.failed)} failed`));
  if (report.skipped > 0) states.push(colors.yellow(`${count(report.skipped)} skipped`));
  if (report.canceled > 0) states.push(colors.yellow(`${count(report.canceled)} canceled`));
  const left = workLeft(report);
  if (left > 0) states.push(colors.yellow(`${count(left)} not finished`));
  const kept =
    report.cached > 0
      ? ` (${report.cached === report.succeeded ? "all" : count(report.cached)} from earlier runs)`
      : "";
  states[0] += kept;
  const time =
    report.attempts > 0
      ? ` in ${duration(report.wall_seconds)} (${rate(report.tasks_per_second)} tasks/s)`
      : "; nothing was left to do";
  const why =
    end === "timeout" ? ", stopped by --timeout" : end === "finished" ? "" : ", interrupted";
  return `${colors.bold(report.name)}: ${plural(report.tasks, "task")}: ${states.join(", ")}${time}${why}\n`;
}

/** Tasks that have not ended. */
export function workLeft(report: RunOutcome["report"]): number {
  return report.tasks - report.succeeded - report.failed - report.canceled - report.skipped;
}

function spreadTable(summary: WorkflowSummary): string {
  const row = (
    title: string,
    spread: Spread | null,
    show: (value: number) => string,
  ): readonly string[][] =>
    spread === null
      ? []
      : [[title, show(spread.mean), show(spread.p50), show(spread.p95), show(spread.max)]];
  const rows = [
    ...row("run time", summary.run_time, duration),
    ...row("CPU time", summary.cpu_time, duration),
    ...row("peak memory", summary.peak_memory, bytes),
  ];
  if (rows.length === 0) return "";
  const right = (title: string): { title: string; align: "right" } => ({ title, align: "right" });
  return table([{ title: "" }, right("mean"), right("p50"), right("p95"), right("max")], rows);
}

function failureText({ report, summary }: RunOutcome, options: SummaryOptions): string {
  const { colors } = options;
  const [first] = summary.failures;
  if (first === undefined) return "";
  let text = `${colors.red(`${count(report.failed)} failed`)}:\n`;
  for (const failure of summary.failures) {
    text += `  ${failure.name}: ${failureReason(failure)}\n`;
    if (failure === first) text += tailText(failure, options);
  }
  const more = report.failed - summary.failures.length;
  if (more > 0) text += `  and ${count(more)} more\n`;
  if (options.outputDir !== null) {
    text += `their output is in ${options.outputDir}/TASK.ATTEMPT.out and .err\n`;
  }
  return text;
}

export function failureReason(failure: Omit<Failure, "stderr_tail" | "stdout_tail">): string {
  const base =
    failure.outcome === "exit"
      ? `exit code ${failure.exit_code ?? "unknown"}`
      : failure.outcome.replaceAll("_", " ");
  return failure.message === null || failure.message === "" ? base : `${base}: ${failure.message}`;
}

function tailText(failure: Failure, { colors }: SummaryOptions): string {
  const [stream, tail] =
    failure.stderr_tail.trim() === ""
      ? ["stdout", failure.stdout_tail]
      : ["stderr", failure.stderr_tail];
  const lines = printable(tail).trimEnd().split("\n").slice(-TAIL_LINES);
  if (lines.length === 1 && lines[0] === "") return "";
  const shown = lines.map((line) => `    | ${line.slice(0, TAIL_LINE_LENGTH)}`.trimEnd());
  return `${colors.dim(`    last lines of ${stream}:`)}\n${shown.join("\n")}\n`;
}

/** A task's output must not move the cursor or ring the bell of whoever reads the summary. */
function printable(text: string): string {
  return (
    Bun.stripANSI(text)
      .replace(/\r\n?/g, "\n")
      // oxlint-disable-next-line no-control-regex -- control characters are the subject
      .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "")
  );
}

function nextSteps(outcome: RunOutcome, options: SummaryOptions): string {
  const { report, summary } = outcome;
  const id = report.workflow_id;
  const rows: string[][] = [];
  const propose = (command: string, what: string): void => {
    rows.push([`  holdall ${command}${options.stateFlag}`, what]);
  };
  const [first] = summary.failures;
  if (first !== undefined && options.outputKept) {
    propose(`logs ${shellWord(`${id}/${first.name}`)}`, "all it printed");
  }
  if (report.failed > summary.failures.length) {
    propose(`tasks ${id} --state failed`, "every failed task");
  }
  if (workLeft(report) > 0) propose(`run ${id}`, "goes on where this stopped");
  else if (report.failed + report.skipped + report.canceled > 0) {
    propose(`run ${id}`, "tries again what did not succeed");
  }
  return rows.length === 0 ? "" : `next:\n${table([{ title: "" }, { title: "" }], rows)}`;
}

/** What a second run of the same workflow found, or "" when there is nothing to say. */
export function planText(name: string, plan: RunPlan): string {
  const known = plan.kept + plan.changed + plan.again + plan.removed > 0;
  const parts: string[] = [];
  const add = (n: number, what: string): void => {
    if (n > 0) parts.push(`${count(n)} ${what}`);
  };
  add(plan.kept, "kept");
  add(plan.reused ?? 0, "reused");
  add(plan.changed, "changed");
  add(plan.added, "new");
  add(plan.again, "again");
  add(plan.removed, "removed");
  return parts.length === 0
    ? ""
    : `${name}: ${known ? "known here; " : ""}tasks: ${parts.join(", ")}`;
}

/** Quoted for a shell when it has to be. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

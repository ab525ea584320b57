/** A run that does what a test says. */
import type { TaskCounts, WorkflowSummary } from "../protocol/api.ts";
import type { RunHandle, RunOutcome, RunPlan, RunProgress, RunReport } from "./embedded-types.ts";

export const NO_COUNTS: TaskCounts = {
  blocked: 0,
  ready: 0,
  assigned: 0,
  running: 0,
  succeeded: 0,
  failed: 0,
  canceled: 0,
  skipped: 0,
};

export function progressOf(
  counts: Partial<TaskCounts>,
  more: Partial<RunProgress> = {},
): RunProgress {
  const all = { ...NO_COUNTS, ...counts };
  return {
    workflowId: 1,
    name: "compress",
    total: Object.values(all).reduce((a, b) => a + b, 0),
    counts: all,
    cached: 0,
    attempts: 0,
    startedMs: 0,
    ...more,
  };
}

export function outcomeOf(
  report: Partial<RunReport>,
  more: { summary?: Partial<WorkflowSummary>; end?: RunOutcome["end"] } = {},
): RunOutcome {
  const whole: RunReport = {
    workflow_id: 3,
    name: "compress",
    tasks: 26,
    succeeded: 26,
    failed: 0,
    canceled: 0,
    skipped: 0,
    cached: 0,
    attempts: 26,
    wall_seconds: 1.25,
    tasks_per_second: 20.8,
    ...report,
  };
  return {
    report: whole,
    end: more.end ?? "finished",
    summary: {
      status: { workflow_id: 3, name: whole.name, state: "succeeded", tasks: NO_COUNTS },
      run_time: null,
      cpu_time: null,
      peak_memory: null,
      failures: [],
      ...more.summary,
    },
  };
}

export interface FakeRun extends RunHandle {
  /** what was asked of it: "drain", "stop" */
  readonly calls: string[];
  show(progress: RunProgress): void;
  finish(outcome: RunOutcome): void;
  fail(error: Error): void;
}

export function fakeRun(progress: RunProgress, plan: RunPlan | null = null): FakeRun {
  const { promise, resolve, reject } = Promise.withResolvers<RunOutcome>();
  let shown = progress;
  const calls: string[] = [];
  return {
    plan,
    calls,
    done: promise,
    progress: () => shown,
    drain: () => calls.push("drain"),
    stop: () => calls.push("stop"),
    show(next) {
      shown = next;
    },
    finish: resolve,
    fail: reject,
  };
}

/** The summary of a workflow: how long, how much, and what the first failures said. */
import { FAILED, OUTCOME_OK, OUTCOMES } from "../core/states.ts";
import type { Spread, WorkflowSummary } from "../protocol/api.ts";
import { readStoredOutput, type Stream } from "./output.ts";
import { type Loaded, workflowStatus } from "./queries.ts";

const FAILURES = 10;
const TAIL_LINES = 20;
const TAIL_BYTES = 4096;

export function workflowSummary(loaded: Loaded): WorkflowSummary {
  const { id, engine } = loaded;
  const wall = column();
  const cpu = column();
  const peak = column();
  engine.ledger.resultStatistics(id, (row) => {
    if (row.outcome !== OUTCOME_OK) return;
    wall.add(row.wallUs);
    cpu.add(row.cpuUs);
    peak.add(row.peakBytes);
  });
  return {
    status: workflowStatus(loaded),
    run_time: spread(wall.values(), 1e-6),
    cpu_time: spread(cpu.values(), 1e-6),
    peak_memory: spread(peak.values(), 1),
    failures: failures(loaded),
  };
}

function failures(loaded: Loaded): WorkflowSummary["failures"] {
  const { id, engine, tasks, names } = loaded;
  const failed: number[] = [];
  let task = tasks.counts[FAILED] === 0 ? -1 : tasks.state.indexOf(FAILED);
  while (task >= 0 && failed.length < FAILURES) {
    failed.push(task);
    task = tasks.state.indexOf(FAILED, task + 1);
  }
  const rows = engine.ledger.latestAttempts(id, failed);
  const texts = names.all(failed);
  return failed.map((each, i) => {
    const row = rows[i]!;
    const tail = (stream: Stream): string => tailOf(loaded, each, row?.attempt ?? 0, stream);
    return {
      name: texts[i]!,
      outcome: row === null ? "worker_lost" : OUTCOMES[row.outcome]!,
      exit_code: row === null || row.exit === null || row.exit < 0 ? null : row.exit,
      message: row?.message ?? null,
      stderr_tail: tail("stderr"),
      stdout_tail: tail("stdout"),
    };
  });
}

/** The last lines of a stream, at most 20 and 4 KiB. */
function tailOf({ id, engine }: Loaded, task: number, attempt: number, stream: Stream): string {
  const stored = readStoredOutput(engine, id, task, attempt, stream);
  const bytes = stored.read(Math.max(0, stored.bytes - TAIL_BYTES), TAIL_BYTES);
  // Where the cut lies inside a character, its remaining bytes are left out.
  let start = 0;
  if (stored.bytes > bytes.length)
    while (start < Math.min(3, bytes.length) && (bytes[start]! & 0xc0) === 0x80) start++;
  const text = new TextDecoder().decode(bytes.subarray(start));
  const lines = text.split("\n");
  const ended = lines.at(-1) === "" ? 1 : 0;
  return lines.slice(-TAIL_LINES - ended).join("\n");
}

export interface Column {
  add(value: number | null): void;
  values(): Float64Array;
}

/** Ten million numbers as numbers, not as objects. */
export function column(): Column {
  let kept = new Float64Array(1024);
  let size = 0;
  return {
    add(value) {
      if (value === null) return;
      if (size === kept.length) {
        const wider = new Float64Array(size * 2);
        wider.set(kept);
        kept = wider;
      }
      kept[size++] = value;
    },
    values: () => kept.subarray(0, size),
  };
}

/** Sorts `values` in place. Quantiles lie between the two nearest values, as in numpy. */
export function spread(values: Float64Array, unit: number): Spread | null {
  const count = values.length;
  if (count === 0) return null;
  values.sort();
  let sum = 0;
  for (const value of values) sum += value;
  const quantile = (q: number): number => {
    const at = q * (count - 1);
    const low = values[Math.floor(at)]!;
    return (low + (values[Math.ceil(at)]! - low) * (at % 1)) * unit;
  };
  return {
    mean: (sum / count) * unit,
    p50: quantile(0.5),
    p95: quantile(0.95),
    max: values[count - 1]! * unit,
  };
}

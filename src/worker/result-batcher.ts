/** Gathers results into frames: few commits and few wake-ups when tasks are short, no waiting when there is nothing else to do. */
import type { FileStamp } from "../core/files.ts";
import { type Outcome, outcomeIndex, OUTCOMES } from "../core/states.ts";
import { emptyBatch, type FinishedBatch, type ToServer } from "../protocol/session.ts";
import type { Exit } from "./executor.ts";
import type { OutputBuffer } from "./output-buffer.ts";

export interface Result {
  workflow: number;
  cls: number;
  task: number;
  attempt: number;
  outcome: Outcome;
  code: number | null;
  exit: Exit | null;
  /** used when there is no exit */
  nowMs: number;
  message: string | null;
  stdout: OutputBuffer | null;
  stderr: OutputBuffer | null;
  files: FileStamp[] | null;
  recoveryFailed: boolean;
}

/** Results wait this long at most for others to share their commit. */
const GATHER_MS = 4;
const GATHER_MAX = 512;
/** Kept output that makes a frame of its own worth it; far below what a message may hold. */
const GATHER_BYTES: number = 4 * 1024 * 1024;
const OUTCOME_NUMBERS = new Map(OUTCOMES.map((outcome) => [outcome, outcomeIndex(outcome)]));

export class ResultBatcher {
  readonly #send: (frame: Extract<ToServer, { type: "finished" }>) => void;
  #batches: FinishedBatch[] = [];
  #last: FinishedBatch | null = null;
  #count = 0;
  #bytes = 0;
  #seq = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #unacknowledged = new Map<number, FinishedBatch[]>();

  constructor(send: (frame: Extract<ToServer, { type: "finished" }>) => void) {
    this.#send = send;
  }

  add(result: Result): void {
    const batch = this.#batchFor(result.workflow, result.cls);
    const at = batch.tasks.length;
    const { exit } = result;
    batch.tasks.push(result.task);
    batch.attempts.push(result.attempt);
    batch.outcomes.push(OUTCOME_NUMBERS.get(result.outcome)!);
    batch.exits.push(result.code);
    batch.startedMs.push(exit ? exit.startedMs : result.nowMs);
    batch.wallUs.push(exit ? exit.wallUs : 0);
    batch.userUs.push(exit ? exit.userUs : 0);
    batch.systemUs.push(exit ? exit.systemUs : 0);
    batch.peakBytes.push(exit ? exit.peakBytes : null);
    if (result.stdout || result.stderr) {
      const stdout = result.stdout?.kept() ?? null;
      const stderr = result.stderr?.kept() ?? null;
      batch.outputs.push({
        at,
        stdout,
        stderr,
        stdoutBytes: result.stdout?.total ?? 0,
        stderrBytes: result.stderr?.total ?? 0,
      });
      this.#bytes += (stdout?.length ?? 0) + (stderr?.length ?? 0);
    }
    if (result.message !== null) batch.messages.push([at, result.message]);
    if (result.files && result.files.length > 0) batch.files.push([at, result.files]);
    if (result.recoveryFailed) batch.recoveryFailed.push(at);
    this.#count++;
    if (this.#bytes >= GATHER_BYTES) this.flush();
  }

  /** Called after each group of exits: sends now, or lets the results wait a moment for company. */
  settle(idle: boolean): void {
    if (this.#count === 0) return;
    if (idle || this.#count >= GATHER_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#count === 0) return;
    const seq = ++this.#seq;
    const batches = this.#batches;
    this.#batches = [];
    this.#last = null;
    this.#count = 0;
    this.#bytes = 0;
    this.#unacknowledged.set(seq, batches);
    this.#send({ type: "finished", seq, batches });
  }

  acknowledge(seq: number): void {
    for (const each of this.#unacknowledged.keys()) {
      if (each > seq) break;
      this.#unacknowledged.delete(each);
    }
  }

  /** Batches that were sent and not acknowledged, and those that still gather. */
  *unacknowledged(): Generator<FinishedBatch> {
    for (const batches of this.#unacknowledged.values()) yield* batches;
    yield* this.#batches;
  }

  resend(): void {
    for (const [seq, batches] of this.#unacknowledged)
      this.#send({ type: "finished", seq, batches });
    this.flush();
  }

  /** Whether there is any result that nobody has acknowledged. */
  get pending(): boolean {
    return this.#count > 0 || this.#unacknowledged.size > 0;
  }

  #batchFor(workflow: number, cls: number): FinishedBatch {
    const last = this.#last;
    if (last && last.workflow === workflow && last.cls === cls) return last;
    let batch = this.#batches.find((each) => each.workflow === workflow && each.cls === cls);
    if (!batch) {
      batch = emptyBatch(workflow, cls);
      this.#batches.push(batch);
    }
    this.#last = batch;
    return batch;
  }
}

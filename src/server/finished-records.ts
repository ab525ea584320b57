/** From results as workers send them to rows of the ledger. */
import { VERDICT_SUPERSEDED } from "../core/events.ts";
import type { LedgerRecord } from "../ledger/ledger.ts";
import type { FinishedBatch } from "../protocol/session.ts";

/** The record of attempts that ended without a result. */
export function lostRecord(
  workflow: number,
  worker: number,
  tasks: number[],
  attempts: number[],
  outcome: number,
): Extract<LedgerRecord, { kind: "finished" }> {
  const nothing = tasks.map(() => null);
  return {
    kind: "finished",
    workflow,
    worker,
    columns: {
      tasks,
      attempts,
      outcomes: tasks.map(() => outcome),
      exits: nothing,
      startedMs: nothing,
      wallUs: nothing,
      userUs: nothing,
      systemUs: nothing,
      peakBytes: nothing,
    },
    accepted: new Uint8Array(tasks.length),
    messages: [],
    outputs: [],
  };
}

/** What the worker said of an attempt, and what was made of it. */
export function explainFailures(batch: FinishedBatch, reasons: readonly [number, string][]): void {
  const said = new Map(batch.messages);
  for (const [at, reason] of reasons) {
    const before = said.get(at);
    said.set(at, before === undefined ? reason : `${before} (${reason})`);
  }
  batch.messages = [...said];
}

export function withoutSuperseded(batch: FinishedBatch, verdicts: Uint8Array): FinishedBatch {
  const place = new Map<number, number>();
  verdicts.forEach((verdict, at) => {
    if (verdict !== VERDICT_SUPERSEDED) place.set(at, place.size);
  });
  const pick = <T>(list: readonly T[]): T[] => list.filter((_, at) => place.has(at));
  const moved = <T>(list: readonly [number, T][]): [number, T][] =>
    list.filter(([at]) => place.has(at)).map(([at, value]) => [place.get(at)!, value]);
  return {
    workflow: batch.workflow,
    cls: batch.cls,
    tasks: pick(batch.tasks),
    attempts: pick(batch.attempts),
    outcomes: pick(batch.outcomes),
    exits: pick(batch.exits),
    startedMs: pick(batch.startedMs),
    wallUs: pick(batch.wallUs),
    userUs: pick(batch.userUs),
    systemUs: pick(batch.systemUs),
    peakBytes: pick(batch.peakBytes),
    outputs: batch.outputs
      .filter(({ at }) => place.has(at))
      .map((output) => ({ ...output, at: place.get(output.at)! })),
    messages: moved(batch.messages),
    files: moved(batch.files),
    recoveryFailed: batch.recoveryFailed.filter((at) => place.has(at)).map((at) => place.get(at)!),
  };
}

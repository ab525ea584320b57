/** What a ledger keeps of actions: each is claimed once. */
import { expect, test } from "bun:test";
import type { Bench } from "../ledger.testsuite.ts";

export function actionTests(bench: Bench): void {
  const claimed = (workflow: number, action: number, worker: number) =>
    ({ kind: "action_taken", workflow, action, worker, atMs: 5 }) as const;

  test("actions are claimed once, by all or by each worker, and end", () => {
    const id = bench.array(2);
    const other = bench.array(1);
    bench.ledger.commit([claimed(id, 1, 0), claimed(id, 0, 2), claimed(id, 0, 1)]);
    bench.ledger.commit([
      {
        kind: "action_ended",
        workflow: id,
        action: 0,
        worker: 2,
        endedMs: 9,
        exitCode: 3,
        message: "no",
      },
    ]);
    const open = { claimedMs: 5, endedMs: null, exitCode: null, message: "" };
    bench.lasting(() => {
      expect(bench.ledger.actions(id)).toEqual([
        { action: 0, worker: 1, ...open },
        { action: 0, worker: 2, claimedMs: 5, endedMs: 9, exitCode: 3, message: "no" },
        { action: 1, worker: 0, ...open },
      ]);
      expect(bench.ledger.actions(other)).toEqual([]);
    });
    expect(() => bench.ledger.commit([claimed(id, 0, 2)])).toThrow();
    bench.lasting(() => expect(bench.ledger.actions(id)).toHaveLength(3));
    bench.ledger.commit([{ kind: "actions_forgotten", workflow: id }, claimed(other, 0, 0)]);
    bench.lasting(() => {
      expect(bench.ledger.actions(id)).toEqual([]);
      expect(bench.ledger.actions(other)).toHaveLength(1);
    });
    bench.ledger.deleteWorkflow(other);
    bench.lasting(() => expect(bench.ledger.actions(other)).toEqual([]));
  });
}

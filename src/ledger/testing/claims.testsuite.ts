/** What a ledger keeps of claims and of answers that may be asked for again. */
import { expect, test } from "bun:test";
import type { ClaimRow } from "../ledger.ts";
import type { Bench } from "../ledger.testsuite.ts";

export function claimTests(bench: Bench): void {
  const row = (change: Partial<ClaimRow>): ClaimRow => ({
    id: "a",
    workflow: 1,
    worker: 1,
    leaseMs: null,
    endedMs: null,
    started: [],
    ...change,
  });

  test("claims, with their lease and what has started, until they have ended", () => {
    const workflow = bench.array(9);
    bench.ledger.commit([
      { kind: "claim", claim: "a", workflow, worker: 3, leaseMs: null },
      { kind: "claim", claim: "b", workflow, worker: 4, leaseMs: 1500 },
      { kind: "claim_started", claim: "a", task: 7 },
      { kind: "claim_started", claim: "a", task: 2 },
      { kind: "claim_started", claim: "a", task: 7 },
    ]);
    bench.lasting(() =>
      expect(bench.ledger.claims()).toEqual([
        row({ id: "a", workflow, worker: 3, started: [2, 7] }),
        row({ id: "b", workflow, worker: 4, leaseMs: 1500 }),
      ]),
    );
    bench.ledger.commit([
      { kind: "claim", claim: "b", workflow, worker: 4, leaseMs: 9000 },
      { kind: "claim_ended", claim: "a", atMs: 50 },
    ]);
    bench.lasting(() =>
      expect(bench.ledger.claims()).toEqual([
        row({ id: "a", workflow, worker: 3, endedMs: 50 }),
        row({ id: "b", workflow, worker: 4, leaseMs: 9000 }),
      ]),
    );
  });

  test("ended claims and answers are forgotten in time, open claims never", () => {
    const workflow = bench.array(1);
    bench.ledger.commit([
      { kind: "claim", claim: "open", workflow, worker: 1, leaseMs: 1 },
      { kind: "claim", claim: "early", workflow, worker: 2, leaseMs: 1 },
      { kind: "claim", claim: "late", workflow, worker: 3, leaseMs: 1 },
      { kind: "claim_ended", claim: "early", atMs: 99 },
      { kind: "claim_ended", claim: "late", atMs: 100 },
      { kind: "answer", key: "x", status: 200, body: "{}", atMs: 99 },
      { kind: "answer", key: "y", status: 201, body: '{"ü":1}', atMs: 100 },
    ]);
    expect(bench.ledger.answer("x")).toEqual({ status: 200, body: "{}", atMs: 99 });
    bench.ledger.commit([{ kind: "forget_claims", beforeMs: 100 }]);
    bench.lasting(() => {
      expect(bench.ledger.claims().map(({ id }) => id)).toEqual(["open", "late"]);
      expect(bench.ledger.answer("x")).toBeNull();
      expect(bench.ledger.answer("y")).toEqual({ status: 201, body: '{"ü":1}', atMs: 100 });
    });
  });

  test("a later answer under the same key takes its place", () => {
    bench.ledger.commit([{ kind: "answer", key: "k", status: 200, body: "1", atMs: 1 }]);
    bench.ledger.commit([{ kind: "answer", key: "k", status: 202, body: "2", atMs: 2 }]);
    bench.lasting(() =>
      expect(bench.ledger.answer("k")).toEqual({ status: 202, body: "2", atMs: 2 }),
    );
    expect(bench.ledger.answer("other")).toBeNull();
  });

  test("a claim that nobody will ask for is forgotten at once", () => {
    const workflow = bench.array(1);
    bench.ledger.commit([
      { kind: "claim", claim: "a", workflow, worker: 1, leaseMs: null },
      { kind: "claim_started", claim: "a", task: 0 },
    ]);
    bench.ledger.commit([{ kind: "claim_ended", claim: "a", atMs: null }]);
    bench.lasting(() => expect(bench.ledger.claims()).toEqual([]));
    bench.ledger.commit([{ kind: "claim", claim: "a", workflow, worker: 1, leaseMs: null }]);
    expect(bench.ledger.claims()).toEqual([row({ workflow })]);
  });

  test("several workers at once get numbers of their own", () => {
    const before = bench.ledger.addWorker("one", "h1", 1, 5);
    const numbers = bench.ledger.addWorkers(["two", "three"], "h2", 0, 6);
    expect(new Set([before, ...numbers]).size).toBe(3);
    bench.lasting(() => {
      expect(numbers.map((worker) => bench.ledger.workerHost(worker))).toEqual(["h2", "h2"]);
      expect(bench.ledger.workerHost(before)).toBe("h1");
      expect(bench.ledger.addWorker("two", "h2", 0, 7)).toBe(numbers[0]!);
    });
  });

  test("claims go with their workflow", () => {
    const workflow = bench.array(1);
    const other = bench.array(1);
    bench.ledger.commit([
      { kind: "claim", claim: "gone", workflow, worker: 1, leaseMs: null },
      { kind: "claim_started", claim: "gone", task: 0 },
      { kind: "claim", claim: "kept", workflow: other, worker: 2, leaseMs: null },
      { kind: "claim_started", claim: "kept", task: 0 },
    ]);
    bench.ledger.deleteWorkflow(workflow);
    bench.lasting(() =>
      expect(bench.ledger.claims()).toEqual([
        row({ id: "kept", workflow: other, worker: 2, started: [0] }),
      ]),
    );
  });
}

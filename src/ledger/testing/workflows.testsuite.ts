/** What a ledger keeps of workflows and their tasks. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";
import type { WorkflowDefinition } from "../../core/workflow.ts";
import type { Bench } from "../ledger.testsuite.ts";
import {
  arrayBlock,
  arrayWorkflow,
  explicitWorkflow,
  body,
  finished,
  OPTIONS,
  POLICY,
  DEFINITION,
} from "./samples.ts";

export function workflowTests(bench: Bench): void {
  test("keeps its uuid, and no two have the same", () => {
    const { uuid } = bench.ledger;
    expect(uuid).toMatch(/^[0-9a-f-]{36}$/);
    bench.lasting(() => expect(bench.ledger.uuid).toBe(uuid));
    const elsewhere = mkdtempSync(join(tmpdir(), "holdall-ledger-"));
    const other = bench.open(elsewhere);
    expect(other.uuid).not.toBe(uuid);
    other.close();
    rmSync(elsewhere, { recursive: true });
  });

  test("closing twice is closing once; nothing works afterwards", () => {
    bench.ledger.close();
    bench.ledger.close();
    expect(() => bench.ledger.workflows()).toThrow(HoldallError);
    bench.reopen();
  });

  test("an array workflow comes back as it was stored", () => {
    const definition: WorkflowDefinition = {
      ...DEFINITION,
      blocks: [arrayBlock(0, 1_000_000), { ...arrayBlock(1_000_000, 2), retries: 3 }],
      taskCount: 1_000_002,
      edges: [0, 1, 999_999, 1_000_001],
      runs: [{ upstream: 0, dependent: 10, count: 5 }],
      sets: [{ members: [[0, 1_000_000]], dependents: [[1_000_000, 2]] }],
      schedulers: [{ name: "s", fields: { partition: "p" } }],
    };
    const row = bench.ledger.insertWorkflow(definition, "digest", OPTIONS, 1_800_000_000_123);
    expect(row).toEqual({
      id: 1,
      name: "w",
      source: "/s/w.yaml",
      digest: "digest",
      firstTaskId: 1,
      taskCount: 1_000_002,
      submittedMs: 1_800_000_000_123,
      endedMs: null,
      options: OPTIONS,
    });
    bench.lasting(() => {
      expect(bench.ledger.workflow(1)).toEqual(row);
      expect(bench.ledger.definition(1)).toEqual(definition);
    });
  });

  test("ids of workflows and tasks go on and are never given again", () => {
    expect(bench.array(10)).toBe(1);
    expect(bench.array(5)).toBe(2);
    bench.ledger.deleteWorkflow(2);
    expect(bench.array(1)).toBe(3);
    bench.lasting(() =>
      expect(bench.ledger.workflows().map(({ id, firstTaskId }) => [id, firstTaskId])).toEqual([
        [1, 1],
        [3, 16],
      ]),
    );
  });

  test("explicit bodies lie outside of their block", () => {
    const bodies = ["a", "b", "ü 😀"].map(body);
    const { id } = bench.ledger.insertWorkflow(explicitWorkflow(bodies), "d", OPTIONS, 1);
    bench.lasting(() => {
      expect(bench.ledger.definition(id).blocks).toEqual([
        { ...POLICY, kind: "explicit", first: 0, count: 3, bodies: null },
      ]);
      expect(bench.ledger.bodies(id, [2, 0])).toEqual([bodies[2]!, bodies[0]!]);
      expect(bench.ledger.taskByName(id, "ü 😀")).toBe(2);
      expect(bench.ledger.taskByName(id, "A")).toBeNull();
      expect(bench.ledger.taskByName(id + 1, "a")).toBeNull();
    });
    expect(() => bench.ledger.bodies(id, [3])).toThrow("no explicit task 3");
  });

  test("a workflow is stored whole or not at all", () => {
    const twice = explicitWorkflow([body("a"), body("b"), body("a")]);
    expect(() => bench.ledger.insertWorkflow(twice, "d", OPTIONS, 1)).toThrow(
      'two tasks are called "a"',
    );
    const gap = { ...arrayWorkflow(3), taskCount: 4 };
    expect(() => bench.ledger.insertWorkflow(gap, "d", OPTIONS, 1)).toThrow("3 of 4 tasks");
    bench.lasting(() => expect(bench.ledger.workflows()).toEqual([]));
    expect(bench.ledger.insertWorkflow(arrayWorkflow(1), "d", OPTIONS, 1).firstTaskId).toBe(1);
  });

  test("what does not exist is null, or not_found where a definition is needed", () => {
    expect(bench.ledger.workflow(7)).toBeNull();
    expect(bench.ledger.workerHost(7)).toBeNull();
    expect(bench.ledger.output(7, 0, 1)).toBeNull();
    expect(bench.ledger.attemptsOf(7, 0)).toEqual([]);
    expect(bench.ledger.latestAttempts(7, [0])).toEqual([null]);
    expect(bench.ledger.countResults(7)).toBe(0);
    expect(() => bench.ledger.definition(7)).toThrow("there is no workflow 7");
    expect(() => bench.ledger.updateOptions(7, OPTIONS)).toThrow("there is no workflow 7");
    expect(() => bench.ledger.deleteWorkflow(7)).toThrow("there is no workflow 7");
  });

  test("options and the end of a workflow can be changed", () => {
    const id = bench.array(1);
    bench.ledger.updateOptions(id, { ...OPTIONS, outputDir: "/o", idempotencyKey: "k" });
    bench.ledger.commit([{ kind: "ended", workflow: id, atMs: 77 }]);
    bench.lasting(() => {
      expect(bench.ledger.workflow(id)?.options).toEqual({
        ...OPTIONS,
        outputDir: "/o",
        idempotencyKey: "k",
      });
      expect(bench.ledger.workflow(id)?.endedMs).toBe(77);
    });
    bench.ledger.commit([{ kind: "ended", workflow: id, atMs: null }]);
    bench.lasting(() => expect(bench.ledger.workflow(id)?.endedMs).toBeNull());
  });

  test("a deleted workflow leaves nothing, and others alone", () => {
    const kept = bench.array(3);
    const { id } = bench.ledger.insertWorkflow(explicitWorkflow([body("a")]), "d", OPTIONS, 1);
    for (const workflow of [kept, id]) {
      bench.ledger.commit([
        { kind: "assigned", workflow, worker: 1, tasks: [0], attempts: [1] },
        { kind: "canceled", workflow, tasks: [0], reason: "", atMs: 1 },
        finished(workflow, [0], { accepted: new Uint8Array(1) }),
        finished(workflow, [0], { attempt: 2 }),
      ]);
    }
    const before = bench.historyOf(kept);
    bench.ledger.deleteWorkflow(id);
    bench.lasting(() => {
      expect(bench.ledger.workflows().map((row) => row.id)).toEqual([kept]);
      expect(bench.historyOf(kept)).toEqual(before);
      expect(bench.historyOf(id)).toEqual({
        results: [],
        attempts: [],
        canceled: [],
        assigned: [],
      });
      expect(bench.ledger.taskByName(id, "a")).toBeNull();
    });
  });
}

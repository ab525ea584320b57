/** What becomes of the history when a definition is replaced. */
import { beforeEach, describe, expect, test } from "bun:test";
import { HoldallError } from "../../core/error.ts";
import { OUTCOME_OK, outcomeIndex } from "../../core/states.ts";
import type { WorkflowDefinition } from "../../core/workflow.ts";
import type { FileStamp, Ledger, LedgerRecord, OutputRow } from "../ledger.ts";
import type { Bench } from "../ledger.testsuite.ts";
import { arrayWorkflow, explicitWorkflow, body, finished, OPTIONS } from "./samples.ts";

export function replaceTests(bench: Bench): void {
  describe("a replaced definition", () => {
    const replaced = ["new", "c", "a"].map(body);
    let id: number;
    beforeEach(() => {
      id = bench.ledger.insertWorkflow(
        explicitWorkflow(["a", "b", "c"].map(body)),
        "d",
        OPTIONS,
        5,
      ).id;
      bench.ledger.commit([
        { kind: "assigned", workflow: id, worker: 1, tasks: [2, 1], attempts: [2, 9] },
        finished(id, [0, 1], { outputs: [0, 1].map((task) => tinyOutput(task)) }),
        finished(id, [2], { accepted: new Uint8Array(1), outcome: outcomeIndex("exit") }),
        { kind: "canceled", workflow: id, tasks: [1, 2], reason: "", atMs: 1 },
        { kind: "files", workflow: id, task: 0, files: [stamp] },
        { kind: "files", workflow: id, task: 1, files: [stamp] },
      ]);
    });
    const stamp: FileStamp = {
      path: "/f",
      role: "input",
      bytes: 1,
      mtimeNs: "1",
      inode: "1",
      sha256: null,
    };
    function tinyOutput(task: number): OutputRow {
      return {
        task,
        attempt: 1,
        stdout: new Uint8Array([task]),
        stderr: null,
        stdoutBytes: 1,
        stderrBytes: 0,
      };
    }
    function replace(
      definition: WorkflowDefinition,
      mapping: number[],
    ): ReturnType<Ledger["workflow"]> {
      return bench.ledger.replaceDefinition(id, definition, "e", Int32Array.from(mapping));
    }

    test("has further records in the same transaction", () => {
      const records: LedgerRecord[] = [
        { kind: "ended", workflow: id, atMs: 77 },
        { kind: "answer", key: "k", status: 201, body: "{}", atMs: 78 },
      ];
      const mapping = Int32Array.from([-1, 2, 0]);
      const definition = explicitWorkflow(replaced);
      const row = bench.ledger.replaceDefinition(id, definition, "e", mapping, records);
      bench.lasting(() => {
        expect(row.endedMs).toBe(77);
        expect(bench.ledger.workflow(id)).toEqual(row);
        expect(bench.ledger.answer("k")).toEqual({ status: 201, body: "{}", atMs: 78 });
      });
    });

    test("takes the history of mapped tasks along and keeps that of others aside", () => {
      const row = replace(explicitWorkflow(replaced), [-1, 2, 0]);
      bench.lasting(() => {
        expect(bench.ledger.workflow(id)).toEqual(row);
        expect(row).toMatchObject({ digest: "e", firstTaskId: 1, taskCount: 3, submittedMs: 5 });
        expect(bench.ledger.bodies(id, [0, 1, 2])).toEqual(replaced);
        expect(bench.ledger.taskByName(id, "b")).toBeNull();
        expect(bench.historyOf(id)).toEqual({
          results: [[2, 1, OUTCOME_OK]],
          attempts: [[1, 1, outcomeIndex("exit")]],
          canceled: [1],
          assigned: [[1, 1, 2]],
        });
        expect(bench.ledger.output(id, 2, 1)?.stdout).toEqual(new Uint8Array([0]));
        expect([...bench.ledger.files(id)]).toEqual([[2, stamp]]);
        expect(bench.ledger.countResults(id)).toBe(1);
        expect(bench.ledger.attemptsOf(id, -2)).toHaveLength(1); // the former task 1
        expect(bench.ledger.output(id, -2, 1)?.stdout).toEqual(new Uint8Array([1]));
      });
    });

    test("can be replaced again: dropped tasks never meet", () => {
      for (let round = 0; round < 4; round++) {
        replace(explicitWorkflow(["x", "y"].map(body)), [-1, 0]);
        bench.ledger.commit([finished(id, [0])]);
      }
      bench.lasting(() => {
        expect(bench.ledger.countResults(id)).toBe(2);
        const kept = Array.from({ length: 20 }, (_, index) =>
          bench.ledger.attemptsOf(id, -1 - index),
        );
        expect(kept.flat()).toHaveLength(5);
      });
    });

    test("keeps its task ids while they suffice, or none come after", () => {
      expect(replace(arrayWorkflow(5), [0, 1, 2, -1, -1])?.firstTaskId).toBe(1);
      expect(bench.ledger.workflow(bench.array(4))?.firstTaskId).toBe(6);
      expect(replace(arrayWorkflow(4), [0, 1, 2, 3])?.firstTaskId).toBe(1);
      expect(replace(arrayWorkflow(7), [0, 1, 2, 3, -1, -1, -1])?.firstTaskId).toBe(10);
      expect(bench.ledger.workflow(bench.array(1))?.firstTaskId).toBe(17);
    });

    test("is refused whole when the mapping makes no sense", () => {
      const before = bench.historyOf(id);
      const three = explicitWorkflow(replaced);
      expect(() => replace(three, [0, 0, 1])).toThrow(HoldallError);
      expect(() => replace(three, [0, 3, 1])).toThrow(HoldallError);
      expect(() => replace(three, [0])).toThrow(HoldallError);
      expect(() => replace(explicitWorkflow([body("z"), body("z")]), [-1, 1])).toThrow(
        HoldallError,
      );
      bench.lasting(() => {
        expect(bench.historyOf(id)).toEqual(before);
        expect(bench.ledger.workflow(id)?.digest).toBe("d");
        expect(bench.ledger.taskByName(id, "b")).toBe(1);
      });
    });
  });
}

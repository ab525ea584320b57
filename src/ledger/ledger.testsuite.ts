/**
 * The conformance suite: what every ledger must do, whatever it is kept in. Each test checks twice, before and after the
 * ledger was closed and opened again.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../core/error.ts";
import { OUTCOME_OK, outcomeIndex } from "../core/states.ts";
import { DEFAULT_REQUIREMENT } from "../core/workflow.ts";
import type { ArrayBlock, BlockPolicy, TaskBody, WorkflowDefinition } from "../core/workflow.ts";
import type {
  FileStamp,
  Ledger,
  LedgerRecord,
  OutputRow,
  StatisticsRow,
  WorkflowOptions,
} from "./ledger.ts";

export interface LedgerUnderTest {
  name: string;
  /** opens the ledger of a place (an empty folder at first); again after `close` */
  open(place: string): Ledger;
}

type FinishedRecord = Extract<LedgerRecord, { kind: "finished" }>;

export const OPTIONS: WorkflowOptions = { stdout: "capture", stderr: "none", outputDir: null };

const POLICY: BlockPolicy = {
  requirement: DEFAULT_REQUIREMENT,
  category: "c",
  retries: 0,
  timeoutSeconds: null,
  onUpstreamFailure: "skip",
  priority: 0,
  cwd: null,
  scheduler: null,
};

const DEFINITION: WorkflowDefinition = {
  name: "w",
  source: "/s/w.yaml",
  specDir: "/s",
  cwd: "/s",
  blocks: [],
  edges: [],
  runs: [],
  sets: [],
  taskCount: 0,
  priority: 0,
  sortMethod: "auto",
  schedulers: [],
};

function arrayBlock(first: number, count: number): ArrayBlock {
  return {
    ...POLICY,
    kind: "array",
    first,
    count,
    title: "t_{i}",
    parameters: { names: ["i"], values: [{ from: 0, step: 1, count, decimals: 0 }], mode: "zip" },
    body: {
      name: ["t_", { p: 0 }],
      command: { kind: "argv", argv: ["true", [{ p: 0, f: "03d" }]] },
    },
  };
}

export function arrayWorkflow(count: number): WorkflowDefinition {
  return { ...DEFINITION, taskCount: count, blocks: [arrayBlock(0, count)] };
}

export function explicitWorkflow(bodies: readonly TaskBody[]): WorkflowDefinition {
  const count = bodies.length;
  return {
    ...DEFINITION,
    taskCount: count,
    blocks: [{ ...POLICY, kind: "explicit", first: 0, count, bodies }],
  };
}

function body(name: string): TaskBody {
  return { name, command: { kind: "auto", text: `run ${name}` }, env: { A: name } };
}

/** Attempts that succeeded and were accepted, unless told otherwise. */
export function finished(
  workflow: number,
  tasks: readonly number[],
  change: Partial<Omit<FinishedRecord, "columns">> & {
    attempt?: number;
    outcome?: number;
    columns?: Partial<FinishedRecord["columns"]>;
  } = {},
): FinishedRecord {
  const { attempt = 1, outcome = OUTCOME_OK, columns, ...rest } = change;
  return {
    kind: "finished",
    workflow,
    worker: 1,
    columns: {
      tasks,
      attempts: tasks.map(() => attempt),
      outcomes: tasks.map(() => outcome),
      exits: tasks.map(() => 0),
      startedMs: tasks.map(() => 1_800_000_000_000),
      wallUs: tasks.map((task) => 1000 + task),
      userUs: tasks.map(() => 20),
      systemUs: tasks.map(() => 3),
      peakBytes: tasks.map(() => 2 ** 40),
      ...columns,
    },
    accepted: new Uint8Array(tasks.length).fill(1),
    messages: [],
    outputs: [],
    ...rest,
  };
}

export function testLedger(subject: LedgerUnderTest): void {
  describe(`${subject.name} ledger`, () => {
    let place: string;
    let ledger: Ledger;
    beforeEach(() => {
      place = mkdtempSync(join(tmpdir(), "holdall-ledger-"));
      ledger = subject.open(place);
    });
    afterEach(() => {
      ledger.close();
      rmSync(place, { recursive: true });
    });

    /** Checks now and after the ledger was opened again. */
    function lasting(check: () => void): void {
      check();
      ledger.close();
      ledger = subject.open(place);
      check();
    }
    function array(count: number): number {
      return ledger.insertWorkflow(arrayWorkflow(count), "d", OPTIONS, 5).id;
    }
    function historyOf(workflow: number): Record<string, unknown> {
      const { results, attempts, canceled, assigned } = ledger.history(workflow);
      return {
        results: [...results],
        attempts: [...attempts],
        canceled: [...canceled],
        assigned: [...assigned],
      };
    }

    test("keeps its uuid, and no two have the same", () => {
      const { uuid } = ledger;
      expect(uuid).toMatch(/^[0-9a-f-]{36}$/);
      lasting(() => expect(ledger.uuid).toBe(uuid));
      const elsewhere = mkdtempSync(join(tmpdir(), "holdall-ledger-"));
      const other = subject.open(elsewhere);
      expect(other.uuid).not.toBe(uuid);
      other.close();
      rmSync(elsewhere, { recursive: true });
    });

    test("closing twice is closing once; nothing works afterwards", () => {
      ledger.close();
      ledger.close();
      expect(() => ledger.workflows()).toThrow(HoldallError);
      ledger = subject.open(place);
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
      const row = ledger.insertWorkflow(definition, "digest", OPTIONS, 1_800_000_000_123);
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
      lasting(() => {
        expect(ledger.workflow(1)).toEqual(row);
        expect(ledger.definition(1)).toEqual(definition);
      });
    });

    test("ids of workflows and tasks go on and are never given again", () => {
      expect(array(10)).toBe(1);
      expect(array(5)).toBe(2);
      ledger.deleteWorkflow(2);
      expect(array(1)).toBe(3);
      lasting(() =>
        expect(ledger.workflows().map(({ id, firstTaskId }) => [id, firstTaskId])).toEqual([
          [1, 1],
          [3, 16],
        ]),
      );
    });

    test("explicit bodies lie outside of their block", () => {
      const bodies = ["a", "b", "ü 😀"].map(body);
      const { id } = ledger.insertWorkflow(explicitWorkflow(bodies), "d", OPTIONS, 1);
      lasting(() => {
        expect(ledger.definition(id).blocks).toEqual([
          { ...POLICY, kind: "explicit", first: 0, count: 3, bodies: null },
        ]);
        expect(ledger.bodies(id, [2, 0])).toEqual([bodies[2]!, bodies[0]!]);
        expect(ledger.taskByName(id, "ü 😀")).toBe(2);
        expect(ledger.taskByName(id, "A")).toBeNull();
        expect(ledger.taskByName(id + 1, "a")).toBeNull();
      });
      expect(() => ledger.bodies(id, [3])).toThrow("no explicit task 3");
    });

    test("a workflow is stored whole or not at all", () => {
      const twice = explicitWorkflow([body("a"), body("b"), body("a")]);
      expect(() => ledger.insertWorkflow(twice, "d", OPTIONS, 1)).toThrow(
        'two tasks are called "a"',
      );
      const gap = { ...arrayWorkflow(3), taskCount: 4 };
      expect(() => ledger.insertWorkflow(gap, "d", OPTIONS, 1)).toThrow("3 of 4 tasks");
      lasting(() => expect(ledger.workflows()).toEqual([]));
      expect(ledger.insertWorkflow(arrayWorkflow(1), "d", OPTIONS, 1).firstTaskId).toBe(1);
    });

    test("what does not exist is null, or not_found where a definition is needed", () => {
      expect(ledger.workflow(7)).toBeNull();
      expect(ledger.workerHost(7)).toBeNull();
      expect(ledger.output(7, 0, 1)).toBeNull();
      expect(ledger.attemptsOf(7, 0)).toEqual([]);
      expect(ledger.latestAttempts(7, [0])).toEqual([null]);
      expect(ledger.countResults(7)).toBe(0);
      expect(() => ledger.definition(7)).toThrow("there is no workflow 7");
      expect(() => ledger.updateOptions(7, OPTIONS)).toThrow("there is no workflow 7");
      expect(() => ledger.deleteWorkflow(7)).toThrow("there is no workflow 7");
    });

    test("options and the end of a workflow can be changed", () => {
      const id = array(1);
      ledger.updateOptions(id, { ...OPTIONS, outputDir: "/o", idempotencyKey: "k" });
      ledger.commit([{ kind: "ended", workflow: id, atMs: 77 }]);
      lasting(() => {
        expect(ledger.workflow(id)?.options).toEqual({
          ...OPTIONS,
          outputDir: "/o",
          idempotencyKey: "k",
        });
        expect(ledger.workflow(id)?.endedMs).toBe(77);
      });
      ledger.commit([{ kind: "ended", workflow: id, atMs: null }]);
      lasting(() => expect(ledger.workflow(id)?.endedMs).toBeNull());
    });

    test("attempts keep every column, null included", () => {
      const id = array(3);
      const columns = {
        exits: [0, -9, null],
        startedMs: [1_800_000_000_000, 5, null],
        wallUs: [12.6, 2 ** 45, null],
        userUs: [1, 2, null],
        systemUs: [3, 4, null],
        peakBytes: [2 ** 50, null, null],
        outcomes: [OUTCOME_OK, outcomeIndex("signal"), outcomeIndex("launch_error")],
      };
      ledger.commit([
        finished(id, [0, 1, 2], { columns, worker: 4, messages: [[2, "cannot execute x"]] }),
      ]);
      const common = { attempt: 1, worker: 4, message: null };
      lasting(() =>
        expect(ledger.latestAttempts(id, [2, 1, 0])).toEqual([
          {
            ...common,
            task: 2,
            outcome: outcomeIndex("launch_error"),
            exit: null,
            startedMs: null,
            wallUs: null,
            userUs: null,
            systemUs: null,
            peakBytes: null,
            message: "cannot execute x",
          },
          {
            ...common,
            task: 1,
            outcome: outcomeIndex("signal"),
            exit: -9,
            startedMs: 5,
            wallUs: 2 ** 45,
            userUs: 2,
            systemUs: 4,
            peakBytes: null,
          },
          {
            ...common,
            task: 0,
            outcome: OUTCOME_OK,
            exit: 0,
            startedMs: 1_800_000_000_000,
            wallUs: 13,
            userUs: 1,
            systemUs: 3,
            peakBytes: 2 ** 50,
          },
        ]),
      );
    });

    test("the accepted attempt counts, else the latest", () => {
      const id = array(3);
      const none = { accepted: new Uint8Array(2) };
      ledger.commit([
        finished(id, [0, 1], { ...none, attempt: 1, outcome: outcomeIndex("exit") }),
        finished(id, [0], { attempt: 2 }),
        finished(id, [0, 1], { ...none, attempt: 3, outcome: outcomeIndex("superseded") }),
      ]);
      lasting(() => {
        expect(ledger.attemptsOf(id, 0).map((row) => row.attempt)).toEqual([1, 2, 3]);
        const latest = ledger.latestAttempts(id, [0, 1, 2]).map((row) => row?.attempt ?? null);
        expect(latest).toEqual([2, 3, null]);
        expect(ledger.countResults(id)).toBe(1);
        expect(historyOf(id)).toEqual({
          results: [[0, 2, OUTCOME_OK]],
          attempts: [
            [0, 1, outcomeIndex("exit")],
            [0, 3, outcomeIndex("superseded")],
            [1, 1, outcomeIndex("exit")],
            [1, 3, outcomeIndex("superseded")],
          ],
          canceled: [],
          assigned: [],
        });
      });
    });

    test("a second accepted completion of a task is refused, with all that came with it", () => {
      const id = array(10);
      ledger.commit([finished(id, [3])]);
      expect(() =>
        ledger.commit([
          { kind: "ended", workflow: id, atMs: 1 },
          finished(id, [4, 3, 5], { attempt: 2 }),
        ]),
      ).toThrow(HoldallError);
      lasting(() => {
        expect(historyOf(id)).toMatchObject({ results: [[3, 1, OUTCOME_OK]], attempts: [] });
        expect(ledger.workflow(id)?.endedMs).toBeNull();
      });
      ledger.commit([finished(id, [4, 5])]);
      expect(ledger.countResults(id)).toBe(3);
    });

    test("rows that cannot be are refused", () => {
      const id = array(10);
      const wrong = [
        finished(id, [0], { attempt: 0 }),
        finished(id, [0], { outcome: -1 }),
        finished(id, [0], { columns: { exits: [1000] } }),
        finished(99, [0]),
        finished(id, [0], {
          outputs: [
            {
              task: 0,
              attempt: 1,
              stdout: new Uint8Array(2),
              stderr: null,
              stdoutBytes: 1,
              stderrBytes: 0,
            },
          ],
        }),
      ];
      for (const record of wrong) expect(() => ledger.commit([record])).toThrow(HoldallError);
      lasting(() => expect(ledger.countResults(id)).toBe(0));
    });

    test("outputs are kept by attempt", () => {
      const id = array(2);
      const first: OutputRow = {
        task: 1,
        attempt: 1,
        stdout: new Uint8Array([0, 255, 10]),
        stderr: null,
        stdoutBytes: 3,
        stderrBytes: 0,
      };
      const second: OutputRow = {
        task: 1,
        attempt: 2,
        stdout: null,
        stderr: new Uint8Array(65_536).fill(7),
        stdoutBytes: 0,
        stderrBytes: 2 ** 34,
      };
      ledger.commit([
        finished(id, [1], { accepted: new Uint8Array(1), outputs: [first] }),
        finished(id, [1], { attempt: 2, outputs: [second] }),
      ]);
      lasting(() => {
        expect(ledger.output(id, 1, 1)).toEqual(first);
        expect(ledger.output(id, 1, 2)).toEqual(second);
        expect(ledger.output(id, 1, 3)).toBeNull();
        expect(ledger.output(id, 0, 1)).toBeNull();
      });
    });

    test("assigned are those handed out and not known to have ended", () => {
      const id = array(100);
      const other = array(100);
      ledger.commit([
        { kind: "assigned", workflow: id, worker: 1, tasks: [9, 3, 4, 5], attempts: [1, 1, 1, 1] },
        { kind: "assigned", workflow: other, worker: 1, tasks: [3], attempts: [1] },
        finished(id, [9, 3]),
        finished(id, [4], { accepted: new Uint8Array(1), outcome: outcomeIndex("worker_lost") }),
        { kind: "assigned", workflow: id, worker: 2, tasks: [4, 6], attempts: [2, 1] },
        { kind: "assigned", workflow: id, worker: 3, tasks: [6], attempts: [1] },
      ]);
      lasting(() => {
        expect([...ledger.history(id).assigned]).toEqual([
          [2, 4, 2],
          [1, 5, 1],
          [3, 6, 1],
        ]);
        expect([...ledger.history(other).assigned]).toEqual([[1, 3, 1]]);
      });
      ledger.clearAssignments(id);
      lasting(() => {
        expect([...ledger.history(id).assigned]).toEqual([]);
        expect([...ledger.history(other).assigned]).toEqual([[1, 3, 1]]);
      });
    });

    test("canceled tasks are told until they are reset, and their results become attempts", () => {
      const id = array(100);
      const tasks = [10, 11, 12, 40];
      ledger.commit([
        { kind: "canceled", workflow: id, tasks: [10, 12, 50], reason: "why", atMs: 3 },
        { kind: "canceled", workflow: id, tasks: [50], reason: "again", atMs: 4 },
        finished(id, [11, 40, 41], { outcome: outcomeIndex("exit") }),
      ]);
      expect(historyOf(id)).toMatchObject({ canceled: [10, 12, 50] });
      ledger.commit([{ kind: "reset", workflow: id, tasks }]);
      const failed = outcomeIndex("exit");
      lasting(() =>
        expect(historyOf(id)).toEqual({
          results: [[41, 1, failed]],
          attempts: [
            [11, 1, failed],
            [40, 1, failed],
          ],
          canceled: [50],
          assigned: [],
        }),
      );
      ledger.commit([finished(id, [11], { attempt: 2 })]);
      lasting(() => expect(ledger.attemptsOf(id, 11).map((row) => row.attempt)).toEqual([1, 2]));
    });

    test("history is complete beyond the size of any page", () => {
      const count = 10_000;
      const id = array(count);
      const all = Array.from({ length: count }, (_, task) => task);
      const odd = all.filter((task) => task % 2 === 1);
      ledger.commit([
        finished(id, all, { accepted: new Uint8Array(count), outcome: outcomeIndex("exit") }),
        finished(id, all.toReversed(), { attempt: 2 }),
        { kind: "canceled", workflow: id, tasks: odd, reason: "", atMs: 1 },
        ...all.map((task) => ({
          kind: "assigned" as const,
          workflow: id,
          worker: 1,
          tasks: [task],
          attempts: [task % 2 === 1 ? 3 : 2],
        })),
      ]);
      const statistics: StatisticsRow[] = [];
      ledger.resultStatistics(id, (row) => statistics.push(row));
      expect(statistics).toHaveLength(count);
      expect(statistics[17]).toEqual({
        outcome: OUTCOME_OK,
        wallUs: 1017,
        cpuUs: 23,
        peakBytes: 2 ** 40,
      });
      lasting(() => {
        expect(historyOf(id)).toEqual({
          results: all.map((task) => [task, 2, OUTCOME_OK]),
          attempts: all.map((task) => [task, 1, outcomeIndex("exit")]),
          canceled: odd,
          assigned: odd.map((task) => [1, task, 3]),
        });
        expect(ledger.countResults(id)).toBe(count);
      });
    });

    test("history can be read while it grows", () => {
      const id = array(10_000);
      ledger.commit([
        finished(
          id,
          Array.from({ length: 5000 }, (_, task) => task),
        ),
      ]);
      let seen = 0;
      for (const [task] of ledger.history(id).results) {
        if (task === 10) ledger.commit([finished(id, [9000])]);
        seen++;
      }
      expect(seen).toBeGreaterThanOrEqual(5000);
      expect(ledger.countResults(id)).toBe(5001);
    });

    test("statistics have null where nothing was measured", () => {
      const id = array(2);
      ledger.commit([finished(id, [1], { columns: { userUs: [null], peakBytes: [null] } })]);
      const rows: StatisticsRow[] = [];
      ledger.resultStatistics(id, (row) => rows.push(row));
      expect(rows).toEqual([{ outcome: OUTCOME_OK, wallUs: 1001, cpuUs: null, peakBytes: null }]);
    });

    test("fingerprints of files are those of the last success", () => {
      const id = array(3);
      const input: FileStamp = {
        path: "/d/in",
        role: "input",
        bytes: 5,
        mtimeNs: "1800000000123456789",
        inode: "18446744073709551615",
        sha256: null,
      };
      const output: FileStamp = {
        ...input,
        path: "/d/out",
        role: "output",
        sha256: "0".repeat(64),
      };
      ledger.commit([
        {
          kind: "files",
          workflow: id,
          task: 2,
          files: [
            { ...input, bytes: 4 },
            { ...input, path: "/d/old" },
          ],
        },
        { kind: "files", workflow: id, task: 2, files: [input, output] },
        { kind: "files", workflow: id, task: 0, files: [input] },
      ]);
      lasting(() =>
        expect([...ledger.files(id)]).toEqual([
          [0, input],
          [2, input],
          [2, output],
        ]),
      );
    });

    test("workers are known by their instance", () => {
      const first = ledger.addWorker("i1", "h1", 10, 1);
      const second = ledger.addWorker("i2", "h2", 11, 2);
      expect(second).not.toBe(first);
      expect(ledger.addWorker("i1", "h3", 10, 3)).toBe(first);
      ledger.commit([{ kind: "worker", worker: 9, instance: "i9", host: "h9", pid: 1, atMs: 4 }]);
      lasting(() => {
        const hosts = [first, second, 9, 10].map((worker) => ledger.workerHost(worker));
        expect(hosts).toEqual(["h3", "h2", "h9", null]);
      });
    });

    describe("a replaced definition", () => {
      const replaced = ["new", "c", "a"].map(body);
      let id: number;
      beforeEach(() => {
        id = ledger.insertWorkflow(explicitWorkflow(["a", "b", "c"].map(body)), "d", OPTIONS, 5).id;
        ledger.commit([
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
        return ledger.replaceDefinition(id, definition, "e", Int32Array.from(mapping));
      }

      test("takes the history of mapped tasks along and keeps that of others aside", () => {
        const row = replace(explicitWorkflow(replaced), [-1, 2, 0]);
        lasting(() => {
          expect(ledger.workflow(id)).toEqual(row);
          expect(row).toMatchObject({ digest: "e", firstTaskId: 1, taskCount: 3, submittedMs: 5 });
          expect(ledger.bodies(id, [0, 1, 2])).toEqual(replaced);
          expect(ledger.taskByName(id, "b")).toBeNull();
          expect(historyOf(id)).toEqual({
            results: [[2, 1, OUTCOME_OK]],
            attempts: [[1, 1, outcomeIndex("exit")]],
            canceled: [1],
            assigned: [[1, 1, 2]],
          });
          expect(ledger.output(id, 2, 1)?.stdout).toEqual(new Uint8Array([0]));
          expect([...ledger.files(id)]).toEqual([[2, stamp]]);
          expect(ledger.countResults(id)).toBe(1);
          expect(ledger.attemptsOf(id, -2)).toHaveLength(1); // the former task 1
          expect(ledger.output(id, -2, 1)?.stdout).toEqual(new Uint8Array([1]));
        });
      });

      test("can be replaced again: dropped tasks never meet", () => {
        for (let round = 0; round < 4; round++) {
          replace(explicitWorkflow(["x", "y"].map(body)), [-1, 0]);
          ledger.commit([finished(id, [0])]);
        }
        lasting(() => {
          expect(ledger.countResults(id)).toBe(2);
          const kept = Array.from({ length: 20 }, (_, index) => ledger.attemptsOf(id, -1 - index));
          expect(kept.flat()).toHaveLength(5);
        });
      });

      test("keeps its task ids while they suffice, or none come after", () => {
        expect(replace(arrayWorkflow(5), [0, 1, 2, -1, -1])?.firstTaskId).toBe(1);
        expect(ledger.workflow(array(4))?.firstTaskId).toBe(6);
        expect(replace(arrayWorkflow(4), [0, 1, 2, 3])?.firstTaskId).toBe(1);
        expect(replace(arrayWorkflow(7), [0, 1, 2, 3, -1, -1, -1])?.firstTaskId).toBe(10);
        expect(ledger.workflow(array(1))?.firstTaskId).toBe(17);
      });

      test("is refused whole when the mapping makes no sense", () => {
        const before = historyOf(id);
        const three = explicitWorkflow(replaced);
        expect(() => replace(three, [0, 0, 1])).toThrow(HoldallError);
        expect(() => replace(three, [0, 3, 1])).toThrow(HoldallError);
        expect(() => replace(three, [0])).toThrow(HoldallError);
        expect(() => replace(explicitWorkflow([body("z"), body("z")]), [-1, 1])).toThrow(
          HoldallError,
        );
        lasting(() => {
          expect(historyOf(id)).toEqual(before);
          expect(ledger.workflow(id)?.digest).toBe("d");
          expect(ledger.taskByName(id, "b")).toBe(1);
        });
      });
    });

    test("a deleted workflow leaves nothing, and others alone", () => {
      const kept = array(3);
      const { id } = ledger.insertWorkflow(explicitWorkflow([body("a")]), "d", OPTIONS, 1);
      for (const workflow of [kept, id]) {
        ledger.commit([
          { kind: "assigned", workflow, worker: 1, tasks: [0], attempts: [1] },
          { kind: "canceled", workflow, tasks: [0], reason: "", atMs: 1 },
          finished(workflow, [0], { accepted: new Uint8Array(1) }),
          finished(workflow, [0], { attempt: 2 }),
        ]);
      }
      const before = historyOf(kept);
      ledger.deleteWorkflow(id);
      lasting(() => {
        expect(ledger.workflows().map((row) => row.id)).toEqual([kept]);
        expect(historyOf(kept)).toEqual(before);
        expect(historyOf(id)).toEqual({ results: [], attempts: [], canceled: [], assigned: [] });
        expect(ledger.taskByName(id, "a")).toBeNull();
      });
    });
  });
}

/** What a ledger keeps of attempts, cancellations, files and workers. */
import { expect, test } from "bun:test";
import { HoldallError } from "../../core/error.ts";
import { OUTCOME_OK, outcomeIndex } from "../../core/states.ts";
import type { FileStamp, OutputRow, StatisticsRow } from "../ledger.ts";
import type { Bench } from "../ledger.testsuite.ts";
import { finished } from "./samples.ts";

export function recordTests(bench: Bench): void {
  test("attempts keep every column, null included", () => {
    const id = bench.array(3);
    const columns = {
      exits: [0, -9, null],
      startedMs: [1_800_000_000_000, 5, null],
      wallUs: [12.6, 2 ** 45, null],
      userUs: [1, 2, null],
      systemUs: [3, 4, null],
      peakBytes: [2 ** 50, null, null],
      outcomes: [OUTCOME_OK, outcomeIndex("signal"), outcomeIndex("launch_error")],
    };
    bench.ledger.commit([
      finished(id, [0, 1, 2], { columns, worker: 4, messages: [[2, "cannot execute x"]] }),
    ]);
    const common = { attempt: 1, worker: 4, message: null };
    bench.lasting(() =>
      expect(bench.ledger.latestAttempts(id, [2, 1, 0])).toEqual([
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
    const id = bench.array(3);
    const none = { accepted: new Uint8Array(2) };
    bench.ledger.commit([
      finished(id, [0, 1], { ...none, attempt: 1, outcome: outcomeIndex("exit") }),
      finished(id, [0], { attempt: 2 }),
      finished(id, [0, 1], { ...none, attempt: 3, outcome: outcomeIndex("superseded") }),
    ]);
    bench.lasting(() => {
      expect(bench.ledger.attemptsOf(id, 0).map((row) => row.attempt)).toEqual([1, 2, 3]);
      const latest = bench.ledger.latestAttempts(id, [0, 1, 2]).map((row) => row?.attempt ?? null);
      expect(latest).toEqual([2, 3, null]);
      expect(bench.ledger.countResults(id)).toBe(1);
      expect(bench.historyOf(id)).toEqual({
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
    const id = bench.array(10);
    bench.ledger.commit([finished(id, [3])]);
    expect(() =>
      bench.ledger.commit([
        { kind: "ended", workflow: id, atMs: 1 },
        finished(id, [4, 3, 5], { attempt: 2 }),
      ]),
    ).toThrow(HoldallError);
    bench.lasting(() => {
      expect(bench.historyOf(id)).toMatchObject({ results: [[3, 1, OUTCOME_OK]], attempts: [] });
      expect(bench.ledger.workflow(id)?.endedMs).toBeNull();
    });
    bench.ledger.commit([finished(id, [4, 5])]);
    expect(bench.ledger.countResults(id)).toBe(3);
  });

  test("rows that cannot be are refused", () => {
    const id = bench.array(10);
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
    for (const record of wrong) expect(() => bench.ledger.commit([record])).toThrow(HoldallError);
    bench.lasting(() => expect(bench.ledger.countResults(id)).toBe(0));
  });

  test("outputs are kept by attempt", () => {
    const id = bench.array(2);
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
    bench.ledger.commit([
      finished(id, [1], { accepted: new Uint8Array(1), outputs: [first] }),
      finished(id, [1], { attempt: 2, outputs: [second] }),
    ]);
    bench.lasting(() => {
      expect(bench.ledger.output(id, 1, 1)).toEqual(first);
      expect(bench.ledger.output(id, 1, 2)).toEqual(second);
      expect(bench.ledger.output(id, 1, 3)).toBeNull();
      expect(bench.ledger.output(id, 0, 1)).toBeNull();
    });
  });

  test("assigned are those handed out and not known to have ended", () => {
    const id = bench.array(100);
    const other = bench.array(100);
    bench.ledger.commit([
      { kind: "assigned", workflow: id, worker: 1, tasks: [9, 3, 4, 5], attempts: [1, 1, 1, 1] },
      { kind: "assigned", workflow: other, worker: 1, tasks: [3], attempts: [1] },
      finished(id, [9, 3]),
      finished(id, [4], { accepted: new Uint8Array(1), outcome: outcomeIndex("worker_lost") }),
      { kind: "assigned", workflow: id, worker: 2, tasks: [4, 6], attempts: [2, 1] },
      { kind: "assigned", workflow: id, worker: 3, tasks: [6], attempts: [1] },
    ]);
    bench.lasting(() => {
      expect([...bench.ledger.history(id).assigned]).toEqual([
        [2, 4, 2],
        [1, 5, 1],
        [3, 6, 1],
      ]);
      expect([...bench.ledger.history(other).assigned]).toEqual([[1, 3, 1]]);
    });
    bench.ledger.clearAssignments(id);
    bench.lasting(() => {
      expect([...bench.ledger.history(id).assigned]).toEqual([]);
      expect([...bench.ledger.history(other).assigned]).toEqual([[1, 3, 1]]);
    });
  });

  test("canceled tasks are told until they are reset, and their results become attempts", () => {
    const id = bench.array(100);
    const tasks = [10, 11, 12, 40];
    bench.ledger.commit([
      { kind: "canceled", workflow: id, tasks: [10, 12, 50], reason: "why", atMs: 3 },
      { kind: "canceled", workflow: id, tasks: [50], reason: "again", atMs: 4 },
      finished(id, [11, 40, 41], { outcome: outcomeIndex("exit") }),
    ]);
    expect(bench.historyOf(id)).toMatchObject({ canceled: [10, 12, 50] });
    bench.ledger.commit([{ kind: "reset", workflow: id, tasks }]);
    const failed = outcomeIndex("exit");
    bench.lasting(() =>
      expect(bench.historyOf(id)).toEqual({
        results: [[41, 1, failed]],
        attempts: [
          [11, 1, failed],
          [40, 1, failed],
        ],
        canceled: [50],
        assigned: [],
      }),
    );
    bench.ledger.commit([finished(id, [11], { attempt: 2 })]);
    bench.lasting(() =>
      expect(bench.ledger.attemptsOf(id, 11).map((row) => row.attempt)).toEqual([1, 2]),
    );
  });

  test("attempts from before a reset are forgiven, those after it are not", () => {
    const id = bench.array(5000);
    const all = Array.from({ length: 5000 }, (_, task) => task);
    const exit = outcomeIndex("exit");
    const failed = { outcome: exit, accepted: new Uint8Array(5000) };
    const failures = (): number[][] =>
      [...bench.ledger.history(id).failures].map(([task, attempt, outcome]) => [
        task,
        attempt,
        outcome,
      ]);
    bench.ledger.commit([finished(id, all, failed)]);
    bench.ledger.commit([finished(id, [3], { outcome: exit, attempt: 2 })]);
    bench.lasting(() => expect(failures()).toHaveLength(5000));
    bench.ledger.commit([{ kind: "reset", workflow: id, tasks: [3] }]);
    bench.ledger.commit([finished(id, [3], { ...failed, attempt: 3 })]);
    bench.lasting(() =>
      expect(failures().filter(([task]) => task! >= 2 && task! <= 4)).toEqual([
        [2, 1, exit],
        [3, 3, exit],
        [4, 1, exit],
      ]),
    );
    bench.ledger.commit([{ kind: "reset", workflow: id, tasks: all.slice(4) }]);
    bench.lasting(() => expect(failures().map(([task]) => task)).toEqual([0, 1, 2, 3]));
  });

  test("failures say whether the attempt had begun, by its start or its message, and what was said of one that ran out", () => {
    const id = bench.array(4);
    const [lost, oom] = [outcomeIndex("worker_lost"), outcomeIndex("oom")];
    const none = { accepted: new Uint8Array(1), columns: { startedMs: [null] } };
    bench.ledger.commit([
      finished(id, [0], { ...none, outcome: lost }),
      finished(id, [1], { ...none, outcome: lost, messages: [[0, "it ran"]] }),
      finished(id, [2], { ...none, outcome: oom, columns: {}, messages: [[0, "too little"]] }),
      finished(id, [3], { ...none, outcome: oom, columns: {} }),
    ]);
    bench.lasting(() =>
      expect(
        [...bench.ledger.history(id).failures].map((row) => [row[0], row[4], row[6] ?? null]),
      ).toEqual([
        [0, 0, null],
        [1, 1, null],
        [2, 1, "too little"],
        [3, 1, null],
      ]),
    );
  });

  test("history is complete beyond the size of any page", () => {
    const count = 10_000;
    const id = bench.array(count);
    const all = Array.from({ length: count }, (_, task) => task);
    const odd = all.filter((task) => task % 2 === 1);
    const failed = { accepted: new Uint8Array(count), outcome: outcomeIndex("exit") };
    const failures = [1, 2, 3]; // of each task, so that a page can end between two of one task
    bench.ledger.commit([
      ...failures.map((attempt) => finished(id, all, { ...failed, attempt })),
      finished(id, all.toReversed(), { attempt: 4 }),
      { kind: "canceled", workflow: id, tasks: odd, reason: "", atMs: 1 },
      ...all.map((task) => ({
        kind: "assigned" as const,
        workflow: id,
        worker: 1,
        tasks: [task],
        attempts: [task % 2 === 1 ? 5 : 4],
      })),
    ]);
    const statistics: StatisticsRow[] = [];
    bench.ledger.resultStatistics(id, (row) => statistics.push(row));
    expect(statistics).toHaveLength(count);
    expect(statistics[17]).toEqual({
      outcome: OUTCOME_OK,
      wallUs: 1017,
      cpuUs: 23,
      peakBytes: 2 ** 40,
    });
    bench.lasting(() => {
      expect(bench.historyOf(id)).toEqual({
        results: all.map((task) => [task, 4, OUTCOME_OK]),
        attempts: all.flatMap((task) => failures.map((attempt) => [task, attempt, failed.outcome])),
        canceled: odd,
        assigned: odd.map((task) => [1, task, 5]),
      });
      expect(bench.ledger.countResults(id)).toBe(count);
    });
  });

  test("history can be read while it grows", () => {
    const id = bench.array(10_000);
    bench.ledger.commit([
      finished(
        id,
        Array.from({ length: 5000 }, (_, task) => task),
      ),
    ]);
    let seen = 0;
    for (const [task] of bench.ledger.history(id).results) {
      if (task === 10) bench.ledger.commit([finished(id, [9000])]);
      seen++;
    }
    expect(seen).toBeGreaterThanOrEqual(5000);
    expect(bench.ledger.countResults(id)).toBe(5001);
  });

  test("statistics have null where nothing was measured", () => {
    const id = bench.array(2);
    bench.ledger.commit([finished(id, [1], { columns: { userUs: [null], peakBytes: [null] } })]);
    const rows: StatisticsRow[] = [];
    bench.ledger.resultStatistics(id, (row) => rows.push(row));
    expect(rows).toEqual([{ outcome: OUTCOME_OK, wallUs: 1001, cpuUs: null, peakBytes: null }]);
  });

  test("fingerprints of files are those of the last success", () => {
    const id = bench.array(3);
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
    bench.ledger.commit([
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
    bench.lasting(() =>
      expect([...bench.ledger.files(id)]).toEqual([
        [0, input],
        [2, input],
        [2, output],
      ]),
    );
    bench.ledger.commit([{ kind: "reset", workflow: id, tasks: [1, 2] }]);
    bench.lasting(() => expect([...bench.ledger.files(id)]).toEqual([[0, input]]));
  });

  test("workers are known by their instance", () => {
    const first = bench.ledger.addWorker("i1", "h1", 10, 1);
    const second = bench.ledger.addWorker("i2", "h2", 11, 2);
    expect(second).not.toBe(first);
    expect(bench.ledger.addWorker("i1", "h3", 10, 3)).toBe(first);
    bench.ledger.commit([
      { kind: "worker", worker: 9, instance: "i9", host: "h9", pid: 1, atMs: 4 },
    ]);
    bench.lasting(() => {
      const hosts = [first, second, 9, 10].map((worker) => bench.ledger.workerHost(worker));
      expect(hosts).toEqual(["h3", "h2", "h9", null]);
      expect(bench.ledger.workerProcess(second)).toEqual({ instance: "i2", host: "h2", pid: 11 });
      expect(bench.ledger.workerProcess(10)).toBeNull();
    });
  });
}

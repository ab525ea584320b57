import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Executor, ExecutorEvents } from "./executor.ts";
import { processStat, until, untilGone } from "./testing/processes.ts";
import {
  createBench,
  createRecorder,
  TEST_PATH,
  type Bench,
  type Recorder,
} from "./testing/recorder.ts";

export interface Promises {
  /** tells the peak memory of attempts */
  peak: boolean;
  /** close() also ends what left its attempt's process group */
  guardsStrays: boolean;
  /** engines with much to do for each attempt: how long a few hundred may take, one after another (default 5 s) */
  hundredsMs?: number;
  /** how many "a few hundred" are, a multiple of 4 (default 400) */
  hundreds?: number;
  /** how many quick attempts "thousands" are (default 5000), in the same time */
  thousands?: number;
  /** how long an attempt has to last so that the engine begins the next meanwhile (default 0.03) */
  overlapSeconds?: number;
}

/** What every executor promises. */
export function executorConformance(
  name: string,
  open: (events: ExecutorEvents) => Promise<Executor>,
  promises: Promises,
): void {
  describe(`executor ${name}`, () => {
    let bench: Bench;
    let recorder: Recorder;
    let executor: Executor;
    let folder: string;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), "holdall-executor-"));
      recorder = createRecorder();
      executor = await open(recorder.events);
      bench = createBench(executor, recorder);
    });
    afterEach(async () => {
      await executor.close();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Starts scripts in one pool, in one batch; ids are 100, 101, ... */
    function batch(pool: number, scripts: readonly string[], capture = false): void {
      executor.start(
        scripts.map((script, i) => ({
          id: 100 + i,
          pool,
          argv: script === "" ? ["/bin/true"] : ["/bin/sh", "-c", script],
          cwd: folder,
          environment: bench.environment,
          extraEnv: [],
          captureStdout: capture,
          captureStderr: capture,
        })),
      );
    }
    function file(path: string, text: string, mode = 0o644): string {
      const full = join(folder, path);
      writeFileSync(full, text);
      chmodSync(full, mode);
      return full;
    }

    test("exit codes and signals are told apart", async () => {
      const plain = bench.sh("exit 7");
      const lookalike = bench.sh("exit 143");
      const term = bench.sh("kill -TERM $$");
      const killed = bench.sh("kill -KILL $$");
      expect(await recorder.exit(plain)).toMatchObject({ exitCode: 7, signal: null });
      expect(await recorder.exit(lookalike)).toMatchObject({ exitCode: 143, signal: null });
      expect(await recorder.exit(term)).toMatchObject({ exitCode: null, signal: 15 });
      expect(await recorder.exit(killed)).toMatchObject({ exitCode: null, signal: 9 });
      for (const exit of recorder.exits) {
        expect(exit).toMatchObject({ dropped: false, launchError: null });
      }
    });

    test("what cannot be started says why", async () => {
      mkdirSync(join(folder, "directory"));
      const plain = file("plain", "exit 0\n");
      const cases: [string[], string, string, string][] = [
        [["/no/such"], "/", "ENOENT", "execve /no/such"],
        [["no-such-command"], "/", "ENOENT", "execve no-such-command"],
        [["./absent"], folder, "ENOENT", "execve ./absent"],
        [[plain], "/", "EACCES", `execve ${plain}`],
        [["./directory"], folder, "EACCES", "execve ./directory"],
        [["/bin/true"], "/no/such", "ENOENT", "chdir /no/such"],
        [["/bin/true"], plain, "ENOTDIR", `chdir ${plain}`],
        [[""], "/", "ENOENT", "execve "],
        [[], "/", "ENOENT", "execve "],
        [["/bin/true", "a\0b"], "/", "EINVAL", "execve /bin/true"],
        [["/bin/true", "x".repeat(200_000)], "/", "E2BIG", "execve /bin/true"],
      ];
      for (const [argv, cwd, errno, what] of cases) {
        const exit = await recorder.exit(bench.run(argv, { cwd }));
        expect(exit).toMatchObject({ launchError: { errno, what }, exitCode: null, signal: null });
      }
      // The pool goes on after one that could not be started.
      const after = bench.run(["/bin/true"], { pool: 1_001 });
      expect(await recorder.exit(after)).toMatchObject({ exitCode: 0 });
    });

    test("a file without #! runs under /bin/sh", async () => {
      const script = file("script", 'echo "$0|$1|$2"; exit 4\n', 0o755);
      const id = bench.run([script, "a b", ""]);
      expect(await recorder.exit(id)).toMatchObject({ exitCode: 4 });
      expect(recorder.text(id)).toBe(`${script}|a b|\n`);
      const found = bench.run(["script"], { extraEnv: [`PATH=/no/such:${folder}`] });
      expect(await recorder.exit(found)).toMatchObject({ exitCode: 4 });
      expect(recorder.text(found)).toBe(`${script}||\n`);
    });

    test("a command is searched along the attempt's own PATH, relative to its directory", async () => {
      mkdirSync(join(folder, "bin"));
      file("bin/greet", "#!/bin/sh\necho here\n", 0o755);
      mkdirSync(join(folder, "denied"));
      file("denied/greet", "#!/bin/sh\necho there\n", 0o644);
      const relative = bench.run(["greet"], { cwd: folder, extraEnv: ["PATH=denied:bin"] });
      expect(await recorder.exit(relative)).toMatchObject({ exitCode: 0 });
      expect(recorder.text(relative)).toBe("here\n");
      const denied = bench.run(["greet"], { cwd: folder, extraEnv: ["PATH=denied:/no/such"] });
      expect((await recorder.exit(denied)).launchError?.errno).toBe("EACCES");
      const dot = bench.run(["bin/greet"], { cwd: folder });
      expect(await recorder.exit(dot)).toMatchObject({ exitCode: 0 });
    });

    test("arguments arrive as given", async () => {
      const given = ["", "a b", "ä€😀", "$HOME", "line\nbreak", "'\"\\", ""];
      const id = bench.run(["/usr/bin/printf", "%s|", ...given]);
      await recorder.exit(id);
      expect(recorder.text(id)).toBe(`${given.join("|")}|`);
    });

    test("the environment is exactly the one given", async () => {
      const environment = executor.environment({ A: "1", B: "", LANG: "ü" });
      const id = bench.run(["/usr/bin/env", "-0"], { environment, extraEnv: ["B=2=2", "C=x\ny"] });
      await recorder.exit(id);
      const entries = recorder.text(id).split("\0").slice(0, -1).toSorted();
      expect(entries).toEqual(["A=1", "B=2=2", "C=x\ny", "LANG=ü"]);
      const base = bench.run(["/usr/bin/env"], { environment: bench.environment });
      await recorder.exit(base);
      expect(recorder.text(base)).toBe(`PATH=${TEST_PATH}\n`);
      expect(() => executor.environment({ "A=B": "" })).toThrow(TypeError);
      expect(() => executor.environment({ A: "\0" })).toThrow(TypeError);
    });

    test("stdin is empty, signals and descriptors are those of a fresh process", async () => {
      const cat = bench.run(["/bin/cat"]);
      expect(await recorder.exit(cat)).toMatchObject({ exitCode: 0 });
      expect(recorder.text(cat)).toBe("");
      const status = bench.run(["/bin/grep", "-E", "^(SigBlk|SigIgn)", "/proc/self/status"]);
      await recorder.exit(status);
      expect(recorder.text(status)).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
      const list = bench.run(["/bin/ls", "/proc/self/fd"]);
      await recorder.exit(list);
      expect(recorder.text(list)).toBe("0\n1\n2\n3\n"); // 3 is ls reading the folder
    });

    test("both streams arrive whole, byte for byte, side by side", async () => {
      const size = 10 * 1024 * 1024;
      const id = bench.sh(
        `head -c ${size} /dev/urandom | tee a; head -c ${size} /dev/urandom | tee b >&2`,
        { cwd: folder },
      );
      const mixed = bench.sh(
        `(head -c ${size} /dev/zero | tr '\\0' e >&2) & head -c ${size} /dev/zero | tr '\\0' o; wait`,
      );
      await Promise.all([recorder.exit(id), recorder.exit(mixed)]);
      expect(recorder.output(id, "stdout").equals(readFileSync(join(folder, "a")))).toBe(true);
      expect(recorder.output(id, "stderr").equals(readFileSync(join(folder, "b")))).toBe(true);
      expect(recorder.output(mixed, "stdout").equals(Buffer.alloc(size, "o"))).toBe(true);
      expect(recorder.output(mixed, "stderr").equals(Buffer.alloc(size, "e"))).toBe(true);
    }, 20_000);

    test("output of a running attempt does not wait for its end", async () => {
      const id = bench.sh("echo early; sleep 300");
      expect(await recorder.firstLine(id)).toBe("early");
      expect(recorder.exits).toEqual([]);
    });

    test("streams that are not captured go to /dev/null", async () => {
      const id = bench.sh("x=$(readlink /proc/$$/fd/1); echo $x >&2; echo lost", {
        captureStdout: false,
      });
      const other = bench.sh("readlink /proc/$$/fd/2; echo lost >&2", { captureStderr: false });
      await Promise.all([recorder.exit(id), recorder.exit(other)]);
      expect(recorder.text(id, "stderr")).toBe("/dev/null\n");
      expect(recorder.text(id)).toBe("");
      expect(recorder.text(other)).toBe("/dev/null\n");
      expect(recorder.text(other, "stderr")).toBe("");
    });

    test("a pool keeps its order", async () => {
      batch(
        1,
        Array.from({ length: 60 }, (_, i) => `echo ${i} >> order`),
      );
      await recorder.exit(159);
      const order = readFileSync(join(folder, "order"), "utf8").trim().split("\n").map(Number);
      expect(order).toEqual(Array.from({ length: 60 }, (_, i) => i));
      expect(recorder.exits.map((exit) => exit.id)).toEqual(order.map((i) => 100 + i));
    });

    test("a pool runs as many at a time as it is wide, pools are independent", async () => {
      executor.width(1, 3);
      // Each ends only when three run at the same time, and one of another pool as well.
      const meet =
        'touch "here.$1"; while [ "$(ls | grep -c "^here")" -lt 4 ]; do sleep 0.01; done';
      executor.start(
        [1, 2, 3].map((id) => ({
          id: 200 + id,
          pool: 1,
          argv: ["/bin/sh", "-c", meet, "sh", String(id)],
          cwd: folder,
          environment: bench.environment,
          extraEnv: [],
          captureStdout: false,
          captureStderr: false,
        })),
      );
      bench.run(["/bin/sh", "-c", meet, "sh", "other"], { cwd: folder });
      for (const id of [201, 202, 203]) expect((await recorder.exit(id)).exitCode).toBe(0);

      executor.width(2, 2);
      batch(
        2,
        Array(8).fill(`echo + >> log; sleep ${promises.overlapSeconds ?? 0.03}; echo - >> log`),
      );
      await Promise.all(Array.from({ length: 8 }, (_, i) => recorder.exit(100 + i)));
      let now = 0;
      let most = 0;
      for (const line of readFileSync(join(folder, "log"), "utf8").trim().split("\n")) {
        now += line === "+" ? 1 : -1;
        most = Math.max(most, now);
      }
      expect(most).toBe(2);
    });

    test("a pool of width 0 waits; a wider one starts more at once", async () => {
      executor.width(1, 0);
      batch(1, ["sleep 300", "sleep 300", ""]);
      const other = bench.run(["/bin/true"]);
      await recorder.exit(other);
      executor.width(1, 1);
      await recorder.started(100);
      executor.width(1, 3);
      await recorder.started(101);
      expect((await recorder.exit(102)).exitCode).toBe(0);
      executor.width(1, 1); // those that run go on
      executor.kill(100, "SIGTERM");
      expect((await recorder.exit(100)).signal).toBe(15);
      expect(recorder.exits.some((exit) => exit.id === 101)).toBe(false);
    });

    test("signals reach the whole group", async () => {
      const ids = [bench.sh("sleep 300 & echo $!; wait"), bench.sh("sleep 300 & echo $!; wait")];
      const children = (await Promise.all(ids.map((id) => recorder.firstLine(id)))).map(Number);
      executor.kill(ids[0] ?? 0, "SIGTERM");
      executor.kill(ids[1] ?? 0, "SIGKILL");
      expect((await recorder.exit(ids[0] ?? 0)).signal).toBe(15);
      expect((await recorder.exit(ids[1] ?? 0)).signal).toBe(9);
      await untilGone(children);
    });

    test("an attempt may handle SIGTERM, be stopped and go on", async () => {
      const id = bench.sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.02; done");
      await recorder.firstLine(id);
      const pid = await recorder.started(id);
      executor.kill(id, "SIGSTOP");
      await until(() => processStat(pid)?.state === "T", "stopped");
      executor.kill(id, "SIGCONT");
      await until(() => processStat(pid)?.state !== "T", "going on");
      executor.kill(id, "SIGTERM");
      expect(await recorder.exit(id)).toMatchObject({ exitCode: 5, signal: null });
      expect(recorder.text(id)).toBe("ready\nbye\n");
    });

    test("what waits can be dropped, what runs is left alone by drop", async () => {
      const many = promises.hundreds ?? 400;
      batch(1, ["sleep 300", ...Array(many).fill("")]);
      await recorder.started(100);
      executor.drop(100);
      const dropped = [101, 103, 100 + many / 2, 99 + many, 100 + many];
      for (const id of dropped) executor[id % 2 ? "drop" : "kill"](id, "SIGTERM");
      for (const id of dropped) {
        expect(await recorder.exit(id)).toMatchObject({
          dropped: true,
          exitCode: null,
          signal: null,
          launchError: null,
        });
      }
      expect(recorder.exits.length).toBe(dropped.length);
      executor.kill(100, "SIGKILL");
      await until(() => recorder.exits.length === many + 1, "all exits", promises.hundredsMs);
      expect(recorder.exits.filter((exit) => exit.exitCode === 0).length).toBe(many - 5);
      executor.kill(100, "SIGTERM"); // long gone: nothing happens
      executor.drop(77);
    });

    test("an attempt is over with its leader, whoever holds its pipe", async () => {
      const inGroup = bench.sh("sleep 300 & echo $!");
      const outside = bench.sh(
        "setsid sh -c 'echo $$ > stray; exec sleep 300' & " +
          "while [ ! -s stray ]; do sleep 0.01; done; cat stray",
        { cwd: folder },
      );
      const exits = await Promise.all([recorder.exit(inGroup), recorder.exit(outside)]);
      for (const exit of exits) {
        expect(exit.exitCode).toBe(0);
        expect(exit.wallUs).toBeLessThan(2_000_000);
      }
      await untilGone([Number(recorder.text(inGroup))]);
      const stray = Number(recorder.text(outside));
      if (!promises.guardsStrays) return process.kill(stray, "SIGKILL");
      await executor.close();
      expect(processStat(stray)).toBeNull();
      return undefined;
    });

    test("what is measured is the attempt's own", async () => {
      const before = Date.now();
      const busy = bench.sh("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; sleep 0.05");
      const large = bench.sh("head -c 60000000 /dev/zero | tail -c 60000000 > /dev/null");
      const small = bench.run(["/bin/true"]);
      const exit = await recorder.exit(busy);
      expect(exit.wallUs).toBeGreaterThan(50_000);
      expect(exit.wallUs).toBeLessThan(10_000_000);
      expect(exit.userUs).toBeGreaterThan(1_000);
      expect(exit.userUs + exit.systemUs).toBeLessThan(exit.wallUs);
      expect(exit.startedMs).toBeGreaterThanOrEqual(before - 1);
      expect(exit.startedMs).toBeLessThanOrEqual(Date.now());
      const peak = (await recorder.exit(large)).peakBytes;
      const least = (await recorder.exit(small)).peakBytes;
      if (promises.peak) {
        expect(peak).toBeGreaterThan(55_000_000);
        expect(least ?? 0).toBeLessThan(4_000_000);
      } else {
        expect([peak, least]).toEqual([null, null]);
      }
    });

    test(
      "thousands of quick attempts, none lost, none twice",
      async () => {
        const many = promises.thousands ?? 5000;
        executor.width(1, 4);
        batch(1, Array(many).fill(""), true);
        await until(
          () => recorder.exits.length >= many,
          "all exits",
          promises.hundredsMs ?? 30_000,
        );
        expect(new Set(recorder.exits.map((exit) => exit.id)).size).toBe(many);
        expect(recorder.exits.filter((exit) => exit.exitCode !== 0)).toEqual([]);
      },
      10_000 + (promises.hundredsMs ?? 60_000),
    );

    test("events come after the call that causes them", async () => {
      const id = bench.run(["/bin/true", "\0"]);
      expect(recorder.exits).toEqual([]);
      await recorder.exit(id);
    });

    test("close leaves nothing, waiting attempts included", async () => {
      batch(1, ["sleep 300", "sleep 300"]);
      const tree = bench.sh("sleep 300 & echo $!; trap '' TERM; wait");
      const pids = [Number(await recorder.firstLine(tree)), await recorder.started(tree)];
      pids.push(await recorder.started(100));
      await executor.close();
      await untilGone(pids, 200);
      expect(recorder.exits).toEqual([]);
      await executor.close(); // twice is once
    });
  });
}

// Declared files that Work Queue brings to its workers and back: nothing of a task's directory is used where it is.

import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { engineNamed, engineParts } from "../../src/worker/executors/engines.ts";
import { linesOf, logs, run, runReport, spec, start, tasks, until } from "../support/holdall.ts";
import { forbidden, requires } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";

const TEST_MS = 120_000;
const { install } = engineNamed("workqueue");
const missing =
  requires("workqueue", install, engineParts("workqueue").found) ||
  requires("work_queue_worker", install);

function freePort(): string {
  const held = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
  held.stop(true);
  return String(held.port);
}

interface Worker extends Disposable {
  /** how often a file of that name was sent to it */
  received(name: string): number;
}

/** A worker of the user's, in a directory of its own. `hidden`: a directory that is empty for it and its tasks. */
function startWorker(port: string, hidden: string | null = null): Worker {
  const cwd = scratchDir();
  const log = join(cwd, "log");
  const options = ["--cores", "1", "-t", "60", "-b", "1", "-d", "wq", "-o", log, "-s", cwd];
  const worker = ["work_queue_worker", ...options, "127.0.0.1", port];
  const hide = `mount -t tmpfs none "$0" && exec "$@"`;
  const child = Bun.spawn(
    hidden === null ? worker : ["unshare", "-m", "sh", "-c", hide, hidden, ...worker],
    { cwd, stdio: ["ignore", "ignore", "ignore"] },
  );
  return {
    received: (name) =>
      linesOf(log).filter(
        (line) => /rx from manager: put /.test(line) && line.includes(`-${name} `),
      ).length,
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}

const namespaces = (): boolean =>
  Bun.spawnSync(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], {
    stdio: ["ignore", "ignore", "ignore"],
  }).exitCode === 0;

describe.skipIf(missing)("files that Work Queue stages", () => {
  test.skipIf(forbidden("a mount namespace", missing || namespaces()))(
    "a task reads and writes in a folder of the worker's, whose host has no other way to its files",
    async () => {
      const cwd = scratchDir();
      mkdirSync(join(cwd, "in"));
      mkdirSync(join(cwd, "out"));
      mkdirSync(join(cwd, "table/deep"), { recursive: true });
      writeFileSync(join(cwd, "in/letters"), "letters\n");
      writeFileSync(join(cwd, "table/deep/row"), "row\n");
      writeFileSync(join(cwd, "tool"), "#!/bin/sh\ncat in/letters\n", { mode: 0o755 });
      const folder = "in/letters table/deep/row";
      const document = {
        name: "staged",
        tasks: [
          { name: "seen", command: ["ls", cwd] },
          {
            name: "read",
            command: `cat ${folder} > out/both && pwd`,
            inputs: ["in/letters", "table"],
            outputs: ["out/both"],
          },
          { name: "next", command: "cat out/both > last", inputs: ["out/both"], outputs: ["last"] },
          { name: "tool", command: ["./tool"], inputs: ["in/letters"] },
        ],
      };
      const port = freePort();
      using worker = startWorker(port, cwd);
      const args = [spec(cwd, document), "--executor", "workqueue", "--wq-port", port];
      const report = await runReport(cwd, args);
      expect(report).toMatchObject({ code: 0, succeeded: 4 });
      expect(await logs(cwd, "seen")).toBe(""); // the directory is hidden indeed
      expect(readFileSync(join(cwd, "out/both"), "utf8")).toBe("letters\nrow\n");
      expect(readFileSync(join(cwd, "last"), "utf8")).toBe("letters\nrow\n");
      expect(await logs(cwd, "tool")).toBe("letters\n");
      // Two tasks read it, and it was sent once.
      expect(worker.received("letters")).toBe(1);
    },
    TEST_MS,
  );

  test(
    "an input that changed is sent again, also to a worker that has it",
    async () => {
      const cwd = scratchDir();
      const input = join(cwd, "input");
      writeFileSync(input, "old\n");
      const task = {
        name: "t",
        command:
          "cat input >> seen && cp input copy && grep -q new input || { sleep 0.1; exit 1; }",
        inputs: ["input"],
        outputs: ["copy"],
        retries: 1000,
      };
      const port = freePort();
      using worker = startWorker(port);
      const args = ["run", spec(cwd, { name: "changes", tasks: [task] })];
      const holdall = start(cwd, [...args, "--executor", "workqueue", "--wq-port", port]);
      const copy = join(cwd, "copy");
      await until("the old one was read", () => linesOf(copy).includes("old"), TEST_MS);
      expect(worker.received("input")).toBe(1);
      writeFileSync(input, "new\n");
      expect((await holdall.result).code).toBe(0);
      expect(readFileSync(copy, "utf8")).toBe("new\n");
      expect((await tasks(cwd))["t"]!.attempts).toBeGreaterThan(1);
      expect(existsSync(join(cwd, "seen"))).toBe(false); // not declared
    },
    TEST_MS,
  );

  test(
    "an output that was not written is missing, also where an older one lies; names are any",
    async () => {
      const cwd = scratchDir();
      writeFileSync(join(cwd, "stale"), "of an earlier run\n");
      writeFileSync(join(cwd, "ä $OS 'in'"), "input\n");
      mkdirSync(join(cwd, "a folder"));
      writeFileSync(join(cwd, "a folder/x"), "x\n");
      const odd = 'ö %41"$x"';
      const document = {
        name: "outputs",
        tasks: [
          { name: "writes none", command: "true", inputs: ["a folder"], outputs: ["stale"] },
          { name: "fails", command: "exit 7", outputs: ["never"] },
          {
            name: "odd",
            command: ["sh", "-c", 'cat "$1" "a folder/x" > "$2"', "sh", "ä $OS 'in'", odd],
            inputs: ["ä $OS 'in'", "a folder"],
            outputs: [odd],
          },
          {
            name: "folder",
            command: ["sh", "-c", 'mkdir -p "b c/d" && echo y > "b c/d/y"'],
            outputs: ["b c"],
          },
        ],
      };
      const flags = ["--executor", "workqueue", "--wq-stage", "on", "--cpus", "2"];
      const report = await runReport(cwd, [spec(cwd, document), ...flags]);
      expect(report).toMatchObject({ code: 1, succeeded: 2, failed: 2 });
      const rows = await tasks(cwd);
      expect(rows["writes none"]).toMatchObject({ outcome: "output_missing", exit_code: 0 });
      expect(rows["fails"]).toMatchObject({ outcome: "exit", exit_code: 7 });
      expect(readFileSync(join(cwd, odd), "utf8")).toBe("input\nx\n");
      expect(readFileSync(join(cwd, "b c/d/y"), "utf8")).toBe("y\n");
      expect(readdirSync(cwd).filter((each) => each.startsWith(".holdall-"))).toEqual([]);
    },
    TEST_MS,
  );

  test(
    "a file said by its full path is used where it is, and that is said; --wq-stage off: every file is",
    async () => {
      const cwd = scratchDir();
      const outside = join(scratchDir(), "outside");
      writeFileSync(outside, "outside\n");
      writeFileSync(join(cwd, "here"), "here\n");
      const command = `cat here ${outside} > out; pwd`;
      const task = { name: "t", command, inputs: ["here", outside], outputs: ["out"] };
      const args = ["run", spec(cwd, { name: "w", tasks: [task] }), "--executor", "workqueue"];
      for (const stage of ["on", "off"]) {
        const { code, stderr } = await run(cwd, [...args, "--wq-stage", stage, "--fresh"]);
        expect(code).toBe(0);
        expect(readFileSync(join(cwd, "out"), "utf8")).toBe("here\noutside\n");
        expect(stderr.includes(`others, such as ${outside}, are used where they are`)).toBe(
          stage === "on",
        );
        expect((await logs(cwd, "t")) === `${cwd}\n`).toBe(stage === "off");
      }
    },
    TEST_MS,
  );
});

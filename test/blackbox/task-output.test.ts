// What tasks write: kept byte by byte up to a limit, dropped where asked for, never mixed up.

import { beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { holdall, logs, run, runReport, spec, start, untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const KIB = 1024;
const MIB = 1024 * KIB;

async function runTasks(list: object[], ...flags: string[]) {
  return await runReport(cwd, [spec(cwd, { name: "w", tasks: list }), ...flags]);
}

function bytesOf(...args: string[]): Buffer {
  return Bun.spawnSync([holdall, "logs", ...args], { cwd }).stdout;
}

test("stdout and stderr are kept apart", async () => {
  await runTasks([{ name: "t", command: "echo out; echo err >&2; echo more" }]);
  expect(await logs(cwd, "t", "--stdout")).toBe("out\nmore\n");
  expect(await logs(cwd, "t", "--stderr")).toBe("err\n");
  expect(await logs(cwd, "t")).toBe("out\nmore\nerr\n");
  expect((await run(cwd, ["logs", "tt"])).code).toBe(3);
});

test("the output of a retried attempt is kept as well", async () => {
  await runTasks([{ name: "t", command: "echo number $HOLDALL_ATTEMPT; exit 1", retries: 1 }]);
  expect(await logs(cwd, "t")).toBe("number 2\n");
  expect(await logs(cwd, "1/t", "--attempt", "1")).toBe("number 1\n");
});

test("every byte value survives, also without a newline at the end", async () => {
  const octal = Array.from({ length: 256 }, (_, i) => `\\${i.toString(8).padStart(3, "0")}`);
  await runTasks([{ name: "t", command: ["printf", octal.join("")] }]);
  expect([...bytesOf("t", "--stdout")]).toEqual(Array.from({ length: 256 }, (_, i) => i));
});

test.each([64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3 * MIB + 17])(
  "%d bytes are kept",
  async (size) => {
    await runTasks([
      { name: "out", command: `head -c ${size} /dev/zero | tr '\\0' x` },
      { name: "err", command: `head -c ${size} /dev/zero | tr '\\0' y >&2` },
    ]);
    const out = bytesOf("out", "--stdout");
    expect(out.length).toBe(size);
    expect(out.equals(Buffer.alloc(size, "x"))).toBe(true);
    expect(bytesOf("err", "--stderr").equals(Buffer.alloc(size, "y"))).toBe(true);
  },
);

test("more than 16 MiB is cut, and the cut is named", async () => {
  const size = 20 * MIB;
  const report = await runTasks([
    { name: "t", command: `head -c ${size} /dev/zero | tr '\\0' x; echo the end` },
  ]);
  expect(report).toMatchObject({ code: 0, succeeded: 1 });
  const { stdout, stderr } = Bun.spawnSync([holdall, "logs", "t", "--stdout"], { cwd });
  expect(stdout.equals(Buffer.alloc(16 * MIB, "x"))).toBe(true);
  const said = stderr.toString();
  expect(said).toContain("the first 16 MiB are kept of 20,971,528 bytes written");
});

test("--stdout none and --stderr none drop them", async () => {
  await runTasks([{ name: "t", command: "echo out; echo err >&2" }], "--stdout", "none");
  expect(await logs(cwd, "t")).toBe("err\n");
  await runTasks([{ name: "t", command: "echo out; echo err >&2" }], "--fresh", "--stderr", "none");
  expect(await logs(cwd, "t")).toBe("out\n");
});

test("--output-dir writes a file for each attempt and stream", async () => {
  const big = 200 * KIB;
  await runTasks(
    [
      { name: "t", command: "echo $HOLDALL_ATTEMPT; echo err >&2; exit 1", retries: 1 },
      { name: "a/b", command: "echo slash" },
      { name: "big", command: `head -c ${big} /dev/zero` },
    ],
    "--output-dir",
    "out",
  );
  const dir = join(cwd, "out");
  const read = (name: string): string => readFileSync(join(dir, name), "utf8");
  const names = (readdirSync(dir, { recursive: true }) as string[]).toSorted();
  for (const name of ["t.1.out", "t.1.err", "t.2.out", "t.2.err", "big.1.out"])
    expect(names).toContain(name);
  expect([read("t.1.out"), read("t.2.out"), read("t.2.err")]).toEqual(["1\n", "2\n", "err\n"]);
  expect(read("big.1.out").length).toBe(big);
  // A task's name is no way out of the folder.
  const odd = names.find((name) => name.startsWith("a") && name.endsWith(".1.out"));
  expect(odd === undefined ? "" : read(odd)).toBe("slash\n");
});

test("logs -f shows what a running task prints, as it does", async () => {
  const command = "echo one; until [ -e go ]; do sleep 0.02; done; echo two; echo three >&2";
  spec(cwd, { name: "w", tasks: [{ name: "t", command: `echo $$ >pid; ${command}` }] });
  const running = start(cwd, ["run", "workflow.yaml", "--json"]);
  await untilFile(join(cwd, "pid"));
  const follow = Bun.spawn([holdall, "logs", "-f", "t"], { cwd, stdout: "pipe", stderr: "pipe" });
  const reader = follow.stdout.getReader();
  const first = await reader.read();
  expect(new TextDecoder().decode(first.value)).toBe("one\n");
  await Bun.write(join(cwd, "go"), "");
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read())
    rest += new TextDecoder().decode(part.value);
  expect(rest).toBe("two\nthree\n");
  expect(await follow.exited).toBe(0);
  expect((await running.result).code).toBe(0);
});

test("a child that keeps the pipe open after the task has ended does not hold it up", async () => {
  const report = await runTasks([{ name: "t", command: "echo said; sleep 300 & exit 0" }]);
  expect(report).toMatchObject({ code: 0, succeeded: 1 });
  expect(report.wall_seconds).toBeLessThan(20);
  expect(await logs(cwd, "t")).toBe("said\n");
});

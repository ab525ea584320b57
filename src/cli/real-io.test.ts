import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "main.ts");
/** Writes 4 MB, far more than a pipe holds, and goes. */
const FLOOD = `
  const { flush, realIo } = await import(${JSON.stringify(join(import.meta.dir, "real-io.ts"))});
  const io = realIo();
  for (let i = 0; i < 4000; i++) io.stdout.write("x".repeat(999) + "\\n");
  const lost = await flush();
  process.exit(lost === null ? 3 : 4);
`;

function start(args: string[], stdout: "pipe" | number) {
  return Bun.spawn([process.execPath, ...args], { stdin: "ignore", stdout, stderr: "pipe" });
}

test("a long answer reaches a slow reader whole", async () => {
  const child = start(["-e", FLOOD], "pipe");
  const reader = (child.stdout as ReadableStream<Uint8Array>).getReader();
  let size = 0;
  for (;;) {
    const { value } = await reader.read();
    if (value === undefined) break;
    size += value.length;
  }
  expect(size).toBe(4_000_000);
  expect(await child.exited).toBe(3);
});

test("a reader that goes away is no error and says nothing", async () => {
  const child = start(["-e", FLOOD], "pipe");
  await (child.stdout as ReadableStream<Uint8Array>).cancel();
  expect(await child.exited).toBe(3);
  expect(await new Response(child.stderr).text()).toBe("");
});

test("an answer that a full disk loses is an error", async () => {
  const full = openSync("/dev/full", "w");
  const child = start([MAIN, "doctor"], full);
  closeSync(full);
  expect(await child.exited).toBe(1);
  expect(await new Response(child.stderr).text()).toContain(
    "could not be written to stdout: ENOSPC",
  );
});

test("--version", async () => {
  const child = start([MAIN, "--version"], "pipe");
  expect(await new Response(child.stdout as ReadableStream).text()).toMatch(
    /^holdall \d+\.\d+\.\d+\n$/,
  );
  expect(await child.exited).toBe(0);
});

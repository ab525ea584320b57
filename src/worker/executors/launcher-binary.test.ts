import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findLauncher, unpackLauncher } from "./launcher-binary.ts";

const content = new TextEncoder().encode("#!/bin/sh\nexit 9\n");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdall-binary-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("from source it is the one that was built, used where it is", async () => {
  const found = await findLauncher(folder);
  expect(found?.path.endsWith("/build/native/holdall-launcher")).toBe(true);
  expect(readdirSync(folder)).toEqual([]);
});

test("unpacked once under the state directory, by its contents", async () => {
  const first = await unpackLauncher(content, folder);
  expect(first?.path).toMatch(/\/bin\/holdall-launcher-[0-9a-f]{16}$/);
  const path = first?.path ?? "";
  expect(dirname(path)).toBe(join(folder, "bin"));
  expect(statSync(path).mode & 0o777).toBe(0o755);
  expect(await Bun.spawn([path]).exited).toBe(9);
  const inode = statSync(path).ino;
  await first?.release();
  expect((await unpackLauncher(content, folder))?.path).toBe(path);
  expect(statSync(path).ino).toBe(inode);
  const other = await unpackLauncher(Buffer.from("other"), folder);
  expect(other?.path).not.toBe(path);
  expect(readdirSync(join(folder, "bin")).length).toBe(2);
});

test("a damaged copy is replaced", async () => {
  const path = (await unpackLauncher(content, folder))?.path ?? "";
  writeFileSync(path, "");
  expect((await unpackLauncher(content, folder))?.path).toBe(path);
  expect(readFileSync(path, "utf8")).toBe("#!/bin/sh\nexit 9\n");
});

test("where nothing can be written or executed, a temporary folder serves and is removed", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  // /proc is mounted noexec and takes no files; below a file there is no folder.
  for (const stateDir of ["/proc", file]) {
    const found = await unpackLauncher(content, stateDir);
    expect(found?.path.startsWith(stateDir)).toBe(false);
    expect(await Bun.spawn([found?.path ?? ""]).exited).toBe(9);
    await found?.release();
    expect(existsSync(dirname(found?.path ?? ""))).toBe(false);
  }
});

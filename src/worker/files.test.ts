import { afterAll, beforeEach, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStamper, firstMissing, isUnchanged } from "./files.ts";

const folder: string = mkdtempSync(join(tmpdir(), "holdall-files-"));
const file: string = join(folder, "f");

beforeEach(() => writeFileSync(file, "content"));
afterAll(() => rmSync(folder, { recursive: true }));

const stampOf = (path = file) => createStamper()(path, "input", folder)!;
/** As another process would see it: with nothing remembered. */
const unchanged = (stamp: ReturnType<typeof stampOf>): boolean =>
  isUnchanged(stamp, createStamper());

test("a stamp tells what a file looked like", () => {
  const stamp = stampOf("f");
  expect(stamp.path).toBe(file);
  expect(stamp.role).toBe("input");
  expect(stamp.bytes).toBe(7);
  expect(stamp.sha256).toBe(new Bun.CryptoHasher("sha256").update("content").digest("hex"));
  expect(unchanged(stamp)).toBe(true);
  expect(createStamper()("nothing", "output", folder)).toBeNull();
});

test("a touched or replaced file of equal content is unchanged", () => {
  const stamp = stampOf();
  utimesSync(file, 1, 1);
  expect(stampOf().mtimeNs).not.toBe(stamp.mtimeNs);
  expect(unchanged(stamp)).toBe(true);
  writeFileSync(`${file}.new`, "content");
  renameSync(`${file}.new`, file);
  expect(unchanged(stamp)).toBe(true);
});

test("a changed byte is seen, also when size and time are the same", () => {
  const stamper = createStamper();
  const seconds = 1_700_000_000;
  utimesSync(file, seconds, seconds);
  const stamp = stamper(file, "input", folder)!;
  writeFileSync(file, "cOntent");
  utimesSync(file, seconds, seconds);
  expect(stampOf()).toMatchObject({ bytes: stamp.bytes, mtimeNs: stamp.mtimeNs });
  expect(unchanged(stamp)).toBe(false);
  expect(isUnchanged(stamp, stamper)).toBe(false);
});

test("other sizes, absence and folders are seen", () => {
  const stamp = stampOf();
  writeFileSync(file, "contents");
  expect(unchanged(stamp)).toBe(false);
  rmSync(file);
  expect(unchanged(stamp)).toBe(false);
  const inner = join(folder, "d");
  mkdirSync(inner);
  const ofFolder = stampOf("d");
  expect(ofFolder.sha256).toBeNull();
  expect(unchanged(ofFolder)).toBe(true);
  writeFileSync(join(inner, "x"), "");
  expect(unchanged(ofFolder)).toBe(false);
});

test("a large file is not read: touching it counts as a change", () => {
  truncateSync(file, 16 * 1024 * 1024 + 1);
  const stamp = stampOf();
  expect(stamp.sha256).toBeNull();
  expect(unchanged(stamp)).toBe(true);
  utimesSync(file, 1, 1);
  expect(unchanged(stamp)).toBe(false);
  truncateSync(file, 16 * 1024 * 1024);
  expect(stampOf().sha256).toBe(
    new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex"),
  );
});

test("what is missing is named as written; what cannot be looked at is missing", () => {
  symlinkSync("loop", join(folder, "loop"));
  expect(firstMissing(["f", file, "."], folder)).toBeNull();
  expect(firstMissing(["f", "g", "h"], folder)).toBe("g");
  for (const path of ["f/below-a-file", "loop", "x".repeat(300)]) {
    expect(firstMissing(["f", path], folder)).toBe(path);
    expect(createStamper()(path, "input", folder)).toBeNull();
  }
});

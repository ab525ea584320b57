import { afterAll, beforeEach, expect, test } from "bun:test";
import {
  linkSync,
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
import type { FileStamp } from "../core/files.ts";
import {
  asFound,
  changeOf,
  createStamper,
  firstMissing,
  HASH_AT_ONCE_BYTES,
  isUnchanged,
  lookAtInputs,
} from "./files.ts";

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

test("a large file counts by its content, too, and is read between other work where that is asked for", async () => {
  truncateSync(file, HASH_AT_ONCE_BYTES + 1);
  const hash = new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
  const stamper = createStamper();
  const large: FileStamp[] = [];
  const stamp = stamper(file, "output", "/", large)!;
  expect(large).toEqual([stamp]);
  expect(stamp.sha256).toBeNull();
  expect(await stamper.hashLater(stamp, () => false)).toBeNull();
  expect(await stamper.hashLater(stamp, () => true)).toBe(hash);
  expect(stamper(file, "output", "/", [])!.sha256).toBe(hash);
  expect(stampOf().sha256).toBe(hash);

  utimesSync(file, 1, 1);
  expect(unchanged({ ...stamp, sha256: hash })).toBe(true);
  expect(unchanged(stamp)).toBe(false);
  expect(await createStamper().hashLater(stamp, () => true)).toBeNull(); // it is another file now
  expect(await stamper.hashLater({ ...stamp, path: folder }, () => true)).toBeNull();
});

test("only what differs from its stamp is read", () => {
  const stamp = { ...stampOf(), sha256: "0".repeat(64) };
  expect(changeOf(stamp, createStamper())).toEqual({ kind: "same" });
  utimesSync(file, 1, 1);
  expect(changeOf(stamp, createStamper())).toEqual({ kind: "changed" });
  const touched = changeOf({ ...stamp, sha256: stampOf().sha256 }, createStamper());
  expect(touched).toEqual({ kind: "touched", now: stampOf() });
  rmSync(file);
  expect(changeOf(stamp, createStamper())).toEqual({ kind: "missing" });
});

test("an input that was written to after it was found counts as changed; a link to it does not", () => {
  const seen = lookAtInputs(["f"], folder);
  if ("missing" in seen) throw new Error(seen.missing);
  linkSync(file, `${file}.link`);
  expect(asFound(seen.found, stampOf())).toEqual(stampOf());
  rmSync(`${file}.link`);
  writeFileSync(file, "contents");
  const told = asFound(seen.found, stampOf());
  expect(told).toMatchObject({ bytes: 7, sha256: null });
  expect(unchanged(told)).toBe(false);
  expect(lookAtInputs(["f", "g"], folder)).toEqual({ missing: "g" });
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

/** Declared files, in place: are they there, what did they look like, and are they still what they were. */
import { type BigIntStats, statSync } from "node:fs";
import { resolve } from "node:path";
import type { FileStamp } from "../core/files.ts";
import { hashFile, hashFileLater } from "./hash-file.ts";

/** Larger files are hashed between other work, where somebody waits for other attempts. */
export const HASH_AT_ONCE_BYTES: number = 16 * 1024 * 1024;
const REMEMBERED = 10_000;

/** What is at a path; undefined also where it cannot be told: below a file, in a folder that is closed to us, a name too long. */
function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true });
  } catch {
    return undefined;
  }
}

export function isFile(path: string): boolean {
  return look(path)?.isFile() ?? false;
}

/** The first of the paths that does not exist, or null. */
export function firstMissing(paths: readonly string[], cwd: string): string | null {
  for (const path of paths) if (!look(resolve(cwd, path))) return path;
  return null;
}

/** The inputs as an attempt finds them, without their contents; or which of them is missing. */
export function lookAtInputs(
  paths: readonly string[],
  cwd: string,
): { missing: string } | { found: FileStamp[] } {
  const found: FileStamp[] = [];
  for (const path of paths) {
    const absolute = resolve(cwd, path);
    const stat = look(absolute);
    if (!stat) return { missing: path };
    found.push(unhashed(absolute, "input", stat));
  }
  return { found };
}

/**
 * What an attempt has read: its inputs as they are now when they are as it found them. One that was written to meanwhile
 * is told as it was, without a content, so that it counts as changed.
 */
export function asFound(found: readonly FileStamp[], now: FileStamp): FileStamp {
  const before = found.find(({ path }) => path === now.path);
  if (!before) return now;
  const written =
    before.bytes !== now.bytes ||
    before.mtimeNs !== now.mtimeNs ||
    // A new link to it changes the change time, and nothing else.
    withoutChangeTime(before.inode) !== withoutChangeTime(now.inode);
  return written ? before : now;
}

function withoutChangeTime(inode: string): string {
  return inode.slice(0, inode.lastIndexOf(":"));
}

function unhashed(path: string, role: FileStamp["role"], stat: BigIntStats): FileStamp {
  return {
    path,
    role,
    bytes: Number(stat.size),
    mtimeNs: String(stat.mtimeNs),
    inode: `${stat.dev}:${stat.ino}:${stat.ctimeNs}`,
    sha256: null,
  };
}

function keyOf({ path, bytes, mtimeNs, inode }: FileStamp): string {
  return `${path}\0${bytes}\0${mtimeNs}\0${inode}`;
}

export interface Stamper {
  /** null when nothing is there. With `large`, large files are left without a hash and put there, for `hashLater`. */
  (path: string, role: FileStamp["role"], cwd: string, large?: FileStamp[]): FileStamp | null;
  /** the content of a file as it is stamped; null when it has changed since, cannot be read, or is not wanted any more */
  hashLater(stamp: FileStamp, wanted: () => boolean): Promise<string | null>;
}

/** Stamps files; the hash of a file that many tasks read is computed once. */
export function createStamper(): Stamper {
  const hashes = new Map<string, string>();
  const remember = (key: string, hash: string): void => {
    if (hashes.size >= REMEMBERED) hashes.clear();
    hashes.set(key, hash);
  };
  const stamp = (
    path: string,
    role: FileStamp["role"],
    cwd: string,
    large?: FileStamp[],
  ): FileStamp | null => {
    const absolute = resolve(cwd, path);
    const stat = look(absolute);
    if (!stat) return null;
    const seen = unhashed(absolute, role, stat);
    if (!stat.isFile()) return seen;
    const key = keyOf(seen);
    seen.sha256 = hashes.get(key) ?? null;
    if (seen.sha256 !== null) return seen;
    if (large && seen.bytes > HASH_AT_ONCE_BYTES) {
      large.push(seen);
      return seen;
    }
    seen.sha256 = hashFile(absolute);
    if (seen.sha256 !== null) remember(key, seen.sha256);
    return seen;
  };
  const hashLater = async (seen: FileStamp, wanted: () => boolean): Promise<string | null> => {
    const key = keyOf(seen);
    const known = hashes.get(key);
    if (known !== undefined) return known;
    const hash = await hashFileLater(seen.path, wanted);
    const stat = look(seen.path);
    if (hash === null || !stat || keyOf(unhashed(seen.path, seen.role, stat)) !== key) return null;
    remember(key, hash);
    return hash;
  };
  return Object.assign(stamp, { hashLater });
}

/** Of an attempt that has succeeded: all its files, and which of them are so large that they have yet to be read. */
export function stampDeclared(
  stamper: Stamper,
  { inputs, outputs, cwd }: { inputs: string[] | null; outputs: string[] | null; cwd: string },
  found: readonly FileStamp[] | null,
): { files: FileStamp[] | null; unread: FileStamp[] } {
  if (!inputs && !outputs) return { files: null, unread: [] };
  const large: FileStamp[] = [];
  const files: FileStamp[] = [];
  for (const path of inputs ?? []) {
    const now = stamper(path, "input", cwd, large);
    if (now) files.push(asFound(found ?? [], now));
  }
  for (const path of outputs ?? []) {
    const now = stamper(path, "output", cwd, large);
    if (now) files.push(now);
  }
  return { files, unread: large.filter((stamp) => files.includes(stamp)) };
}

export type FileChange =
  | { kind: "same" }
  /** of equal content; what it looks like now */
  | { kind: "touched"; now: FileStamp }
  | { kind: "changed" | "missing" };

const SAME: FileChange = { kind: "same" };

/** What became of a file. It is read only when its size is the same and anything else about it differs. */
export function changeOf(stamp: FileStamp, stamper: Stamper): FileChange {
  const stat = look(stamp.path);
  if (!stat) return { kind: "missing" };
  if (Number(stat.size) !== stamp.bytes) return { kind: "changed" };
  if (
    String(stat.mtimeNs) === stamp.mtimeNs &&
    `${stat.dev}:${stat.ino}:${stat.ctimeNs}` === stamp.inode
  )
    return SAME;
  if (stamp.sha256 === null || !stat.isFile()) return { kind: "changed" };
  const now = stamper(stamp.path, stamp.role, "/");
  return now?.sha256 === stamp.sha256 ? { kind: "touched", now } : { kind: "changed" };
}

/** True when a file still is what the stamp says: same size and either untouched or of equal content. */
export function isUnchanged(stamp: FileStamp, stamper: Stamper): boolean {
  const { kind } = changeOf(stamp, stamper);
  return kind === "same" || kind === "touched";
}

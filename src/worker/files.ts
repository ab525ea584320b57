/** Declared files, in place: are they there, and what did they look like. */
import { createHash } from "node:crypto";
import { type BigIntStats, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { FileStamp } from "../core/files.ts";

/** Larger files are recognised by size, time and inode alone: hashing them would hold up other attempts. */
const HASH_LIMIT_BYTES = 16 * 1024 * 1024;
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

export type Stamper = (path: string, role: FileStamp["role"], cwd: string) => FileStamp | null;

/** Stamps files; the hash of a file that many tasks read is computed once. */
export function createStamper(): Stamper {
  const hashes = new Map<string, string>();
  return (path, role, cwd) => {
    const absolute = resolve(cwd, path);
    const stat = look(absolute);
    if (!stat) return null;
    const stamp: FileStamp = {
      path: absolute,
      role,
      bytes: Number(stat.size),
      mtimeNs: String(stat.mtimeNs),
      inode: `${stat.dev}:${stat.ino}:${stat.ctimeNs}`,
      sha256: null,
    };
    if (stat.isFile() && stamp.bytes <= HASH_LIMIT_BYTES) {
      const key = `${absolute}\0${stamp.bytes}\0${stamp.mtimeNs}\0${stamp.inode}`;
      let hash = hashes.get(key);
      if (hash === undefined) {
        try {
          hash = createHash("sha256").update(readFileSync(absolute)).digest("hex");
        } catch {
          return stamp;
        }
        if (hashes.size >= REMEMBERED) hashes.clear();
        hashes.set(key, hash);
      }
      stamp.sha256 = hash;
    }
    return stamp;
  };
}

/** True when a file still is what the stamp says: same size and either untouched or of equal content. */
export function isUnchanged(stamp: FileStamp, stamper: Stamper): boolean {
  const now = stamper(stamp.path, stamp.role, "/");
  if (!now || now.bytes !== stamp.bytes) return false;
  if (now.mtimeNs === stamp.mtimeNs && now.inode === stamp.inode) return true;
  return stamp.sha256 !== null && now.sha256 === stamp.sha256;
}

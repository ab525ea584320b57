// A small file system of a test's own.

import { afterEach } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forbidden } from "./requires.ts";

export interface Disk {
  dir: string;
  /** fills it but for so many bytes */
  fill(leaveBytes: number): void;
  /** gives space back; all of what `fill` took unless told otherwise */
  free(bytes?: number): void;
}

const mounted: string[] = [];
afterEach(() => {
  for (const dir of mounted.splice(0)) unmount(dir);
});

function mount(dir: string, mebibytes: number): boolean {
  const options = `size=${mebibytes}m,mode=0700`;
  const command = ["mount", "-t", "tmpfs", "-o", options, "holdall-test", dir];
  try {
    return Bun.spawnSync(command, { stdout: "ignore", stderr: "ignore" }).success;
  } catch {
    return false;
  }
}

function unmount(dir: string): void {
  // Lazily: a process that is about to die may still be in it.
  Bun.spawnSync(["umount", "-l", dir], { stderr: "ignore" });
  rmSync(dir, { recursive: true, force: true });
}

/** Whether to skip, with the reason. */
export function requiresDisks(): boolean {
  const dir = mkdtempSync(join(tmpdir(), "holdall-disk-"));
  const made = mount(dir, 1);
  unmount(dir);
  return forbidden("mounting a tmpfs", made);
}

/** An empty file system; it is gone when the test ends. */
export function smallDisk(mebibytes: number): Disk {
  const dir = mkdtempSync(join(tmpdir(), "holdall-disk-"));
  if (!mount(dir, mebibytes)) throw new Error(`cannot mount ${dir}`);
  mounted.push(dir);
  const filler = join(dir, "filler");
  return {
    dir,
    fill(leaveBytes) {
      const file = openSync(filler, "a");
      const block = Buffer.alloc(64 * 1024);
      try {
        for (;;) writeSync(file, block);
      } catch {
        // full
      }
      closeSync(file);
      truncateSync(filler, Math.max(0, statSync(filler).size - leaveBytes));
    },
    free(bytes = Infinity) {
      truncateSync(filler, Math.max(0, statSync(filler).size - bytes));
    },
  };
}

// A folder of a test's own, removed when the test file is done.

import { afterAll } from "bun:test";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The repository. */
export const root: string = realpathSync(join(import.meta.dir, "../.."));

/** A new empty folder, by its real path. Call it from a test or from the top of a test file. */
export function scratchDir(): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "holdall-test-")));
  created.push(dir);
  return dir;
}

const created: string[] = [];
afterAll(() => {
  for (const dir of created) rmSync(dir, { recursive: true, force: true });
});

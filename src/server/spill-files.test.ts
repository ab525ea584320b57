import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDescriptors } from "../worker/testing/processes.ts";
import { SpillFiles } from "./spill-files.ts";

let stateDir: string;
let spill: SpillFiles;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "holdall-spill-"));
  spill = new SpillFiles(stateDir);
});

afterEach(() => {
  spill.close();
  rmSync(stateDir, { recursive: true });
});

const append = (text: string, task = 2, stream: "stdout" | "stderr" = "stdout"): void =>
  spill.append(1, task, 3, stream, new TextEncoder().encode(text));
const read = (task = 2, stream: "stdout" | "stderr" = "stdout"): string =>
  readFileSync(spill.path(1, task, 3, stream), "utf8");

test("each attempt and stream has a file of its own, for its owner only", () => {
  append("a");
  append("e", 2, "stderr");
  append("x", 4);
  append("b");
  expect([read(), read(2, "stderr"), read(4)]).toEqual(["ab", "e", "x"]);
  expect(spill.path(1, 2, 3, "stdout")).toBe(join(stateDir, "logs/1/2.3.out"));
  expect(spill.path(1, 2, 3, "stderr")).toBe(join(stateDir, "logs/1/2.3.err"));
  expect(statSync(spill.path(1, 2, 3, "stdout")).mode & 0o777).toBe(0o600);
});

test("files are closed with the commit after their attempt has ended", () => {
  const before = openDescriptors("self");
  append("a");
  append("e", 2, "stderr");
  append("x", 4);
  expect(openDescriptors("self")).toBe(before + 3);
  spill.sync();
  spill.finish(1, 2, 3);
  spill.finish(1, 99, 1);
  expect(openDescriptors("self")).toBe(before + 3);
  spill.sync();
  expect(openDescriptors("self")).toBe(before + 1);
  spill.close();
  expect(openDescriptors("self")).toBe(before);
  expect([read(), read(4)]).toEqual(["a", "x"]);
});

test("a workflow that is forgotten leaves nothing", () => {
  append("a");
  spill.forget(1);
  expect(existsSync(join(stateDir, "logs/1"))).toBe(false);
  spill.finish(1, 2, 3);
  spill.sync();
  spill.forget(7);
});

test("output that cannot be stored is cut, and nothing stops", () => {
  writeFileSync(join(stateDir, "logs"), "in the way");
  append("a");
  rmSync(join(stateDir, "logs"));
  // Nothing may follow a gap.
  append("b");
  expect(existsSync(spill.path(1, 2, 3, "stdout"))).toBe(false);
  spill.finish(1, 2, 3);
  spill.sync();
  append("c", 4);
  spill.finish(1, 4, 3);
  spill.sync();
  expect(read(4)).toBe("c");
});

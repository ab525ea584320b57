import { expect, test } from "bun:test";
import type { Start } from "../executor.ts";
import { stagedCommand, stagedFiles } from "./staging.ts";

const start = (more: Partial<Start>): Start => ({
  id: 1,
  pool: 1,
  argv: ["/bin/true"],
  cwd: import.meta.dir,
  environment: 0,
  extraEnv: [],
  captureStdout: true,
  captureStderr: true,
  ...more,
});
const names = (more: Partial<Start>): unknown => {
  const files = stagedFiles(start(more));
  return files && { in: files.inputs.map((each) => each.name), inPlace: files.inPlace };
};

test("what lies below the directory is staged under its own name, the rest is used in place", () => {
  const files = stagedFiles(
    start({ inputs: ["./a//b", "../c", "/d", "a/../e"], outputs: ["o/p"] }),
  );
  expect(files).toEqual({
    inputs: [
      { path: `${import.meta.dir}/a/b`, name: "a/b" },
      { path: `${import.meta.dir}/e`, name: "e" },
    ],
    outputs: [{ path: `${import.meta.dir}/o/p`, name: "o/p" }],
    inPlace: "../c",
  });
});

test("an attempt with nothing to stage runs in its directory", () => {
  expect(names({})).toBeNull();
  expect(names({ inputs: ["/d", ".", ".."] })).toBeNull();
  expect(names({ inputs: ["..d"] })).toEqual({ in: ["..d"], inPlace: null });
});

test("a file is staged once, what lies in a staged folder not again", () => {
  expect(names({ inputs: ["a", "./a", "a/b", "ab", "c/d/e", "c"] })).toEqual({
    in: ["a", "ab", "c"],
    inPlace: null,
  });
});

test("the program comes along where it lies below the directory, and is called where it is otherwise", () => {
  const own = { argv: ["./staging.test.ts", "x"], inputs: ["a"] };
  expect(names(own)).toEqual({ in: ["a", "staging.test.ts"], inPlace: null });
  expect(stagedCommand(start(own))).toEqual(own.argv);
  expect(names({ argv: ["./no-such"], inputs: ["a"] })).toEqual({ in: ["a"], inPlace: null });
  expect(stagedCommand(start({ argv: ["../worker.ts", "x"], cwd: "/a/b" }))).toEqual([
    "/a/worker.ts",
    "x",
  ]);
  expect(stagedCommand(start({ argv: ["cat", "../x"] }))).toEqual(["cat", "../x"]);
});

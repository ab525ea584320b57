import { afterEach, expect, test } from "bun:test";
import { forbidden, requires } from "./requires.ts";

const before = process.env["CI"];
afterEach(() => {
  if (before === undefined) delete process.env["CI"];
  else process.env["CI"] = before;
});

test("what is there is not skipped", () => {
  process.env["CI"] = "true";
  expect(requires("sh", "install a shell")).toBe(false);
  expect(requires("root", "be root", true)).toBe(false);
});

test("what is missing is skipped, and fails in continuous integration", () => {
  delete process.env["CI"];
  expect(requires("no-such-command", "write it")).toBe(true);
  process.env["CI"] = "true";
  expect(() => requires("no-such-command", "write it")).toThrow("to run this test: write it");
});

test("what is not permitted is skipped, also in continuous integration", () => {
  process.env["CI"] = "true";
  expect(forbidden("something", false)).toBe(true);
  expect(forbidden("something", true)).toBe(false);
});

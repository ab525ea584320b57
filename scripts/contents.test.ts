import { expect, test } from "bun:test";
import { checkContents } from "./contents.ts";

// Put together, so that this file passes the check it tests.
const home = ["", "home", "ada"].join("/");
const registry = `https://${["registry", "example", "org"].join(".")}/yaml`;

test("names the place of a path of one machine", () => {
  expect(checkContents("a.ts", `ok\nconst x = "${home}/x";`)).toEqual([
    `a.ts:2: path of one machine: ${home}`,
  ]);
});

test("names the address of a registry", () => {
  expect(checkContents("README.md", `get it from ${registry}.`)).toHaveLength(1);
  expect(checkContents("package-lock.json", `"resolved": "x"`)).toHaveLength(1);
});

test("leaves other paths and addresses alone", () => {
  const text = `/data/in /usr/include ./home/a $ROOT/home/a a/work/b https://nodejs.org/en /tmp/x`;
  expect(checkContents("a.md", text)).toEqual([]);
});

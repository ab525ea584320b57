import { describe, expect, test } from "bun:test";
import { checkDoors, isExempt, rooms } from "./doors.ts";
import { findImports } from "./imports.ts";

describe("findImports", () => {
  const one = (source: string) => findImports(source).map((i) => [i.specifier, i.typeOnly]);

  test.each([
    [`import { a, type B } from "./a.ts";`, [["./a.ts", false]]],
    [`import type { A } from './a.ts'`, [["./a.ts", true]]],
    [`import type A from "./a.ts"`, [["./a.ts", true]]],
    [`import type from "./a.ts"`, [["./a.ts", false]]],
    [`import "./a.ts"`, [["./a.ts", false]]],
    [`import a, * as b from "./a.ts" with { type: "text" };`, [["./a.ts", false]]],
    [
      `export * from "./a.ts"; export * as b from "./b.ts"`,
      [
        ["./a.ts", false],
        ["./b.ts", false],
      ],
    ],
    [`export type { A } from "./a.ts"`, [["./a.ts", true]]],
    [`const a = await import("./a.ts");`, [["./a.ts", false]]],
    [`type A = import("./a.ts").A;`, [["./a.ts", false]]],
    [`const a = require("./a.ts");`, [["./a.ts", false]]],
    [`await import(name)`, [[null, false]]],
    [`await import(\`./\${name}.ts\`)`, [[null, false]]],
    [`await import("./a" + name)`, [[null, false]]],
  ])("sees %s", (source, expected) => {
    expect(one(source)).toEqual(expected as [string, boolean][]);
  });

  test.each([
    [`// import "./a.ts"`],
    [`/* import "./a.ts"\n import "./b.ts" */`],
    ["const a = `\nimport x from './a.ts'\n${b ? `import './c.ts'` : {}} import './d.ts'`"],
    [`const a = 'import "./a.ts"';`],
    [`import.meta.url; const from = "./a.ts";`],
    [`export const from = "./a.ts"; export { a }; const b = "./b.ts";`],
    [`export default { from: "./a.ts" }`],
    [`a.import("./a.ts"); a.require("./b.ts")`],
  ])("does not see an import in %s", (source) => {
    expect(one(source)).toEqual([]);
  });

  test("is not led astray by quotes in regular expressions, and counts lines", () => {
    const source =
      "const a = /['\"`/]/;\nconst b = c / 2; // it's\n\nimport {\n  d,\n} from './a.ts';\n";
    expect(findImports(source)).toEqual([{ specifier: "./a.ts", line: 4, typeOnly: false }]);
  });
});

describe("checkDoors", () => {
  test("core imports nothing of ours, no built-in and no package", () => {
    const source = [
      `import { a } from "./a.ts";`,
      `import type { Database } from "bun:sqlite";`,
      `import { join } from "node:path";`,
      `import type { Ledger } from "../ledger/ledger.ts";`,
      `import { z } from "zod";`,
    ].join("\n");
    expect(checkDoors("src/core/apply.ts", source)).toEqual([
      `src/core/apply.ts:2: room "core" may not import "bun:sqlite" (allowed: nothing)`,
      `src/core/apply.ts:3: room "core" may not import "node:path" (allowed: nothing)`,
      `src/core/apply.ts:4: room "core" may not import "ledger" (allowed: nothing)`,
      `src/core/apply.ts:5: room "core" may not import the package "zod" (allowed: nothing)`,
    ]);
  });

  test("the client takes types of the protocol, not its values", () => {
    const file = "src/client/http/client.ts";
    expect(checkDoors(file, `import type { Task } from "../../protocol/task.ts";`)).toEqual([]);
    expect(checkDoors(file, `import { route } from "../../protocol/task.ts";`)).toEqual([
      `${file}:1: room "client" may not import more than types from "protocol" (allowed: types of protocol)`,
    ]);
  });

  test("a worker never imports the server, in whatever form", () => {
    for (const source of [
      `import type { A } from "../server/a.ts";`,
      `export { a } from "../server/a.ts";`,
      `type A = import("../server/a.ts").A;`,
    ]) {
      expect(checkDoors("src/worker/session.ts", source)).toHaveLength(1);
    }
    expect(checkDoors("src/worker/a.ts", `import "../protocol/a.ts"; import "bun";`)).toEqual([]);
  });

  test("only the launcher and package.json are embedded from outside src/", () => {
    const from = (path: string) =>
      checkDoors("src/worker/executors/a.ts", `import p from "../../../${path}";`);
    expect(from("build/native/holdall-launcher")).toEqual([]);
    expect(from("package.json")).toEqual([]);
    expect(from("test/support/requires.ts")).toHaveLength(1);
  });

  test("a file outside of every room is refused", () => {
    expect(checkDoors("src/util.ts", "")).toHaveLength(1);
    expect(checkDoors("src/misc/util.ts", "")).toHaveLength(1);
  });

  test("cli sees every room, nobody sees cli, and the doors make no circle", () => {
    const others = Object.keys(rooms).filter((name) => name !== "cli");
    expect([...(rooms["cli"]?.may ?? [])].sort()).toEqual(others.sort());
    const reaches = (name: string, seen: readonly string[]): void => {
      expect(seen).not.toContain(name);
      const room = rooms[name];
      for (const next of [...(room?.may ?? []), ...(room?.mayTypes ?? [])]) {
        reaches(next, [...seen, name]);
      }
    };
    for (const name of Object.keys(rooms)) reaches(name, []);
  });

  test("tests are exempt", () => {
    expect(isExempt("src/core/apply.test.ts")).toBe(true);
    expect(isExempt("src/ledger/ledger.testsuite.ts")).toBe(true);
    expect(isExempt("src/core/apply.ts")).toBe(false);
  });
});

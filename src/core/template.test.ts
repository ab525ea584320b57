import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { parameterCount, parseIndices, parseValues, valueAt, valueCount } from "./parameters.ts";
import {
  compileTemplate,
  formatProblem,
  matchName,
  parseTemplate,
  renderTemplate,
  uniqueByConstruction,
} from "./template.ts";
import type { ParameterTable, ParameterValues, TextTemplate } from "./workflow.ts";

function values(text: string): ParameterValues {
  const parsed = parseValues(text);
  if ("error" in parsed) throw new Error(parsed.error);
  return parsed.value;
}

function template(text: string, names: readonly string[]): TextTemplate {
  const parsed = parseTemplate(text, names);
  if ("error" in parsed) throw new Error(parsed.error);
  return parsed.value;
}

function table(mode: "product" | "zip", parameters: Record<string, string>): ParameterTable {
  return { names: Object.keys(parameters), values: Object.values(parameters).map(values), mode };
}

function all(text: string, parameters: ParameterTable): string[] {
  const print = compileTemplate(template(text, parameters.names), parameters);
  return Array.from({ length: parameterCount(parameters) }, (_, index) => print(index));
}

describe("values", () => {
  const shown = (text: string): string[] => {
    const one: ParameterTable = { names: ["p"], values: [values(text)], mode: "product" };
    return Array.from({ length: parameterCount(one) }, (_, index) => valueAt(one, 0, index));
  };
  test("ranges include both ends", () => {
    expect(shown("1:4")).toEqual(["1", "2", "3", "4"]);
    expect(shown("0:10:4")).toEqual(["0", "4", "8"]);
    expect(shown("3:0:-1")).toEqual(["3", "2", "1", "0"]);
    expect(valueCount(values("1:100:25"))).toBe(4);
  });
  test("fractions gather no error", () => {
    expect(shown("0:1:0.1")).toEqual([
      "0",
      "0.1",
      "0.2",
      "0.3",
      "0.4",
      "0.5",
      "0.6",
      "0.7",
      "0.8",
      "0.9",
      "1",
    ]);
    expect(shown("0:0.0000003:0.0000001")).toEqual(["0", "0.0000001", "0.0000002", "0.0000003"]);
  });
  test("lists and single values stay as written", () => {
    expect(shown("[1, 2.50,'a, b']")).toEqual(["1", "2.50", "a, b"]);
    expect(shown("C:/data")).toEqual(["C:/data"]);
    expect(shown("007")).toEqual(["007"]);
  });
  test.each([
    ["5:1", "the range 5:1 is empty"],
    ["1:5:0", "the step of the range 1:5:0 is 0"],
    ["1:x", "'1:x' is not a range"],
    ["[]", "the list [] is empty"],
    ["[1,,2]", "a value is missing"],
    ["['a", "there is no closing ]"],
    ["", "there is no value"],
  ])("%p is refused", (text, message) => {
    const parsed = parseValues(text);
    expect("error" in parsed ? parsed.error : "accepted").toContain(message);
  });
  test("indices of --array", () => {
    expect(parseIndices("0-23")).toEqual({ value: { from: 0, step: 1, count: 24, decimals: 0 } });
    expect(parseIndices("1,3,7-8")).toEqual({ value: ["1", "3", "7", "8"] });
    expect(parseIndices("5-1")).toMatchObject({ error: "the range 5-1 is empty" });
    expect(parseIndices("1,1")).toMatchObject({ error: "the index 1 is given twice" });
    expect(parseIndices("a")).toHaveProperty("error");
  });
});

describe("references", () => {
  const abc = table("product", { i: "8:10", x: "[a,b c]" });
  test("the last parameter varies fastest", () => {
    expect(all("{i}-{x}", abc)).toEqual(["8-a", "8-b c", "9-a", "9-b c", "10-a", "10-b c"]);
    expect(all("{i}-{x}", table("zip", { i: "1:2", x: "[a,b]" }))).toEqual(["1-a", "2-b"]);
  });
  test("one parameter may have several formats", () => {
    expect(
      all("{i} {i:03d} {i:.2f} {i:x} {i:04X} {i:.1e} {i:8.3f}", table("product", { i: "10" })),
    ).toEqual(["10 010 10.00 a 000A 1.0e+01   10.000"]);
    expect(all("{i:04d}", table("product", { i: "-5" }))).toEqual(["-005"]);
    expect(all("{x:q}", abc)[1]).toBe("'b c'");
  });
  test("what stays as it is", () => {
    expect(
      all(
        "${i} {} {1..3} { i } {a,b} {https://x} {{i}} {{i:03d}} {{{i}}}",
        table("product", { i: "7" }),
      ),
    ).toEqual(["${i} {} {1..3} { i } {a,b} {https://x} {i} {i:03d} {7}"]);
    expect(template("{i} {{i}}", [])).toBe("{i} {{i}}");
  });
  test("an unknown name and an unknown format are errors with their offset", () => {
    expect(parseTemplate("ab {j}", ["i"])).toMatchObject({
      offset: 3,
      error: expect.stringContaining("'j'"),
      fix: expect.stringContaining("{{j}}"),
    });
    expect(parseTemplate("ab {i:3q}", ["i"])).toMatchObject({
      offset: 3,
      error: "'3q' is not a format",
    });
  });
  test("formats that cannot print a value are found", () => {
    expect(formatProblem("03d", values("0:1:0.5"))).toContain("0.5");
    expect(formatProblem("d", ["1", "x"])).toContain("'x'");
    expect(formatProblem("s", ["x"])).toBeNull();
  });
});

describe("the inverse", () => {
  test("finds indices without expanding", () => {
    const big = table("product", { i: "0:9999999", x: "0:1:0.1" });
    const name = template("t_{i:08d}_{x}", big.names);
    expect(matchName(name, big, renderTemplate(name, big, 77_777_777))).toBe(77_777_777);
    expect(matchName(name, big, "t_00000001_0.15")).toBeNull();
    expect(matchName(name, big, "t_1_0.1")).toBeNull();
    expect(uniqueByConstruction(name, big)).toBe(true);
  });
  test.each([
    ["{i}{x}", { i: "1:20", x: "1:20" }, false],
    ["{i:02d}{x}", { i: "1:20", x: "1:20" }, true],
    ["{i:02d}{x}", { i: "1:120", x: "1:20" }, false],
    ["{i}_{x}", { i: "1:20", x: "1:20" }, true],
    ["{i}_{x}", { i: "[a,a_b]", x: "[c,b_c]" }, false],
    ["{i}", { i: "1:20", x: "1:2" }, false],
    ["{i}", { i: "1:20", x: "1" }, true],
    ["{i:.1f}", { i: "0:1:0.01" }, false],
    ["{i:.2f}", { i: "0:1:0.01" }, true],
    ["{i}", { i: "[a,a]" }, false],
    ["same", { i: "1:2" }, false],
  ] as const)("%p of %j unique: %p", (text, parameters, unique) => {
    const names = table("product", parameters);
    expect(uniqueByConstruction(template(text, names.names), names)).toBe(unique);
  });

  const parameter = fc.oneof(
    fc
      .record({
        from: fc.integer({ min: -30, max: 120 }),
        count: fc.integer({ min: 1, max: 12 }),
        step: fc.constantFrom(1, 7, -3, 0.1, 0.25),
      })
      .map(({ from, count, step }) => ({
        from,
        count,
        step,
        decimals: step === 0.1 ? 1 : step === 0.25 ? 2 : 0,
      })),
    fc.array(fc.constantFrom("a", "b", "ab", "a_", "1", "11", "-1", ""), {
      minLength: 1,
      maxLength: 5,
    }),
  );
  const format = fc.constantFrom(undefined, "03d", "d", "x", ".1f", ".3f", "4s", "q");
  const piece = fc.oneof(
    fc.constantFrom("_", "-", "a", "1", "."),
    fc.record({ p: fc.integer({ min: 0, max: 2 }), f: format }),
  );
  test("unique means unique, and every name is found again", () => {
    let proven = 0;
    fc.assert(
      fc.property(
        fc.tuple(parameter, parameter, parameter),
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.constantFrom("product" as const, "zip" as const),
        (lists, pieces, mode) => {
          const used = mode === "zip" ? [lists[0], lists[0], lists[0]] : lists;
          const names: ParameterTable = { names: ["a", "b", "c"], values: used, mode };
          const text = pieces.map((each) =>
            typeof each === "string"
              ? each
              : each.f === undefined
                ? { p: each.p }
                : { p: each.p, f: each.f },
          );
          fc.pre(
            text.every(
              (each) =>
                typeof each === "string" ||
                each.f === undefined ||
                formatProblem(each.f, used[each.p]!) === null,
            ),
          );
          const print = compileTemplate(text, names);
          const first = new Map<string, number>();
          const count = parameterCount(names);
          for (let index = count - 1; index >= 0; index--) first.set(print(index), index);
          if (uniqueByConstruction(text, names)) {
            proven += 1;
            expect(first.size).toBe(count);
          }
          for (const name of first.keys()) {
            const found = matchName(text, names, name);
            expect(found === null ? null : print(found)).toBe(name);
          }
          expect(matchName(text, names, "no such name")).toBeNull();
        },
      ),
      { numRuns: 1500, seed: 20 },
    );
    expect(proven).toBeGreaterThan(50);
  });
});

// Our reader of JSON and JSON5 against those of the runtime: what it accepts, and what it reads.
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { HoldallError } from "../core/error.ts";
import { isList, isMap, Literal, type SpecValue } from "./document.ts";
import { parseJson } from "./json.ts";

function plain(value: SpecValue): unknown {
  if (value instanceof Literal) return value.value;
  if (isList(value)) return value.map(plain);
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function ours(text: string, format: "json" | "json5"): unknown {
  try {
    return plain(parseJson("w", text, format).value);
  } catch (error) {
    if (error instanceof HoldallError) return "refused";
    throw error;
  }
}

function theirs(text: string, format: "json" | "json5"): unknown {
  try {
    return format === "json" ? JSON.parse(text) : Bun.JSON5.parse(text);
  } catch {
    return "refused";
  }
}

const piece = fc.constantFrom(
  ...'{ } [ ] , : " \' 1 0 -1 1.50 1e3 true false null "a" \'b\' "\\n" a /* */ + \\ x'.split(" "),
  " ",
  "\n",
  '"k": ',
  '"a\\u00e9"',
  "{}",
  "[]",
);

describe.each(["json", "json5"] as const)("%s", (format) => {
  test("documents of values", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        expect(ours(text, format)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300, seed: 5 },
    );
  });
  test("pieces in any order are read alike or refused alike", () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const text = pieces.join("");
        if (text.trim() === "") return;
        const [mine, other] = [ours(text, format), theirs(text, format)];
        if (other !== "refused") read += 1;
        expect({ text, read: mine }).toEqual({ text, read: other });
      }),
      { numRuns: 3000, seed: 7 },
    );
    expect(read).toBeGreaterThan(50);
  });
});

test("what JSON5 has beyond JSON", () => {
  const text = `// c
  { a: .5, 'b': 0x1F, "c": +1, $d: 'it''s'.length }`;
  expect(ours(text, "json5")).toBe("refused");
  const good =
    "{a: .5, 'b': 0x1F, \"c\": +1, $d: 'it\\'s', e: [1,], f: Infinity, g: 'x\\\ny', h: '\\x41\\0'}";
  expect(ours(good, "json5")).toEqual({
    a: 0.5,
    b: 31,
    c: 1,
    $d: "it's",
    e: [1],
    f: Infinity,
    g: "xy",
    h: "A\0",
  });
  expect(ours(good, "json")).toBe("refused");
});

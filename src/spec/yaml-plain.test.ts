import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { isList, isMap, Literal, type SpecValue } from "./document.ts";
import { parseYaml } from "./yaml.ts";
import { parsePlainItem } from "./yaml-plain.ts";

function shown(value: SpecValue): unknown {
  if (typeof value === "string") return value;
  if (value instanceof Literal) return { literal: String(value.value), text: value.text };
  if (isList(value)) return value.map(shown);
  return isMap(value) ? Object.entries(value).map(([key, each]) => [key, shown(each)]) : null;
}

const scalar = fc.constantFrom(
  ...'a|echo hi|./p --x 3|12|012|0x1f|2.50|1e3|-5|.5|+3|yes|No|true|null|~|\'\'|""|\'it\'\'s\'|"a \\"b\\" \\\\ c"|"x: y"|a #b|a#b|a: b|a:b|x:|- x|-x|?x|{a: b}|{a: b, c: [1, \'x\']}|[a, b]|[]|[1, "x, y", \'z\', -3]|[a b , c]|{i}|*a|&a b|!t x|%x|@x|`x`|> |\'open|"open|a b\\n|[a|{a|1:100|[1:2]|é|"é\\n"'.split(
    "|",
  ),
);
const key = fc.constantFrom("name", "command", "env", "inputs", "cpus");
const line = fc.oneof(
  fc.tuple(key, scalar).map(([k, v]) => `${k}: ${v}`),
  fc.tuple(key, scalar).map(([k, v]) => `${k}: ${v}`),
  key.map((k) => `${k}:`),
  scalar.map((v) => `- ${v}`),
  key.map((k) => `${k}: |`),
  key.map((k) => `${k}: |-`),
  fc.constantFrom("", "# note", "text", "  deeper", "spaces  ", "        "),
);
const item = fc
  .tuple(
    fc.tuple(key, scalar),
    fc.array(fc.tuple(fc.constantFrom(2, 2, 2, 4, 4, 6, 3), line), { maxLength: 7 }),
  )
  .map(
    ([[k, v], lines]) =>
      [
        `- ${k}: ${v}`,
        ...lines.map(([indent, text]) => (text === "" ? "" : " ".repeat(indent) + text)),
      ].join("\n") + "\n",
  );

test("the fast reader says what the full one says, or nothing", () => {
  let read = 0;
  fc.assert(
    fc.property(item, (text) => {
      const fast = parsePlainItem(text, 0, text.length, 0);
      if (fast === undefined) return;
      read += 1;
      expect(shown([fast])).toEqual(shown(parseYaml("x.yaml", text).value));
    }),
    { numRuns: 5000, seed: 7 },
  );
  expect(read).toBeGreaterThan(200);
});

test("what programs write is read fast", () => {
  for (const text of [
    "- name: a\n  command: ./p --in x\n  inputs: [a, b]\n  outputs:\n    - c\n  env:\n    A: 1\n",
    "- name: a\n  command: |\n    one\n    two\n\n  cpus: 2\n",
    '- {name: a, command: "x y", cpus: 2}\n',
    "- name: a\n  inputs:\n  - b\n  cpus: 1 # one\n",
  ]) {
    expect(parsePlainItem(text, 0, text.length, 0)).toBeDefined();
  }
});

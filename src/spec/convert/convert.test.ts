import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../test/support/scratch.ts";
import { type Path, type SpecMap } from "../document.ts";
import { loadSpec, parseDocument } from "../load.ts";
import { CWD, meaning } from "../testing.ts";
import { convertSpec, type Spelling, SPELLINGS } from "./convert.ts";
import { findComments } from "./find-comments.ts";
import { NO_NOTES } from "./notes.ts";
import { writeJson } from "./write-json.ts";
import { writeKdl } from "./write-kdl.ts";
import { writeYaml } from "./write-yaml.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const convert = (text: string, from: string, to: Spelling): string =>
  convertSpec(`w.${from}`, bytesOf(text), to, CWD).text;
const commentsOf = (text: string, format: Spelling): string[] =>
  findComments(text, format).comments.flatMap(({ lines }) => lines);

const examples = [...new Bun.Glob("examples/*/*.{yaml,json,json5,kdl}").scanSync(root)].toSorted();

describe.each(examples)("%s", (file) => {
  const text = readFileSync(join(root, file), "utf8");
  const from = file.split(".").at(-1) as Spelling;
  test.each(SPELLINGS)("says the same as %s, and the same comments", (to) => {
    const { text: written, lost } = convertSpec(file, bytesOf(text), to, CWD);
    expect(meaning(written, join(file, "..", `x.${to}`))).toEqual(meaning(text, file));
    if (to !== "json") expect(commentsOf(written, to)).toEqual(commentsOf(text, from));
    expect(lost.length > 0).toBe(to === "json" && commentsOf(text, from).length > 0);
    // and back again
    const again = convertSpec(join(file, "..", `x.${to}`), bytesOf(written), from, CWD).text;
    expect(meaning(again, file)).toEqual(meaning(text, file));
  });
});

const makeflows = [...new Bun.Glob("examples/makeflow/*").scanSync(root)].toSorted();

test.each(makeflows)("%s becomes a document of our own", (file) => {
  const bytes = readFileSync(join(root, file));
  for (const to of SPELLINGS) {
    const { text, lost } = convertSpec(file, bytes, to, root);
    const load = (name: string, of: Uint8Array): object => {
      const read = (at: string): Uint8Array => (at === join(root, name) ? of : readFileSync(at));
      return { ...loadSpec(name, { cwd: root, read }), source: null };
    };
    const beside = join(file, "..", `x.${to}`);
    expect(load(beside, bytesOf(text))).toEqual(load(file, bytes));
    expect(lost).toEqual(["comments are left out, and variables have their values"]);
  }
});

const YAML = `# yaml-language-server: $schema=holdall.schema.json
# About all of it.
name: w # its name

env: { FLAG: True, HEX: 0x1F, HALF: 0.50, NO: "no" }
tasks:
  # before the first
  - name: a # beside the name
    # before the command
    command: | # several lines
      echo '# none'
      echo "two"
    inputs:
      - one # behind an item
      # before an item
      - two
    idempotent: True
# before the second
  - name: b
    command: [echo, 1.50, yes, "\\ttab"]
    depends_on: a
# the end
`;

const NOTED = {
  json5: '        "one", // behind an item\n        // before an item\n        "two",\n',
  kdl: '  // behind an item\n  // before an item\n  inputs "one" "two"\n',
};

test.each(["json5", "kdl"] as const)("comments stay with what they are about: %s", (to) => {
  const written = convert(YAML, "yaml", to);
  expect(written).toContain(NOTED[to]);
  expect(meaning(written, `w.${to}`)).toEqual(meaning(YAML, "w.yaml"));
  const back = convert(written, to, "yaml");
  expect(new Set(commentsOf(back, "yaml"))).toEqual(new Set(commentsOf(YAML, "yaml")));
  const order = ["About", "its name", "before the first", "before the second", "the end"];
  const places = order.map((text) => back.indexOf(text));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test("the schema is a comment in YAML and a key in JSON", () => {
  const json = convert(YAML, "yaml", "json");
  expect(JSON.parse(json)["$schema"]).toBe("holdall.schema.json");
  expect(convert(json, "json", "yaml")).toStartWith(
    "# yaml-language-server: $schema=holdall.schema.json\nname: w\n",
  );
});

test("what cannot be said is told", () => {
  const lost = (text: string, from: string, to: Spelling): string[] =>
    convertSpec(`w.${from}`, bytesOf(text), to, CWD).lost;
  expect(lost(YAML, "yaml", "json")).toEqual(["10 lines of comments: JSON has none"]);
  const anchors = "name: w\ntasks:\n  - &a { name: a, command: x }\n  - { <<: *a, name: b }\n";
  expect(lost(anchors, "yaml", "kdl")).toEqual(["anchors and aliases are written out"]);
  const dash = 'name "w"\n/- task "gone" { command "x" }\ntask "a" { command "x" }\n';
  expect(lost(dash, "kdl", "yaml")).toEqual(["what /- takes out is left out"]);
  expect(() => convert("name: w\ntasks: [{ nam: a, command: x }]\n", "yaml", "json")).toThrow(
    "no key 'nam'",
  );
});

test("no comment is looked for inside a text", () => {
  const kdl =
    'name "// no" // one\na r#"/* no"# #"// " no"# /* two /* inner */ */\nb """\n // no\n """ // three';
  expect(commentsOf(kdl, "kdl")).toEqual(["one", "two /* inner */", "three"]);
  expect(commentsOf("{a: '// no', b: \"/* no\" /* one\n * two */} // three", "json5")).toEqual([
    ...["one", "two", "three"],
  ]);
  expect(commentsOf("a: 'x # no' # one\nb: |\n  # no\nc: d#no\n", "yaml")).toEqual(["one"]);
});

const nasty = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc
    .array(
      fc.constantFrom(...Array.from("\n\n \t\"'\\#:-,{}[]&*!|>%@`~/;=\r\u0085\u2028\ufeffano0.1")),
      {
        maxLength: 14,
      },
    )
    .map((parts) => parts.join("")),
  fc.constantFrom(
    "no",
    "~",
    "null",
    "True",
    "0x1F",
    "1e3",
    ".inf",
    "=",
    "<<",
    "- a",
    "a: b",
    "a #b",
  ),
);

test("any text comes back from every spelling as it was", () => {
  fc.assert(
    fc.property(fc.array(nasty, { minLength: 1, maxLength: 4 }), nasty, (texts, key) => {
      // what no document can hold
      const clean = (text: string): string =>
        text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu, "_"); // eslint-disable-line no-control-regex
      const value = {
        name: "w",
        tasks: [{ name: "a", command: texts.map((text) => clean(text)) }],
        user_data: [{ name: "d", data: { [clean(key)]: texts.map((text) => clean(text)) } }],
      } as unknown as SpecMap;
      const written: Record<Spelling, string> = {
        yaml: writeYaml(value, NO_NOTES),
        json: writeJson(value, NO_NOTES, false),
        json5: writeJson(value, NO_NOTES, true),
        kdl: writeKdl(value, NO_NOTES),
      };
      for (const spelling of SPELLINGS) {
        const read = parseDocument(`w.${spelling}`, bytesOf(written[spelling])).value as SpecMap;
        const at = (path: Path): unknown => path.reduce((v, k) => (v as never)[k], read as unknown);
        expect(at(["tasks", 0, "command"])).toEqual((value["tasks"] as never)[0]["command"]);
        expect(at(["user_data", 0, "data"])).toEqual((value["user_data"] as never)[0]["data"]);
      }
    }),
    { numRuns: 300 },
  );
});

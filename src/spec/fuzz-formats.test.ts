// Every example in every spelling, changed in thousands of ways: read or refused, never a crash, never slow, and the
// same in JSON and YAML. Nothing here starts a task: reading starts none.
import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { HoldallError } from "../core/error.ts";
import { buildWorkflow } from "./build.ts";
import type { Format } from "./document.ts";
import { parseDocument } from "./load.ts";

const EXAMPLES = path.join(import.meta.dir, "../../examples");
const MAX_CASE_MS = 2000;

const documents: { format: Format; text: string }[] = readdirSync(EXAMPLES, { recursive: true })
  .map(String)
  .filter((name) => /\.(?:ya?ml|json5?|kdl)$/.test(name))
  .toSorted()
  .map((name) => ({
    format: path.extname(name).slice(1) as Format,
    text: readFileSync(path.join(EXAMPLES, name), "utf8"),
  }));

/** mulberry32 */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const outcomes = { accepted: 0, refused: 0 };
let slowestMs = 0;

/** The workflow as JSON, or "mistakes"; anything else that is thrown is a failure of the test. */
function outcome(format: Format, text: string): string {
  const startedMs = performance.now();
  const file = `w.${format}`;
  try {
    const document = parseDocument(file, new TextEncoder().encode(text));
    const { definition } = buildWorkflow(document, { source: "/s/w", cwd: "/c" });
    outcomes.accepted += 1;
    return JSON.stringify(definition);
  } catch (error) {
    if (!(error instanceof HoldallError) || error.code !== "spec") throw error;
    outcomes.refused += 1;
    expect(error.others.length).toBeLessThanOrEqual(21);
    for (const { place, fix } of [error]) {
      expect(place?.file).toBe(file);
      expect(place?.line).toBeGreaterThan(0);
      expect(place?.column).toBeGreaterThan(0);
      expect(fix).toBeTruthy();
    }
    return "mistakes";
  } finally {
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
  }
}

const BITS: Readonly<Record<Format, readonly string[]>> = {
  yaml: [
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "*a",
    "&a ",
    "|\n",
    "\t",
    "\n",
    "no",
    "012",
    "<<: ",
    "---\n",
    "!!x ",
  ],
  json: ["{", "}", "[", "]", ",", ":", "null", "-", "1e999", '"', "\\", "//", "\t", "true"],
  json5: [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "'",
    "/*",
    "//\n",
    "+",
    ".5",
    "0x",
    "Infinity",
    "\\\n",
    "NaN",
  ],
  kdl: [
    "{",
    "}",
    ";",
    "#true",
    "/-",
    "#null",
    '"',
    '"""',
    "\\\n",
    "=",
    "(t)",
    'r#"',
    "//",
    "- ",
    "true",
  ],
};
const WORDS = [
  "depends_on",
  "tasks",
  "jobs",
  "{i}",
  "{i:03d}",
  "{{i}}",
  "${files.input.raw}",
  "${user_data.input.settings}",
  "^.*$",
  "(a+)+",
  "parameters",
  "1:3",
  "1:100000000",
  "zip",
  "__proto__",
  "constructor",
  "é",
  "\u2028",
  "-1",
  "name",
  "stage",
  "3",
  "actions",
  "on_jobs_ready",
];

/** A document with some of its tokens taken away, repeated, exchanged or put elsewhere. */
function mutateText(text: string, format: Format, random: (below: number) => number): string {
  const tokens = text.match(/"(?:\\.|[^"\\])*"|[\w.-]+|[^\S\n]+|\n|[^\w\s]/g) ?? [];
  for (let edits = 1 + random(4); edits > 0; edits--) {
    const at = random(tokens.length);
    const bits = BITS[format];
    switch (random(7)) {
      case 0:
        tokens.splice(at, 1 + random(6));
        break;
      case 1:
        tokens.splice(at, 0, tokens[random(tokens.length)]!);
        break;
      case 2:
        tokens[at] = tokens[random(tokens.length)]!;
        break;
      case 3:
        tokens.splice(at, 0, bits[random(bits.length)]!);
        break;
      case 4:
        tokens[at] = bits[random(bits.length)]!;
        break;
      case 5:
        tokens[at] = WORDS[random(WORDS.length)]!;
        break;
      default:
        tokens.splice(at, 0, ...tokens.slice(random(tokens.length)).slice(0, 40));
    }
    if (tokens.length === 0) break;
  }
  return tokens.join("");
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e21,
  "",
  "x",
  "{i}",
  "1:5",
  "5:1",
  [],
  {},
  [[]],
  { a: 1 },
  ["x", 7],
  "^x",
  "${spec_dir}",
  "1:100000000",
  "\n",
  "a".repeat(2000),
  { i: "1:3" },
  "compress_{i:03d}",
];

/** A value with some of its parts changed. */
function mutateValue(root: Json, random: (below: number) => number): Json {
  const places: { of: Json[] | { [key: string]: Json }; key: string | number }[] = [];
  const copy = structuredClone(root);
  const visit = (value: Json): void => {
    if (typeof value !== "object" || value === null) return;
    const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
    for (const key of keys) {
      places.push({ of: value, key });
      visit((value as Record<string | number, Json>)[key]!);
    }
  };
  visit(copy);
  for (let edits = 1 + random(3); edits > 0; edits--) {
    const { of, key } = places[random(places.length)]!;
    const map = of as Record<string | number, Json>;
    const other = places[random(places.length)]!;
    switch (random(6)) {
      case 0:
        if (Array.isArray(of)) of.splice(Number(key), 1);
        else delete map[key];
        break;
      case 1:
        map[key] = structuredClone(VALUES[random(VALUES.length)]!);
        break;
      case 2:
        map[key] = structuredClone((other.of as Record<string | number, Json>)[other.key] ?? null);
        break;
      case 3:
        if (Array.isArray(of)) of.push(structuredClone(map[key] ?? null));
        else map[WORDS[random(WORDS.length)]!] = structuredClone(map[key] ?? null);
        break;
      case 4:
        map[key] = [structuredClone(map[key] ?? null)];
        break;
      default:
        map[key] = WORDS[random(WORDS.length)]!;
    }
  }
  return copy;
}

test.each(["yaml", "json", "json5", "kdl"] as const)(
  "%s with other tokens",
  (format) => {
    const texts = documents.filter((each) => each.format === format).map(({ text }) => text);
    expect(texts.length).toBeGreaterThan(1);
    const random = randomOf(format.length * 7919 + format.charCodeAt(1));
    for (let i = 0; i < 1500; i++)
      outcome(format, mutateText(texts[i % texts.length]!, format, random));
  },
  60_000,
);

test("other values, the same in JSON, JSON5 and YAML", () => {
  const values = documents
    .filter(({ format }) => format === "json")
    .map(({ text }) => JSON.parse(text) as Json);
  const random = randomOf(11);
  for (let i = 0; i < 1500; i++) {
    const text = JSON.stringify(mutateValue(values[i % values.length]!, random));
    const json = outcome("json", text);
    expect(outcome("json5", text)).toBe(json);
    if (i % 3 > 0) continue;
    // an empty text and a text of YAML 1.1 mean the same in quotes, and a list as a key cannot be
    expect(outcome("yaml", text)).toBe(json);
  }
}, 60_000);

afterAll(() => {
  expect(outcomes.accepted).toBeGreaterThan(300);
  expect(outcomes.refused).toBeGreaterThan(1000);
  expect(slowestMs).toBeLessThan(MAX_CASE_MS);
});

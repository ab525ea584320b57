import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "../src/spec/load.ts";
import { plain } from "../src/spec/named-entries.ts";
import { root } from "../test/support/scratch.ts";
import { schemaMistakes } from "../test/support/json-schema.ts";
import { KEY_TABLES } from "./spec-keys.ts";
import { schemaOf, untyped } from "./spec-schema.ts";

const schema = schemaOf();
const examples = [...new Bun.Glob("examples/*/*.{yaml,json,json5,kdl}").scanSync(root)].toSorted();

function valueOf(file: string): Record<string, unknown> {
  return plain(parseDocument(file, readFileSync(join(root, file))).value) as never;
}

test("there are examples in every spelling", () => {
  for (const ending of [".yaml", ".json", ".json5", ".kdl"])
    expect(examples.some((file) => file.endsWith(ending))).toBe(true);
});

test.each(examples)("%s is right", (file) => {
  expect(schemaMistakes(schema, valueOf(file))).toEqual([]);
});

test("every key has a type", () => {
  expect(untyped).toEqual([]);
});

test("the examples of docs/spec.md are right, each by itself", () => {
  let checked = 0;
  const defs = schema["$defs"] as Record<string, { properties: Record<string, object> }>;
  const whole = [{ properties: schema["properties"] }, ...Object.values(defs)];
  for (const { entries } of KEY_TABLES)
    for (const [, , example] of Object.values(entries ?? {})) {
      const line = /^`([a-z_]+: .*)`$/.exec(example)?.[1];
      if (line === undefined) continue;
      const value = plain(parseDocument("x.yaml", new TextEncoder().encode(line)).value) as object;
      const [[key, item] = []] = Object.entries(value);
      const mistakes = whole
        .map(({ properties }) => (properties as Record<string, object> | undefined)?.[key!])
        .filter((property) => property !== undefined)
        .map((property) => schemaMistakes(schema, item, property as Record<string, unknown>));
      expect(mistakes).toContainEqual([]);
      checked++;
    }
  expect(checked).toBeGreaterThan(60);
});

test("the documents of docs/spec.md are right", () => {
  const text = readFileSync(join(root, "docs/spec.md"), "utf8");
  const documents = [...text.matchAll(/```(yaml|kdl)\n([^]*?)```/g)].filter(([, , inside]) =>
    /^task/m.test(inside!),
  );
  expect(documents.length).toBeGreaterThan(1);
  for (const [, format, inside] of documents) {
    const { value } = parseDocument(`w.${format}`, new TextEncoder().encode(inside));
    expect(schemaMistakes(schema, plain(value))).toEqual([]);
  }
});

const TASK = { name: "a", command: "true" };
const wrong: readonly (readonly [string, object, string])[] = [
  ["a typo in a task", { name: "w", tasks: [{ ...TASK, retrys: 3 }] }, "/tasks/0/retrys: unknown"],
  ["a typo in the workflow", { name: "w", task: [TASK] }, "/task: unknown"],
  ["no command", { name: "w", tasks: [{ name: "a" }] }, "/tasks/0: no command"],
  ["no tasks", { name: "w" }, ": no tasks"],
  ["a number as a name", { name: "w", tasks: [{ ...TASK, name: 5 }] }, "/tasks/0/name: number"],
  ["an unknown choice", { name: "w", tasks: [{ ...TASK, shell: "zsh" }] }, "/tasks/0/shell: none"],
  ["too many retries", { name: "w", tasks: [{ ...TASK, retries: 60_001 }] }, "above 60000"],
  ["half a retry", { name: "w", tasks: [{ ...TASK, retries: 1.5 }] }, "/tasks/0/retries: number"],
  ["two names of one key", { name: "w", tasks: [{ ...TASK, inputs: [], input_files: [] }] }, "not"],
  ["an empty list of words", { name: "w", tasks: [{ ...TASK, command: [] }] }, "too few"],
  ["a bad requirement", { name: "w", tasks: [{ ...TASK, resource_requirements: { cpu: 1 } }] }, ""],
];

test.each(wrong)("%s is not", (_, document, message) => {
  const mistakes = schemaMistakes(schema, document);
  expect(mistakes.join("\n")).toContain(message);
  expect(mistakes).not.toEqual([]);
});

test("the validator passes over nothing", () => {
  expect(() => schemaMistakes({ oneOf: [] }, 1)).toThrow("does not know 'oneOf'");
});

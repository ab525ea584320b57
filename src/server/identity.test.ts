import { expect, test } from "bun:test";
import type { ArrayBlock, Block, Command, TaskBody, WorkflowDefinition } from "../core/workflow.ts";
import { arrayBlock, DEFINITION, POLICY } from "../ledger/testing/samples.ts";
import { compareDefinitions, definitionDigest } from "./identity.ts";

const auto = (text: string): Command => ({ kind: "auto", text });

function explicit(...bodies: TaskBody[]): Block {
  return { ...POLICY, kind: "explicit", first: 0, count: bodies.length, bodies };
}

function array(count: number, change: Partial<ArrayBlock> = {}): Block {
  return { ...arrayBlock(0, count), ...change };
}

function workflow(blocks: Block[], change: Partial<WorkflowDefinition> = {}): WorkflowDefinition {
  let taskCount = 0;
  const placed = blocks.map((block) => {
    const at = { ...block, first: taskCount };
    taskCount += block.count;
    return at;
  });
  return { ...DEFINITION, blocks: placed, taskCount, ...change };
}

function compare(before: Block[], after: Block[]): object {
  const { mapping, ...rest } = compareDefinitions(workflow(before), workflow(after));
  return { mapping: [...mapping], ...rest };
}

const SAME = { changed: [], added: [], removed: 0 };
const a: TaskBody = { name: "a", command: auto("x") };
const b: TaskBody = { name: "b", command: auto("y") };
const c: TaskBody = { name: "c", command: auto("z") };

test("equal blocks are the same, wherever they stand", () => {
  expect(compare([explicit(a, b), array(3)], [array(3), explicit(a, b)])).toEqual({
    mapping: [2, 3, 4, 0, 1],
    ...SAME,
  });
});

test("what does not belong to a task's identity changes nothing", () => {
  const other = { retries: 3, timeoutSeconds: 9, priority: 5, category: "other" };
  expect(compare([array(2), explicit(a)], [array(2, other), { ...explicit(a), ...other }])).toEqual(
    {
      mapping: [0, 1, 2],
      ...SAME,
    },
  );
});

test("a task that moved to another block is found by its name", () => {
  expect(compare([explicit(a, b), explicit(c)], [explicit(b), explicit(c, a)])).toEqual({
    mapping: [1, 2, 0],
    ...SAME,
  });
});

test("a renamed task is another one", () => {
  expect(compare([explicit(a, b)], [explicit(a, { ...b, name: "c" })])).toEqual({
    mapping: [0, -1],
    changed: [],
    added: [1],
    removed: 1,
  });
});

test("command, shell, environment, files and folder make a task what it is", () => {
  const body: TaskBody = { name: "a", command: { kind: "shell", shell: "sh", text: "x" } };
  const changes: Partial<TaskBody>[] = [
    { command: { kind: "shell", shell: "sh", text: "x " } },
    { command: { kind: "shell", shell: "bash", text: "x" } },
    { command: { kind: "auto", text: "x" } },
    { command: { kind: "argv", argv: ["x"] } },
    { env: { A: "1" } },
    { inputs: ["i"] },
    { outputs: ["i"] },
  ];
  for (const change of changes)
    expect([change, compare([explicit(body)], [explicit({ ...body, ...change })])]).toEqual([
      change,
      { mapping: [0], ...SAME, changed: [0] },
    ]);
  const moved = compareDefinitions(
    workflow([explicit(a), { ...explicit(b), cwd: "/own" }]),
    workflow([explicit(a), { ...explicit(b), cwd: "/own" }], { cwd: "/elsewhere" }),
  );
  expect(moved).toMatchObject({ changed: [0], added: [], removed: 0 });
});

test("the order of variables means nothing, that of files and words does", () => {
  const of = (change: Partial<TaskBody>): Block => explicit({ ...a, ...change });
  expect(compare([of({ env: { A: "1", B: "2" } })], [of({ env: { B: "2", A: "1" } })])).toEqual({
    mapping: [0],
    ...SAME,
  });
  expect(compare([of({ env: { A: "1", B: "2" } })], [of({ env: { A: "2", B: "1" } })])).toEqual({
    mapping: [0],
    ...SAME,
    changed: [0],
  });
  const argv = (...words: string[]): Command => ({ kind: "argv", argv: words });
  expect(compare([of({ command: argv("a b") })], [of({ command: argv("a", "b") })])).toEqual({
    mapping: [0],
    ...SAME,
    changed: [0],
  });
});

test("an array that grows keeps what it had", () => {
  expect(compare([array(2)], [array(4)])).toEqual({
    mapping: [0, 1, -1, -1],
    ...SAME,
    added: [2, 3],
  });
  expect(compare([array(4), explicit(a)], [array(3), explicit(a)])).toEqual({
    mapping: [0, 1, 2, 4],
    ...SAME,
    removed: 1,
  });
});

test("an array and tasks written out are the same when they read the same", () => {
  const written = [0, 1].map((i) => ({
    name: `t_${i}`,
    command: { kind: "argv" as const, argv: ["true", `00${i}`] },
  }));
  expect(compare([array(2)], [explicit(...written)])).toEqual({ mapping: [0, 1], ...SAME });
  expect(compare([explicit(...written)], [array(2)])).toEqual({ mapping: [0, 1], ...SAME });
  const other = { ...written[1]!, command: { kind: "argv" as const, argv: ["true", "1"] } };
  expect(compare([array(2)], [explicit(written[0]!, other)])).toEqual({
    mapping: [0, 1],
    ...SAME,
    changed: [1],
  });
});

test("the digest is of everything but the document's place", () => {
  const definition = workflow([explicit(a)]);
  const digest = definitionDigest(definition);
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  expect(definitionDigest({ ...definition, source: "/other" })).toBe(digest);
  expect(definitionDigest({ ...definition, cwd: "/other" })).not.toBe(digest);
  expect(definitionDigest(workflow([explicit(b)]))).not.toBe(digest);
});

/** As the core keeps it. */
function without(block: Block): Block {
  return block.kind === "explicit" ? { ...block, bodies: null } : block;
}

test("the digest is that of the whole as one JSON text, however many tasks are written out", () => {
  const many = Array.from({ length: 2500 }, (_, i) => ({ ...a, name: `"t${i}` }));
  const definition = workflow([explicit(...many), array(3), without(explicit(b))], {
    schedulers: [{ name: "s", fields: { bodies: [], blocks: undefined } }],
  });
  const { source: _, ...rest } = definition;
  const whole = new Bun.CryptoHasher("sha256").update(JSON.stringify(rest)).digest("hex");
  expect(definitionDigest(definition)).toBe(whole);
});

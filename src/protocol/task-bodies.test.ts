import { expect, test } from "bun:test";
import { submitRequest } from "./submission.ts";
import { isPlainBody } from "./task-bodies.ts";

const COMMAND = { kind: "argv", argv: ["/bin/true", "a"] };
const POLICY = {
  requirement: { cpus: 1, memoryBytes: 0, diskBytes: 0, gpus: 0, nodes: 1, runtimeSeconds: null },
  category: "default",
  retries: 0,
  timeoutSeconds: null,
  onUpstreamFailure: "skip",
  priority: 0,
  cwd: null,
  scheduler: null,
  first: 0,
};

function parse(...bodies: unknown[]): ReturnType<typeof submitRequest.safeParse> {
  return submitRequest.safeParse({
    definition: {
      name: "w",
      source: null,
      specDir: "/",
      cwd: "/",
      blocks: [{ kind: "explicit", bodies, count: Math.max(1, bodies.length), ...POLICY }],
      edges: [],
      runs: [],
      sets: [],
      taskCount: Math.max(1, bodies.length),
      priority: 0,
      sortMethod: "auto",
      schedulers: [],
    },
  });
}

const PLAIN = [
  { name: "a", command: COMMAND },
  { name: "a", command: { kind: "auto", text: "x" } },
  { name: "a", command: { kind: "words", text: "x" } },
  { name: "a", command: { kind: "shell", shell: "bash", text: "x" } },
  { name: "a", command: COMMAND, inputs: ["i"], outputs: [], env: { A: "1" } },
];

test("plain bodies pass as they are", () => {
  for (const body of PLAIN) expect(isPlainBody(body)).toBe(true);
  const result = parse(...PLAIN);
  expect(result.success && result.data.definition.blocks[0]).toMatchObject({ bodies: PLAIN });
});

test("what has parameters is not plain, and passes through the schema", () => {
  const body = { name: "a", command: { kind: "auto", text: ["x ", { p: 0 }] } };
  expect(isPlainBody(body)).toBe(false);
  const result = parse(PLAIN[0], body);
  expect(result.success && result.data.definition.blocks[0]).toMatchObject({
    bodies: [PLAIN[0], body],
  });
});

test("bodies that are no list are refused", () => {
  const result = parse();
  expect(result.success).toBe(true);
  const shape = { definition: { ...result.data!.definition } };
  for (const bodies of [{}, null, "a", undefined]) {
    const [block] = shape.definition.blocks;
    const changed = { ...shape.definition, blocks: [{ ...block, bodies }] };
    const { error } = submitRequest.safeParse({ definition: changed });
    expect(error!.issues[0]!.path).toEqual(["definition", "blocks", 0, "bodies"]);
  }
});

test.each<[string, unknown]>([
  ["no object", "a"],
  ["no name", { command: COMMAND }],
  ["no command", { name: "a" }],
  ["an unknown key", { name: "a", command: COMMAND, more: 1 }],
  ["a key of another kind", { name: "a", command: { ...COMMAND, text: "x" } }],
  ["an empty argv", { name: "a", command: { kind: "argv", argv: [] } }],
  ["a number in argv", { name: "a", command: { kind: "argv", argv: [1] } }],
  ["another shell", { name: "a", command: { kind: "shell", shell: "zsh", text: "x" } }],
  ["a NUL", { name: "a\0", command: COMMAND }],
  ["a long text", { name: "a".repeat(1_000_001), command: COMMAND }],
  ["outputs that are no list", { name: "a", command: COMMAND, outputs: "o" }],
  ["a NUL in the environment", { name: "a", command: COMMAND, env: { A: "\0" } }],
  ["a list as environment", { name: "a", command: COMMAND, env: ["A"] }],
])("%s is refused, and named with its place", (_, body) => {
  expect(isPlainBody(body)).toBe(false);
  const result = parse(PLAIN[0], body);
  expect(result.success).toBe(false);
  expect(result.error!.issues[0]!.path.slice(0, 5)).toEqual([
    "definition",
    "blocks",
    0,
    "bodies",
    1,
  ]);
});

/**
 * What a second `run` of a workflow has to do again. A task is the same when its name, command, environment and declared files'
 * names are; where a block is the same as before its tasks are not even looked at.
 */
import { createHash } from "node:crypto";
import { compileCommandText } from "../core/command-text.ts";
import { compileTemplate } from "../core/template.ts";
import type {
  Block,
  ParameterTable,
  TaskBody,
  TextTemplate,
  WorkflowDefinition,
} from "../core/workflow.ts";

const NO_PARAMETERS: ParameterTable = { names: [], values: [], mode: "product" };

/** SHA-256 over everything a definition says except where the document lies. */
export function definitionDigest(definition: WorkflowDefinition): string {
  const { source: _source, ...rest } = definition;
  const hash = createHash("sha256");
  for (const piece of jsonPieces(rest)) hash.update(piece);
  return hash.digest("hex");
}

/** Bodies written at a time. */
const BODIES_AT_A_TIME = 1000;

/** What JSON.stringify gives for the whole, without ever holding the text of a million tasks. */
function* jsonPieces(definition: Omit<WorkflowDefinition, "source">): Generator<string> {
  yield* members(definition, (key) =>
    key === "blocks"
      ? list(definition.blocks, (block) =>
          members(block, (name, item) => (name === "bodies" && item ? bodiesOf(block) : null)),
        )
      : null,
  );
}

function* bodiesOf(block: Block): Generator<string> {
  const bodies = block.kind === "explicit" ? (block.bodies ?? []) : [];
  yield "[";
  for (let at = 0; at < bodies.length; at += BODIES_AT_A_TIME) {
    const text = JSON.stringify(bodies.slice(at, at + BODIES_AT_A_TIME));
    yield (at === 0 ? "" : ",") + text.slice(1, -1);
  }
  yield "]";
}

/** The members that `special` does not write are written whole. */
function* members(
  value: object,
  special: (key: string, item: unknown) => Generator<string> | null,
): Generator<string> {
  let before = "{";
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    yield `${before}${JSON.stringify(key)}:`;
    before = ",";
    yield* special(key, item) ?? [JSON.stringify(item)];
  }
  yield before === "{" ? "{}" : "}";
}

function* list<T>(items: readonly T[], each: (item: T) => Generator<string>): Generator<string> {
  yield "[";
  for (const [at, item] of items.entries()) {
    if (at > 0) yield ",";
    yield* each(item);
  }
  yield "]";
}

export interface Comparison {
  /** new task → old task, or -1 */
  mapping: Int32Array;
  /** tasks (new numbers) that existed and are different now */
  changed: number[];
  /** tasks (new numbers) that did not exist */
  added: number[];
  /** how many no longer exist */
  removed: number;
}

/** Both definitions with the bodies of their explicit tasks. */
export function compareDefinitions(
  before: WorkflowDefinition,
  after: WorkflowDefinition,
): Comparison {
  const mapping = new Int32Array(after.taskCount).fill(-1);
  const changed: number[] = [];
  const added: number[] = [];
  const oldBlocks = new Map<string, Block>();
  for (const block of before.blocks) oldBlocks.set(blockKey(block, before.cwd), block);
  const leftOver: Block[] = [];
  let matched = 0;
  for (const block of after.blocks) {
    const key = blockKey(block, after.cwd);
    const same = oldBlocks.get(key);
    if (!same) {
      leftOver.push(block);
      continue;
    }
    oldBlocks.delete(key);
    for (let i = 0; i < block.count; i++) mapping[block.first + i] = same.first + i;
    matched += block.count;
  }
  const oldTasks = new Map<string, { task: number; digest: string }>();
  for (const block of oldBlocks.values())
    eachTask(block, before.cwd, (task, name, digest) => oldTasks.set(name, { task, digest }));
  for (const block of leftOver)
    eachTask(block, after.cwd, (task, name, digest) => {
      const old = oldTasks.get(name);
      if (!old) {
        added.push(task);
        return;
      }
      mapping[task] = old.task;
      matched++;
      if (old.digest !== digest) changed.push(task);
    });
  return { mapping, changed, added, removed: before.taskCount - matched };
}

function blockKey(block: Block, cwd: string): string {
  const where = block.cwd ?? cwd;
  return block.kind === "array"
    ? JSON.stringify([where, block.body, block.parameters])
    : JSON.stringify([where, block.bodies]);
}

function eachTask(
  block: Block,
  cwd: string,
  visit: (task: number, name: string, digest: string) => void,
): void {
  const where = block.cwd ?? cwd;
  if (block.kind === "array") {
    const describe = compileBody(block.body, block.parameters, where);
    for (let i = 0; i < block.count; i++) visit(block.first + i, ...describe(i));
    return;
  }
  block.bodies?.forEach((body, i) => {
    visit(block.first + i, ...compileBody(body, NO_PARAMETERS, where)(0));
  });
}

function compileBody(
  body: TaskBody,
  table: ParameterTable,
  cwd: string,
): (index: number) => [name: string, digest: string] {
  const tell = compileTelling(body, table, cwd);
  return (index) => {
    const { name, ...told } = tell(index);
    return [name, JSON.stringify(Object.values(told))];
  };
}

/** What makes a task the one it is. */
export interface Told {
  name: string;
  /** absolute */
  cwd: string;
  /** who reads the command */
  kind: string;
  command: string;
  /** as written */
  inputs: string[];
  outputs: string[];
  /** sorted */
  env: (readonly [name: string, value: string])[];
}

/** Of every task of a definition (with bodies) whose body is wanted, in order. */
export function eachTold(
  definition: WorkflowDefinition,
  wanted: (body: TaskBody) => boolean,
  visit: (task: number, tell: () => Told) => void,
): void {
  for (const block of definition.blocks) {
    const where = block.cwd ?? definition.cwd;
    if (block.kind === "array") {
      if (!wanted(block.body)) continue;
      const tell = compileTelling(block.body, block.parameters, where);
      for (let i = 0; i < block.count; i++) visit(block.first + i, () => tell(i));
      continue;
    }
    block.bodies?.forEach((body, i) => {
      if (wanted(body)) visit(block.first + i, () => compileTelling(body, NO_PARAMETERS, where)(0));
    });
  }
}

/** One task of a definition with bodies. */
export function toldOf(definition: WorkflowDefinition, task: number): Told {
  const block = definition.blocks.findLast(({ first, count }) => count > 0 && first <= task)!;
  const where = block.cwd ?? definition.cwd;
  return block.kind === "array"
    ? compileTelling(block.body, block.parameters, where)(task - block.first)
    : compileTelling(block.bodies![task - block.first]!, NO_PARAMETERS, where)(0);
}

function compileTelling(
  body: TaskBody,
  table: ParameterTable,
  cwd: string,
): (index: number) => Told {
  const compile = (text: TextTemplate): ((index: number) => string) => compileTemplate(text, table);
  const name = compile(body.name);
  const command = compileCommandText(body.command, table);
  const inputs = (body.inputs ?? []).map(compile);
  const outputs = (body.outputs ?? []).map(compile);
  const env = Object.entries(body.env ?? {})
    .map(([key, value]) => [key, compile(value)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const kind = body.command.kind === "shell" ? body.command.shell : body.command.kind;
  return (index) => ({
    name: name(index),
    cwd,
    kind,
    command: command(index),
    inputs: inputs.map((path) => path(index)),
    outputs: outputs.map((path) => path(index)),
    env: env.map(([key, value]) => [key, value(index)] as const),
  });
}

/** Task numbers and names. Names of arrays are computed, those of explicit tasks are in the ledger. */
import { HoldallError } from "../core/error.ts";
import { nearest } from "../core/nearest.ts";
import { literalPrefix, matchName } from "../core/template-match.ts";
import { compileTemplate } from "../core/template.ts";
import type { Block, WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** Names compared in search of a near one, shared between all blocks. */
const COMPARED_NAMES = 20_000;
/** Names of explicit tasks read at a time. */
const BATCH = 256;
/** Names looked at before other work of the process gets its turn. */
const SLICE = 20_000;

export interface Names {
  of(task: number): string;
  /** names of these tasks, in the order asked for */
  all(tasks: readonly number[]): string[];
  find(name: string): number | null;
  /** Throws not_found with the nearest name. */
  require(name: string): number;
  /** Tasks by name, by the title of an array as written in the document, or by a glob with `*`. Throws not_found. */
  select(names: readonly string[]): Promise<number[]>;
  /** Tasks from number `from` on that are accepted and fit the glob, in order and in batches; lets other work in between. */
  scan(
    glob: string | null,
    from: number,
    accepts: (task: number) => boolean,
  ): AsyncGenerator<[tasks: number[], names: string[]]>;
}

export function createNames(
  ledger: Ledger,
  workflow: number,
  definition: WorkflowDefinition,
): Names {
  const { blocks } = definition;
  const printers = new Map<Block, (index: number) => string>();

  function printer(block: Extract<Block, { kind: "array" }>): (index: number) => string {
    let print = printers.get(block);
    if (!print) {
      print = compileTemplate(block.body.name, block.parameters);
      printers.set(block, print);
    }
    return print;
  }

  function all(tasks: readonly number[]): string[] {
    const names = Array.from<string>({ length: tasks.length });
    const explicit: number[] = [];
    tasks.forEach((task, at) => {
      const block = blockOf(blocks, task);
      if (block.kind === "array") names[at] = printer(block)(task - block.first);
      else explicit.push(at);
    });
    if (explicit.length === 0) return names;
    const bodies = ledger.bodies(
      workflow,
      explicit.map((at) => tasks[at]!),
    );
    explicit.forEach((at, i) => (names[at] = bodies[i]!.name as string));
    return names;
  }

  function find(name: string): number | null {
    for (const block of blocks) {
      if (block.kind !== "array") continue;
      const index = matchName(block.body.name, block.parameters, name);
      if (index !== null && index < block.count) return block.first + index;
    }
    return blocks.some((block) => block.kind === "explicit")
      ? ledger.taskByName(workflow, name)
      : null;
  }

  /** A few names of every block, so that a large first one hides no other. */
  function* some(): Generator<string> {
    const share = Math.ceil(COMPARED_NAMES / Math.max(blocks.length, 1));
    for (const block of blocks) {
      const end = block.first + Math.min(block.count, share);
      for (let first = block.first; first < end; first += BATCH)
        yield* all(range(first, Math.min(end, first + BATCH)));
    }
  }

  function unknown(name: string): HoldallError {
    const near = nearest(name, some());
    const about = definition.taskCount === 1 ? "its only task is" : "its tasks begin with";
    return new HoldallError("not_found", `workflow ${workflow} has no task "${name}"`, {
      fix:
        near !== null
          ? `nearest: ${near}`
          : definition.taskCount === 0
            ? "it has no tasks"
            : `${about} ${all([0])[0]}; holdall tasks ${workflow} lists them`,
    });
  }

  function require(name: string): number {
    const task = find(name);
    if (task === null) throw unknown(name);
    return task;
  }

  async function select(names: readonly string[]): Promise<number[]> {
    const chosen = new Set<number>();
    for (const name of names) {
      const exact = find(name);
      if (exact !== null) {
        chosen.add(exact);
        continue;
      }
      const before = chosen.size;
      const titled = blocks.filter((block) => block.kind === "array" && block.title === name);
      for (const { first, count } of titled)
        for (let task = first; task < first + count; task++) chosen.add(task);
      if (chosen.size === before && name.includes("*")) {
        for await (const [tasks] of scan(name, 0, () => true))
          for (const task of tasks) chosen.add(task);
      }
      if (chosen.size === before) throw unknown(name);
    }
    return [...chosen].sort((a, b) => a - b);
  }

  async function* scan(
    glob: string | null,
    from: number,
    accepts: (task: number) => boolean,
  ): AsyncGenerator<[tasks: number[], names: string[]]> {
    const star = glob?.indexOf("*") ?? 0;
    const prefix = glob === null ? "" : star < 0 ? glob : glob.slice(0, star);
    const fits = glob === null ? () => true : globMatcher(glob);
    let looked = 0;
    let batch: number[] = [];
    const filtered = (): [number[], string[]] => {
      const texts = all(batch);
      const kept = batch.flatMap((_, i) => (fits(texts[i]!) ? [i] : []));
      const found: [number[], string[]] = [kept.map((i) => batch[i]!), kept.map((i) => texts[i]!)];
      batch = [];
      return found;
    };
    for (const block of blocks) {
      const end = block.first + block.count;
      if (end <= from || cannotBegin(block, prefix)) continue;
      for (let task = Math.max(from, block.first); task < end; task++) {
        if (++looked % SLICE === 0) await new Promise((next) => setImmediate(next));
        if (!accepts(task)) continue;
        batch.push(task);
        if (batch.length === BATCH) yield filtered();
      }
    }
    if (batch.length > 0) yield filtered();
  }

  return { of: (task) => all([task])[0]!, all, find, require, select, scan };
}

/** True when no name of the array begins with `prefix`. */
function cannotBegin(block: Block, prefix: string): boolean {
  if (block.kind !== "array") return false;
  const literal = literalPrefix(block.body.name);
  return !literal.startsWith(prefix) && !prefix.startsWith(literal);
}

export function blockOf(blocks: readonly Block[], task: number): Block {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (blocks[middle]!.first <= task) low = middle;
    else high = middle - 1;
  }
  return blocks[low]!;
}

/** `*` stands for any text, everything else for itself. */
export function globMatcher(glob: string): (text: string) => boolean {
  const parts = glob.split("*");
  const [first, last] = [parts[0]!, parts.at(-1)!];
  if (parts.length === 1) return (text) => text === glob;
  const middle = parts.slice(1, -1).filter((part) => part !== "");
  return (text) => {
    if (text.length < first.length + last.length) return false;
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    const end = text.length - last.length;
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found < 0 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

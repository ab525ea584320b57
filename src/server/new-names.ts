/** Names of tasks that are added have to be new. Arrays are compared by their templates, never by writing out both of them. */
import { HoldallError } from "../core/error.ts";
import { literalPrefix, matchName } from "../core/template-match.ts";
import { compileTemplate } from "../core/template.ts";
import type { ArrayBlock, Block, WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Loaded } from "./queries.ts";

/** Names compared at most; above it, the answer would take seconds. */
export const COMPARISONS = 1_000_000;
/** Names looked at before other work of the process gets its turn. */
const SLICE = 10_000;

type Explicit = Extract<Block, { kind: "explicit" }>;

/** Throws `conflict`, naming the first task of `more` that workflow `id` has already. */
export async function requireNewNames(
  ledger: Ledger,
  id: number,
  { names, tasks }: Pick<Loaded, "names" | "tasks">,
  more: WorkflowDefinition,
): Promise<void> {
  const { blocks } = tasks.definition;
  const arrays = blocks.filter((block) => block.kind === "array");
  const explicit = blocks.filter((block) => block.kind === "explicit");
  let compared = 0;

  /** Compares so many names, one after another; answers the first that is taken. */
  async function first(count: number, taken: (i: number) => string | null): Promise<void> {
    for (let i = 0; i < count; i++) {
      if (++compared > COMPARISONS) throw tooMany();
      if (compared % SLICE === 0) await new Promise((next) => setImmediate(next));
      const name = taken(i);
      if (name !== null) throw clash(id, name);
    }
  }

  for (const block of more.blocks) {
    if (block.kind === "explicit") {
      await first(block.count * (arrays.length + 1), (i) => {
        const name = block.bodies![Math.floor(i / (arrays.length + 1))]!.name as string;
        const array = arrays[i % (arrays.length + 1)];
        const is = array ? isIn(array, name) : ledger.taskByName(id, name) !== null;
        return is ? name : null;
      });
      continue;
    }
    const print = printer(block);
    for (const array of arrays) {
      if (areApart(block, array)) continue;
      const [smaller, other] = block.count <= array.count ? [block, array] : [array, block];
      const of = printer(smaller);
      await first(smaller.count, (i) => (isIn(other, of(i)) ? of(i) : null));
    }
    const others = explicit.reduce((sum, { count }) => sum + count, 0);
    if (others === 0) continue;
    if (block.count <= others) {
      await first(block.count, (i) => (ledger.taskByName(id, print(i)) === null ? null : print(i)));
      continue;
    }
    for (const each of explicit)
      for (let from = 0; from < each.count; from += SLICE) {
        const all = namesOf(each, from);
        await first(all.length, (i) => (isIn(block, all[i]!) ? all[i]! : null));
      }
  }

  function namesOf(block: Explicit, from: number): string[] {
    const count = Math.min(SLICE, block.count - from);
    return names.all(Array.from({ length: count }, (_, i) => block.first + from + i));
  }
}

function printer(block: ArrayBlock): (index: number) => string {
  return compileTemplate(block.body.name, block.parameters);
}

function isIn(block: ArrayBlock, name: string): boolean {
  const index = matchName(block.body.name, block.parameters, name);
  return index !== null && index < block.count;
}

/** True when no name of one can be a name of the other, as far as their beginnings and ends tell. */
function areApart(a: ArrayBlock, b: ArrayBlock): boolean {
  const [one, two] = [literalPrefix(a.body.name), literalPrefix(b.body.name)];
  const [end, its] = [literalSuffix(a), literalSuffix(b)];
  return !(one.startsWith(two) || two.startsWith(one)) || !(end.endsWith(its) || its.endsWith(end));
}

function literalSuffix({ body: { name } }: ArrayBlock): string {
  const last = typeof name === "string" ? name : name.at(-1);
  return typeof last === "string" ? last : "";
}

function clash(id: number, name: string): HoldallError {
  return new HoldallError("conflict", `workflow ${id} has a task "${name}" already`, {
    fix: "give the new task another name; to run the old one again: holdall retry",
  });
}

function tooMany(): HoldallError {
  return new HoldallError(
    "conflict",
    `whether all names are new would take more than ${COMPARISONS.toLocaleString("en")} comparisons`,
    {
      fix: "let the names of a new array begin with something that no other array's do, or submit a workflow of its own",
    },
  );
}

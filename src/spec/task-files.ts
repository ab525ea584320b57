/** What one task reads and makes: paths, named files, user data, and what its command refers to. */
import { compilePattern } from "./regexes.ts";
import type { ParameterTable, TextTemplate } from "../core/workflow.ts";
import type { Path } from "./document.ts";
import type { UserDataEntries } from "./named-entries.ts";
import {
  type FileReference,
  joinTemplates,
  quoteAfter,
  quotedFor,
  splitReferences,
} from "./references.ts";
import { LATE, type Registry } from "./registry.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import { nameFix, type Reader } from "./values.ts";

/** Where names of files and user data are looked up; null = the document has none. */
export interface EntrySources extends Reader {
  readonly specDir: string;
  readonly files: Registry | null;
  readonly userData: UserDataEntries | null;
}

type Direction = "input" | "output";
type Placed = { text: TextTemplate; where: Path };

export interface TaskFiles {
  readonly inputs: TextTemplate[];
  readonly outputs: TextTemplate[];
  readonly readsData: TextTemplate[];
  readonly makesData: TextTemplate[];
  /** something has to be looked up for each task of the array */
  readonly late: boolean;
  paths(direction: Direction, list: readonly Placed[]): void;
  /** `input_files`: names of `files`; paths where the document has no `files` */
  named(direction: Direction, list: readonly Placed[]): void;
  data(direction: Direction, list: readonly Placed[]): void;
  matching(of: "files" | "user_data", direction: Direction, list: readonly Placed[]): void;
  /** a command with references, which stand for their paths and say what is read and made */
  command(text: string, where: Path, quoting: boolean): TextTemplate;
}

type PartReader = (text: string, where: Path, use: "part") => TextTemplate;

export interface FileReader {
  begin(table: ParameterTable | null, template: PartReader): TaskFiles;
}

type Lists = Record<"files" | "user_data", Record<Direction, TextTemplate[]>>;

const noLists = (): Lists => ({
  files: { input: [], output: [] },
  user_data: { input: [], output: [] },
});

/** Names to suggest from at most. */
const SUGGESTED = 10_000;

/** Made once for a document; `begin` starts the next task, and what it gave for the one before is no longer asked. */
export function fileReader(context: EntrySources): FileReader {
  let table: ParameterTable | null = null;
  let template: PartReader = (text) => text;
  let lists = noLists();
  let late = false;
  // what a command refers to is mostly listed as well
  const referred = new Set<string>();
  const matched = new Map<string, readonly string[]>();

  const put = (of: "files" | "user_data", direction: Direction, text: TextTemplate): void => {
    if (referred.size === 0 || !referred.has(JSON.stringify([of, direction, text])))
      lists[of][direction].push(text);
  };
  const registryOf = (of: "files" | "user_data"): Registry | null =>
    of === "files" ? context.files : (context.userData?.registry ?? null);
  const missing = (of: "files" | "user_data", name: string, where: Path, needle?: string): void => {
    const known = registryOf(of);
    const what = of === "files" ? "no file is called" : "no user data is called";
    const names: string[] = [];
    for (const each of known?.names() ?? []) if (names.push(each) >= SUGGESTED) break;
    const fix = nameFix(name, names, `add it to \`${of}:\`, with \`name:\``);
    const at = needle === undefined ? {} : { needle };
    context.mistakes.add(where, `${what} '${name}'`, fix, at);
  };
  /** What a name stands for; told when there is no such thing. */
  const look = (
    of: "files" | "user_data",
    name: TextTemplate,
    where: Path,
    needle?: string,
  ): TextTemplate | null => {
    const found = registryOf(of)?.resolve(name, table) ?? null;
    if (found === LATE) {
      late = true;
      return null;
    }
    if (found === null) missing(of, shown(name), where, needle);
    return found;
  };

  const refer = (reference: FileReference, where: Path, quote: string | null): TextTemplate => {
    const { of, direction, text } = reference;
    const name = template(reference.name, where, "part");
    const found = look(of, name, where, text);
    if (found === null) return "";
    put(of, direction, found);
    referred.add(JSON.stringify([of, direction, found]));
    if (of === "files") return quoteTemplate(found, quote);
    const value = typeof name === "string" ? context.userData!.values.get(name) : undefined;
    if (direction === "output" || value?.data === undefined) {
      context.mistakes.add(
        where,
        `${text} has no value before the workflow runs`,
        direction === "output"
          ? "a task hands data on in a file: list it in `outputs`"
          : `give '${shown(name)}' a \`data:\` in the document, or read a file`,
        { needle: text },
      );
      return "";
    }
    const data = JSON.stringify(value.data);
    return quote === null ? data : quotedFor(data, quote);
  };

  const task: TaskFiles = {
    get inputs() {
      return lists.files.input;
    },
    get outputs() {
      return lists.files.output;
    },
    get readsData() {
      return lists.user_data.input;
    },
    get makesData() {
      return lists.user_data.output;
    },
    get late() {
      return late;
    },
    paths(direction, list) {
      for (const { text } of list) put("files", direction, text);
    },
    named(direction, list) {
      for (const { text, where } of list) {
        const path = context.files === null ? text : look("files", text, where);
        if (path !== null) put("files", direction, path);
      }
    },
    data(direction, list) {
      for (const { text, where } of list) {
        const name = look("user_data", text, where);
        if (name !== null) put("user_data", direction, name);
      }
    },
    matching(of, direction, list) {
      for (const { text, where } of list) {
        if (typeof text !== "string") {
          late = true;
          continue;
        }
        const pattern = compilePattern(text);
        if ("error" in pattern) {
          context.mistakes.add(where, pattern.error, pattern.fix);
          continue;
        }
        const key = `${of} ${text}`;
        const found = matched.get(key) ?? registryOf(of)?.matching(pattern.regex) ?? [];
        matched.set(key, found);
        if (found.length === 0) {
          const names = [...(registryOf(of)?.names() ?? [])].slice(0, 5);
          const fix =
            names.length > 0
              ? `there is ${names.join(", ")}`
              : `add \`${of}:\` to the workflow, whose names it can match`;
          context.mistakes.add(where, `'${text}' matches no name of '${of}'`, fix);
        }
        for (const each of found) put(of, direction, each);
      }
    },
    command(text, where, quoting) {
      let quote = "";
      const parts = splitReferences(text).map((part): TextTemplate => {
        if (typeof part !== "string") return refer(part, where, quoting ? quote : null);
        quote = quoteAfter(part, quote);
        return template(part, where, "part");
      });
      return substituteSpecDir(joinTemplates(parts), context.specDir, quoting);
    },
  };
  return {
    begin(nextTable, nextTemplate) {
      table = nextTable;
      template = nextTemplate;
      lists = noLists();
      late = false;
      referred.clear();
      return task;
    },
  };
}

function shown(name: TextTemplate): string {
  return typeof name === "string"
    ? name
    : name.map((piece) => (typeof piece === "string" ? piece : "{…}")).join("");
}

/** `quote`: the one that is open; null = no shell reads it. */
function quoteTemplate(template: TextTemplate, quote: string | null): TextTemplate {
  if (quote === null) return template;
  if (typeof template === "string") return quotedFor(template, quote);
  return template.map((piece) => (typeof piece === "string" ? quotedFor(piece, quote) : piece));
}

/** A document in another spelling, with its comments, and never with another meaning. */
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { isMap, setOwn, type SpecMap, type SpecValue } from "../document.ts";
import { builtOf, loadSpec } from "../load.ts";
import { makeflowKind } from "../makeflow/index.ts";
import { findComments } from "./find-comments.ts";
import { attach, MODELINE, type Notes } from "./notes.ts";
import { writeJson } from "./write-json.ts";
import { writeKdl } from "./write-kdl.ts";
import { writeYaml } from "./write-yaml.ts";

/** The spellings that can be written. */
export const SPELLINGS = ["yaml", "json", "json5", "kdl"] as const;
export type Spelling = (typeof SPELLINGS)[number];

export interface Converted {
  text: string;
  /** what the new spelling cannot say, in words */
  lost: string[];
}

/**
 * `file` is how people know it, `cwd` what relative paths begin at; Makeflow's two languages are read as well. Throws
 * `spec` for a document with mistakes, and when the new spelling would say something else (it is read again to make
 * sure).
 */
export function convertSpec(file: string, bytes: Uint8Array, to: Spelling, cwd: string): Converted {
  const source = resolve(cwd, file);
  const before = loadSpec(file, {
    cwd,
    read: (named) => (named === source ? bytes : readFileSync(named)),
  });
  const { document } = builtOf(before)!;
  const root = document.value;
  // JavaScript's decoder takes a byte order mark away
  const text = new TextDecoder().decode(bytes);
  const foreign = makeflowKind(file, text) !== null;
  if (!foreign && document.format === to) return { text, lost: [] };
  if (!isMap(root)) throw new HoldallError("internal", "a workflow is a mapping");
  const { comments, unspoken } = foreign
    ? { comments: [], unspoken: ["comments are left out, and variables have their values"] }
    : findComments(text, document.format);
  const notes = attach(document, text, comments);
  const lines = comments.reduce((sum, comment) => sum + comment.lines.length, 0);
  const { map, kept, schema } = withSchema(root, notes, to);
  const written = write(map, kept, to, schema);
  // beside the first, so that ${spec_dir} is the same
  const beside = join(dirname(file), `x.${to}`);
  const after = loadSpec(beside, { cwd, read: () => new TextEncoder().encode(written) });
  if (!Bun.deepEquals({ ...before, source: null }, { ...after, source: null }))
    throw new HoldallError("spec", `as ${to} this document would say something else`, {
      fix: foreign ? "run it as it is" : `keep it as ${document.format}`,
    });
  const said = lines - (schema !== null && to !== "yaml" ? 1 : 0);
  const gone = to === "json" && said > 0 ? [`${said} lines of comments: JSON has none`] : [];
  return { text: written, lost: [...gone, ...unspoken] };
}

function write(root: SpecMap, notes: Notes, to: Spelling, schema: string | null): string {
  switch (to) {
    case "yaml": {
      const modeline = schema === null ? "" : `# yaml-language-server: $schema=${schema}\n`;
      return modeline + writeYaml(root, notes);
    }
    case "kdl":
      return writeKdl(root, notes);
    default:
      return writeJson(root, notes, to === "json5");
  }
}

/** YAML names its schema in a comment, the others under a key. */
function withSchema(
  root: SpecMap,
  notes: Notes,
  to: Spelling,
): { map: SpecMap; kept: Notes; schema: string | null } {
  let schema: string | null = typeof root["$schema"] === "string" ? root["$schema"] : null;
  const take = (line: string): boolean => {
    const named = MODELINE.exec(line)?.[1];
    if (named !== undefined) schema = named;
    return named === undefined;
  };
  const kept: Notes = {
    at: new Map(
      [...notes.at].map(([key, { before, after }]) => [
        key,
        { before: before.filter(take), after },
      ]),
    ),
    end: notes.end.filter(take),
  };
  const map: Record<string, SpecValue> = {};
  if (schema !== null && to !== "yaml") map["$schema"] = schema;
  for (const key of Object.keys(root)) if (key !== "$schema") setOwn(map, key, root[key]!);
  return { map, kept, schema };
}

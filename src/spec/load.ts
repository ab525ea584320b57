/** `loadSpec`: a file into a workflow, or one error that names every mistake at its place. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { HoldallError } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import { type Built, buildWorkflow } from "./build.ts";
import type { SpecDocument } from "./document.ts";
import { formatOf } from "./format.ts";
import { parseJson } from "./json.ts";
import { parseKdl } from "./kdl.ts";
import { makeflowKind, type MakeflowSource, parseMakeflow } from "./makeflow/index.ts";
import { nearest } from "./nearest.ts";
import type { SpecWarning } from "./warnings.ts";
import { parseYaml } from "./yaml.ts";
import { LARGE_BYTES, parseLargeYaml } from "./yaml-large.ts";

export interface LoadOptions {
  /** absolute folder `run` or `submit` was called from: relative paths resolve against it */
  cwd: string;
  /** `--cwd`, absolute: wins over `cwd:` of the document */
  cwdOverride?: string;
  /** `--name`: wins over the document's */
  name?: string;
  /** `NAME=EXPRESSION`, what workflows in JX call NAME */
  define?: readonly string[] | undefined;
  /** instead of reading the file; gets the absolute path */
  read?: (file: string) => Uint8Array;
}

/** The document and drafts behind a loaded workflow, for mistakes that are found later. */
const loaded = new WeakMap<WorkflowDefinition, Built>();

export function builtOf(definition: WorkflowDefinition): Built | undefined {
  return loaded.get(definition);
}

/** What the document asks for and nothing carries out yet: to be shown before it runs. */
export function specWarnings(definition: WorkflowDefinition): readonly SpecWarning[] {
  return loaded.get(definition)?.warnings ?? [];
}

/**
 * Reads a workflow document. Throws `spec` (exit 2) for mistakes in it, `not_found` (exit 3) when there is no such
 * file. Does not look at the files that tasks name: `checkInputs` does.
 */
export function loadSpec(file: string, options: LoadOptions): WorkflowDefinition {
  const source = path.resolve(options.cwd, file);
  const bytes = (options.read ?? ((at) => readSpecFile(at, file)))(source);
  const cwd = path.resolve(options.cwd, options.cwdOverride ?? "");
  const document = parseDocument(file, bytes, {
    source,
    cwd,
    define: options.define,
    read: options.read,
  });
  const built = buildWorkflow(document, {
    source,
    cwd: path.resolve(options.cwd),
    cwdOverride:
      options.cwdOverride === undefined
        ? undefined
        : path.resolve(options.cwd, options.cwdOverride),
    name: options.name,
  });
  loaded.set(built.definition, built);
  return built.definition;
}

/** Bytes of any format into a document; Makeflow's two too, which can name other files, where it stands. Throws `spec`. */
export function parseDocument(
  file: string,
  bytes: Uint8Array,
  where?: MakeflowSource,
): SpecDocument {
  const text = decode(file, bytes);
  const kind = where && makeflowKind(file, text);
  if (where?.define && where.define.length > 0) checkDefine(where.define, kind === "jx", file);
  if (where && kind) return parseMakeflow(file, text, kind, where);
  const format = formatOf(file, text);
  switch (format) {
    case "json":
    case "json5":
      return parseJson(file, text, format);
    case "kdl":
      return parseKdl(file, text);
    case "yaml":
      return bytes.length > LARGE_BYTES ? parseLargeYaml(file, text) : parseYaml(file, text);
  }
}

function checkDefine(define: readonly string[], isJx: boolean, file: string): void {
  const wrong = define.find((each) => !/^[A-Za-z_]\w*=/.test(each));
  if (wrong !== undefined)
    throw new HoldallError("usage", `--define: '${wrong}' is not NAME=EXPRESSION`, {
      fix: "write --define N=10",
    });
  if (!isJx)
    throw new HoldallError("usage", `--define is for workflows in JX, and ${file} is none`, {
      fix: "leave it out",
    });
}

/** How much of a file is looked at to see that it is no text at all. */
const BINARY_PROBE = 64 * 1024;

function decode(file: string, bytes: Uint8Array): string {
  const nul = bytes.subarray(0, BINARY_PROBE).indexOf(0);
  if (nul < 0) {
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.exec(text); // eslint-disable-line no-control-regex -- looked for
      if (!control) return text;
      throw notText(file, text.slice(0, control.index));
    } catch (error) {
      if (error instanceof HoldallError) throw error;
      throw notText(file, "");
    }
  }
  throw notText(file, "");
}

function notText(file: string, before: string): HoldallError {
  const lines = before.split("\n");
  return new HoldallError("spec", "this is a binary file, not a workflow document", {
    place: { file, line: lines.length, column: lines.at(-1)!.length + 1 },
    fix: "give a document in UTF-8 (YAML, JSON, JSON5 or KDL); to run a program, write `holdall run -- PROGRAM`",
  });
}

function readSpecFile(source: string, shown: string): Uint8Array {
  try {
    return readFileSync(source);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EISDIR") {
      const inside = specsIn(source)[0];
      throw new HoldallError("spec", `${shown} is a directory`, {
        fix:
          inside === undefined
            ? "name the workflow document"
            : `did you mean ${path.join(shown, inside)}?`,
      });
    }
    if (code !== "ENOENT" && code !== "ENOTDIR") {
      throw new HoldallError("spec", `cannot read ${shown}: ${code ?? String(error)}`, {
        fix: "check its permissions",
        cause: error,
      });
    }
    throw missing(source, shown);
  }
}

function missing(source: string, shown: string): HoldallError {
  const folder = path.dirname(source);
  const near = nearest(path.basename(source), listOf(folder)) ?? null;
  const specs = specsIn(folder);
  const relative = (name: string): string => path.join(path.dirname(shown), name);
  const fix =
    near !== null
      ? `did you mean ${relative(near)}?`
      : specs.length > 0
        ? `in that folder there is ${specs.slice(0, 5).map(relative).join(", ")}`
        : "check the path; to run a program, write `holdall run -- PROGRAM`";
  return new HoldallError("not_found", `there is no file ${shown}`, { fix });
}

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

function specsIn(folder: string): string[] {
  return listOf(folder).filter((name) => {
    if (!/\.(?:ya?ml|json5?|kdl|makeflow|mf|jx)$/.test(name)) return false;
    return statSync(path.join(folder, name), { throwIfNoEntry: false })?.isFile() ?? false;
  });
}

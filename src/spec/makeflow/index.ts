/** Makeflow's two languages: which of them a file is in, and the document that it makes. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { HoldallError } from "../../core/error.ts";
import type { SpecDocument } from "../document.ts";
import { mistakesError } from "../mistakes.ts";
import { readClassic } from "./classic.ts";
import { readJx } from "./jx.ts";
import { inlined, type NestedReader } from "./nested.ts";
import { type Gathered, gathered, MAX_RULES, rulesDocument } from "./rules.ts";
import { Stop } from "./words.ts";

export type MakeflowKind = "makeflow" | "jx";

/** By its name, else by what stands in it; null = it is neither. */
export function makeflowKind(file: string, text: string): MakeflowKind | null {
  const name = path.basename(file);
  if (/\.jx$/i.test(name)) return "jx";
  if (/\.(?:makeflow|mf)$/i.test(name) || /^makeflow(?:\.|$)/i.test(name)) return "makeflow";
  if (/\.makeflow\.[^.]+$/i.test(name)) return "makeflow";
  if (/\.json$/i.test(name)) return isRulesJson(text) ? "jx" : null;
  if (/\.(?:ya?ml|json5|kdl)$/i.test(name)) return null;
  if (/^\s*(?:#[^\n]*\n\s*)*\{/.test(text)) return isRulesJson(text) ? "jx" : null;
  return hasRule(text) ? "makeflow" : null;
}

/** Lines looked at. */
const LOOKED_AT = 500;

/** Files with a colon, and a command after a tab below them; YAML has no tabs before its lines. */
function hasRule(text: string): boolean {
  let inRule = false;
  for (const line of text.slice(0, 64 * 1024).split("\n", LOOKED_AT)) {
    if (inRule && /^\t\S/.test(line)) return true;
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [colon, equal] = [line.indexOf(":"), line.indexOf("=")];
    if (/^[^\s{}[\]]/.test(line) && colon > 0 && (equal < 0 || colon < equal)) inRule = true;
    else if (!/^@?\w+\s*\+?=/.test(line)) inRule = false;
  }
  return false;
}

/** Without values of JX, `rules` is what native documents cannot have. */
function isRulesJson(text: string): boolean {
  return /"rules"\s*:/.test(text) && !/"(?:tasks|jobs|failure_handlers)"\s*:/.test(text);
}

export interface MakeflowSource {
  /** absolute path of the document */
  source: string;
  /** absolute folder that the workflow runs in */
  cwd: string;
  /** `NAME=EXPRESSION` of JX */
  define?: readonly string[] | undefined;
  read?: ((file: string) => Uint8Array) | undefined;
  environment?: Readonly<Record<string, string | undefined>>;
}

/** How deep workflows stand in each other, and how many do in all. */
const MAX_NESTED = 50;
const MAX_NESTED_FILES = 2_000;

/** Throws `spec` when the text cannot be read at all; other mistakes are in the document. */
export function parseMakeflow(
  file: string,
  text: string,
  kind: MakeflowKind,
  where: MakeflowSource,
): SpecDocument {
  const all = gathered();
  readInto(all, {
    file,
    text,
    kind,
    where,
    dir: "",
    chain: [where.source],
    args: null,
    read: { count: 0 },
  });
  if (all.rules.length === 0 && all.mistakes.length === 0) {
    throw new HoldallError("spec", "the workflow has no rules", {
      place: { file, line: 1, column: 1 },
      fix:
        kind === "jx"
          ? 'write {"rules": [{"command": …, "outputs": […]}]}'
          : "write targets: sources, and the command on the next line after a tab",
    });
  }
  // rules that are missing would be told as files that nobody makes
  if (all.mistakes.length > 0 && all.rules.length === 0) throw mistakesError(all.mistakes);
  return rulesDocument(file, { ...all, warnings: [...all.warnings, ...localWarning(all)] });
}

interface Source {
  file: string;
  text: string;
  kind: MakeflowKind;
  where: MakeflowSource;
  dir: string;
  /** absolute paths of this file and those that name it */
  chain: readonly string[];
  args: unknown;
  /** workflows read so far */
  read: { count: number };
}

function readInto(all: Gathered, source: Source): void {
  const { file, text, where, dir } = source;
  const environment = where.environment ?? process.env;
  const nested: NestedReader = (rule, name, folder, args) => {
    const at = rule.commandPlace;
    const told = (message: string, fix: string): void => {
      all.mistakes.push({ message, fix, place: at });
    };
    if ([...rule.inputs, ...rule.outputs].some(({ as }) => as !== null)) {
      told(
        "a workflow in a workflow cannot have its files renamed",
        "rename them in its own rules",
      );
      return [];
    }
    if ((source.read.count += 1) > MAX_NESTED_FILES) {
      if (source.read.count === MAX_NESTED_FILES + 1)
        told(`there are more than ${MAX_NESTED_FILES} workflows in this one`, "make several");
      return [];
    }
    if (source.chain.length >= MAX_NESTED) {
      told(`more than ${MAX_NESTED} workflows stand in each other`, "take one of them out");
      return [];
    }
    const runsIn = path.resolve(where.cwd, dir);
    const tried = [
      path.resolve(runsIn, name),
      path.resolve(path.dirname(source.chain.at(-1)!), name),
    ];
    let found: { at: string; bytes: Uint8Array } | null = null;
    for (const candidate of new Set(tried)) {
      try {
        found = { at: candidate, bytes: (where.read ?? readFileSync)(candidate) };
        break;
      } catch {
        // the next place
      }
    }
    if (!found) {
      told(
        `there is no workflow '${name}'`,
        "name a file that is there before the workflow starts; one that a rule makes can be run by hand after it",
      );
      return [];
    }
    if (source.chain.includes(found.at)) {
      told(
        `the workflow '${name}' is within itself: ${[...source.chain, found.at].map((each) => path.basename(each)).join(" → ")}`,
        "take this rule out",
      );
      return [];
    }
    const shown = path.join(
      path.dirname(file),
      path.relative(path.dirname(source.chain.at(-1)!), found.at),
    );
    let inner: string;
    try {
      inner = new TextDecoder("utf-8", { fatal: true }).decode(found.bytes);
    } catch {
      told(`'${name}' is no text in UTF-8`, "name a Makeflow file");
      return [];
    }
    const below: Gathered = { ...all, rules: [] };
    const innerDir = folder === "" ? dir : path.posix.normalize(path.posix.join(dir, folder));
    readInto(below, {
      file: shown,
      text: inner,
      kind: args !== null ? "jx" : (makeflowKind(found.at, inner) ?? "makeflow"),
      where: { ...where, environment: { ...environment, ...rule.env } },
      dir: innerDir === "." ? "" : innerDir,
      chain: [...source.chain, found.at],
      args,
      read: source.read,
    });
    if (all.rules.length + below.rules.length > MAX_RULES) {
      told(`there are more than ${MAX_RULES} rules`, "make several workflows");
      return [];
    }
    return inlined(rule, below.rules);
  };
  try {
    if (source.kind === "makeflow") readClassic({ file, text, dir, environment, nested }, all);
    else
      readJx(
        {
          file,
          text,
          dir,
          environment,
          nested,
          runsIn: path.resolve(where.cwd, dir),
          args: source.args,
          define: source.chain.length === 1 ? (where.define ?? []) : [],
        },
        all,
      );
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    all.mistakes.push({
      message: error.message,
      fix: error.fix,
      place: { file, line: 1, column: 1 },
    });
  }
}

function localWarning(all: Gathered): Gathered["warnings"] {
  const local = all.rules.filter((rule) => rule.local);
  const [first] = local;
  if (!first) return [];
  const which = local.length > 1 ? `${local.length} LOCAL rules run` : "this LOCAL rule runs";
  return [
    {
      message: `${which} on any worker, not beside the server`,
      fix: "run the workflow with holdall run, or give them a worker of their own",
      place: first.place,
      of: "server",
    },
  ];
}

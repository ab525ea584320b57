/** Rules as both of Makeflow's languages yield them, and the document that they make. */
import path from "node:path";
import type { ErrorDetail, Place } from "../../core/error.ts";
import { type Path, setOwn, type SpecDocument, type SpecMap, type SpecValue } from "../document.ts";
import { Literal } from "../document.ts";
import { quoted, renamedCommand } from "./renamed.ts";

/** A file of a rule: `path->as` is called `as` where the command runs. */
export interface FileUse {
  path: string;
  as: string | null;
  place: Place;
}

/** What a rule asks for, in Makeflow's units. */
export const RESOURCES = ["CORES", "MEMORY", "DISK", "GPUS", "WALL_TIME", "MPI_PROCESSES"] as const;
export type Resource = (typeof RESOURCES)[number];
export type Resources = Partial<Record<Resource, number>>;

export interface Rule {
  /** of the rule itself */
  place: Place;
  /** folder it runs in, relative to where the workflow runs; "" = there */
  dir: string;
  command: string;
  commandPlace: Place;
  inputs: FileUse[];
  outputs: FileUse[];
  category: string | null;
  env: Record<string, string>;
  resources: Resources;
  local: boolean;
  /** outputs of these rules are waited for as well: all of a nested workflow */
  after?: readonly Rule[];
}

export const MODES: Readonly<Record<string, string>> = {
  FIXED: "fixed",
  MAX_THROUGHPUT: "max_throughput",
  MIN_WASTE: "min_waste",
};

export type Told = ErrorDetail & { place: Place };
export type Warned = Told & { of?: "run" | "server" | "both" };

export interface Gathered {
  rules: Rule[];
  /** `.MAKEFLOW MODE` of categories */
  modes: Map<string, string>;
  mistakes: Told[];
  warnings: Warned[];
}

/** Rules of one workflow at most. */
export const MAX_RULES = 1_000_000;

export function gathered(): Gathered {
  return { rules: [], modes: new Map(), mistakes: [], warnings: [] };
}

/** `16`, `1.5`, `2K`: suffixes are powers of 1024, as Makeflow has them. Null = no amount. */
export function amountOf(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)b?$/i.exec(text.trim());
  if (!match) return null;
  const power = "kmgtp".indexOf(match[2]!.toLowerCase() || "-") + 1;
  return Number(match[1]) * 1024 ** power;
}

/** A file's name as the whole workflow knows it. */
export function pathOf(rule: Rule, file: string): string {
  return path.posix.normalize(path.posix.isAbsolute(file) ? file : path.posix.join(rule.dir, file));
}

/** The document that a workflow of these rules is. */
export function rulesDocument(file: string, all: Gathered): SpecDocument {
  const { rules, modes, warnings } = all;
  const mistakes = [...all.mistakes, ...doubles(rules)];
  const tasks: SpecMap[] = [];
  const names = new Map<string, number>();
  const nameOf = new Map<Rule, string>();
  for (const [i, rule] of rules.entries()) nameOf.set(rule, uniqueName(rule, i, names));
  for (const rule of rules) tasks.push(taskOf(rule, nameOf));
  const used = new Set(rules.map(({ category }) => category ?? "default"));
  const categories: Record<string, SpecValue> = {};
  for (const [name, mode] of modes)
    if (used.has(name)) setOwn(categories, name, { allocation: mode });
  const value: SpecMap = {
    name: workflowName(file),
    ...(Object.keys(categories).length > 0 ? { categories } : {}),
    tasks,
  };
  return {
    file,
    // what fixes speak of is written in the same way there
    format: "json",
    value,
    mistakes,
    warnings,
    locate(at: Path) {
      if (at[0] !== "tasks" || typeof at[1] !== "number") return { line: 1, column: 1 };
      const rule = rules[at[1]];
      return rule ? placeIn(rule, at[2], at[3]) : { line: 1, column: 1 };
    },
    source: () => "",
  };
}

function placeIn(rule: Rule, key: Path[number] | undefined, item: Path[number] | undefined): Place {
  if (key === "command") return rule.commandPlace;
  if (key !== "inputs" && key !== "outputs") return rule.place;
  return rule[key][typeof item === "number" ? item : 0]?.place ?? rule.place;
}

export function workflowName(file: string): string {
  const name = path.basename(file).replace(/\.(?:makeflow|mf|jx|json)$/i, "");
  return name.trim() === "" ? "makeflow" : name.trim();
}

/** The first file it makes; rules are told apart by what they make. */
function uniqueName(rule: Rule, index: number, names: Map<string, number>): string {
  const first = rule.outputs[0];
  const wanted =
    first === undefined ? `rule-${index + 1}` : pathOf(rule, first.path).replaceAll("\\", "/");
  // eslint-disable-next-line no-control-regex -- what a name cannot have
  const plain = wanted.replaceAll(/[\u0000-\u001f\u007f]/g, "_").trim() || `rule-${index + 1}`;
  const before = names.get(plain) ?? 0;
  names.set(plain, before + 1);
  if (before === 0) return plain;
  const name = `${plain}#${before + 1}`;
  names.set(name, 1);
  return name;
}

function taskOf(rule: Rule, nameOf: ReadonlyMap<Rule, string>): SpecMap {
  const { resources } = rule;
  const task: Record<string, SpecValue> = {
    name: nameOf.get(rule)!,
    // the one thing that would be read here and not by the shell
    command: commandOf(rule).replaceAll("${spec_dir}", "${spec_dir-}"),
    shell: "sh",
  };
  const filesOf = (uses: readonly FileUse[]): string[] =>
    uses.map((use) => (rule.dir === "" ? use.path : pathOf(rule, use.path)));
  if (rule.inputs.length > 0) task["inputs"] = filesOf(rule.inputs);
  if (rule.outputs.length > 0) task["outputs"] = filesOf(rule.outputs);
  if (rule.after && rule.after.length > 0)
    task["depends_on"] = rule.after.map((each) => nameOf.get(each)!);
  if (rule.category !== null) task["category"] = rule.category;
  if (Object.keys(rule.env).length > 0) task["env"] = { ...rule.env };
  const number = (value: number): Literal => new Literal(value, String(value));
  const { CORES, MPI_PROCESSES, GPUS, MEMORY, DISK, WALL_TIME } = resources;
  if (CORES !== undefined || MPI_PROCESSES !== undefined)
    task["cpus"] = number((CORES || 1) * (MPI_PROCESSES || 1));
  if (GPUS) task["gpus"] = number(GPUS);
  if (MEMORY) task["memory"] = number(Math.ceil(MEMORY * 1024 * 1024));
  if (DISK) task["disk"] = number(Math.ceil(DISK * 1024 * 1024));
  if (WALL_TIME) task["timeout"] = number(WALL_TIME);
  return task;
}

/** A nested workflow runs in its own folder, which nobody else makes. */
function commandOf(rule: Rule): string {
  const command = renamedCommand(rule);
  if (rule.dir === "") return command;
  const folder = quoted(rule.dir);
  return `mkdir -p ${folder} && cd ${folder} || exit 1\n${command}`;
}

/** Two rules that make one file, told with both places. */
function doubles(rules: readonly Rule[]): Told[] {
  const makers = new Map<string, Place>();
  const told: Told[] = [];
  for (const rule of rules) {
    for (const { path: made, place } of rule.outputs) {
      const name = pathOf(rule, made);
      const first = makers.get(name);
      if (first === undefined) makers.set(name, place);
      else {
        const there = `${first.file}:${first.line}:${first.column}`;
        told.push({
          message: `two rules make '${name}': this one and the one at ${there}`,
          fix: "let every rule make files of its own",
          place,
        });
      }
    }
  }
  return told;
}

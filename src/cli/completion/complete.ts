/**
 * `holdall __complete WORDS…`: what the last of the words may become. The first line says what kind of answer it is
 * (`:words`, `:files`, `:dirs`), then one proposal a line, a tab, what it is. Says nothing when anything goes wrong.
 */
import { TASK_STATES } from "../../core/states.ts";
import type { Io } from "../io.ts";
import { isId, taskRef } from "../names.ts";
import { routes } from "../routes.ts";
import { serverPlace } from "../state-dir.ts";
import type { Records } from "./records.ts";
import { SHELLS } from "./scripts.ts";

export interface Proposal {
  value: string;
  about: string;
}

export type Answer = { kind: "files" | "dirs" } | { kind: "words"; words: Proposal[] };

type Target = NonNullable<ReturnType<typeof routes.getRoutingTargetForInput>>;
type Flag = NonNullable<Extract<Target, { parameters: unknown }>["parameters"]["flags"]>[string];

/** Asks `records` only for what is needed. `words`: after the program's name, the last one unfinished. */
export async function complete(
  words: readonly string[],
  io: Pick<Io, "cwd" | "env">,
  records: Records,
): Promise<Answer> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  if (before.includes("--")) return { kind: "files" };
  const help = before[0] === "help";
  let target: Target | undefined = routes;
  let at = help ? 1 : 0;
  const path: string[] = [];
  while (target !== undefined && "getAllEntries" in target && at < before.length) {
    path.push(before[at]!);
    target = target.getRoutingTargetForInput(before[at++]!);
  }
  if (target === undefined) return nothing;
  if ("getAllEntries" in target) return starting(current, commandsOf(target, path.length === 0));
  if (help) return nothing;

  const flags = new Map(
    Object.entries(target.parameters.flags ?? {}).map(([name, flag]) => [kebab(name), flag]),
  );
  const given = new Map<string, string>();
  const positionals: string[] = [];
  let open: string | null = null;
  for (const word of before.slice(at)) {
    if (open !== null) {
      given.set(open, word);
      open = null;
    } else if (word.startsWith("--")) {
      const [name, value] = split(word);
      if (value === null && takesValue(flags.get(name))) open = name;
      else given.set(name, value ?? "");
    } else if (!word.startsWith("-")) positionals.push(word);
  }
  const ask = async (placeholder: string, text: string): Promise<Answer> => {
    const place = serverPlace(io, {
      access: given.get("access"),
      stateDir: given.get("state-dir"),
    });
    if (path[0] === "slurm") return nothing;
    return await valuesOf(placeholder, text, positionals, records.of(place));
  };
  if (open !== null) return await flagValues(flags.get(open), current, ask);
  if (current.startsWith("--") && current.includes("=")) {
    const [name, value] = split(current);
    const answer = await flagValues(flags.get(name), value ?? "", ask);
    if (answer.kind !== "words") return answer;
    const whole = answer.words.map((word) => ({ ...word, value: `--${name}=${word.value}` }));
    return { kind: "words", words: whole };
  }
  const offered = (): Answer => starting(current, flagProposals(flags, given));
  if (current.startsWith("-")) return offered();
  const { positional } = target.parameters;
  const parameter =
    positional?.kind === "array"
      ? positional.parameter
      : positional?.parameters[positionals.length];
  return parameter?.placeholder === undefined
    ? offered()
    : await ask(parameter.placeholder, current);
}

const nothing: Answer = { kind: "words", words: [] };

function commandsOf(map: typeof routes, root: boolean): Proposal[] {
  const commands = map
    .getAllEntries()
    .filter(({ hidden }) => !hidden)
    .map(({ name, target }) => ({ value: name.original, about: target.brief }));
  if (!root) return commands;
  return [
    ...commands,
    { value: "help", about: "what a command does" },
    { value: "--help", about: "the commands" },
    { value: "--version", about: "the version" },
  ];
}

function flagProposals(
  flags: ReadonlyMap<string, Flag>,
  given: ReadonlyMap<string, string>,
): Proposal[] {
  const shown = [...flags].filter(
    ([name, flag]) =>
      !("hidden" in flag && flag.hidden === true) &&
      (!given.has(name) || ("variadic" in flag && flag.variadic === true)),
  );
  const proposals = shown.map(([name, flag]) => ({
    value: `--${name}`,
    about: flag.brief.replace(/^[A-Z][A-Z=|]* +/, ""),
  }));
  return [...proposals, { value: "--help", about: "what the command does" }];
}

async function flagValues(
  flag: Flag | undefined,
  current: string,
  ask: (placeholder: string, text: string) => Promise<Answer>,
): Promise<Answer> {
  if (flag === undefined) return nothing;
  if (flag.kind === "enum")
    return starting(
      current,
      flag.values.map((value) => ({ value, about: "" })),
    );
  return "placeholder" in flag && flag.placeholder !== undefined
    ? await ask(flag.placeholder, current)
    : nothing;
}

/** By what the help calls it. */
async function valuesOf(
  placeholder: string,
  current: string,
  positionals: readonly string[],
  records: ReturnType<Records["of"]>,
): Promise<Answer> {
  const ids = async (): Promise<Proposal[]> =>
    (await records.workflows()).map(({ id, about }) => ({ value: String(id), about }));
  switch (placeholder) {
    case "SPEC":
    case "FILE":
      return { kind: "files" };
    case "DIR":
    case "FOLDER":
      return { kind: "dirs" };
    case "SHELL":
      return starting(
        current,
        SHELLS.map((value) => ({ value, about: "" })),
      );
    case "STATE":
      return starting(
        current,
        TASK_STATES.map((value) => ({ value, about: "" })),
      );
    case "SPEC|ID":
      return /^\d+$/.test(current) ? starting(current, await ids()) : { kind: "files" };
    case "ID":
      return starting(current, await ids());
    case "TASK":
      return starting(current, await tasks(current, undefined, records));
    case "ID|TASK": {
      const [first] = positionals;
      const workflow = first !== undefined && isId(first) ? Number(first) : undefined;
      const known = first === undefined ? await ids() : [];
      return starting(current, [...known, ...(await tasks(current, workflow, records))]);
    }
    default:
      return nothing;
  }
}

/** `NAME`, or `ID/NAME` where an ID is begun. */
async function tasks(
  current: string,
  workflow: number | undefined,
  records: ReturnType<Records["of"]>,
): Promise<Proposal[]> {
  const slash = /^([1-9]\d*)\/(.*)$/s.exec(current);
  if (workflow !== undefined || slash === null) {
    const found = await records.tasks(workflow ?? "latest", current);
    return found.map(({ name, about }) => ({ value: name, about }));
  }
  const { workflow: id } = taskRef(`${slash[1]}/x`);
  const found = await records.tasks(id, slash[2]!);
  return found.map(({ name, about }) => ({ value: `${slash[1]}/${name}`, about }));
}

function starting(current: string, words: readonly Proposal[]): Answer {
  return { kind: "words", words: words.filter(({ value }) => value.startsWith(current)) };
}

function takesValue(flag: Flag | undefined): boolean {
  return flag !== undefined && flag.kind !== "boolean" && flag.kind !== "counter";
}

function split(word: string): [name: string, value: string | null] {
  const equals = word.indexOf("=");
  return equals < 0 ? [word.slice(2), null] : [word.slice(2, equals), word.slice(equals + 1)];
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Names hold no line breaks; what a proposal is about might. */
export function answerText(answer: Answer): string {
  if (answer.kind !== "words") return `:${answer.kind}\n`;
  const lines = answer.words.map(({ value, about }) =>
    about === "" ? value : `${value}\t${about.replaceAll(/\s+/g, " ")}`,
  );
  return `${[":words", ...lines].join("\n")}\n`;
}

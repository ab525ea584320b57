// man/*.1: a page for the program and one for each command, made of what --help says.

import { runCli } from "../src/cli/app.ts";
import { routes } from "../src/cli/routes.ts";
import { testIo } from "../src/cli/testing.ts";

type Target = NonNullable<ReturnType<typeof routes.getRoutingTargetForInput>>;
type Group = typeof routes;
type Single = Exclude<Target, Group>;
type Flag = NonNullable<Single["parameters"]["flags"]>[string];

export interface Page {
  readonly file: string;
  readonly text: string;
}

export interface Example {
  readonly line: string;
  readonly about: string;
}

const EXIT_CODES: readonly (readonly [code: string, about: string])[] = [
  ["0", "done; of run and wait: all tasks succeeded"],
  ["1", "of run and wait: a task failed, was skipped or canceled"],
  ["2", "usage, or a mistake in a document"],
  ["3", "there is no such workflow, task or file"],
  ["4", "a conflict, a damaged or newer ledger, a full disk"],
  ["5", "no server answers"],
  ["6", "a missing or wrong token"],
  ["7", "timed out"],
  ["130", "interrupted with work left (by SIGTERM: 143)"],
];

/** Commands that --help lists, with those below them; by path. */
export function commandsOf(
  group: Group = routes,
  path: readonly string[] = [],
): [string[], Target][] {
  return group
    .getAllEntries()
    .filter(({ hidden }) => !hidden)
    .flatMap(({ name, target }): [string[], Target][] => {
      const to = [...path, name.original];
      return isGroup(target) ? [[to, target], ...commandsOf(target, to)] : [[to, target]];
    });
}

function isGroup(target: Target): target is Group {
  return "getAllEntries" in target;
}

/** What --help prints. */
export async function helpOf(path: readonly string[]): Promise<string> {
  const io = testIo();
  const code = await runCli([...path, "--help"], io);
  if (code !== 0) throw new Error(`holdall ${path.join(" ")} --help: ${io.err()}`);
  return io.out();
}

/** The lines of its usage with a word about each. */
export function examplesOf(help: string): Example[] {
  return [...help.matchAll(/^ {2}(holdall.*)\n {4}(\S.*)$/gm)].map(([, line, about]) => ({
    line: line!.trimEnd(),
    about: about!,
  }));
}

export async function manPages(): Promise<Page[]> {
  const all = commandsOf();
  const first = all.filter(([path]) => path.length === 1);
  const pages: Page[] = [{ file: "man/holdall.1", text: mainPage(first) }];
  for (const [path, target] of first) {
    const name = `holdall-${path[0]}`;
    const inner = all.filter(([each]) => each[0] === path[0] && each.length > 1);
    const parts = [
      head(name, target.brief),
      ".SH SYNOPSIS",
      ...(isGroup(target)
        ? inner.flatMap(([each, below]) => synopsis(each, below as Single))
        : synopsis(path, target)),
      ".SH DESCRIPTION",
      ...paragraphs(target.fullDescription ?? sentence(target.brief)),
    ];
    if (isGroup(target)) {
      parts.push(".SH COMMANDS");
      for (const [each, below] of inner) parts.push(...(await section(each, below as Single)));
    } else parts.push(...(await body(path, target, ".SH")));
    parts.push(".SH SEE ALSO", `.BR holdall (1)`);
    pages.push({ file: `man/${name}.1`, text: `${parts.join("\n")}\n` });
  }
  return pages;
}

function mainPage(commands: readonly [string[], Target][]): string {
  const parts = [
    head("holdall", routes.brief),
    ".SH SYNOPSIS",
    ".B holdall",
    String.raw`\fICOMMAND\fR [\fIFLAGS\fR] [\fIARGUMENTS\fR]`,
    ".SH DESCRIPTION",
    "Runs bags of native tasks and workflows: on this machine, or through a server and workers anywhere.",
    "Each command has a page of its own, and",
    String.raw`.B holdall \fICOMMAND\fB \-\-help`,
    "says the same in short.",
    ".SH COMMANDS",
    ...commands.flatMap(([[name], { brief }]) => [
      ".TP",
      `.BR holdall\\-${roff(name!)} (1)`,
      roff(brief),
    ]),
    ".SH EXIT STATUS",
    ...EXIT_CODES.flatMap(([code, about]) => [".TP", `.B ${code}`, roff(about)]),
    ".SH ENVIRONMENT",
    ...[".TP", ".B HOLDALL_STATE_DIR", "where the ledger is; default: .holdall here"],
    ...[".TP", ".B HOLDALL_ACCESS", "the access file of the server to ask"],
    ".SH FILES",
    ...[".TP", ".I .holdall/", "the ledger, outputs, and the socket of who works on them"],
    ".SH SEE ALSO",
    commands.map(([[name]]) => `.BR holdall\\-${roff(name!)} (1)`).join(" ,\n"),
  ];
  return `${parts.join("\n")}\n`;
}

function head(name: string, brief: string): string {
  const title = name.toUpperCase();
  return [
    `.\\" Generated from the help of the commands (npm run gen).`,
    `.TH ${title} 1 "" "Holdall" "Holdall"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(brief)}`,
  ].join("\n");
}

function synopsis(path: readonly string[], target: Single): string[] {
  const words = argumentsOf(target).map(({ shown }) => shown);
  const flags = Object.keys(target.parameters.flags ?? {}).length > 0 ? ["[\\fIFLAGS\\fR]"] : [];
  const tail = takesCommand(path) ? ["[\\fB\\-\\-\\fR \\fICOMMAND\\fR...]"] : [];
  return [`.B holdall ${path.map(roff).join(" ")}`, [...flags, ...words, ...tail].join(" "), ".br"];
}

/** What follows -- is the user's own command. */
function takesCommand([name]: readonly string[]): boolean {
  return name === "run" || name === "submit";
}

interface Argument {
  readonly shown: string;
  readonly name: string;
  readonly about: string;
}

function argumentsOf({ parameters: { positional } }: Single): Argument[] {
  const list =
    positional === undefined
      ? []
      : positional.kind === "array"
        ? [{ ...positional.parameter, many: true }]
        : positional.parameters.map((parameter) => ({ ...parameter, many: false }));
  return list.map(({ placeholder, brief, optional, many }) => {
    const name = placeholder ?? "ARGUMENT";
    const text = `\\fI${roff(name)}\\fR${many ? "..." : ""}`;
    return { shown: optional === true ? `[${text}]` : text, name, about: brief };
  });
}

async function section(path: readonly string[], target: Single): Promise<string[]> {
  return [
    `.SS holdall ${path.map(roff).join(" ")}`,
    ...paragraphs(target.fullDescription ?? sentence(target.brief)),
    ...(await body(path, target, ".PP")),
  ];
}

/** `heading`: ".SH" on a page of its own, ".PP" within one. */
async function body(
  path: readonly string[],
  target: Single,
  heading: ".SH" | ".PP",
): Promise<string[]> {
  const title = (text: string): string[] =>
    heading === ".SH" ? [`.SH ${text.toUpperCase()}`] : [".PP", `.I ${text}`];
  const lines: string[] = [];
  const words = argumentsOf(target);
  if (words.length > 0)
    lines.push(
      ...title("Arguments"),
      ...words.flatMap(({ name, about }) => [".TP", `.I ${roff(name)}`, roff(about)]),
    );
  const flags = Object.entries(target.parameters.flags ?? {}).filter(
    ([, flag]) => !("hidden" in flag && flag.hidden === true),
  );
  if (flags.length > 0)
    lines.push(...title("Options"), ...flags.flatMap(([name, flag]) => flagLines(name, flag)));
  const examples = examplesOf(await helpOf(path));
  if (examples.length > 0)
    lines.push(
      ...title("Examples"),
      ...examples.flatMap(({ line, about }) => [".TP", `.B ${roff(line)}`, roff(about)]),
    );
  return lines;
}

function flagLines(name: string, flag: Flag): string[] {
  const long = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const choices = flag.kind === "enum" ? flag.values.join("|") : null;
  const value = choices ?? ("placeholder" in flag ? flag.placeholder : undefined);
  const shown = value === undefined ? "" : ` \\fI${roff(value)}\\fR`;
  const about = flag.brief.replace(/^[A-Z][A-Z=|]*(?:\|[a-z]+)? {2,}/, "");
  const preset = "default" in flag && flag.default !== undefined ? String(flag.default) : null;
  const tail = preset === null || preset === "false" ? "" : ` (default: ${preset})`;
  return [".TP", `\\fB\\-\\-${roff(long)}\\fR${shown}`, roff(about + tail)];
}

function paragraphs(text: string): string[] {
  return text
    .split("\n")
    .flatMap((line) => (line.trim() === "" ? [".PP"] : [roff(line.trim()), ".br"]));
}

function sentence(brief: string): string {
  return `${brief.charAt(0).toUpperCase()}${brief.slice(1)}.`;
}

/** Text that means nothing to roff. */
function roff(text: string): string {
  const plain = text
    .replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll('"', String.raw`\(dq`);
  return /^[.']/.test(plain) ? String.raw`\&` + plain : plain;
}

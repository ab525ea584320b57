// npm run gen: writes what is derived from the sources into committed files; with --check it only says
// what is out of date and exits 1. A generated part stands between two markers in its file.

import { ERROR_CODES } from "../src/core/error.ts";
import { TRANSITIONS } from "../src/core/states.ts";
import { effort, figures } from "./comparison.ts";
import { describeRoom, rooms } from "./doors.ts";
import { manPages } from "./man-pages.ts";
import { keyTables, markdownTable } from "./spec-keys.ts";
import { schemaText } from "./spec-schema.ts";

interface Part {
  readonly file: string;
  readonly name: string;
  readonly render: () => string;
}

const parts: readonly Part[] = [
  {
    file: "CONTRIBUTING.md",
    name: "doors",
    render: () =>
      Object.entries(rooms)
        .map(([name, room]) => `- \`${name}\` (${room.purpose}): ${describeRoom(room)}`)
        .join("\n"),
  },
  { file: "ARCHITECTURE.md", name: "states", render: stateDiagram },
  { file: "docs/errors.md", name: "codes", render: errorTable },
  { file: "docs/comparison.md", name: "figures", render: () => figures() },
  { file: "docs/comparison.md", name: "effort", render: () => effort() },
  ...keyTables().map(({ name, text }) => ({ file: "docs/spec.md", name, render: () => text })),
];

interface Whole {
  readonly file: string;
  readonly text: string;
}

/** Files of which every line is derived. */
async function wholeFiles(): Promise<Whole[]> {
  return [{ file: "schema/holdall.schema.json", text: schemaText() }, ...(await manPages())];
}

/** JSON is laid out by the formatter. */
function sameContent(file: string, a: string, b: string): boolean {
  if (!file.endsWith(".json")) return a === b;
  return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b));
}

/** Mermaid, one arrow per edge. */
function stateDiagram(): string {
  const edges = TRANSITIONS.flatMap(({ from, to, by }) =>
    from.map((each) => `  ${each} --> ${to}: ${by}`),
  );
  return ["```mermaid", "stateDiagram-v2", ...edges, "```"].join("\n");
}

function errorTable(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, { about, exitCode, status }]) => [
    `\`${code}\``,
    about,
    `${exitCode}`,
    `${status}`,
  ]);
  return markdownTable([["code", "what it says", "exit code", "HTTP status"], ...rows]);
}

/** `text` with the part between its markers replaced. Throws where the markers are missing. */
export function replacePart(text: string, name: string, content: string): string {
  const begin = `<!-- generated: ${name} (npm run gen) -->`;
  const end = `<!-- end: ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`markers missing: ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}

if (import.meta.main) {
  const checking = process.argv.includes("--check");
  for (const { file, name, render } of parts) {
    const text = await Bun.file(file).text();
    const current = replacePart(text, name, render());
    if (current === text) continue;
    if (checking) {
      console.error(`${file}: the part "${name}" is out of date; run npm run gen`);
      process.exitCode = 1;
    } else {
      await Bun.write(file, current);
      console.log(`${file}: ${name} written`);
    }
  }
  for (const { file, text } of await wholeFiles()) {
    const before = (await Bun.file(file).exists()) ? await Bun.file(file).text() : null;
    if (before !== null && sameContent(file, before, text)) continue;
    if (checking) {
      console.error(`${file} is out of date; run npm run gen`);
      process.exitCode = 1;
    } else {
      await Bun.write(file, text);
      if (file.endsWith(".json")) Bun.spawnSync([process.execPath, "fmt", file]);
      console.log(`${file} written`);
    }
  }
}

// bun scripts/picture.ts: runs the first example on a pseudo terminal and writes what is on the screen at the
// end to docs/run.svg. Needs script(1), cmake and a C++ compiler. Not part of any check: times differ every run.

import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COLUMNS = 80;
const COMMANDS = ["run examples/compress/workflow.yaml", "logs summarize"];
const FILE = "docs/run.svg";

/** Colours of ANSI codes on the dark background. */
const COLORS: Readonly<Record<string, string>> = {
  "31": "#ff7b72",
  "32": "#7ee787",
  "33": "#e3b341",
  "34": "#79c0ff",
  "35": "#d2a8ff",
  "36": "#76e3ea",
  "90": "#8b949e",
};

interface Cell {
  text: string;
  style: string;
}

/** The screen after everything was written: carriage returns, erasing, cursor up and colours are followed. */
export function screen(written: string): Cell[][] {
  const lines: Cell[][] = [[]];
  let [row, column, style] = [0, 0, ""];
  // oxlint-disable-next-line no-control-regex
  for (const [token] of written.matchAll(/\u001b\[[?\d;]*[A-Za-z]|\r|\n|[^\u001b\r\n]/gu)) {
    const line = (lines[row] ??= []);
    if (token === "\r") column = 0;
    else if (token === "\n") {
      row++;
      lines[row] ??= [];
    } else if (token.startsWith("\u001b[")) {
      const numbers = token.slice(2, -1);
      if (token.endsWith("m")) style = styleAfter(style, numbers);
      else if (token.endsWith("K"))
        line.length = numbers === "2" ? 0 : Math.min(line.length, column);
      else if (token.endsWith("J")) {
        line.length = Math.min(line.length, column);
        lines.length = row + 1;
      } else if (token.endsWith("A")) row = Math.max(0, row - Number(numbers || 1));
      else if (token.endsWith("G")) column = Number(numbers || 1) - 1;
    } else {
      while (line.length < column) line.push({ text: " ", style: "" });
      line[column++] = { text: token, style };
    }
  }
  while (lines.length > 0 && lines.at(-1)!.every(({ text }) => text === " ")) lines.pop();
  return lines;
}

function styleAfter(style: string, codes: string): string {
  const parts = new Set(style.split(" ").filter((part) => part !== ""));
  for (const code of codes.split(";")) {
    if (code === "" || code === "0") parts.clear();
    else if (code === "22") for (const each of ["1", "2"]) parts.delete(each);
    else if (code === "39") for (const each of Object.keys(COLORS)) parts.delete(each);
    else parts.add(code);
  }
  return [...parts].join(" ");
}

export function svg(lines: readonly (readonly Cell[])[]): string {
  const [charWidth, lineHeight, margin] = [8.4, 19, 16];
  const width = Math.round(COLUMNS * charWidth + 2 * margin);
  const height = lines.length * lineHeight + 2 * margin;
  const rows = lines.map((line, i) => {
    const y = margin + (i + 1) * lineHeight - 5;
    return `<text x="${margin}" y="${y}">${spans(line)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="A terminal after holdall run">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="#e6edf3" xml:space="preserve">
${rows.join("\n")}
</g>
</svg>
`;
}

function spans(line: readonly Cell[]): string {
  let text = "";
  for (let from = 0; from < line.length;) {
    const { style } = line[from]!;
    let to = from;
    while (to < line.length && line[to]!.style === style) to++;
    const content = escape(
      line
        .slice(from, to)
        .map((cell) => cell.text)
        .join(""),
    );
    const attributes = attributesOf(style);
    text += attributes === "" ? content : `<tspan${attributes}>${content}</tspan>`;
    from = to;
  }
  return text;
}

function attributesOf(style: string): string {
  const codes = style.split(" ");
  const color = codes.map((code) => COLORS[code]).find((found) => found !== undefined);
  const bold = codes.includes("1") ? ' font-weight="bold"' : "";
  const dim = codes.includes("2") ? ' opacity="0.65"' : "";
  return `${color === undefined ? "" : ` fill="${color}"`}${bold}${dim}`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

if (import.meta.main) {
  const root = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), "holdall-picture-"));
  try {
    for (const name of ["examples", "kernels"]) symlinkSync(join(root, name), join(folder, name));
    const typed = COMMANDS.map(
      (each) =>
        `echo '$ bin/holdall ${each}' && '${process.execPath}' '${root}/src/cli/main.ts' ${each}`,
    );
    const all = [`stty cols ${COLUMNS} rows 40`, ...typed].join(" && ");
    const child = Bun.spawnSync(["script", "-qec", all, "/dev/null"], {
      cwd: folder,
      env: { ...process.env, TERM: "xterm-256color", NO_COLOR: "" },
      stdin: "ignore",
    });
    if (child.exitCode !== 0) throw new Error(child.stdout.toString());
    const lines = screen(child.stdout.toString());
    if (JSON.stringify(lines).includes(folder)) throw new Error("the picture holds a path");
    await Bun.write(FILE, svg(lines));
    console.log(lines.map((line) => line.map(({ text }) => text).join("")).join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `holdall graph`: a document as a picture. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { loadSpec } from "../../spec/index.ts";
import type { Io } from "../io.ts";
import { dotOf } from "./dot.ts";
import { mermaidOf } from "./mermaid.ts";
import { type Drawing, drawingOf } from "./model.ts";
import { svgOf } from "./svg.ts";

export const GRAPH_FORMATS = ["dot", "mermaid", "svg"] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

export interface GraphFlags {
  format?: GraphFormat | undefined;
  expand?: boolean | undefined;
  out?: string | undefined;
  cwd?: string | undefined;
  define?: readonly string[] | undefined;
}

const WRITERS: Readonly<Record<GraphFormat, (drawing: Drawing) => string>> = {
  dot: dotOf,
  mermaid: mermaidOf,
  svg: svgOf,
};

export function showGraph(file: string, flags: GraphFlags, io: Io): void {
  const definition = loadSpec(file, {
    cwd: io.cwd,
    ...(flags.cwd === undefined ? {} : { cwdOverride: resolve(io.cwd, flags.cwd) }),
    define: flags.define,
  });
  const format = flags.format ?? formatOfName(flags.out ?? "");
  writeOut(io, flags.out, WRITERS[format](drawingOf(definition, flags.expand === true)));
}

function formatOfName(name: string): GraphFormat {
  if (name.endsWith(".svg")) return "svg";
  return /\.(?:mmd|mermaid)$/.test(name) ? "mermaid" : "dot";
}

/** To stdout when there is no file. `exclusive`: a file that is there is a conflict. */
export function writeOut(io: Io, file: string | undefined, text: string, exclusive = false): void {
  if (file === undefined) {
    io.stdout.write(text);
    return;
  }
  try {
    writeFileSync(resolve(io.cwd, file), text, { flag: exclusive ? "wx" : "w" });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new HoldallError("conflict", `${file} is there already`, {
        fix: "give another name, or move it away",
      });
    throw new HoldallError("usage", `cannot write ${file}: ${code ?? String(error)}`, {
      fix: "check the folder and its permissions",
      cause: error,
    });
  }
  io.stderr.write(`${file} written\n`);
}

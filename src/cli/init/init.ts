/** `holdall init`: a document to begin with. */
import { existsSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { convertSpec, type Spelling, SPELLINGS } from "../../spec/index.ts";
import { writeOut } from "../graph/graph.ts";
import type { Io } from "../io.ts";
import { SCHEMA_FILE, schemaText } from "./schema.ts";
import { type Kind, starterOf } from "./starters.ts";

export interface InitFlags {
  format?: Spelling | undefined;
  kind?: Kind | undefined;
}

/** Throws conflict when there is such a file: nothing is ever overwritten. */
export function writeStarter(given: string | undefined, flags: InitFlags, io: Io): void {
  const { file, format } = fileOf(given ?? "workflow", flags.format);
  const kind = flags.kind ?? "bag";
  const title = basename(file, extname(file));
  const yaml = starterOf(kind, title);
  const { text } = convertSpec("w.yaml", new TextEncoder().encode(yaml), format, io.cwd);
  writeOut(io, file, text, true);
  const schema = resolve(io.cwd, file, "..", SCHEMA_FILE);
  // KDL has no editor that would look at it
  if (format !== "kdl" && !existsSync(schema)) writeOut(io, schema, schemaText(), true);
  const offer = kind === "slurm" ? " --scheduler short" : "";
  io.stderr.write(`next: holdall plan ${file}; holdall run ${file}${offer}\n`);
}

/** A name with an ending says the spelling itself. */
function fileOf(name: string, format: Spelling | undefined): { file: string; format: Spelling } {
  const ending = extname(name).slice(1).toLowerCase();
  const named = SPELLINGS.find((each) => each === (ending === "yml" ? "yaml" : ending));
  if (named !== undefined && format !== undefined && named !== format)
    throw new HoldallError("usage", `${name} is a name for ${named}, not for ${format}`, {
      fix: `leave --format, or the ending of the name`,
    });
  if (named !== undefined) return { file: name, format: named };
  const chosen = format ?? "yaml";
  return { file: `${name}.${chosen}`, format: chosen };
}

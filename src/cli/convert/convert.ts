/** `holdall convert`: a document in another spelling. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { convertSpec, type Spelling } from "../../spec/index.ts";
import { writeOut } from "../graph/graph.ts";
import type { Io } from "../io.ts";

export interface ConvertFlags {
  to: Spelling;
  out?: string | undefined;
}

export function convertFile(file: string, { to, out }: ConvertFlags, io: Io): void {
  const { text, lost } = convertSpec(file, readBytes(file, io), to, io.cwd);
  for (const what of lost) io.stderr.write(`note: ${what}\n`);
  writeOut(io, out, text, true);
}

function readBytes(file: string, io: Io): Uint8Array {
  try {
    return readFileSync(resolve(io.cwd, file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === "ENOENT" || code === "ENOTDIR";
    throw new HoldallError(missing ? "not_found" : "usage", `cannot read ${file}: ${code ?? ""}`, {
      fix: "check the path",
      cause: error,
    });
  }
}

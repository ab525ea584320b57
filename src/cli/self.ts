import { join } from "node:path";

/** The argv that starts this very program: the compiled binary, or Bun on the source. */
export function selfCommand(): string[] {
  if (isCompiled()) return [process.execPath];
  return [process.execPath, ...process.execArgv, join(import.meta.dir, "main.ts")];
}

export function isCompiled(): boolean {
  return import.meta.dir.startsWith("/$bunfs");
}

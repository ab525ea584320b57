import type { Io } from "../io.ts";

/** `--json`: exactly one value on stdout. */
export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value)}\n`);
}

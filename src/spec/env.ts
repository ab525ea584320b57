/** `env`, of the workflow and of a task. */
import type { Path, SpecValue } from "./document.ts";
import { readMap, readWritten, type Reader } from "./values.ts";

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Values as written texts. */
export function readEnv(
  reader: Reader,
  value: SpecValue,
  at: Path,
): Record<string, string> | undefined {
  const map = readMap(reader, value, at);
  if (!map) return undefined;
  const env: Record<string, string> = {};
  for (const key of Object.keys(map)) {
    if (!VARIABLE.test(key)) {
      reader.mistakes.add(
        [...at, key],
        `'${key}' cannot be the name of an environment variable`,
        "use letters, digits and _, not starting with a digit",
        { key: true },
      );
      continue;
    }
    const text = readWritten(reader, map[key]!, [...at, key]);
    if (text?.includes("\0"))
      reader.mistakes.add(
        [...at, key],
        "an environment variable cannot hold a NUL character",
        "remove it",
      );
    if (text !== undefined) env[key] = text;
  }
  return env;
}

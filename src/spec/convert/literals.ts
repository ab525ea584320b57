/** Scalars as another notation can write them without changing what they say. */
import { isList, isMap, Literal, type Path, type SpecValue } from "../document.ts";

/** A key has to have a boolean; anywhere else what counts is how it was written. */
const BOOLEANS: ReadonlySet<string> = new Set([
  "idempotent",
  "supports_termination",
  "persistent",
  "enabled",
  "generate_plots",
  "use_pending_failed",
  "is_ephemeral",
  "start_one_worker_per_node",
  "cancel_on_blocking_job_failure",
  "match_all_exit_codes",
  "compute_node_ignore_workflow_completion",
]);

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

/** `bare`: as it stands in JSON; else a text. */
export type Scalar = { bare: string } | { text: string };

export function scalarOf(value: string | Literal, path: Path): Scalar {
  if (typeof value === "string") return { text: value };
  const { value: plain, text } = value;
  if (plain === null) return { bare: "null" };
  if (isData(path)) return typeof plain === "string" ? { text: plain } : { bare: numeral(value) };
  if (typeof plain === "boolean" && (BOOLEANS.has(String(path.at(-1))) || text === String(plain)))
    return { bare: String(plain) };
  if (typeof plain !== "boolean" && JSON_NUMBER.test(text)) return { bare: text };
  return { text };
}

/** Data of the user is values, everything else is read as written. */
export function isData(path: Path): boolean {
  return path[0] === "user_data" && path[2] === "data";
}

function numeral({ value, text }: Literal): string {
  if (JSON_NUMBER.test(text)) return text;
  return typeof value === "number" && !Number.isFinite(value) ? "null" : String(value);
}

export function isScalar(value: SpecValue): value is string | Literal {
  return !isList(value) && !isMap(value);
}

/** JSON on one line. */
export function compactJson(value: SpecValue, path: Path): string {
  if (isList(value))
    return `[${value.map((item, i) => compactJson(item, [...path, i])).join(",")}]`;
  if (isMap(value)) {
    const parts = Object.keys(value).map(
      (key) => `${JSON.stringify(key)}:${compactJson(value[key]!, [...path, key])}`,
    );
    return `{${parts.join(",")}}`;
  }
  const scalar = scalarOf(value, path);
  return "bare" in scalar ? scalar.bare : JSON.stringify(scalar.text);
}

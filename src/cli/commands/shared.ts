/** Flags and parsers that several commands share. */
import { parseBytes, parseDuration } from "../../core/units.ts";
import { usage } from "../usage.ts";

export const text = (input: string): string => input;

/** An integer from `least`, written in digits. */
export const integerFrom =
  (least: number) =>
  (input: string): number => {
    const value = /^\d+$/.test(input) ? Number(input) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < least) {
      throw usage(`'${input}' is not an integer from ${least}`);
    }
    return value;
  };

/** A number above 0, such as 2 or 1.5. */
export const positive = (input: string): number => {
  const value = /^(\d+\.?\d*|\.\d+)$/.test(input) ? Number(input) : 0;
  if (!(value > 0)) throw usage(`'${input}' is not a number above 0`);
  return value;
};

/** Bytes: 512m, 4g, 1.5GiB. */
export const size = (input: string): number => {
  const parsed = parseBytes(input);
  if ("error" in parsed) throw usage(parsed.error, parsed.fix);
  return parsed.value;
};

/** Seconds: 90s, 30m, 1:30:00, PT30M. */
export const seconds = (input: string): number => {
  const parsed = parseDuration(input);
  if ("error" in parsed) throw usage(parsed.error, parsed.fix);
  return parsed.value;
};

interface TextParameter {
  readonly parse: (input: string) => string;
  readonly optional: true;
  readonly placeholder: string;
  readonly brief: string;
}

export const STATE_DIR_FLAG: TextParameter & { readonly kind: "parsed" } = {
  kind: "parsed",
  parse: text,
  optional: true,
  placeholder: "DIR",
  brief: "where the ledger is (HOLDALL_STATE_DIR; default .holdall here)",
};

export const JSON_FLAG = {
  kind: "boolean",
  optional: true,
  withNegated: false,
  brief: "exactly one JSON value on stdout",
} as const;

export const QUIET_FLAG = {
  kind: "boolean",
  optional: true,
  withNegated: false,
  brief: "nothing for people but errors",
} as const;

export const WORKFLOW_ARGUMENT: TextParameter = {
  parse: text,
  optional: true,
  placeholder: "ID",
  brief: "a workflow; default: the newest",
};

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

export interface ValueFlag<T> {
  readonly kind: "parsed";
  readonly parse: (input: string) => T;
  readonly optional: true;
  readonly placeholder: string;
  readonly brief: string;
}

/** A flag with a value; help shows what kind of value before what it does. */
export function flag<T>(
  parse: (input: string) => T,
  placeholder: string,
  brief: string,
): ValueFlag<T> {
  const shown = `${placeholder.padEnd(5)}  ${brief}`;
  return { kind: "parsed", parse, optional: true, placeholder, brief: shown };
}

export interface ToggleFlag {
  readonly kind: "boolean";
  readonly optional: true;
  readonly withNegated: false;
  readonly brief: string;
}

/** A flag that is there or not. */
export function toggle(brief: string): ToggleFlag {
  return { kind: "boolean", optional: true, withNegated: false, brief };
}

export const STATE_DIR_FLAG: ValueFlag<string> = flag(
  text,
  "DIR",
  "where the ledger is (HOLDALL_STATE_DIR; default .holdall here)",
);
export const JSON_FLAG: ToggleFlag = toggle("exactly one JSON value on stdout");
export const QUIET_FLAG: ToggleFlag = toggle("nothing for people but what went wrong");

export const WORKFLOW_ARGUMENT: {
  readonly parse: (input: string) => string;
  readonly optional: true;
  readonly placeholder: string;
  readonly brief: string;
} = { parse: text, optional: true, placeholder: "ID", brief: "a workflow; default: the newest" };

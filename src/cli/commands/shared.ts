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

/** As the priorities of documents. */
const priorityValue = (input: string): number => {
  const value = /^-?\d{1,7}$/.test(input) ? Number(input) : Number.NaN;
  if (!(Math.abs(value) <= 1_000_000))
    throw usage(`'${input}' is not an integer from -1000000 to 1000000`);
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
/** Of documents that are in JX. */
export const DEFINE_FLAG: RepeatedFlag = repeated(
  "NAME=EXPR",
  "what a workflow in JX calls NAME (may be given again)",
);
export const JSON_FLAG: ToggleFlag = toggle("exactly one JSON value on stdout");
export const QUIET_FLAG: ToggleFlag = toggle("nothing for people but what went wrong");
/** Shown by the error that asks for it: nobody should have it in a script. */
export const ACCEPT_LOSS_FLAG: HiddenToggle = {
  ...toggle("go on with a ledger that lost what was acknowledged"),
  hidden: true,
};

export const ACCESS_FLAG: ValueFlag<string> = flag(
  text,
  "FILE",
  "the server's access file; default: the state directory's",
);

/** Milliseconds; for tests and unusual networks, so it is not shown. */
export const HEARTBEAT_FLAG: HiddenFlag<number> = {
  kind: "parsed",
  parse: integerFrom(20),
  optional: true,
  hidden: true,
  brief: "heartbeat in ms",
};

export interface HiddenToggle extends ToggleFlag {
  readonly hidden: true;
}

export interface HiddenFlag<T> {
  readonly kind: "parsed";
  readonly parse: (input: string) => T;
  readonly optional: true;
  readonly hidden: true;
  readonly brief: string;
}

/** Another name of a flag, as other tools call it. */
function alias<T>(parse: (input: string) => T, brief: string): HiddenFlag<T> {
  return { kind: "parsed", parse, optional: true, hidden: true, brief };
}

export interface RepeatedFlag extends ValueFlag<string> {
  readonly variadic: true;
}

/** A flag that may be given several times. */
export function repeated(placeholder: string, brief: string): RepeatedFlag {
  return { ...flag(text, placeholder, brief), variadic: true };
}

/** What `run` and `worker` offer to tasks. */
export const OFFER_FLAGS: {
  readonly cpus: ValueFlag<number>;
  readonly memory: ValueFlag<number>;
  readonly gpus: ValueFlag<number>;
  readonly disk: ValueFlag<number>;
  readonly timeLimit: ValueFlag<number>;
  readonly scheduler: ValueFlag<string>;
  readonly maxParallel: ValueFlag<number>;
  readonly custom: RepeatedFlag;
  readonly feature: RepeatedFlag;
  readonly flexible: ToggleFlag;
  readonly numCpus: HiddenFlag<number>;
  readonly memoryGb: HiddenFlag<number>;
  readonly numGpus: HiddenFlag<number>;
  readonly schedulerConfigId: HiddenFlag<string>;
  readonly maxParallelJobs: HiddenFlag<number>;
} = {
  cpus: flag(positive, "N", "cpus offered to tasks (default: what is here)"),
  memory: flag(size, "SIZE", "memory offered, such as 8g (default: what is here)"),
  gpus: flag(integerFrom(0), "N", "GPUs offered (default: what is here)"),
  disk: flag(size, "SIZE", "disk offered (default: what is free)"),
  timeLimit: flag(seconds, "TIME", "start no task whose runtime does not fit into this"),
  scheduler: flag(text, "NAME", "also take tasks bound to this scheduler"),
  maxParallel: flag(integerFrom(1), "N", "so many at once, whatever they need"),
  custom: repeated("NAME=N", "so much of a resource of your own (may be given again)"),
  feature: repeated("NAME", "what tasks may ask for with features (may be given again)"),
  flexible: toggle("take what is bound to other schedulers when nothing else is ready"),
  numCpus: alias(positive, "--cpus"),
  memoryGb: alias(positive, "--memory, in GiB"),
  numGpus: alias(integerFrom(0), "--gpus"),
  schedulerConfigId: alias(text, "--scheduler"),
  maxParallelJobs: alias(integerFrom(1), "--max-parallel"),
};

/** What a workflow does about failures and order; a document's own where none is given. */
export const POLICY_FLAGS: {
  readonly maxFailures: ValueFlag<number>;
  readonly onFailure: {
    readonly kind: "enum";
    readonly values: readonly ["continue", "stop"];
    readonly optional: true;
    readonly brief: string;
  };
  readonly age: ValueFlag<number>;
  readonly priority: ValueFlag<number>;
} = {
  maxFailures: flag(integerFrom(1), "N", "after so many failed tasks nothing more is started"),
  onFailure: {
    kind: "enum",
    values: ["continue", "stop"],
    optional: true,
    brief: "stop: the first failed task ends all",
  },
  age: flag(seconds, "TIME", "tasks that waited so long pass the next higher priority (10m)"),
  priority: flag(priorityValue, "N", "against other workflows: higher first (default 0)"),
};

export interface CaptureFlag {
  readonly kind: "enum";
  readonly values: readonly ["capture", "none"];
  readonly optional: true;
  readonly brief: string;
}

export function captureFlag(stream: "stdout" | "stderr"): CaptureFlag {
  return {
    kind: "enum",
    values: ["capture", "none"],
    optional: true,
    brief: `what tasks write to ${stream}: kept or dropped`,
  };
}

/** Tasks without a document. */
export const AD_HOC_FLAGS: {
  readonly need: {
    readonly kind: "parsed";
    readonly parse: (input: string) => string;
    readonly optional: true;
    readonly variadic: true;
    readonly placeholder: string;
    readonly brief: string;
  };
  readonly array: ValueFlag<string>;
  readonly eachLine: ValueFlag<string>;
  readonly fromJson: ValueFlag<string>;
} = {
  need: {
    kind: "parsed",
    parse: text,
    optional: true,
    variadic: true,
    placeholder: "NEED",
    brief: "NEED   what each task needs: cpus=2,memory=1g (with --)",
  },
  array: flag(text, "RANGE", "one task for each i: 0-23, 0-100:10, 1,3,7 (with --)"),
  eachLine: flag(text, "FILE", "one task for each {line} (with --)"),
  fromJson: flag(text, "FILE", "one task for each object, by its {keys} (with --)"),
};

export const WORKFLOW_ARGUMENT: {
  readonly parse: (input: string) => string;
  readonly optional: true;
  readonly placeholder: string;
  readonly brief: string;
} = { parse: text, optional: true, placeholder: "ID", brief: "a workflow; default: the newest" };

/** What `holdall run` was asked for, from its flags to a request for the embedded run. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { HoldallError } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Offer } from "../protocol/session.ts";
import type { RunRequest } from "./embedded-types.ts";
import type { Io } from "./io.ts";
import { isId } from "./names.ts";
import { detectOffer, type Machine, thisMachine } from "./offer.ts";
import { type PolicyFlags, refusePolicy, withPolicy } from "./policy-flags.ts";
import { usage } from "./usage.ts";

export interface RunFlags extends PolicyFlags {
  cpus?: number | undefined;
  /** bytes */
  memory?: number | undefined;
  gpus?: number | undefined;
  /** bytes */
  disk?: number | undefined;
  /** seconds */
  timeLimit?: number | undefined;
  scheduler?: string | undefined;
  maxParallel?: number | undefined;
  /** each NAME=AMOUNT */
  custom?: readonly string[] | undefined;
  feature?: readonly string[] | undefined;
  flexible?: boolean | undefined;
  outputDir?: string | undefined;
  stateDir?: string | undefined;
  cwd?: string | undefined;
  /** each NAME=EXPRESSION of JX */
  define?: readonly string[] | undefined;
  name?: string | undefined;
  fresh?: boolean | undefined;
  reuse?: string | undefined;
  /** seconds */
  timeout?: number | undefined;
  stdout?: "capture" | "none" | undefined;
  stderr?: "capture" | "none" | undefined;
  need?: readonly string[] | undefined;
  array?: string | undefined;
  eachLine?: string | undefined;
  fromJson?: string | undefined;
  numCpus?: number | undefined;
  /** GiB */
  memoryGb?: number | undefined;
  numGpus?: number | undefined;
  schedulerConfigId?: string | undefined;
  maxParallelJobs?: number | undefined;
}

export interface RunWords {
  flags: RunFlags;
  /** SPEC or ID */
  target: string | undefined;
  /** the words after `--`; null when there was none */
  verbatim: readonly string[] | null;
  /** absolute */
  stateDir: string;
  io: Pick<Io, "cwd"> & Partial<Pick<Io, "stderr">>;
  /** for a workflow that exists. `after`: inputs may be made by tasks that the document does not know, so only attempts look for them */
  addition?: { after: boolean } | null;
}

const AD_HOC_FLAGS = ["need", "array", "eachLine", "fromJson"] as const;

/** Reads the document, if there is one. Throws usage, spec and not_found errors; starts nothing. */
export async function runRequest(words: RunWords, machine?: Machine): Promise<RunRequest> {
  const { flags, stateDir, io } = words;
  const offer = offerOf(flags, stateDir, machine);
  const what = await whatToRun(words);
  return {
    stateDir,
    what,
    fresh: flags.fresh === true,
    reuse: reuseOf(flags, what, io),
    offer,
    outputDir: outputDirOf(flags, io),
    stdout: flags.stdout ?? "capture",
    stderr: flags.stderr ?? "capture",
    timeoutSeconds: flags.timeout ?? null,
  };
}

/** What `submit` sends: a document or a command after --. Throws as runRequest does; asks no server. */
export async function definitionToSubmit(words: RunWords): Promise<WorkflowDefinition> {
  const { target, io } = words;
  const isFile =
    target === undefined ||
    statSync(resolve(io.cwd, target), { throwIfNoEntry: false }) !== undefined;
  if (words.verbatim === null && target !== undefined && isId(target) && !isFile) {
    throw usage(
      `${target} is the ID of a workflow, which has been submitted`,
      `holdall wait ${target}, or give a document`,
    );
  }
  const what = await whatToRun(words);
  if (what.kind === "workflow") throw usage("a document is needed");
  return what.definition;
}

/** What the flag says, else the document; nothing for a run that starts anew. */
function reuseOf(
  { fresh, reuse }: RunFlags,
  what: RunRequest["what"],
  io: Pick<Io, "cwd">,
): string | null {
  if (fresh === true && reuse !== undefined)
    throw usage("--fresh runs everything, and --reuse does not", "leave one of them");
  if (fresh === true) return null;
  if (reuse !== undefined) return resolve(io.cwd, reuse);
  return (what.kind === "definition" && what.definition.reuse) || null;
}

export function outputDirOf(flags: RunFlags, io: Pick<Io, "cwd">): string | null {
  return flags.outputDir === undefined ? null : resolve(io.cwd, flags.outputDir);
}

async function whatToRun(words: RunWords): Promise<RunRequest["what"]> {
  const { flags, target, verbatim, io } = words;
  if (verbatim !== null) {
    if (target !== undefined) {
      throw usage(`"${target}" and a command after --: which one?`, "leave one of them");
    }
    if (verbatim.length === 0) {
      throw usage("no command after --", "holdall run -- CMD ARGS…");
    }
    const cwd = cwdOf(flags, io);
    const { adhocWorkflow, checkInputs, parseNeed } = await import("../spec/index.ts");
    const definition = adhocWorkflow({
      command: verbatim,
      cwd,
      name: flags.name,
      // The workflow has its name, and its tasks' names must differ from these.
      ...(words.addition ? { taskName: flags.name } : {}),
      array: flags.array,
      eachLine: listFile(flags.eachLine, io),
      fromJson: listFile(flags.fromJson, io),
      need: flags.need === undefined ? undefined : parseNeed(flags.need.join(",")),
    });
    checkInputs(definition);
    return { kind: "definition", definition: withPolicy(definition, flags), adHoc: true };
  }
  for (const name of AD_HOC_FLAGS) {
    if (flags[name] !== undefined) {
      throw usage(
        `${kebab(name)} is for a command after --, and there is none`,
        `holdall run ${kebab(name)} … -- CMD ARGS…`,
      );
    }
  }
  if (target === undefined) {
    throw usage(
      "nothing to run: a workflow document, a workflow ID or -- CMD is missing",
      "holdall run workflow.yaml, or holdall run -- CMD ARGS…; see holdall run --help",
    );
  }
  if (isId(target) && statSync(resolve(io.cwd, target), { throwIfNoEntry: false }) === undefined) {
    for (const name of ["fresh", "name", "cwd"] as const) {
      if (flags[name] !== undefined) {
        throw usage(
          `--${name} is for a document, and ${target} is the ID of a workflow`,
          `leave --${name}: workflow ${target} keeps what was recorded when it was made`,
        );
      }
    }
    refusePolicy(flags, target);
    return { kind: "workflow", id: Number(target) };
  }
  const { checkInputs, loadSpec, placeOfNeed, specWarnings } = await import("../spec/index.ts");
  const definition = loadSpec(target, {
    cwd: io.cwd,
    ...(flags.cwd === undefined ? {} : { cwdOverride: cwdOf(flags, io) }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    define: flags.define,
  });
  if (words.addition?.after !== true) checkInputs(definition);
  if (words.addition && definition.actions !== undefined) {
    throw new HoldallError("spec", "actions cannot be added to a workflow that exists", {
      place: { file: target, line: 1, column: 1 },
      fix: "take them out of this document; those of the workflow stay as they are",
    });
  }
  const mode = words.addition === undefined ? "run" : "server";
  for (const { message, place, fix, of } of specWarnings(definition)) {
    if (of !== "both" && of !== mode) continue;
    const where = place === undefined ? "" : `${place.file}:${place.line}:${place.column}: `;
    io.stderr?.write(`warning: ${where}${message}${fix === undefined ? "" : `; ${fix}`}\n`);
  }
  return {
    kind: "definition",
    definition: withPolicy(definition, flags),
    adHoc: false,
    placeOfNeed: (task, resource) => placeOfNeed(definition, task, resource),
  };
}

/** Where the user is, not where tasks run; "-" is stdin. */
function listFile(file: string | undefined, io: Pick<Io, "cwd">): string | undefined {
  return file === undefined || file === "-" ? file : resolve(io.cwd, file);
}

function cwdOf(flags: RunFlags, io: Pick<Io, "cwd">): string {
  if (flags.cwd === undefined) return io.cwd;
  const cwd = resolve(io.cwd, flags.cwd);
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new HoldallError("not_found", `--cwd: ${cwd} is no directory`, {
      fix: `mkdir -p ${cwd}`,
    });
  }
  return cwd;
}

/** What the flags offer; what they do not say, this machine does. */
export function offerOf(flags: RunFlags, stateDir: string, machine: Machine = thisMachine): Offer {
  const detected = detectOffer(stateDir, machine);
  const memoryGb = oneOf(flags, "memory", "memoryGb");
  const custom = customOf(flags.custom ?? []);
  const features = [...new Set(flags.feature)];
  return {
    ...detected,
    cpus: oneOf(flags, "cpus", "numCpus") ?? detected.cpus,
    memoryBytes:
      memoryGb === undefined
        ? detected.memoryBytes
        : (flags.memory ?? Math.round(memoryGb * 1024 ** 3)),
    gpus: oneOf(flags, "gpus", "numGpus") ?? detected.gpus,
    diskBytes: flags.disk ?? detected.diskBytes,
    maxParallel: oneOf(flags, "maxParallel", "maxParallelJobs") ?? null,
    timeLimitSeconds: flags.timeLimit ?? null,
    scheduler: oneOf(flags, "scheduler", "schedulerConfigId") ?? null,
    ...(custom ? { custom } : {}),
    ...(features.length > 0 ? { features } : {}),
    ...(flags.flexible === true ? { strictScheduler: false } : {}),
  };
}

/** Resources of the user's own, by name; the same names as in documents. */
function customOf(texts: readonly string[]): Record<string, number> | null {
  const custom: Record<string, number> = {};
  for (const text of texts) {
    const [, name = "", amount = ""] = /^([A-Za-z][\w.-]*)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (name === "" || name in Object.prototype)
      throw usage(`--custom: '${text}' is not NAME=AMOUNT`, "write --custom licences=3");
    if (Object.hasOwn(custom, name))
      throw usage(`--custom: ${name} is given twice`, "leave one of them");
    custom[name] = Number(amount);
  }
  return texts.length > 0 ? custom : null;
}

/** A flag under either of its names; both at once is a mistake. */
function oneOf<A extends keyof RunFlags, B extends keyof RunFlags>(
  flags: RunFlags,
  name: A,
  alias: B,
): RunFlags[A] | RunFlags[B] {
  if (flags[name] !== undefined && flags[alias] !== undefined) {
    throw usage(`${kebab(name)} and ${kebab(alias)} say the same thing`, "leave one of them");
  }
  return flags[name] ?? flags[alias];
}

function kebab(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

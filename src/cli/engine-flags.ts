/** `--executor` and what belongs to it: whether attempts run here or are handed to another engine. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Offer } from "../protocol/session.ts";
import type { EngineRequest } from "../worker/executors/engines.ts";
import { flag, integerFrom, text, type ValueFlag } from "./commands/shared.ts";
import type { Io } from "./io.ts";
import { usage } from "./usage.ts";

export interface EngineFlags {
  executor?: "process" | "workqueue" | "ray" | undefined;
  wqPort?: number | undefined;
  wqProject?: string | undefined;
  wqPassword?: string | undefined;
  rayAddress?: string | undefined;
}

export const ENGINE_FLAGS: {
  readonly executor: {
    readonly kind: "enum";
    readonly values: readonly ["process", "workqueue", "ray"];
    readonly optional: true;
    readonly brief: string;
  };
  readonly wqPort: ValueFlag<number>;
  readonly wqProject: ValueFlag<string>;
  readonly wqPassword: ValueFlag<string>;
  readonly rayAddress: ValueFlag<string>;
} = {
  executor: {
    kind: "enum",
    values: ["process", "workqueue", "ray"],
    optional: true,
    brief: "what executes tasks: processes here, or another engine",
  },
  wqPort: flag(integerFrom(0), "PORT", "Work Queue workers of yours connect here (0 = any port)"),
  wqProject: flag(text, "NAME", "Work Queue workers of yours find it by this project name"),
  wqPassword: flag(text, "FILE", "the password those Work Queue workers have"),
  rayAddress: flag(text, "ADDR", "the Ray cluster to attach to, such as HOST:6379"),
};

const BELONGS = {
  wqPort: "workqueue",
  wqProject: "workqueue",
  wqPassword: "workqueue",
  rayAddress: "ray",
} as const;

/** Undefined: attempts run as processes of this worker. Throws usage errors. */
export function engineOf(
  flags: EngineFlags,
  offer: Offer,
  io: Pick<Io, "cwd">,
  note: (text: string) => void,
): EngineRequest | undefined {
  const name = flags.executor ?? "process";
  for (const key of Object.keys(BELONGS) as (keyof typeof BELONGS)[]) {
    if (flags[key] === undefined || BELONGS[key] === name) continue;
    const option = `--${key.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
    throw usage(
      `${option} is for --executor ${BELONGS[key]}, and the executor is ${name}`,
      `give --executor ${BELONGS[key]}, or leave ${option}`,
    );
  }
  if (name === "process") return undefined;
  if (flags.wqPort !== undefined && flags.wqPort > 65_535)
    throw usage(`--wq-port: ${flags.wqPort} is no port`, "give one from 1 to 65535, or 0 for any");
  const passwordFile =
    flags.wqPassword === undefined ? undefined : resolve(io.cwd, flags.wqPassword);
  if (passwordFile !== undefined && statSync(passwordFile, { throwIfNoEntry: false }) === undefined)
    throw usage(`--wq-password: there is no file ${passwordFile}`, "write the password to it");
  return {
    name,
    cpus: offer.cpus,
    memoryBytes: offer.memoryBytes,
    maxParallel: offer.maxParallel,
    port: flags.wqPort,
    project: flags.wqProject,
    passwordFile,
    rayAddress: flags.rayAddress,
    note,
  };
}

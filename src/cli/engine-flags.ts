/** `--executor` and what belongs to it: whether attempts run here or are handed to another engine. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { nearest } from "../core/nearest.ts";
import type { Offer } from "../protocol/session.ts";
import type { EngineFlag } from "../worker/executors/engines/engine.ts";
import {
  ENGINE_NAMES,
  type EngineFlagName,
  engineNamed,
  type EngineName,
  type EngineRequest,
} from "../worker/executors/engines.ts";
import { flag, text, type ValueFlag } from "./commands/shared.ts";
import type { Io } from "./io.ts";
import { usage } from "./usage.ts";

export type EngineFlags = {
  executor?: "process" | EngineName | undefined;
} & { [Name in EngineFlagName]?: string | undefined };

export const ENGINE_FLAGS: {
  readonly executor: ValueFlag<"process" | EngineName>;
} & { readonly [Name in EngineFlagName]: ValueFlag<string> } = {
  // An enum of so many would make the lines of help too long.
  executor: flag(executorName, "NAME", `process (default), ${ENGINE_NAMES.join(", ")}`),
  ...flagsOfEngines(),
};

function executorName(given: string): "process" | EngineName {
  const names = ["process", ...ENGINE_NAMES] as const;
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  const meant = nearest(given, names);
  throw usage(
    `'${given}' is no executor`,
    meant ? `did you mean ${meant}?` : `there are: ${names.join(", ")}`,
  );
}

function flagsOfEngines(): { [Name in EngineFlagName]: ValueFlag<string> } {
  const all = ENGINE_NAMES.flatMap((name) => Object.entries(engineNamed(name).flags));
  return Object.fromEntries(
    all.map(([key, { placeholder, brief }]) => [key, flag(text, placeholder, brief)]),
  ) as { [Name in EngineFlagName]: ValueFlag<string> };
}

/** Undefined: attempts run as processes of this worker. Throws usage errors. */
export function engineOf(
  flags: EngineFlags,
  offer: Offer,
  io: Pick<Io, "cwd">,
  note: (text: string) => void,
): EngineRequest | undefined {
  const chosen = flags.executor ?? "process";
  const given: Record<string, string> = {};
  for (const name of ENGINE_NAMES) {
    for (const [key, described] of Object.entries(engineNamed(name).flags)) {
      const value = flags[key as EngineFlagName];
      if (value === undefined) continue;
      const option = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      if (name !== chosen)
        throw usage(
          `${option} is for --executor ${name}, and the executor is ${chosen}`,
          `give --executor ${name}, or leave ${option}`,
        );
      given[key] = valueOf(option, value, described, io.cwd);
    }
  }
  if (chosen === "process") return undefined;
  return {
    name: chosen,
    cpus: offer.cpus,
    memoryBytes: offer.memoryBytes,
    maxParallel: offer.maxParallel,
    timeLimitSeconds: offer.timeLimitSeconds,
    given,
    note,
  };
}

function valueOf(
  option: string,
  value: string,
  { kind, choices }: EngineFlag,
  cwd: string,
): string {
  if (choices !== undefined && !choices.includes(value))
    throw usage(`${option}: ${value} is none of ${choices.join(", ")}`, "give one of them");
  if (kind === "port" && (!/^\d{1,5}$/.test(value) || Number(value) > 65_535))
    throw usage(`${option}: ${value} is no port`, "give one from 1 to 65535, or 0 for any");
  if (kind !== "file") return value;
  const path = resolve(cwd, value);
  if (statSync(path, { throwIfNoEntry: false }) === undefined)
    throw usage(`${option}: there is no file ${path}`, "name a file that exists");
  return path;
}

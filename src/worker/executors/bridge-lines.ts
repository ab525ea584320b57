/** The JSON lines between a worker and a bridge; bridges/README.md describes them. */
import type { Exit, Start, Stream } from "../executor.ts";
import type { StagedFiles } from "./staging.ts";

export const BRIDGE_PROTOCOL = 1;

/** What an engine does itself. What it does not, Holdall does or refuses. */
export interface BridgeCapabilities {
  cpus: boolean;
  memory: boolean;
  /** those of other hosts; what this host has, Holdall counts itself */
  gpus?: boolean;
  /** brings the files that attempts declare to where they run, and back */
  files?: boolean;
  retries: boolean;
  cancel: boolean;
  staging: boolean;
  priorities: boolean;
  /** tells what attempts write, how they end, and passes signals on; false: it starts our launcher, which does that */
  output: boolean;
}

const CAPABILITIES = [
  "cpus",
  "memory",
  "retries",
  "cancel",
  "staging",
  "priorities",
  "output",
] as const satisfies (keyof BridgeCapabilities)[];

export interface BridgeHello {
  type: "hello";
  name: string;
  version: string;
  capabilities: BridgeCapabilities;
  /** what every attempt has at its disposal on a host of an engine that is not told what it needs */
  slot: { cpus: number; memoryBytes: number };
}

export type FromBridge =
  | BridgeHello
  | { type: "started"; id: number; pid: number; startedMs: number }
  | { type: "output"; id: number; stream: Stream; bytes: Uint8Array }
  | { type: "exited"; exit: Exit }
  /** the engine is done with a launcher, or gave it up; `message` is what it has to say about it */
  | { type: "done"; id: number; message: string; outputsMissing: boolean }
  | { type: "note"; text: string };

/** A line that is not understood; `id` when it is clear whose attempt it is about. */
export interface BrokenLine {
  type: "broken";
  line: string;
  id: number | null;
}

const MOST_SHOWN = 200;

export function parseBridgeLine(line: string): FromBridge | BrokenLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) {
      const message = readMessage(value as Fields);
      if (message !== null) return message;
    }
  } catch {
    // Not JSON.
  }
  const id = /"id"\s*:\s*(\d{1,10})/.exec(line)?.[1];
  return { type: "broken", line: shown(line), id: id === undefined ? null : Number(id) };
}

/** As a person can read it on one line of a terminal, whatever bytes it holds. */
function shown(line: string): string {
  const text = line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN)}…` : line;
  return JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
}

type Fields = Record<string, unknown>;

function readMessage(fields: Fields): FromBridge | null {
  const { type, id } = fields;
  switch (type) {
    case "hello":
      return readHello(fields);
    case "note":
      return typeof fields["text"] === "string" ? { type, text: fields["text"] } : null;
    default:
  }
  if (!isCount(id)) return null;
  switch (type) {
    case "started": {
      const { pid, started_ms } = fields;
      return {
        type,
        id,
        pid: isCount(pid) ? pid : -1,
        startedMs: numberOr(started_ms, Date.now()),
      };
    }
    case "output": {
      const { stream, data } = fields;
      if (stream !== "stdout" && stream !== "stderr") return null;
      const bytes = typeof data === "string" ? fromBase64(data) : null;
      return bytes === null ? null : { type, id, stream, bytes };
    }
    case "exited":
      return readExit(id, fields);
    case "done":
      return {
        type,
        id,
        message: textOr(fields["message"], ""),
        outputsMissing: fields["outputs"] === "missing",
      };
    default:
      return null;
  }
}

function readHello(fields: Fields): BridgeHello | null {
  const { type, protocol, name, version, capabilities } = fields;
  if (type !== "hello" || protocol !== BRIDGE_PROTOCOL) return null;
  if (typeof name !== "string" || typeof version !== "string") return null;
  if (typeof capabilities !== "object" || capabilities === null) return null;
  const given = capabilities as Fields;
  if (CAPABILITIES.some((each) => typeof given[each] !== "boolean")) return null;
  return {
    type,
    name,
    version,
    capabilities: given as unknown as BridgeCapabilities,
    slot: readSlot(fields["slot"]),
  };
}

function readSlot(value: unknown): BridgeHello["slot"] {
  const { cpus, memory_bytes } = (
    typeof value === "object" && value !== null ? value : {}
  ) as Fields;
  return { cpus: numberOr(cpus, 1), memoryBytes: numberOr(memory_bytes, 0) };
}

function readExit(id: number, fields: Fields): FromBridge | null {
  const { exit_code, signal, error } = fields;
  const launchError =
    typeof error === "object" && error !== null
      ? { errno: String((error as Fields)["errno"]), what: String((error as Fields)["what"]) }
      : null;
  const ends = [isCount(exit_code), isCount(signal) && signal > 0, launchError !== null];
  if (ends.filter(Boolean).length !== 1) return null;
  return {
    type: "exited",
    exit: {
      id,
      exitCode: isCount(exit_code) ? exit_code : null,
      signal: isCount(signal) ? signal : null,
      launchError,
      dropped: false,
      startedMs: numberOr(fields["started_ms"], Date.now()),
      wallUs: numberOr(fields["wall_us"], 0),
      userUs: numberOr(fields["user_us"], 0),
      systemUs: numberOr(fields["system_us"], 0),
      peakBytes: isCount(fields["peak_bytes"]) ? fields["peak_bytes"] : null,
    },
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function fromBase64(text: string): Uint8Array | null {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, "base64") : null;
}

/**
 * `whole`: the bridge runs the command itself; otherwise it starts a launcher, which asks us for it.
 * `staged`: what the engine brings to it and back.
 */
export function startLine(
  start: Start,
  environment: readonly string[],
  whole: boolean,
  staged: StagedFiles | null = null,
): string {
  const command = whole
    ? {
        argv: start.argv,
        cwd: start.cwd,
        env: [...environment, ...start.extraEnv],
        stdout: start.captureStdout,
        stderr: start.captureStderr,
      }
    : {};
  const { cpus = 1, memoryBytes = 0, gpus = 0 } = start.needs ?? {};
  const files = staged === null ? {} : { inputs: staged.inputs, outputs: staged.outputs };
  return lineOf({
    type: "start",
    id: start.id,
    cpus,
    memory_bytes: memoryBytes,
    gpus,
    ...command,
    ...files,
  });
}

export function killLine(id: number, signal: number): string {
  return lineOf({ type: "kill", id, signal });
}

/** Only ever for what has not begun, as far as we know. */
export function cancelLine(id: number): string {
  return lineOf({ type: "cancel", id });
}

export const CLOSE_LINE: string = lineOf({ type: "close" });

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

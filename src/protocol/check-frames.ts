/** What a worker sends is checked for its shape before anything looks at it: a broken worker must not break the server. */
import type { ToServer } from "./session.ts";

/** Throws an Error that says what is wrong. */
export function checkToServer(frames: readonly unknown[]): ToServer[] {
  for (const frame of frames) check(frame);
  return frames as ToServer[];
}

type Loose = Readonly<Record<string, unknown>>;

function check(frame: unknown): void {
  const loose = record(frame, "frame");
  switch (loose["type"]) {
    case "hello":
      number(loose, "version");
      text(loose, "instance");
      text(loose, "host");
      number(loose, "pid");
      if (loose["place"] !== undefined && loose["place"] !== null) text(loose, "place");
      checkOffer(record(loose["offer"], "offer"));
      for (const held of list(loose, "held")) {
        const each = record(held, "held");
        number(each, "workflow");
        const size = numbers(each, "tasks");
        same(numbers(each, "attempts"), size, "attempts");
        same(list(each, "started").length, size, "started");
        if (each["grants"] === undefined) continue;
        const grants = list(each, "grants");
        same(grants.length, size, "grants");
        for (const grant of grants) if (grant !== null) checkGrant(record(grant, "grant"));
        if (each["grants"] !== undefined) checkGrants(list(each, "grants"), size);
      }
      return;
    case "started":
    case "revoked": {
      number(loose, "workflow");
      const size = numbers(loose, "tasks");
      same(numbers(loose, "attempts"), size, "attempts");
      return;
    }
    case "finished":
      number(loose, "seq");
      for (const batch of list(loose, "batches")) checkBatch(record(batch, "batch"));
      return;
    case "spill":
    case "live":
      number(loose, "workflow");
      number(loose, "task");
      number(loose, "attempt");
      if (loose["at"] !== undefined && number(loose, "at") < 0) throw wrong("at");
      if (loose["stream"] !== "stdout" && loose["stream"] !== "stderr") throw wrong("stream");
      if (!(loose["data"] instanceof Uint8Array)) throw wrong("data");
      return;
    case "alive":
    case "leaving":
    case "drained":
      return;
    default:
      throw new Error(`unknown frame type ${String(loose["type"])}`);
  }
}

function checkGrants(grants: readonly unknown[], size: number): void {
  same(grants.length, size, "grants");
  for (const grant of grants) {
    if (grant === null) continue;
    const amounts = record(grant, "grants");
    for (const name of ["cpus", "memoryBytes", "diskBytes"])
      if (number(amounts, name) < 0) throw wrong(name);
  }
}

function checkOffer(offer: Loose): void {
  for (const name of ["cpus", "memoryBytes", "diskBytes", "gpus"])
    if (number(offer, name) < 0) throw wrong(name);
  for (const name of ["maxParallel", "timeLimitSeconds"])
    if (offer[name] !== null && number(offer, name) < 0) throw wrong(name);
  if (offer["scheduler"] !== null) text(offer, "scheduler");
  if (offer["custom"] !== undefined) {
    const custom = record(offer["custom"], "custom");
    for (const name of Object.keys(custom)) if (number(custom, name) < 0) throw wrong(name);
  }
  const { strictScheduler = true } = offer;
  if (typeof strictScheduler !== "boolean") throw wrong("strictScheduler");
  if (offer["features"] !== undefined)
    for (const feature of list(offer, "features"))
      if (typeof feature !== "string") throw wrong("features");
}

function checkGrant(grant: Loose): void {
  for (const amount of Object.values(grant))
    if (amount !== null && (typeof amount !== "number" || !(amount >= 0))) throw wrong("grant");
}

const NUMBERS = ["attempts", "outcomes", "startedMs", "wallUs", "userUs", "systemUs"] as const;

function checkBatch(batch: Loose): void {
  number(batch, "workflow");
  number(batch, "cls");
  const size = numbers(batch, "tasks");
  for (const name of NUMBERS) same(numbers(batch, name), size, name);
  for (const name of ["exits", "peakBytes"]) {
    const column = list(batch, name);
    same(column.length, size, name);
    for (const value of column) if (value !== null && typeof value !== "number") throw wrong(name);
  }
  const at = (value: unknown): void => {
    if (!(Number.isInteger(value) && (value as number) >= 0 && (value as number) < size))
      throw wrong("position");
  };
  for (const output of list(batch, "outputs")) {
    const each = record(output, "output");
    at(each["at"]);
    for (const name of ["stdout", "stderr"])
      if (each[name] !== null && !(each[name] instanceof Uint8Array)) throw wrong(name);
    number(each, "stdoutBytes");
    number(each, "stderrBytes");
  }
  for (const position of list(batch, "recoveryFailed")) at(position);
  for (const message of list(batch, "messages")) {
    if (!Array.isArray(message) || typeof message[1] !== "string") throw wrong("messages");
    at(message[0]);
  }
  for (const files of list(batch, "files")) {
    if (!Array.isArray(files) || !Array.isArray(files[1])) throw wrong("files");
    at(files[0]);
  }
}

function wrong(name: string): Error {
  return new Error(`a frame's ${name} is not what it should be`);
}

function record(value: unknown, name: string): Loose {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(name);
  return value as Loose;
}

function list(loose: Loose, name: string): readonly unknown[] {
  const value = loose[name];
  if (!Array.isArray(value)) throw wrong(name);
  return value;
}

/** Returns the length of a column of finite numbers. */
function numbers(loose: Loose, name: string): number {
  const column = list(loose, name);
  for (let i = 0; i < column.length; i++) if (!Number.isFinite(column[i])) throw wrong(name);
  return column.length;
}

function same(length: number, size: number, name: string): void {
  if (length !== size) throw wrong(name);
}

function number(loose: Loose, name: string): number {
  const value = loose[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(name);
  return value;
}

function text(loose: Loose, name: string): void {
  const value = loose[name];
  if (typeof value !== "string" || value === "" || value.length > 1000) throw wrong(name);
}

/** What attempts wrote: stored output, and output as it comes. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Engine } from "./engine.ts";
import { chooseAttempt, isLive, type Loaded } from "./queries.ts";
import { isTerminal } from "../core/states.ts";

export const STREAMS = ["stdout", "stderr"] as const;
export type Stream = (typeof STREAMS)[number];

export interface StoredOutput {
  /** bytes that can be read */
  bytes: number;
  /** bytes the attempt wrote in all; more when the output was cut at the limit of its log */
  written: number;
  /** fewer than `length` bytes at the end only */
  read(offset: number, length: number): Uint8Array;
}

const CHUNK_BYTES = 256 * 1024;
/** A worker answers at once what an attempt wrote so far, but says nothing when that is nothing: it gets this long. */
const SNAPSHOT_MS = 200;

/** Output as it is stored; of an attempt that still runs, what it sent ahead. */
export function readStoredOutput(
  engine: Engine,
  workflow: number,
  task: number,
  attempt: number,
  stream: Stream,
): StoredOutput {
  const row = engine.ledger.output(workflow, task, attempt);
  const inline = row?.[stream];
  if (row && inline) {
    return {
      bytes: inline.length,
      written: Math.max(row[`${stream}Bytes`], inline.length),
      read: (offset, length) => inline.subarray(offset, offset + length),
    };
  }
  const path = engine.spill.path(workflow, task, attempt, stream);
  const written = row?.[`${stream}Bytes`] ?? 0;
  if (row && written === 0) return { bytes: 0, written: 0, read: () => new Uint8Array(0) };
  const bytes = fileBytes(path);
  return {
    bytes,
    written: row ? written : bytes,
    read: (offset, length) => readFile(path, offset, length),
  };
}

function fileBytes(path: string): number {
  return withFile(path, 0, (file) => fstatSync(file).size);
}

function readFile(path: string, offset: number, length: number): Uint8Array {
  return withFile(path, new Uint8Array(0), (file) => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, fstatSync(file).size - offset)));
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(file, bytes, at, bytes.length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  });
}

/** `missing` when there is no such file. */
function withFile<T>(path: string, missing: T, use: (file: number) => T): T {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return missing;
    throw error;
  }
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

export async function* storedChunks(
  stored: StoredOutput,
  offset: number,
): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < stored.bytes;) {
    const bytes = stored.read(at, CHUNK_BYTES);
    if (bytes.length === 0) return;
    yield bytes;
    at += bytes.length;
  }
}

export interface OutputRequest {
  task: number;
  /** null = the one that runs, or the latest */
  attempt: number | null;
  stream: Stream;
  offset: number;
  /** wait for the start and stay until the end; else only what there is now */
  follow: boolean;
  /** when no worker can come, nothing is waited for */
  canStart: boolean;
}

/** Output of a task, whatever its state: first what there is, then what comes, until the attempt ends or `signal` says so. */
export async function* liveChunks(
  loaded: Loaded,
  request: OutputRequest,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { id, engine, tasks } = loaded;
  const { task, stream } = request;
  const wake = createWake();
  const stopListening = engine.listen({ turn: wake.call });
  signal.addEventListener("abort", wake.call);
  try {
    let attempt = request.attempt ?? chooseAttempt(loaded, task, null);
    if (request.follow && request.attempt === null) {
      while (!isLive(tasks, task) && !isTerminal(tasks.state[task]!)) {
        if (signal.aborted || !request.canStart) break;
        await wake.next();
      }
      attempt = chooseAttempt(loaded, task, null);
    }
    if (attempt === null) return;
    let position = request.offset;
    for await (const bytes of whileItRuns(loaded, request, attempt, signal, wake)) {
      yield bytes;
      position += bytes.length;
    }
    // The result has been applied; it is stored at the end of the turn, or later where the disk refuses.
    if (!signal.aborted) await Promise.race([engine.whenDurable(), whenAborted(signal)]);
    if (runs(loaded, task, attempt)) return;
    yield* storedChunks(readStoredOutput(engine, id, task, attempt, stream), position);
  } finally {
    stopListening();
    signal.removeEventListener("abort", wake.call);
  }
}

function runs({ tasks }: Loaded, task: number, attempt: number): boolean {
  return tasks.owner[task] !== 0 && tasks.attempt[task] === attempt;
}

/**
 * While an attempt is small its output comes live from the worker; once it has sent output ahead, the file holds all of it and live
 * output only says that there is more.
 */
async function* whileItRuns(
  loaded: Loaded,
  { task, stream, offset, follow }: OutputRequest,
  attempt: number,
  signal: AbortSignal,
  wake: Wake,
): AsyncGenerator<Uint8Array> {
  const { id, engine, tasks } = loaded;
  if (!runs(loaded, task, attempt)) return;
  const path = engine.spill.path(id, task, attempt, stream);
  let received: Uint8Array[] = [];
  let receivedBytes = 0;
  let position = offset;
  const unfollow = engine.live.follow(tasks.owner[task]!, {
    workflow: id,
    task,
    attempt,
    stream,
    data(bytes) {
      const skip = Math.max(0, offset - receivedBytes);
      receivedBytes += bytes.length;
      if (skip < bytes.length) received.push(bytes.subarray(skip));
      wake.call();
    },
    end: wake.call,
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    wake.call();
  }, SNAPSHOT_MS);
  try {
    while (!signal.aborted) {
      const spilled = fileBytes(path) > 0;
      const bytes = spilled ? readFile(path, position, CHUNK_BYTES) : Buffer.concat(received);
      received = [];
      if (bytes.length > 0) {
        position += bytes.length;
        yield bytes;
        continue;
      }
      if (!runs(loaded, task, attempt)) return;
      if (!follow && (spilled || receivedBytes > 0 || late)) return;
      await wake.next();
    }
  } finally {
    clearTimeout(timer);
    unfollow();
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

interface Wake {
  call(): void;
  /** resolves at the next call, or at once when there was one since the last */
  next(): Promise<void>;
}

function createWake(): Wake {
  let called = false;
  let resolve: (() => void) | null = null;
  return {
    call() {
      called = true;
      resolve?.();
    },
    async next() {
      if (!called) await new Promise<void>((done) => (resolve = done));
      resolve = null;
      called = false;
    },
  };
}

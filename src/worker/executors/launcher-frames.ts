/** The frames between a worker and its launcher; native/launcher.c describes them and is the other side. */
import { constants } from "node:os";
import type { Exit, Start, Stream } from "../executor.ts";

export const LAUNCHER_VERSION = 1;

const ENVIRONMENT = 1;
const START = 2;
const KILL = 3;
const WIDTH = 4;

const HELLO = 1;
const STARTED = 2;
const OUTPUT = 3;
const EXIT = 4;

const EXIT_SIGNALED = 1;
const EXIT_NEVER_STARTED = 2;
const EXIT_DROPPED = 3;

/** What could not be done, by the step number of an exit frame. */
const STEPS = ["start", "chdir", "execve", "pipe for", "fork for"] as const;

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

export interface FrameWriter {
  environment(number: number, entries: readonly string[]): void;
  start(start: Start, pool: number): void;
  width(pool: number, width: number): void;
  /** signal 0 only takes it out of the queue of its pool */
  kill(id: number, signal: number): void;
  /** all frames written since the last call, or null */
  take(): Uint8Array | null;
}

export function createFrameWriter(): FrameWriter {
  let buffer = Buffer.allocUnsafeSlow(64 * 1024);
  let used = 0;

  /** UTF-8 takes at most three bytes for each UTF-16 unit. */
  function room(bytes: number): void {
    if (used + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, used + bytes));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  }
  function byte(value: number): void {
    buffer[used++] = value;
  }
  function word(value: number): void {
    buffer.writeUInt32LE(value, used);
    used += 4;
  }
  function text(value: string): void {
    room(value.length * 3 + 1);
    used += buffer.write(value, used);
    buffer[used++] = 0;
  }
  function open(type: number): number {
    room(64);
    const at = used;
    used += 4;
    byte(type);
    return at;
  }
  function close(at: number): void {
    buffer.writeUInt32LE(used - at - 4, at);
  }

  return {
    environment(number, entries) {
      const at = open(ENVIRONMENT);
      word(number);
      word(entries.length);
      for (const entry of entries) text(entry);
      close(at);
    },
    start(start, pool) {
      const at = open(START);
      word(start.id);
      word(pool);
      word(start.environment);
      byte((start.captureStdout ? 1 : 0) | (start.captureStderr ? 2 : 0));
      word(start.argv.length);
      word(start.extraEnv.length);
      text(start.cwd);
      for (const argument of start.argv) text(argument);
      for (const entry of start.extraEnv) text(entry);
      close(at);
    },
    width(pool, width) {
      const at = open(WIDTH);
      word(pool);
      word(width);
      close(at);
    },
    kill(id, signal) {
      const at = open(KILL);
      word(id);
      byte(signal);
      close(at);
    },
    take() {
      if (used === 0) return null;
      const frames = buffer.subarray(0, used);
      // The sink may keep what it could not write yet, so the memory is given away.
      buffer = Buffer.allocUnsafeSlow(64 * 1024);
      used = 0;
      return frames;
    },
  };
}

export interface FrameHandler {
  hello(version: number, pid: number): void;
  started(id: number, pid: number, startedMs: number): void;
  output(id: number, stream: Stream, bytes: Uint8Array): void;
  /** `pool` is the one given to the writer */
  exited(exit: Exit, pool: number): void;
}

/** Returns the function that takes the bytes as they come, in pieces of any size. */
export function createFrameReader(handler: FrameHandler): (chunk: Uint8Array) => void {
  let rest: Uint8Array | null = null;
  return (chunk) => {
    let bytes = chunk;
    if (rest !== null) {
      bytes = new Uint8Array(rest.length + chunk.length);
      bytes.set(rest);
      bytes.set(chunk, rest.length);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 4 + view.getUint32(at, true);
      if (end > bytes.length) break;
      dispatch(handler, bytes, view, at + 4, end);
      at = end;
    }
    rest = at < bytes.length ? bytes.subarray(at) : null;
  };
}

function dispatch(
  handler: FrameHandler,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): void {
  const type = view.getUint8(at);
  switch (type) {
    case HELLO:
      handler.hello(view.getUint8(at + 1), view.getUint32(at + 2, true));
      break;
    case STARTED:
      handler.started(
        view.getUint32(at + 1, true),
        view.getUint32(at + 5, true),
        view.getFloat64(at + 9, true),
      );
      break;
    case OUTPUT:
      handler.output(
        view.getUint32(at + 1, true),
        bytes[at + 5] === 0 ? "stdout" : "stderr",
        bytes.subarray(at + 6, end),
      );
      break;
    case EXIT:
      handler.exited(readExit(bytes, view, at, end), view.getUint32(at + 5, true));
      break;
    default:
      throw new Error(`the launcher sent a frame of unknown type ${type}`);
  }
}

function readExit(bytes: Uint8Array, view: DataView, at: number, end: number): Exit {
  const kind = bytes[at + 9];
  const value = view.getInt32(at + 11, true);
  const peakKib = view.getUint32(at + 47, true);
  return {
    id: view.getUint32(at + 1, true),
    exitCode: kind === 0 ? value : null,
    signal: kind === EXIT_SIGNALED ? value : null,
    launchError:
      kind === EXIT_NEVER_STARTED
        ? {
            errno: ERRNO_NAMES.get(value) ?? `errno ${value}`,
            what: `${STEPS[bytes[at + 10] ?? 0] ?? "start"} ${Buffer.from(
              bytes.buffer,
              bytes.byteOffset + at + 51,
              end - at - 51,
            ).toString()}`,
          }
        : null,
    dropped: kind === EXIT_DROPPED,
    startedMs: view.getFloat64(at + 15, true),
    wallUs: view.getFloat64(at + 23, true),
    userUs: view.getFloat64(at + 31, true),
    systemUs: view.getFloat64(at + 39, true),
    peakBytes: peakKib === 0 ? null : peakKib * 1024,
  };
}

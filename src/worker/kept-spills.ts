/**
 * Output that was sent ahead of its result, kept in files until the result is acknowledged: a server that was killed, or a connection that
 * broke, may have lost any of it. A new connection gets all of it again; every piece says where it belongs.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ToServer } from "../protocol/session.ts";

type Spill = Extract<ToServer, { type: "spill" }>;

interface Kept {
  path: string;
  /** sent so far */
  bytes: number;
  /** of these, in the file */
  stored: number;
  frame: Omit<Spill, "data" | "at">;
}

const CHUNK_BYTES: number = 1024 * 1024;

export class KeptSpills {
  readonly #folder: string;
  readonly #kept = new Map<string, Kept>();
  /** results on their way: what may be forgotten once they are acknowledged */
  readonly #results = new Map<number, string[]>();

  constructor(folder: string) {
    this.#folder = join(folder, "output");
  }

  /** Looks at what is sent; returns it as it has to be sent. */
  pass(frame: ToServer): ToServer {
    if (frame.type === "spill") return this.#keep(frame);
    if (frame.type !== "finished" || this.#kept.size === 0 || this.#results.has(frame.seq))
      return frame;
    const keys: string[] = [];
    for (const { workflow, tasks, attempts } of frame.batches)
      tasks.forEach((task, i) => {
        for (const stream of ["stdout", "stderr"] as const) {
          const key = keyOf({ workflow, task, attempt: attempts[i]!, stream });
          if (this.#kept.has(key)) keys.push(key);
        }
      });
    if (keys.length > 0) this.#results.set(frame.seq, keys);
    return frame;
  }

  acknowledged(seq: number): void {
    for (const [each, keys] of this.#results) {
      if (each > seq) continue;
      this.#results.delete(each);
      for (const key of keys) {
        rmSync(this.#kept.get(key)!.path, { force: true });
        this.#kept.delete(key);
      }
    }
  }

  /** Everything again, from the beginning, in pieces. */
  *all(): Generator<Spill> {
    for (const { path, stored, frame } of this.#kept.values()) {
      const descriptor = openSync(path, "r");
      try {
        for (let at = 0; at < stored; at += CHUNK_BYTES) {
          const data = new Uint8Array(Math.min(CHUNK_BYTES, stored - at));
          const read = readSync(descriptor, data, 0, data.length, at);
          yield { ...frame, data: data.subarray(0, read), at };
        }
      } finally {
        closeSync(descriptor);
      }
    }
  }

  #keep(frame: Spill): Spill {
    const key = keyOf(frame);
    let kept = this.#kept.get(key);
    if (!kept) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const { data: _data, at: _at, ...rest } = frame;
      kept = { path: join(this.#folder, key), bytes: 0, stored: 0, frame: rest };
      this.#kept.set(key, kept);
    }
    const at = kept.bytes;
    try {
      // Nothing may follow a gap.
      if (kept.stored === at) {
        appendFileSync(kept.path, frame.data, { mode: 0o600 });
        kept.stored += frame.data.length;
      }
    } catch {
      // No room here: it is sent, and only a server that is lost at the same time would need it again.
    }
    kept.bytes += frame.data.length;
    return { ...frame, at };
  }
}

function keyOf(of: Pick<Spill, "workflow" | "task" | "attempt" | "stream">): string {
  return `${of.workflow}.${of.task}.${of.attempt}.${of.stream}`;
}

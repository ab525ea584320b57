/**
 * Output beyond 64 KiB: one file per attempt and stream below `logs/` of the state directory, durable before the result is.
 * Where the disk is full the rest waits in memory, and no result is accepted before it is stored. What cannot be stored for
 * another reason is cut, and the run goes on: the result says how much was written, the file how much was kept.
 */
import { closeSync, constants, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { HoldallError } from "../core/error.ts";

/** In place of a descriptor: the file could not be written on. */
const CUT = -1;
/** Never truncated: a worker that comes back sends again what may be here and accepted already. */
const FLAGS: number = constants.O_WRONLY | constants.O_CREAT;

interface Part {
  data: Uint8Array;
  /** position in the file */
  at: number;
}

export class SpillFiles {
  readonly #folder: string;
  readonly #open = new Map<string, number>();
  readonly #toSync = new Set<string>();
  /** what waits for space: at most what is kept of the attempts' outputs (16 MiB a stream) */
  readonly #waiting = new Map<string, Part[]>();
  /** where output that comes without a position goes */
  readonly #ends = new Map<string, number>();
  /** folders that have got a file since they were made durable */
  readonly #folders = new Set<string>();

  constructor(stateDir: string) {
    this.#folder = join(stateDir, "logs");
  }

  path(workflow: number, task: number, attempt: number, stream: "stdout" | "stderr"): string {
    const ending = stream === "stdout" ? "out" : "err";
    return join(this.#folder, String(workflow), `${task}.${attempt}.${ending}`);
  }

  /** `position` in the stream; null = after what came before. The same again at the same place changes nothing. */
  append(
    workflow: number,
    task: number,
    attempt: number,
    stream: "stdout" | "stderr",
    data: Uint8Array,
    position: number | null = null,
  ): void {
    const path = this.path(workflow, task, attempt, stream);
    const at = position ?? this.#ends.get(path) ?? 0;
    this.#ends.set(path, at + data.length);
    const waiting = this.#waiting.get(path);
    if (waiting) waiting.push({ data: data.slice(), at });
    else this.#write(path, data, at);
  }

  #write(path: string, data: Uint8Array, position: number): void {
    let descriptor = this.#open.get(path);
    if (descriptor === CUT) return;
    let at = 0;
    try {
      if (descriptor === undefined) {
        mkdirSync(dirname(path), { recursive: true });
        descriptor = openSync(path, FLAGS, 0o600);
        this.#open.set(path, descriptor);
        this.#folders.add(dirname(path));
      }
      while (at < data.length)
        at += writeSync(descriptor, data, at, data.length - at, position + at);
    } catch (error) {
      if (isFull(error)) {
        this.#waiting.set(path, [{ data: data.slice(at), at: position + at }]);
        return;
      }
      // Nothing may follow a gap.
      if (descriptor !== undefined) this.#cut(descriptor);
      this.#open.set(path, CUT);
    }
  }

  /** Keeps what was written so far. */
  #cut(descriptor: number): void {
    try {
      fsyncSync(descriptor);
    } catch {
      // the disk that refused the data may refuse this
    }
    closeSync(descriptor);
  }

  /** The attempt has ended: its files are made durable with the next commit. */
  finish(workflow: number, task: number, attempt: number): void {
    if (this.#open.size === 0 && this.#waiting.size === 0) return;
    for (const stream of ["stdout", "stderr"] as const) {
      const path = this.path(workflow, task, attempt, stream);
      if (this.#open.has(path) || this.#waiting.has(path)) this.#toSync.add(path);
    }
  }

  /** Throws `storage` while the disk is full: then nothing may be accepted, and this is called again later. */
  sync(): void {
    for (const [path, parts] of this.#waiting) this.#writeWaiting(path, parts);
    for (const path of this.#toSync) {
      const descriptor = this.#open.get(path)!;
      if (descriptor !== CUT) makeDurable(descriptor, path);
      this.#open.delete(path);
      this.#ends.delete(path);
      this.#toSync.delete(path);
    }
    for (const folder of this.#folders) {
      for (const each of [folder, this.#folder, dirname(this.#folder)]) syncFolder(each);
      this.#folders.delete(folder);
    }
  }

  #writeWaiting(path: string, parts: readonly Part[]): void {
    this.#waiting.delete(path);
    for (const [i, part] of parts.entries()) {
      this.#write(path, part.data, part.at);
      const left = this.#waiting.get(path);
      if (!left) continue;
      left.push(...parts.slice(i + 1));
      throw new HoldallError("storage", `the disk is full: cannot write the output ${path}`, {
        fix: `free space on the file system of ${dirname(path)}; what was acknowledged is kept`,
      });
    }
  }

  forget(workflow: number): void {
    rmSync(join(this.#folder, String(workflow)), { recursive: true, force: true });
  }

  close(): void {
    for (const descriptor of this.#open.values()) if (descriptor !== CUT) closeSync(descriptor);
    this.#open.clear();
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Throws `storage` when the disk refuses it: the result is then tried again, and not acknowledged before. */
function makeDurable(descriptor: number, path: string): void {
  try {
    fsyncSync(descriptor);
  } catch (cause) {
    throw new HoldallError("storage", `cannot write ${path}: ${(cause as Error).message}`, {
      fix: `check the disk and the quota under ${dirname(path)}`,
      cause,
    });
  }
  closeSync(descriptor);
}

/** Makes new names in a folder durable. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // some network file systems refuse it for folders
  }
}

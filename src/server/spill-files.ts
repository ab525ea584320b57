/**
 * Output beyond 64 KiB: one file per attempt and stream below `logs/` of the state directory, durable before the result is.
 * What cannot be stored is cut, and the run goes on: the result says how much was written, the file how much was kept.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

/** In place of a descriptor: the file could not be written on. */
const CUT = -1;

export class SpillFiles {
  readonly #folder: string;
  readonly #open = new Map<string, number>();
  readonly #toSync = new Set<string>();
  /** folders that have got a file since they were made durable */
  readonly #folders = new Set<string>();

  constructor(stateDir: string) {
    this.#folder = join(stateDir, "logs");
  }

  path(workflow: number, task: number, attempt: number, stream: "stdout" | "stderr"): string {
    const ending = stream === "stdout" ? "out" : "err";
    return join(this.#folder, String(workflow), `${task}.${attempt}.${ending}`);
  }

  append(
    workflow: number,
    task: number,
    attempt: number,
    stream: "stdout" | "stderr",
    data: Uint8Array,
  ): void {
    const path = this.path(workflow, task, attempt, stream);
    let descriptor = this.#open.get(path);
    if (descriptor === CUT) return;
    try {
      if (descriptor === undefined) {
        mkdirSync(dirname(path), { recursive: true });
        descriptor = openSync(path, "w", 0o600);
        this.#open.set(path, descriptor);
        this.#folders.add(dirname(path));
      }
      for (let at = 0; at < data.length;) at += writeSync(descriptor, data, at);
    } catch {
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
    if (this.#open.size === 0) return;
    for (const stream of ["stdout", "stderr"] as const) {
      const path = this.path(workflow, task, attempt, stream);
      if (this.#open.has(path)) this.#toSync.add(path);
    }
  }

  sync(): void {
    for (const path of this.#toSync) {
      const descriptor = this.#open.get(path)!;
      if (descriptor !== CUT) {
        fsyncSync(descriptor);
        closeSync(descriptor);
      }
      this.#open.delete(path);
      this.#toSync.delete(path);
    }
    for (const folder of this.#folders) {
      for (const each of [folder, this.#folder, dirname(this.#folder)]) syncFolder(each);
      this.#folders.delete(folder);
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

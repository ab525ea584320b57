/** Output beyond 64 KiB: one file per attempt and stream below `logs/` of the state directory, durable before the result is. */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export class SpillFiles {
  readonly #folder: string;
  readonly #open = new Map<string, number>();
  readonly #toSync = new Set<string>();

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
    if (descriptor === undefined) {
      mkdirSync(join(this.#folder, String(workflow)), { recursive: true });
      descriptor = openSync(path, "w", 0o600);
      this.#open.set(path, descriptor);
    }
    for (let at = 0; at < data.length;) at += writeSync(descriptor, data, at);
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
      fsyncSync(descriptor);
      closeSync(descriptor);
      this.#open.delete(path);
      this.#toSync.delete(path);
    }
  }

  forget(workflow: number): void {
    rmSync(join(this.#folder, String(workflow)), { recursive: true, force: true });
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }
}

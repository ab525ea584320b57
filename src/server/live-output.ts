/** Output of attempts that still run, for those who follow it. */
import type { ToServer, ToWorker } from "../protocol/session.ts";

export interface Follower {
  workflow: number;
  task: number;
  attempt: number;
  stream: "stdout" | "stderr" | null;
  data(bytes: Uint8Array): void;
  end(): void;
}

export class LiveOutput {
  readonly #send: (worker: number, frame: ToWorker) => void;
  readonly #followers = new Map<Follower, number>();

  constructor(send: (worker: number, frame: ToWorker) => void) {
    this.#send = send;
  }

  get any(): boolean {
    return this.#followers.size > 0;
  }

  follow(worker: number, follower: Follower): () => void {
    this.#followers.set(follower, worker);
    const { workflow, task, attempt } = follower;
    this.#send(worker, { type: "follow", workflow, task, attempt, on: true });
    return () => {
      this.#followers.delete(follower);
      this.#send(worker, { type: "follow", workflow, task, attempt, on: false });
    };
  }

  arrived(frame: Extract<ToServer, { type: "live" }>): void {
    for (const follower of this.#followers.keys())
      if (
        follower.workflow === frame.workflow &&
        follower.task === frame.task &&
        follower.attempt === frame.attempt &&
        (follower.stream === null || follower.stream === frame.stream)
      )
        follower.data(frame.data);
  }

  finished(workflow: number, tasks: readonly number[], attempts: readonly number[]): void {
    for (const follower of this.#followers.keys()) {
      const at = follower.workflow === workflow ? tasks.indexOf(follower.task) : -1;
      if (at < 0 || attempts[at] !== follower.attempt) continue;
      this.#followers.delete(follower);
      follower.end();
    }
  }

  workerLost(worker: number): void {
    for (const [follower, of] of this.#followers) {
      if (of !== worker) continue;
      this.#followers.delete(follower);
      follower.end();
    }
  }
}

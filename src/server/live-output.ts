/**
 * Output of attempts that still run, for those who follow it. A worker is asked once per attempt, however many follow: it then sends
 * what the attempt wrote so far (unless that was sent ahead, into a spill file) and all that comes.
 */
import type { ToServer, ToWorker } from "../protocol/session.ts";

export interface Follower {
  workflow: number;
  task: number;
  attempt: number;
  stream: "stdout" | "stderr" | null;
  /**
   * Output in order, from the attempt's first byte on. Once there is a spill file, that holds all of it: then this says only that
   * there is more.
   */
  data(bytes: Uint8Array): void;
  end(): void;
}

type LiveFrame = Extract<ToServer, { type: "live" }>;

interface Watch {
  worker: number;
  workflow: number;
  task: number;
  attempt: number;
  followers: Set<Follower>;
  /** what came so far, for those who join later */
  past: LiveFrame[];
  pastBytes: number;
}

/** Output beyond 64 KiB per stream lies in a spill file, so more than this need not be kept for those who join later. */
const PAST_LIMIT_BYTES = 2 * 64 * 1024;

export class LiveOutput {
  readonly #send: (worker: number, frame: ToWorker) => void;
  readonly #watches = new Map<string, Watch>();

  constructor(send: (worker: number, frame: ToWorker) => void) {
    this.#send = send;
  }

  get any(): boolean {
    return this.#watches.size > 0;
  }

  /** Returns the function that ends it. */
  follow(worker: number, follower: Follower): () => void {
    const key = keyOf(follower);
    let watch = this.#watches.get(key);
    if (watch) {
      for (const frame of watch.past) give(follower, frame);
      watch.followers.add(follower);
    } else {
      const { workflow, task, attempt } = follower;
      const followers = new Set([follower]);
      watch = { worker, workflow, task, attempt, followers, past: [], pastBytes: 0 };
      this.#watches.set(key, watch);
      this.#tell(watch, true);
    }
    const joined = watch;
    return () => {
      if (!joined.followers.delete(follower) || joined.followers.size > 0) return;
      this.#watches.delete(key);
      this.#tell(joined, false);
    };
  }

  #tell({ worker, workflow, task, attempt }: Watch, on: boolean): void {
    this.#send(worker, { type: "follow", workflow, task, attempt, on });
  }

  arrived(frame: LiveFrame): void {
    const watch = this.#watches.get(keyOf(frame));
    if (!watch) return;
    if (watch.pastBytes <= PAST_LIMIT_BYTES) {
      watch.past.push(frame);
      watch.pastBytes += frame.data.length;
    }
    for (const follower of watch.followers) give(follower, frame);
  }

  finished(workflow: number, tasks: readonly number[], attempts: readonly number[]): void {
    for (const watch of this.#watches.values()) {
      const at = watch.workflow === workflow ? tasks.indexOf(watch.task) : -1;
      if (at >= 0 && attempts[at] === watch.attempt) this.#end(watch);
    }
  }

  workerLost(worker: number): void {
    for (const watch of this.#watches.values()) if (watch.worker === worker) this.#end(watch);
  }

  #end(watch: Watch): void {
    this.#watches.delete(keyOf(watch));
    const followers = [...watch.followers];
    watch.followers.clear();
    for (const follower of followers) follower.end();
  }
}

function keyOf({ workflow, task, attempt }: Omit<LiveFrame, "type" | "stream" | "data">): string {
  return `${workflow}/${task}/${attempt}`;
}

function give(follower: Follower, frame: LiveFrame): void {
  if (follower.stream === null || follower.stream === frame.stream) follower.data(frame.data);
}

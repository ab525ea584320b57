/** An executor that does what a test says, at the moment it says so. */
import type { Executor, ExecutorEvents, Exit, Start } from "../executor.ts";

export interface FakeExecutor extends Executor {
  /** what was started, in order */
  readonly starts: Start[];
  /** "SIGTERM 3", "drop 4", "width 1 2" as they came */
  readonly calls: string[];
  /** resolves with the next `kill` or `drop` of this text */
  called(text: string): Promise<void>;
  end(id: number, how?: Partial<Exit>): void;
  /** several in one batch */
  endAll(ids: readonly number[], how?: Partial<Exit>): void;
  dropped(id: number): void;
}

export function exitOf(id: number, how: Partial<Exit> = {}): Exit {
  return {
    id,
    exitCode: 0,
    signal: null,
    launchError: null,
    dropped: false,
    startedMs: 1000,
    wallUs: 500,
    userUs: 20,
    systemUs: 3,
    peakBytes: 4096,
    ...how,
  };
}

/** `events` is asked for when it is needed: the worker that has them is made of the executor. */
export function createFakeExecutor(events: () => ExecutorEvents): FakeExecutor {
  const starts: Start[] = [];
  const calls: string[] = [];
  const waiting = new Map<string, () => void>();
  function note(text: string): void {
    calls.push(text);
    waiting.get(text)?.();
  }
  return {
    name: "fake",
    starts,
    calls,
    called: (text) =>
      calls.includes(text)
        ? Promise.resolve()
        : new Promise((done) => void waiting.set(text, done)),
    environment: () => 7,
    width: (pool, width) => note(`width ${pool} ${width}`),
    start: (batch) => void starts.push(...batch),
    kill: (id, signal) => note(`${signal} ${id}`),
    drop: (id) => note(`drop ${id}`),
    close: () => Promise.resolve(),
    end: (id, how) => events().exited([exitOf(id, how)]),
    endAll: (ids, how) => events().exited(ids.map((id) => exitOf(id, how))),
    dropped: (id) => events().exited([exitOf(id, { exitCode: null, dropped: true })]),
  };
}

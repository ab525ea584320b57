/** What a command sees of the process it runs in. Tests give their own; the real one is in real-io.ts. */
export interface Output {
  write(data: string | Uint8Array): void;
  readonly isTTY: boolean;
  /** width in columns; changes when the window does */
  columns(): number;
  /** true once nobody reads any more (EPIPE); writes are then dropped */
  closed(): boolean;
}

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Io {
  /** results of data commands, and nothing else */
  readonly stdout: Output;
  /** everything for people */
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** absolute */
  readonly cwd: string;
  /** milliseconds since the epoch */
  now(): number;
  /** calls `tick` every so many milliseconds until the returned function is called */
  every(intervalMs: number, tick: () => void): () => void;
  /** takes over a signal until the returned function is called */
  onSignal(signal: StopSignal, handler: () => void): () => void;
}

import type { Io, Output } from "./io.ts";

const DEFAULT_COLUMNS = 80;

let stdoutError: Error | null = null;

function output(stream: NodeJS.WriteStream): Output {
  let closed = false;
  // `holdall tasks | head` is no error: what nobody reads is dropped, the command goes on.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    closed = true;
    if (stream === process.stdout && error.code !== "EPIPE") stdoutError = error;
  });
  return {
    write(data) {
      if (!closed) stream.write(data);
    },
    isTTY: stream.isTTY === true,
    columns: () => stream.columns || DEFAULT_COLUMNS,
    closed: () => closed,
  };
}

export function realIo(): Io {
  return {
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    every(intervalMs, tick) {
      const timer = setInterval(tick, intervalMs);
      return () => clearInterval(timer);
    },
    onSignal(signal, handler) {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
  };
}

/**
 * Waits until everything written has left the process: a slow reader's pipe may still hold the end of a long answer.
 * Ends the streams, because only that tells when: in Bun `writableLength` stays 0 and the callback of an empty write
 * comes at once. Resolves with the error that kept a result from being written; a reader that has gone is none.
 */
export async function flush(): Promise<Error | null> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) =>
        new Promise<void>((resolve) => {
          if (stream.destroyed || stream.errored) return resolve();
          stream.once("error", () => resolve());
          stream.end(() => resolve());
        }),
    ),
  );
  return stdoutError;
}

import type { Io, Output } from "./io.ts";

const DEFAULT_COLUMNS = 80;

function output(stream: NodeJS.WriteStream): Output {
  let closed = false;
  // `holdall tasks | head` is no error: what nobody reads is dropped, the command goes on.
  stream.on("error", () => {
    closed = true;
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

/** Waits until everything written has left the process: a pipe may still hold the end of a long answer. */
export async function flush(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) =>
        new Promise<void>((resolve) => {
          if (stream.destroyed || stream.writableLength === 0) resolve();
          else stream.write("", () => resolve());
        }),
    ),
  );
}

/** Starts the process of commit-loop.ts and talks to it. */
import { dirname, join } from "node:path";

export interface OwnerProcess {
  pid: number;
  /** the next line it prints; null when it has ended */
  line(): Promise<string | null>;
  /** lets a process in mode `step` commit its next batch */
  step(): void;
  /** SIGKILL; returns all lines it had printed and nobody had read */
  kill(): Promise<string[]>;
}

export function startOwner(
  stateDir: string,
  mode: "loop" | "step" | "store",
  batch: number,
): OwnerProcess {
  const program = join(dirname(import.meta.path), "commit-loop.ts");
  const child = Bun.spawn([process.execPath, program, stateDir, mode, String(batch)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = readLines(child.stdout);
  async function line(): Promise<string | null> {
    const next = await lines.next();
    return next.done === true ? null : next.value;
  }
  return {
    pid: child.pid,
    line,
    step() {
      void child.stdin.write("\n");
      void child.stdin.flush();
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
      const rest: string[] = [];
      for (let next = await line(); next !== null; next = await line()) rest.push(next);
      return rest;
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

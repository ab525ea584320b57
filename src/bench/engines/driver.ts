/**
 * One driver process: starts it, speaks the protocol of drivers/README.md with it, and ends it with all that it left. Every mistake of
 * a driver is an error with the code `engine` that names the engine and shows what it said.
 */
import { mkdirSync } from "node:fs";
import { HoldallError } from "../../core/error.ts";
import { endAllWith } from "./processes.ts";

export interface DriverReady {
  version: string;
  startup_s: number;
  /** whose time and memory are the engine's */
  managers: number[];
}

export interface DriverRan {
  done: number;
  failed: number;
  wall_s: number;
}

export interface DriverOptions {
  /** of the engine, for people */
  title: string;
  argv: readonly string[];
  /** made, and the driver's working directory */
  folder: string;
  /** NAME=value in the driver's environment and that of all it starts; whatever has it is ended with the driver */
  mark: readonly [name: string, value: string];
  env: Readonly<Record<string, string | undefined>>;
  readyLimitMs: number;
}

export interface Driver {
  readonly pid: number;
  ready(): Promise<DriverReady>;
  run(bag: string, tasks: number, limitMs: number): Promise<DriverRan>;
  /** resolves when the old worker of that node is gone */
  kill(node: number, warningS: number): Promise<void>;
  /** resolves when nothing of it is left; `atOnce` does not let it end in its own way */
  end(atOnce?: boolean): Promise<void>;
}

/** What drivers promise. */
export const END_LIMIT_MS = 15_000;
const KILL_LIMIT_MS = 120_000;
const MOST_SHOWN = 2000;
const MOST_LINE = 1 << 20;

type Message =
  | { type: "ready"; version: string; startup_s: number; manager_pid: number | number[] | null }
  | { type: "ran"; done: number; failed: number; wall_s: number }
  | { type: "killed"; node: number };

interface Waiting {
  accepts(message: Message): boolean;
  resolve(message: Message): void;
  reject(error: HoldallError): void;
}

export function startDriver(options: DriverOptions): Driver {
  const { title, folder, mark } = options;
  const [name, value] = mark;
  mkdirSync(folder, { recursive: true });
  const child = Bun.spawn([...options.argv], {
    cwd: folder,
    env: { ...options.env, [name]: value },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    // Ctrl-C is for us: we end it.
    detached: true,
  });
  let words = "";
  let waiting: Waiting[] = [];
  let broken: HoldallError | null = null;
  let ending = false;

  const failure = (what: string): HoldallError =>
    new HoldallError("engine", `${title}: ${what}${lastWords(words)}`);
  function fail(error: HoldallError): void {
    broken ??= error;
    const all = waiting;
    waiting = [];
    for (const each of all) each.reject(broken);
  }

  async function listen(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) heard(line);
      if (rest.length > MOST_LINE) fail(failure(`said a line without end: ${shown(rest)}`));
    }
  }
  function heard(line: string): void {
    const message = parseMessage(line);
    if (message === null) {
      fail(failure(`said a line that is not understood: ${shown(line)}`));
      return;
    }
    const at = waiting.findIndex((each) => each.accepts(message));
    if (at < 0) {
      if (!ending) fail(failure(`said something nobody asked for: ${shown(line)}`));
      return;
    }
    const [one] = waiting.splice(at, 1);
    one!.resolve(message);
  }
  async function collect(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr)
      words = (words + decoder.decode(chunk, { stream: true })).slice(-MOST_SHOWN);
  }
  const collected = collect().catch(() => {});
  const listened = listen().catch(() => {});
  void child.exited.then(async () => {
    // Its last words may still be in the pipe; what it started may hold that open.
    await Promise.race([Promise.all([listened, collected]), Bun.sleep(500)]);
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    fail(failure(`its driver ended (${how})`));
  });

  function answer<T extends Message["type"]>(
    type: T,
    limitMs: number,
    what: string,
    also: (message: Extract<Message, { type: T }>) => boolean = () => true,
  ): Promise<Extract<Message, { type: T }>> {
    type Wanted = Extract<Message, { type: T }>;
    if (broken !== null) return Promise.reject(broken);
    const { promise, resolve, reject } = Promise.withResolvers<Wanted>();
    const one: Waiting = {
      accepts: (message) => message.type === type && also(message as Wanted),
      resolve: (message) => resolve(message as Wanted),
      reject,
    };
    waiting.push(one);
    const timer = setTimeout(() => {
      waiting = waiting.filter((each) => each !== one);
      reject(failure(`${what} within ${limitMs / 1000} s`));
    }, limitMs);
    return promise.finally(() => clearTimeout(timer));
  }
  function tell(message: object): void {
    try {
      void child.stdin.write(`${JSON.stringify(message)}\n`);
      void child.stdin.flush();
    } catch {
      // It has ended, which is told to whoever waits for an answer.
    }
  }

  const ready = answer("ready", options.readyLimitMs, "was not ready");
  ready.catch(() => {});
  return {
    pid: child.pid,
    async ready() {
      const { version, startup_s, manager_pid } = await ready;
      const managers = manager_pid === null ? [] : [manager_pid].flat();
      return { version, startup_s, managers };
    },
    async run(bag, tasks, limitMs) {
      const ran = answer("ran", limitMs, `did not finish ${tasks} tasks`);
      tell({ type: "run", tasks: bag });
      const { done, failed, wall_s } = await ran;
      if (done + failed !== tasks)
        throw failure(`counts ${done} done and ${failed} failed of ${tasks} tasks`);
      return { done, failed, wall_s };
    },
    async kill(node, warningS) {
      const killed = answer(
        "killed",
        KILL_LIMIT_MS + warningS * 1000,
        `did not kill node ${node}`,
        (message) => message.node === node,
      );
      tell({ type: "kill", node, warning_s: warningS });
      await killed;
    },
    async end(atOnce = false) {
      ending = true;
      if (atOnce) child.kill("SIGKILL");
      else {
        try {
          void child.stdin.end();
        } catch {
          // It has ended by itself.
        }
        child.kill("SIGTERM");
        await Promise.race([child.exited, Bun.sleep(END_LIMIT_MS)]);
      }
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await child.exited;
      await endAllWith(`${name}=${value}`);
    },
  };
}

/** Null for what is none. */
export function parseMessage(line: string): Message | null {
  let message: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== "object" || parsed === null) return null;
    message = parsed as Record<string, unknown>;
  } catch {
    return null;
  }
  const isCount = (each: unknown): boolean => Number.isSafeInteger(each) && Number(each) >= 0;
  const isSeconds = (each: unknown): boolean => typeof each === "number" && each >= 0;
  const { type, version, startup_s, manager_pid, done, failed, wall_s, node } = message;
  const fits =
    type === "ready"
      ? typeof version === "string" &&
        isSeconds(startup_s) &&
        (manager_pid === null || [manager_pid].flat().every(isCount))
      : type === "ran"
        ? isCount(done) && isCount(failed) && isSeconds(wall_s)
        : type === "killed" && isCount(node);
  return fits ? (message as unknown as Message) : null;
}

/** Whatever bytes it said, on one line and not too long. */
function shown(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.slice(0, 300).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

function lastWords(words: string): string {
  const lines = words.split("\n").map((line) => shown(line).trim());
  const last = lines.filter((line) => line !== "").slice(-8);
  return last.length === 0 ? "" : `; it said:\n  ${last.join("\n  ")}`;
}

/**
 * Runs attempts through another engine. The engine is driven by a bridge, a child process that speaks JSON lines
 * (bridge-lines.ts). Most bridges only have their engine start our launcher, which connects to us (attempt-channel.ts):
 * then an attempt is the same thing under every engine. Others run commands themselves and tell all about them.
 *
 * What Holdall promises it keeps here, whatever the engine does: pools and their widths, signals, no second start of
 * one attempt (an engine that starts it again is turned away), and no survivors.
 */
import { HoldallError } from "../../core/error.ts";
import type { Executor, ExecutorEvents, Exit, Needs, Start } from "../executor.ts";
import { openAttemptChannel } from "./attempt-channel.ts";
import {
  type BridgeHello,
  cancelLine,
  CLOSE_LINE,
  type FromBridge,
  killLine,
  parseBridgeLine,
  startLine,
} from "./bridge-lines.ts";
import {
  brokenExit,
  droppedExit,
  environmentEntries,
  lostExit,
  refusal,
  signalGroup,
  signalNumber,
  unsupported,
} from "./checked.ts";
import { createPools, type Pool } from "./pools.ts";
import { stagedCommand, type StagedFiles, stagedFiles } from "./staging.ts";

export interface BridgeOptions {
  /** as users name it: workqueue, ray */
  name: string;
  /** the bridge's command; told where launchers find us by the options `--context FILE` at its end */
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** a command that installs what it needs, for users */
  install: string;
  /** its first line must have come by then */
  helloMs: number;
  /** attempts may run on other hosts: their launchers connect over TCP */
  remote: boolean;
  /** the engine is not told what attempts need, so each takes one of its cpus */
  flat: boolean;
  /** how long an attempt that was ended from outside waits for the engine to say why (default 0) */
  reasonMs?: number;
  /** sentences of the bridge for the user */
  note?(text: string): void;
}

/** Ending an engine: after this the bridge and its process group are killed. */
const CLOSE_MS = 15_000;
/** The exit of an attempt may be on its way to us when its engine already says that it is done. */
const LATE_MS = 2000;
const LINES_KEPT = 8;
const ONE_CPU: Needs = { cpus: 1, memoryBytes: 0, gpus: 0, memoryLimitBytes: null };

/**
 * Attempts of a pool that the engine is given beyond those that may run, so that it need not wait for us between two; only short
 * ones wait here at all. As many again are handed over together once half of them have begun: engines take many more cheaply.
 */
const MOST_AHEAD = 64;
/** Starts in order after which an engine that began too many is given more again; doubled each time that it does. */
const PATIENCE = 200;
const MOST_PATIENCE = 100_000;

/** One attempt in the hands of the engine. Should it have to be handed over again, that has another number. */
interface Attempt {
  number: number;
  start: Start;
  lane: Lane;
  begun: boolean;
  /** the engine brings its files to it and back, so it is over only when the engine is done with it, too */
  staged: StagedFiles | null;
  /** how it ended, while the engine still brings its outputs back; it takes no room of its pool any more */
  exit?: Exit;
  /** what the engine said when it was done with it, while its exit is on its way */
  returned?: Returned;
  /** ended from outside, and the engine may still say why */
  lost?: string;
}

interface Returned {
  message: string;
  outputsMissing: boolean;
}

interface Lane {
  pool: Pool;
  /** handed over and not begun, by number */
  pending: Set<number>;
  running: number;
  /** how many the engine is given beyond those that may run: none once it began one that had no room yet, later more and more */
  ahead: number;
  /** starts in order since `ahead` changed, and how many it takes to change it */
  inOrder: number;
  patience: number;
}

export interface Bridge extends Executor {
  readonly hello: BridgeHello;
}

/** Throws HoldallError when the bridge cannot be started or does not say hello. */
export async function openBridge(events: ExecutorEvents, options: BridgeOptions): Promise<Bridge> {
  const { name } = options;
  const title = `the ${name} bridge`;
  const pools = createPools();
  const environments: string[][] = [];
  /** handed to the engine and not over: by number, and by id */
  const attempts = new Map<number, Attempt>();
  const byId = new Map<number, Attempt>();
  const lanes = new Map<Pool, Lane>();
  let lastNumber = 0;
  const hello = Promise.withResolvers<BridgeHello>();
  hello.promise.catch(() => {});
  let greeting: BridgeHello | null = null;
  let exits: Exit[] = [];
  let flushed = true;
  let closed = false;
  let reason: string | null = null;

  const channel = openAttemptChannel(
    {
      claim(number) {
        const attempt = attempts.get(number);
        if (attempt?.exit !== undefined)
          attempt.lost ??= "its worker went away before its outputs had come back";
        if (attempt === undefined || attempt.begun || closed || !hasRoom(attempt)) return null;
        begin(attempt);
        const { start, staged } = attempt;
        return {
          start: staged === null ? start : { ...start, argv: stagedCommand(start), cwd: "." },
          environment: environments[start.environment] ?? [],
        };
      },
      started(number, pid, startedMs) {
        const attempt = attempts.get(number);
        if (attempt !== undefined && !closed) events.started(attempt.start.id, pid, startedMs);
      },
      output(number, stream, bytes) {
        const attempt = attempts.get(number);
        if (attempt !== undefined && !closed) events.output(attempt.start.id, stream, bytes);
      },
      exited: ended,
      lost: cutOff,
    },
    options.remote,
  );
  let child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  try {
    child = Bun.spawn([...options.argv, "--context", channel.context], {
      detached: true, // Ctrl-C is not for it: it would end the engine under attempts that still run
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: options.environment,
      cwd: "/",
    });
  } catch (error) {
    await channel.close();
    channel.remove();
    throw new HoldallError("not_found", `${title} cannot be started: ${String(error)}`, {
      fix: options.install,
      cause: error,
    });
  }

  function tell(text: string): void {
    if (closed) return;
    // Throws or rejects when the bridge has died, which is noticed where its output ends.
    void Promise.try(() => child.stdin.write(text)).catch(() => {});
    if (!flushed) return;
    flushed = false;
    queueMicrotask(() => {
      flushed = true;
      void Promise.try(() => child.stdin.flush()).catch(() => {});
    });
  }

  /** Reported later, in a batch, as exits always are. */
  function report(exit: Exit): void {
    exits.push(exit);
    if (exits.length > 1) return;
    queueMicrotask(() => {
      const batch = exits;
      exits = [];
      if (!closed) events.exited(batch);
    });
  }

  function begin(attempt: Attempt): void {
    if (attempt.begun) return;
    attempt.begun = true;
    attempt.lane.pending.delete(attempt.number);
    attempt.lane.running++;
  }

  /**
   * Whether it may run now: no more than the pool is wide, in order, but for what two workers of an engine may do at the same time.
   * An engine with room to spare begins more; those are turned away rather than kept waiting, because they would take the place
   * of attempts of other pools, and handed over again later.
   */
  function hasRoom(attempt: Attempt): boolean {
    const { lane, start } = attempt;
    let overtaken = pools.before(lane.pool, start.id);
    for (const each of lane.pending) if (attempts.get(each)!.start.id < start.id) overtaken++;
    if (lane.running < lane.pool.width && overtaken < lane.pool.width) {
      if (lane.ahead < MOST_AHEAD && ++lane.inOrder >= lane.patience) {
        lane.ahead = Math.min(lane.ahead === 0 ? lane.pool.width : 2 * lane.ahead, MOST_AHEAD);
        lane.inOrder = 0;
      }
      return true;
    }
    if (lane.ahead > 0) lane.patience = Math.min(2 * lane.patience, MOST_PATIENCE);
    lane.ahead = 0;
    lane.inOrder = 0;
    forget(attempt);
    pools.putBack(lane.pool, attempt.start);
    feed(lane.pool);
    return false;
  }

  function forget(attempt: Attempt): void {
    attempts.delete(attempt.number);
    byId.delete(attempt.start.id);
    attempt.lane.pending.delete(attempt.number);
    if (attempt.begun && attempt.exit === undefined) attempt.lane.running--;
  }

  /** Its launcher says so. `exit.id` as for `over`. */
  function ended(exit: Exit): void {
    const attempt = attempts.get(exit.id);
    if (attempt === undefined || attempt.staged === null) return over(exit);
    if (attempt.returned !== undefined) return over(withFiles(exit, attempt.returned));
    attempt.exit = exit;
    attempt.lane.running--;
    attempt.lane.pool.handed--;
    feed(attempt.lane.pool);
  }

  /** The exit of an attempt with the outputs that the engine brought back. */
  function withFiles(exit: Exit, { message, outputsMissing }: Returned): Exit {
    const lost = attempts.get(exit.id)?.lost;
    if (lost !== undefined) return lostExit(exit.id, `${name}: ${lost}`);
    if (exit.exitCode !== 0) return exit;
    if (outputsMissing) return { ...exit, unreturned: `${name} brought none back` };
    return message === "" ? exit : lostExit(exit.id, `${name}: ${message}`);
  }

  /** `exit.id` is the number under which it was handed over. */
  function over(exit: Exit): void {
    const attempt = attempts.get(exit.id);
    if (attempt === undefined || closed) return;
    forget(attempt);
    report({ ...exit, id: attempt.start.id });
    if (attempt.exit !== undefined) return;
    attempt.lane.pool.handed--;
    feed(attempt.lane.pool);
  }

  /** Its launcher is gone. */
  function cutOff(number: number, why: string): void {
    const attempt = attempts.get(number);
    if (attempt === undefined) return;
    attempt.lost = why;
    const settle = (): void => {
      if (attempts.get(number) === attempt) over(lostExit(number, `${name}: ${why}`));
    };
    if (options.reasonMs === undefined) settle();
    else setTimeout(settle, options.reasonMs);
  }

  function laneOf(pool: Pool): Lane {
    let lane = lanes.get(pool);
    if (lane === undefined) {
      lane = {
        pool,
        pending: new Set(),
        running: 0,
        ahead: MOST_AHEAD,
        inOrder: 0,
        patience: PATIENCE,
      };
      lanes.set(pool, lane);
    }
    return lane;
  }

  function feed(pool: Pool): void {
    const lane = laneOf(pool);
    const ahead = greeting!.capabilities.output ? 0 : lane.ahead;
    if (pool.handed > pool.width + ahead / 2) return;
    const most = pool.width + ahead;
    while (pool.handed < most) {
      const start = pools.take(pool);
      if (start === undefined) return;
      const number = ++lastNumber;
      const staged = greeting!.capabilities.files === true ? stagedFiles(start) : null;
      if (staged !== null && staged.inPlace !== null) noteInPlace(staged.inPlace);
      const attempt: Attempt = { number, start, lane, begun: false, staged };
      attempts.set(number, attempt);
      byId.set(start.id, attempt);
      lane.pending.add(number);
      tell(
        startLine(
          { ...(options.flat ? { ...start, needs: ONE_CPU } : start), id: number },
          environments[start.environment] ?? [],
          greeting!.capabilities.output,
          staged,
        ),
      );
    }
  }

  let noted = false;
  function noteInPlace(path: string): void {
    if (!noted)
      options.note?.(
        `${name} brings files below a task's directory to its workers; others, such as ${path}, are used where they are`,
      );
    noted = true;
  }

  function receive(line: string): void {
    const message = parseBridgeLine(line);
    if (greeting === null && message.type !== "hello" && message.type !== "note") {
      return fail(`${title} does not speak its protocol, it printed: ${line.slice(0, 200)}`);
    }
    switch (message.type) {
      case "hello":
        greeting = message;
        hello.resolve(message);
        return;
      case "note":
        options.note?.(message.text);
        return;
      case "broken":
        if (message.id === null || !attempts.has(message.id)) {
          return fail(`${title} printed a line that nobody understands: ${message.line}`);
        }
        return spoiled(message.id, message.line);
      default:
        return follow(message);
    }
  }

  function follow(message: Exclude<FromBridge, { type: "hello" | "note" }>): void {
    switch (message.type) {
      case "started": {
        const attempt = attempts.get(message.id);
        if (attempt === undefined) return;
        begin(attempt);
        return events.started(attempt.start.id, message.pid, message.startedMs);
      }
      case "output": {
        const attempt = attempts.get(message.id);
        if (attempt !== undefined) events.output(attempt.start.id, message.stream, message.bytes);
        return;
      }
      case "exited":
        return over(message.exit);
      case "done":
        return done(message);
    }
  }

  function done({ id, message, outputsMissing }: Extract<FromBridge, { type: "done" }>): void {
    const attempt = attempts.get(id);
    if (attempt === undefined) return;
    const why = message === "" ? "" : `: ${message}`;
    attempt.returned = { message, outputsMissing };
    if (attempt.exit !== undefined) over(withFiles(attempt.exit, attempt.returned));
    else if (attempt.lost !== undefined) over(lostExit(id, `${name}: ${message || attempt.lost}`));
    else if (!attempt.begun) over(lostExit(id, `${name} ended it before it started${why}`));
    else
      setTimeout(() => {
        if (attempts.get(id) !== attempt) return;
        channel.kill(id, signalNumber("SIGKILL"));
        over(lostExit(id, `${name} says it is over, and nothing tells how it ended${why}`));
      }, LATE_MS);
  }

  /** Nobody knows what the bridge wanted to say about this attempt: it is ended and has failed. */
  function spoiled(id: number, line: string): void {
    if (!channel.kill(id, signalNumber("SIGKILL"))) {
      tell(killLine(id, signalNumber("SIGKILL")));
      tell(cancelLine(id));
    }
    over(brokenExit(id, `${title} printed a line that nobody understands, ${line}`));
  }

  function fail(why: string): void {
    reason ??= why;
    signalGroup(child.pid, "SIGKILL");
  }

  const said: string[] = [];
  async function listen(): Promise<void> {
    for await (const line of linesOf(child.stderr)) {
      said.push(line);
      if (said.length > LINES_KEPT) said.shift();
    }
  }
  const listening = listen().catch(() => {});

  async function run(): Promise<void> {
    // Something that it started may hold its stdout open for longer than it lives.
    await Promise.race([obey(), child.exited.then(() => Bun.sleep(LATE_MS))]);
    if (closed) return;
    await child.exited;
    closed = true;
    // What is left of the engine, if it is of our making.
    signalGroup(child.pid, "SIGKILL");
    await channel.close();
    channel.remove();
    await Promise.race([listening, Bun.sleep(LATE_MS)]);
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    const words = said.length === 0 ? "" : `: ${said.join(" | ")}`;
    const error = new Error(reason ?? `${title} ended unexpectedly (${how})${words}`);
    hello.reject(error);
    if (greeting !== null) events.failed(error);
  }
  async function obey(): Promise<void> {
    try {
      for await (const line of linesOf(child.stdout)) {
        if (closed || reason !== null) break;
        if (line !== "") receive(line);
      }
    } catch (error) {
      fail(String(error));
    }
  }
  const running = run();

  async function close(): Promise<void> {
    if (!closed) {
      tell(CLOSE_LINE);
      closed = true;
      const channelClosed = channel.close();
      child.kill("SIGCONT");
      await Promise.try(() => child.stdin.end()).catch(() => {});
      const late = setTimeout(() => signalGroup(child.pid, "SIGKILL"), CLOSE_MS);
      await child.exited;
      clearTimeout(late);
      await channelClosed;
      channel.remove();
    }
    await running;
  }

  const late = setTimeout(
    () => fail(`${title} said nothing for ${options.helloMs / 1000} s`),
    options.helloMs,
  );
  try {
    await hello.promise;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new HoldallError("unreachable", `${name} does not start: ${message}`, {
      fix: options.install,
      cause: error,
    });
  } finally {
    clearTimeout(late);
  }

  /** What the engine would have to promise and does not. */
  function refused({ needs }: Start): string | null {
    if (!needs || !options.remote) return null;
    if (needs.gpus > 0 && greeting!.capabilities.gpus !== true)
      return `${name} bridge: gpus of other hosts`;
    if (needs.memoryLimitBytes !== null) return `${name} bridge: memory limits on other hosts`;
    if (options.flat) return null;
    const { capabilities, slot } = greeting!;
    if (!capabilities.cpus && needs.cpus > slot.cpus)
      return `${name} bridge: ${needs.cpus} cpus of one host, where each attempt has ${slot.cpus}`;
    if (!capabilities.memory && needs.memoryBytes > slot.memoryBytes)
      return `${name} bridge: ${needs.memoryBytes} bytes of memory, where each attempt has ${slot.memoryBytes}`;
    return null;
  }

  return {
    name,
    hello: greeting!,
    environment(variables) {
      return environments.push(environmentEntries(variables)) - 1;
    },
    width(number, width) {
      const pool = pools.get(number);
      pool.width = width;
      feed(pool);
    },
    start(batch) {
      for (const start of batch) {
        const no = refused(start);
        const exit = refusal(start) ?? (no === null ? null : unsupported(start, no));
        if (exit !== null) report(exit);
        else feed(pools.add(start));
      }
    },
    kill(id, signal) {
      const signalled = signalNumber(signal);
      const attempt = byId.get(id);
      if (attempt === undefined) {
        if (pools.drop(id)) report(droppedExit(id));
      } else if (attempt.exit !== undefined) {
        if (signal === "SIGKILL") abandon(attempt, attempt.exit);
      } else if (greeting!.capabilities.output) tell(killLine(attempt.number, signalled));
      else if (
        !channel.kill(attempt.number, signalled) &&
        signal !== "SIGSTOP" &&
        signal !== "SIGCONT"
      )
        withdraw(attempt);
    },
    drop(id) {
      const attempt = byId.get(id);
      if (attempt === undefined) {
        if (pools.drop(id)) report(droppedExit(id));
      } else withdraw(attempt);
    },
    close,
  };

  /** Whoever ends it does not want its outputs. */
  function abandon(attempt: Attempt, exit: Exit): void {
    tell(cancelLine(attempt.number));
    over(
      exit.exitCode === 0
        ? lostExit(attempt.number, `${name}: it was ended while its outputs were brought back`)
        : exit,
    );
  }

  /** Waits inside the engine: it shall forget it, and is turned away should it start it all the same. */
  function withdraw(attempt: Attempt): void {
    if (attempt.begun || greeting!.capabilities.output) return;
    tell(cancelLine(attempt.number));
    over(droppedExit(attempt.number));
  }
}

async function* linesOf(source: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

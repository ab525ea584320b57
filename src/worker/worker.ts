/**
 * A worker: takes run frames, executes attempts through an executor, reports results in batches and keeps them until
 * they are acknowledged. It knows nothing of the ledger or the server: only session frames.
 *
 * Room is the server's business: every run frame says how many attempts of its class may run at a time (`width`); what the worker
 * holds beyond that waits in the executor's pool and starts without a round trip.
 */
import { constants } from "node:os";
import type { Grant } from "../core/events.ts";
import type { FileStamp } from "../core/files.ts";
import { formatBytes } from "../core/units.ts";
import type { ParameterTable } from "../core/workflow.ts";
import type { KillReason, ToServer, ToWorker, WorkerTemplate } from "../protocol/session.ts";
import { compileAttempts, type AttemptPlan, type PlanMaker } from "./attempt-plan.ts";
import { createPathFinder } from "./command.ts";
import type { Executor, Exit, Start, Stream } from "./executor.ts";
import { createStamper, firstMissing, lookAtInputs, stampDeclared } from "./files.ts";
import { createMemoryWatch } from "./memory-watch.ts";
import { needsOf } from "./needs.ts";
import { createOomKills } from "./oom-kills.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { ResultBatcher } from "./result-batcher.ts";
import { startTimer } from "./timer.ts";

export interface WorkerOptions {
  executor: Executor;
  send(frames: readonly ToServer[]): void;
  /** what attempts inherit */
  environment: Readonly<Record<string, string>>;
  /** marks every process of ours: HOLDALL_MARK */
  mark: string;
  now(): number;
  /** time between SIGTERM and SIGKILL */
  graceMs?: number;
  /** queue depth: no attempt is held to what it was given */
  ignoresResources?: boolean;
}

const NO_PARAMETERS: ParameterTable = { names: [], values: [], mode: "product" };
/** How late a start may be reported, at most: a loop that was blocked for long. */
const MOST_LATE_MS = 60_000;
const DEFAULT_GRACE_MS = 5000;
/** Classes whose pool is kept for their next attempts. */
const ROOMS_REMEMBERED = 1000;

interface Attempt {
  id: number;
  /** class of equal requirements: tasks of one block may be in several */
  cls: number;
  /** what it was given, where that is learned: told again to a server that was restarted */
  grant: Grant | null;
  /** the same where it is enforced */
  heldTo: Grant | null;
  workflow: number;
  task: number;
  attempt: number;
  template: LoadedTemplate;
  plan: AttemptPlan;
  stdout: OutputBuffer | null;
  stderr: OutputBuffer | null;
  follow: boolean;
  startedMs: number;
  /** its inputs when it came */
  found: FileStamp[] | null;
  /** why we ended it, when we did */
  ended: KillReason | "timeout" | "oom" | null;
  /** with `ended` oom: what it had when it had too much */
  usedBytes: number;
  /** takes back the timer that runs: its timeout, then its grace time */
  stopTimer: (() => void) | null;
  /** while the command runs that has to succeed first: what to start then */
  recovery: { command: string; next: Start } | null;
}

interface LoadedTemplate {
  template: WorkerTemplate;
  /** for arrays: compiled once */
  make: PlanMaker | null;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #executor: Executor;
  readonly #environment: number;
  readonly #path: string;
  readonly #templates = new Map<string, LoadedTemplate>();
  readonly #attempts = new Map<number, Attempt>();
  /** per class: attempts here, and how many of them may run */
  readonly #room = new Map<number, { held: number; width: number; pool: number }>();
  readonly #results: ResultBatcher;
  readonly #oomKilled = createOomKills();
  readonly #memory = createMemoryWatch({
    exceeded: (id, bytes) => this.#exceeded(id, bytes),
  });
  readonly #onPath = createPathFinder();
  readonly #stamp = createStamper();
  #nextId = 1;
  #nextPool = 1;
  #draining = false;
  /** a class has nothing left here */
  #ranDry = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#executor = options.executor;
    this.#path = options.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
    this.#environment = options.executor.environment({
      ...options.environment,
      HOLDALL_MARK: options.mark,
    });
    this.#results = new ResultBatcher((frame) => options.send([frame]));
  }

  /** Attempts that run or wait here. */
  get held(): number {
    return this.#attempts.size;
  }

  /** For `hello` after a broken connection: what runs or waits here, and results that are not acknowledged. */
  heldAttempts(): Extract<ToServer, { type: "hello" }>["held"] {
    const held = new Map<number, Extract<ToServer, { type: "hello" }>["held"][number]>();
    const add = (
      workflow: number,
      task: number,
      attempt: number,
      started: boolean,
      grant: Grant | null,
    ): void => {
      const of = held.get(workflow) ?? { workflow, tasks: [], attempts: [], started: [] };
      held.set(workflow, of);
      of.tasks.push(task);
      of.attempts.push(attempt);
      of.started.push(started);
      if (grant && !of.grants) of.grants = of.tasks.slice(1).map(() => null);
      of.grants?.push(grant);
    };
    // The executor starts them in order, so the first `width` of each class are the ones that may run.
    const before = new Map<number, number>();
    for (const { workflow, task, attempt, cls, grant } of this.#attempts.values()) {
      const place = before.get(cls) ?? 0;
      before.set(cls, place + 1);
      add(workflow, task, attempt, place < (this.#room.get(cls)?.width ?? 0), grant);
    }
    for (const batch of this.#results.unacknowledged())
      batch.tasks.forEach((task, i) => add(batch.workflow, task, batch.attempts[i]!, false, null));
    return [...held.values()];
  }

  /** After a reconnect: results that the server may not have got. */
  resend(): void {
    this.#results.resend();
  }

  receive(frames: readonly ToWorker[]): void {
    for (const frame of frames) {
      switch (frame.type) {
        case "welcome":
          break;
        case "template":
          this.#load(frame.template);
          break;
        case "run":
          this.#run(frame);
          break;
        case "kill":
          this.#kill(frame.workflow, frame.tasks, frame.attempts, frame.reason);
          break;
        case "revoke":
          this.#revoke(frame.workflow, frame.tasks, frame.attempts);
          break;
        case "follow":
          this.#follow(frame.workflow, frame.task, frame.attempt, frame.on);
          break;
        case "ack":
          this.#results.acknowledge(frame.seq);
          break;
        case "forget":
          for (const key of this.#templates.keys())
            if (key.startsWith(`${frame.workflow}/`)) this.#templates.delete(key);
          break;
        case "drain":
          this.#drain();
          break;
      }
    }
  }

  /** Ends everything that runs, now, reported as preempted, so that it runs again another time; what waits is given back. */
  stop(): void {
    this.#draining = true;
    for (const attempt of this.#attempts.values()) {
      attempt.ended ??= "stopped";
      this.#executor.kill(attempt.id, "SIGKILL");
    }
  }

  /** Takes nothing new, gives back what has not started, and says `drained` once what runs has ended. */
  drain(): void {
    if (!this.#draining) this.#drain();
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** SIGKILL to everything here, because the server may start it elsewhere now. The worker itself goes on. */
  fence(): void {
    for (const attempt of this.#attempts.values()) {
      attempt.ended ??= "stopped";
      this.#executor.kill(attempt.id, "SIGKILL");
    }
  }

  /** Results that nobody has acknowledged. */
  get unacknowledged(): boolean {
    return this.#results.pending;
  }

  /** For the executor's owner to connect: see ExecutorEvents. */
  readonly events = {
    started: (id: number, pid: number, startedMs: number): void =>
      this.#started(id, pid, startedMs),
    output: (id: number, stream: Stream, bytes: Uint8Array): void =>
      this.#output(id, stream, bytes),
    exited: (exits: readonly Exit[]): void => this.#exited(exits),
    failed: (error: Error): void => this.#failed(error),
  };

  #load(template: WorkerTemplate): void {
    this.#templates.set(`${template.workflow}/${template.block}`, {
      template,
      make:
        template.body === null
          ? null
          : compileAttempts(template, template.body, template.parameters ?? NO_PARAMETERS),
    });
  }

  #run(frame: Extract<ToWorker, { type: "run" }>): void {
    const loaded = this.#templates.get(`${frame.workflow}/${frame.block}`);
    if (!loaded)
      throw new Error(`run frame for an unknown template ${frame.workflow}/${frame.block}`);
    const room = this.#room.get(frame.cls) ?? { held: 0, width: 0, pool: this.#nextPool++ };
    this.#room.set(frame.cls, room);
    this.#executor.width(room.pool, frame.width);
    room.held += frame.tasks.length;
    room.width = frame.width;
    const starts: Start[] = [];
    for (let i = 0; i < frame.tasks.length; i++) {
      const attempt = this.#create(frame, loaded, i);
      if (this.#draining) {
        this.#giveBack(attempt);
        continue;
      }
      const { inputs, cwd } = attempt.plan;
      const seen = inputs ? lookAtInputs(inputs, cwd) : { found: null };
      if ("missing" in seen) {
        this.#report(attempt, "input_missing", null, null, `input is missing: ${seen.missing}`);
        continue;
      }
      attempt.found = seen.found;
      const recovery = frame.recoveries?.find(({ at }) => at === i);
      const start: Start = {
        id: attempt.id,
        pool: room.pool,
        argv: attempt.plan.argv(this.#path, this.#onPath),
        cwd: attempt.plan.cwd,
        environment: this.#environment,
        extraEnv: attempt.plan.env(attempt.attempt),
        captureStdout: loaded.template.captureStdout,
        captureStderr: loaded.template.captureStderr,
        needs: needsOf(loaded.template.requirement, attempt.heldTo),
        inputs: attempt.plan.inputs,
        outputs: attempt.plan.outputs,
      };
      if (recovery) {
        attempt.recovery = { command: recovery.command, next: start };
        const code = `HOLDALL_RETURN_CODE=${recovery.exitCode}`;
        starts.push({
          ...start,
          argv: ["/bin/sh", "-c", recovery.command],
          extraEnv: [...start.extraEnv, code],
        });
      } else starts.push(start);
    }
    if (starts.length > 0) this.#executor.start(starts);
    if (starts.length < frame.tasks.length) this.#results.settle(true);
  }

  #create(frame: Extract<ToWorker, { type: "run" }>, loaded: LoadedTemplate, at: number): Attempt {
    const { template } = loaded;
    const task = frame.tasks[at]!;
    const make = loaded.make ?? compileAttempts(template, frame.bodies![at]!, NO_PARAMETERS);
    const attempt: Attempt = {
      id: this.#nextId++,
      cls: frame.cls,
      grant: frame.grant ?? null,
      heldTo: this.#options.ignoresResources ? null : (frame.grant ?? null),
      workflow: template.workflow,
      task,
      attempt: frame.attempts[at]!,
      template: loaded,
      plan: make(loaded.make ? task - template.first : 0),
      stdout: null,
      stderr: null,
      follow: false,
      startedMs: 0,
      found: null,
      ended: null,
      usedBytes: 0,
      stopTimer: null,
      recovery: null,
    };
    this.#attempts.set(attempt.id, attempt);
    return attempt;
  }

  #find(workflow: number, task: number, attempt: number): Attempt | undefined {
    // Asked rarely (kill, revoke, follow), so no index is kept for it.
    for (const each of this.#attempts.values())
      if (each.task === task && each.attempt === attempt && each.workflow === workflow) return each;
    return undefined;
  }

  #forget(attempt: Attempt): void {
    attempt.stopTimer?.();
    if (attempt.heldTo) this.#memory.remove(attempt.id);
    this.#attempts.delete(attempt.id);
    const room = this.#room.get(attempt.cls);
    if (!room || --room.held > 0) return;
    room.width = 0;
    this.#ranDry = true;
    if (this.#room.size > ROOMS_REMEMBERED) this.#room.delete(attempt.cls);
  }

  #started(id: number, pid: number, startedMs: number): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    attempt.startedMs = startedMs;
    this.#options.send([
      {
        type: "started",
        workflow: attempt.workflow,
        tasks: [attempt.task],
        attempts: [attempt.attempt],
        startedMs: [startedMs],
      },
    ]);
    if (attempt.heldTo && !attempt.recovery && attempt.ended === null)
      this.#memory.add(id, pid, attempt.heldTo.memoryBytes);
    const { timeoutSeconds } = attempt.template.template;
    if (timeoutSeconds === null || attempt.ended !== null) return;
    const sinceMs = this.#options.now() - startedMs;
    // Anything else is a clock that was set meanwhile.
    const elapsedMs = sinceMs > 0 && sinceMs < MOST_LATE_MS ? sinceMs : 0;
    attempt.stopTimer = startTimer(timeoutSeconds * 1000 - elapsedMs, () =>
      this.#end(attempt, "timeout"),
    );
  }

  /** SIGTERM to the group, SIGKILL after the grace time. */
  #end(attempt: Attempt, why: KillReason | "timeout"): void {
    if (attempt.ended !== null) return;
    attempt.ended = why;
    attempt.stopTimer?.();
    this.#executor.kill(attempt.id, "SIGTERM");
    attempt.stopTimer = startTimer(this.#options.graceMs ?? DEFAULT_GRACE_MS, () =>
      this.#executor.kill(attempt.id, "SIGKILL"),
    );
  }

  #kill(
    workflow: number,
    tasks: readonly number[],
    attempts: readonly number[],
    reason: KillReason,
  ): void {
    for (let i = 0; i < tasks.length; i++) {
      const attempt = this.#find(workflow, tasks[i]!, attempts[i]!);
      if (attempt) this.#end(attempt, reason);
    }
  }

  /** Attempts that have not started are dropped from their pool; the exit comes back as `dropped`. */
  #revoke(workflow: number, tasks: readonly number[], attempts: readonly number[]): void {
    for (let i = 0; i < tasks.length; i++) {
      const attempt = this.#find(workflow, tasks[i]!, attempts[i]!);
      if (attempt) this.#executor.drop(attempt.id);
    }
  }

  #drain(): void {
    this.#draining = true;
    for (const attempt of this.#attempts.values()) this.#executor.drop(attempt.id);
    if (this.#attempts.size === 0) this.#drained();
  }

  #drained(): void {
    this.#results.flush();
    this.#options.send([{ type: "drained" }]);
  }

  #follow(workflow: number, task: number, number: number, on: boolean): void {
    const attempt = this.#find(workflow, task, number);
    if (!attempt) return;
    attempt.follow = on;
    if (!on) return;
    for (const stream of ["stdout", "stderr"] as const) {
      const data = attempt[stream]?.kept();
      if (data && data.length > 0)
        this.#options.send([{ type: "live", workflow, task, attempt: number, stream, data }]);
    }
  }

  #output(id: number, stream: Stream, bytes: Uint8Array): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    const where = {
      workflow: attempt.workflow,
      task: attempt.task,
      attempt: attempt.attempt,
      stream,
    };
    const buffer = (attempt[stream] ??= new OutputBuffer());
    for (const data of buffer.add(bytes)) this.#options.send([{ type: "spill", ...where, data }]);
    if (attempt.follow) this.#options.send([{ type: "live", ...where, data: bytes.slice() }]);
  }

  #exited(exits: readonly Exit[]): void {
    for (const exit of exits) {
      const attempt = this.#attempts.get(exit.id);
      if (!attempt) continue;
      if (exit.dropped && attempt.ended !== "canceled") this.#giveBack(attempt);
      else if (attempt.recovery && exit.exitCode === 0 && attempt.ended === null)
        this.#recovered(attempt);
      else this.#judge(attempt, exit);
    }
    // Waiting a moment gathers results into one commit, unless there is room here that the server could use at once.
    let idle = this.#ranDry;
    this.#ranDry = false;
    for (const room of this.#room.values()) idle ||= room.held < room.width;
    this.#results.settle(idle);
    if (this.#draining && this.#attempts.size === 0) this.#drained();
  }

  /** The command that had to succeed first has: now the attempt itself, under a new handle of the executor. */
  #recovered(attempt: Attempt): void {
    const { next } = attempt.recovery!;
    attempt.stopTimer?.();
    attempt.stopTimer = null;
    this.#attempts.delete(attempt.id);
    attempt.id = this.#nextId++;
    attempt.recovery = null;
    this.#attempts.set(attempt.id, attempt);
    this.#executor.start([{ ...next, id: attempt.id }]);
  }

  #giveBack(attempt: Attempt): void {
    this.#forget(attempt);
    this.#options.send([
      {
        type: "revoked",
        workflow: attempt.workflow,
        tasks: [attempt.task],
        attempts: [attempt.attempt],
      },
    ]);
  }

  /** At once: whoever grows so fast must not have the grace time to take what others need. */
  #exceeded(id: number, bytes: number): void {
    const attempt = this.#attempts.get(id);
    if (!attempt || attempt.ended !== null) return;
    attempt.ended = "oom";
    attempt.usedBytes = bytes;
    this.#executor.kill(id, "SIGKILL");
  }

  #judge(attempt: Attempt, exit: Exit): void {
    if (attempt.heldTo) {
      const peak = this.#memory.remove(attempt.id);
      if (peak !== null && peak > (exit.peakBytes ?? 0)) exit.peakBytes = peak;
    }
    const code = exit.signal !== null ? -exit.signal : exit.exitCode;
    if (attempt.ended === "timeout") {
      const limit = attempt.template.template.timeoutSeconds;
      this.#report(attempt, "timeout", code, exit, `ended after its timeout of ${limit} s`);
    } else if (attempt.ended === "stopped" || attempt.ended === "preempted") {
      this.#report(attempt, "preempted", code, exit, "ended because its worker was stopped");
    } else if (attempt.ended === "slow") {
      const text = "ended because it ran far longer than others of its category";
      this.#report(attempt, "preempted", code, exit, text);
    } else if (attempt.ended === "oom") {
      const given = formatBytes(attempt.heldTo!.memoryBytes);
      const text = `ended because it had ${formatBytes(attempt.usedBytes)} of memory, it was given ${given}`;
      this.#report(attempt, "oom", code, exit, text);
    } else if (attempt.ended !== null) {
      this.#report(attempt, attempt.ended, code, exit, null);
    } else if (attempt.recovery) {
      const how = exit.signal === null ? `exit code ${code}` : signalName(exit.signal);
      this.#report(attempt, "exit", code, exit, `its recovery command failed: ${how}`);
    } else if (exit.preempted !== undefined) {
      this.#report(attempt, "preempted", code, exit, exit.preempted);
    } else if (exit.lost !== undefined) {
      this.#report(attempt, "worker_lost", null, exit, exit.lost);
    } else if (exit.launchError) {
      const { errno, what } = exit.launchError;
      this.#report(
        attempt,
        "launch_error",
        errno === "ENOENT" ? 127 : 126,
        exit,
        `${what}: ${errno}`,
      );
    } else if (exit.signal === constants.signals.SIGKILL && this.#oomKilled()) {
      this.#report(attempt, "oom", code, exit, "ended by the kernel, which was out of memory");
    } else if (exit.signal !== null) {
      this.#report(attempt, "signal", code, exit, `ended by ${signalName(exit.signal)}`);
    } else if (code !== 0) {
      this.#report(attempt, "exit", code, exit, null);
    } else {
      const { outputs, cwd } = attempt.plan;
      const missing = outputs ? (firstMissing(outputs, cwd) ?? exit.unreturned ?? null) : null;
      if (missing !== null)
        this.#report(
          attempt,
          "output_missing",
          code,
          exit,
          `declared output is missing: ${missing}`,
        );
      else this.#succeeded(attempt, exit);
    }
  }

  /** Its files are stamped; of large ones it is known only later what is in them, and until then it is not reported. */
  #succeeded(attempt: Attempt, exit: Exit): void {
    const { files, unread } = stampDeclared(this.#stamp, attempt.plan, attempt.found);
    if (!files || unread.length === 0) this.#report(attempt, "ok", 0, exit, null, files);
    else void this.#readLarge(attempt, exit, files, unread);
  }

  async #readLarge(
    attempt: Attempt,
    exit: Exit,
    files: FileStamp[],
    unread: readonly FileStamp[],
  ): Promise<void> {
    attempt.stopTimer?.();
    attempt.stopTimer = null;
    // Whoever ends it now does not want to wait: it has succeeded, and what is in the rest of its files stays unknown.
    const wanted = (): boolean => attempt.ended === null && this.#attempts.has(attempt.id);
    for (const stamp of unread) stamp.sha256 = await this.#stamp.hashLater(stamp, wanted);
    if (!this.#attempts.has(attempt.id)) return;
    this.#report(attempt, "ok", 0, exit, null, files);
    this.#results.settle(true);
    if (this.#draining && this.#attempts.size === 0) this.#drained();
  }

  #report(
    attempt: Attempt,
    outcome: Parameters<ResultBatcher["add"]>[0]["outcome"],
    code: number | null,
    exit: Exit | null,
    message: string | null,
    files: FileStamp[] | null = null,
  ): void {
    this.#forget(attempt);
    this.#results.add({
      workflow: attempt.workflow,
      cls: attempt.cls,
      task: attempt.task,
      attempt: attempt.attempt,
      outcome,
      code,
      exit,
      nowMs: exit ? 0 : this.#options.now(),
      message,
      stdout: attempt.stdout,
      stderr: attempt.stderr,
      files,
      recoveryFailed: attempt.recovery !== null && outcome === "exit",
    });
  }

  /** The executor died: what it had is gone, and runs again. */
  #failed(error: Error): void {
    for (const attempt of [...this.#attempts.values()])
      this.#report(attempt, "worker_lost", null, null, `the executor failed: ${error.message}`);
    this.#results.flush();
    if (this.#draining) this.#drained();
  }
}

export function signalName(signal: number): string {
  const names = Object.entries(constants.signals);
  return names.find(([, number]) => number === signal)?.[0] ?? `signal ${signal}`;
}

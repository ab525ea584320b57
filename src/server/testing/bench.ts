/** An engine over a real ledger in a folder of its own, and a worker driven by hand. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, outcomeIndex } from "../../core/states.ts";
import {
  type ArrayBlock,
  type BlockPolicy,
  DEFAULT_REQUIREMENT,
  type ExplicitBlock,
  type WorkflowDefinition,
} from "../../core/workflow.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import { openLedger } from "../../ledger/sqlite/open.ts";
import type { FinishedBatch, Offer, ToWorker } from "../../protocol/session.ts";
import { Engine } from "../engine.ts";
import { type Api, type ApiOptions, createApi } from "../http.ts";

const POLICY: BlockPolicy = {
  requirement: DEFAULT_REQUIREMENT,
  category: "c",
  retries: 0,
  timeoutSeconds: null,
  onUpstreamFailure: "skip",
  priority: 0,
  cwd: null,
  scheduler: null,
};

/** `build`, then the array `c_000`, `c_001`, … which depends on it, then `sum`, which depends on the array. */
export function definition(count: number): WorkflowDefinition {
  const build: ExplicitBlock = {
    ...POLICY,
    kind: "explicit",
    first: 0,
    count: 1,
    bodies: [{ name: "build", command: { kind: "auto", text: "make -j 2 | cat" } }],
  };
  const array: ArrayBlock = {
    ...POLICY,
    kind: "array",
    first: 1,
    count,
    title: "c_{i:03d}",
    parameters: { names: ["i"], values: [{ from: 0, step: 1, count, decimals: 0 }], mode: "zip" },
    body: {
      name: ["c_", { p: 0, f: "03d" }],
      command: { kind: "argv", argv: ["./c", ["a b ", { p: 0 }]] },
    },
  };
  const sum: ExplicitBlock = {
    ...POLICY,
    kind: "explicit",
    first: count + 1,
    count: 1,
    cwd: "/elsewhere",
    bodies: [{ name: "sum", command: { kind: "auto", text: "./sum" } }],
  };
  return {
    name: "w",
    source: null,
    specDir: "/s",
    cwd: "/s",
    blocks: [build, array, sum],
    edges: [],
    runs: [],
    sets: [
      { members: [[0, 1]], dependents: [[1, count]] },
      { members: [[1, count]], dependents: [[count + 1, 1]] },
    ],
    taskCount: count + 2,
    priority: 0,
    sortMethod: "auto",
    schedulers: [],
  };
}

const OFFER: Offer = {
  cpus: 1000,
  memoryBytes: 2 ** 40,
  diskBytes: 2 ** 40,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
};

export interface Ending {
  outcome?: Outcome;
  exit?: number | null;
  wallUs?: number;
  stdout?: string;
  stderr?: string;
  /** when more than `stdout` */
  stdoutBytes?: number;
  message?: string;
}

export interface FakeWorker {
  id: number;
  frames: ToWorker[];
  started(workflow: number, task: number, attempt?: number): Promise<void>;
  finish(
    workflow: number,
    tasks: readonly number[],
    ending?: Ending,
    attempt?: number,
  ): Promise<void>;
  live(workflow: number, task: number, text: string, stream?: "stdout" | "stderr"): void;
  spill(workflow: number, task: number, text: string): void;
}

export interface Bench {
  stateDir: string;
  ledger: Ledger;
  engine: Engine;
  api: Api;
  submit(count: number): number;
  worker(): Promise<FakeWorker>;
  /** path below /api/v1/workflows */
  get(path: string, init?: RequestInit): Promise<Response>;
  json<T = unknown>(path: string, init?: RequestInit): Promise<T>;
  /** closes and opens everything again, as a new process would */
  reopen(): void;
  close(): void;
}

export function openBench(options: Partial<ApiOptions> = {}): Bench {
  const stateDir = mkdtempSync(join(tmpdir(), "holdall-api-"));
  const open = (): Pick<Bench, "ledger" | "engine" | "api"> => {
    const ledger = openLedger(stateDir);
    const engine = new Engine({ ledger, stateDir, now: Date.now });
    return { ledger, engine, api: createApi(engine, { stateDir, ...options }) };
  };
  const closeAll = (): void => {
    bench.engine.close();
    bench.api.close();
    bench.ledger.close();
  };
  const bench: Bench = {
    stateDir,
    ...open(),
    submit: (count) =>
      bench.engine.submit(definition(count), "digest", {
        stdout: "capture",
        stderr: "capture",
        outputDir: null,
      }).id,
    worker: async () => {
      const worker = fakeWorker(bench.engine);
      await bench.engine.whenDurable();
      return worker;
    },
    get: (path, init) => bench.api(new Request(`http://localhost/api/v1/workflows${path}`, init)),
    json: async <T>(path: string, init?: RequestInit) =>
      (await (await bench.get(path, init)).json()) as T,
    reopen() {
      closeAll();
      Object.assign(bench, open());
    },
    close() {
      closeAll();
      rmSync(stateDir, { recursive: true });
    },
  };
  return bench;
}

let instances = 0;

function fakeWorker(engine: Engine): FakeWorker {
  const frames: ToWorker[] = [];
  const hello = {
    type: "hello" as const,
    version: 1,
    instance: `instance-${++instances}`,
    host: "host-a",
    pid: 1,
    offer: OFFER,
    held: [],
  };
  const id = engine.attach(hello, (sent) => frames.push(...sent));
  let seq = 0;
  const bytes = (text: string | undefined): Uint8Array | null =>
    text === undefined ? null : new TextEncoder().encode(text);
  const classOf = (task: number): number =>
    frames.flatMap((frame) =>
      frame.type === "run" && frame.tasks.includes(task) ? [frame.cls] : [],
    )[0]!;
  return {
    id,
    frames,
    async started(workflow, task, attempt = 1) {
      const startedMs = [Date.now()];
      engine.receive(id, [
        { type: "started", workflow, tasks: [task], attempts: [attempt], startedMs },
      ]);
      await engine.whenDurable();
    },
    async finish(workflow, tasks, ending = {}, attempt = 1) {
      const { outcome = "ok", exit = 0, wallUs = 1000, stdout, stderr, message } = ending;
      const batch: FinishedBatch = {
        workflow,
        cls: classOf(tasks[0]!),
        tasks: [...tasks],
        attempts: tasks.map(() => attempt),
        outcomes: tasks.map(() => outcomeIndex(outcome)),
        exits: tasks.map(() => exit),
        startedMs: tasks.map(() => 1_800_000_000_000),
        wallUs: tasks.map(() => wallUs),
        userUs: tasks.map(() => 200),
        systemUs: tasks.map(() => 50),
        peakBytes: tasks.map(() => 4096),
        outputs: tasks.map((_, at) => ({
          at,
          stdout: bytes(stdout),
          stderr: bytes(stderr),
          stdoutBytes: ending.stdoutBytes ?? bytes(stdout)?.length ?? 0,
          stderrBytes: bytes(stderr)?.length ?? 0,
        })),
        messages: message === undefined ? [] : tasks.map((_, at) => [at, message]),
        files: [],
        recoveryFailed: [],
      };
      engine.receive(id, [{ type: "finished", seq: ++seq, batches: [batch] }]);
      await engine.whenDurable();
    },
    live(workflow, task, text, stream = "stdout") {
      engine.receive(id, [
        { type: "live", workflow, task, attempt: 1, stream, data: bytes(text)! },
      ]);
    },
    spill(workflow, task, text) {
      engine.receive(id, [
        { type: "spill", workflow, task, attempt: 1, stream: "stdout", data: bytes(text)! },
      ]);
    },
  };
}

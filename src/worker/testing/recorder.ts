import type { Executor, ExecutorEvents, Exit, Start, Stream } from "../executor.ts";

/** Keeps everything an executor reports and lets tests wait for it. */
export interface Recorder {
  events: ExecutorEvents;
  exits: Exit[];
  exit(id: number): Promise<Exit>;
  /** process id of an attempt reported as started */
  started(id: number): Promise<number>;
  failed: Promise<Error>;
  output(id: number, stream: Stream): Buffer;
  text(id: number, stream?: Stream): string;
  /** resolves once stdout of the attempt holds a whole line; gives the first */
  firstLine(id: number): Promise<string>;
}

export function createRecorder(): Recorder {
  const exits: Exit[] = [];
  const outputs = new Map<string, Uint8Array[]>();
  const waiters = new Map<string, PromiseWithResolvers<unknown>>();
  const failure = Promise.withResolvers<Error>();
  function waiter(key: string): PromiseWithResolvers<unknown> {
    let found = waiters.get(key);
    if (found === undefined) waiters.set(key, (found = Promise.withResolvers()));
    return found;
  }
  function output(id: number, stream: Stream): Buffer {
    return Buffer.concat(outputs.get(`${id} ${stream}`) ?? []);
  }
  return {
    events: {
      started(id, pid) {
        waiter(`started ${id}`).resolve(pid);
      },
      output(id, stream, bytes) {
        const key = `${id} ${stream}`;
        const chunks = outputs.get(key) ?? [];
        outputs.set(key, chunks);
        chunks.push(bytes.slice());
        if (chunks.length > 10) return;
        const end = output(id, "stdout").indexOf("\n");
        if (end >= 0) waiter(`line ${id}`).resolve(output(id, "stdout").toString("utf8", 0, end));
      },
      exited(batch) {
        for (const exit of batch) {
          exits.push(exit);
          waiter(`exit ${exit.id}`).resolve(exit);
        }
      },
      failed(error) {
        failure.resolve(error);
      },
    },
    exits,
    exit: (id) => waiter(`exit ${id}`).promise as Promise<Exit>,
    started: (id) => waiter(`started ${id}`).promise as Promise<number>,
    failed: failure.promise,
    output,
    text: (id, stream = "stdout") => output(id, stream).toString(),
    firstLine: (id) => waiter(`line ${id}`).promise as Promise<string>,
  };
}

export const TEST_PATH = "/usr/local/bin:/usr/bin:/bin";

export interface Bench {
  executor: Executor;
  recorder: Recorder;
  environment: number;
  /** starts `argv` (in a pool of its own unless told) and gives its id */
  run(argv: readonly string[], more?: Partial<Start>): number;
  sh(script: string, more?: Partial<Start>): number;
}

export function createBench(executor: Executor, recorder: Recorder): Bench {
  const environment = executor.environment({ PATH: TEST_PATH });
  let next = 1;
  function run(argv: readonly string[], more: Partial<Start> = {}): number {
    const id = next++;
    executor.start([
      {
        id,
        pool: 1_000 + id,
        argv,
        cwd: "/",
        environment,
        extraEnv: [],
        captureStdout: true,
        captureStderr: true,
        ...more,
      },
    ]);
    return id;
  }
  return {
    executor,
    recorder,
    environment,
    run,
    sh: (script, more) => run(["/bin/sh", "-c", script], more),
  };
}

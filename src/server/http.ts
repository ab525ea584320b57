/**
 * The HTTP API over an engine: one function from request to answer, for the owner's socket, a port, and inside a command.
 * Workflows that the engine has not taken up are read (and canceled, retried) beside it: nothing of them is started.
 */
import { errorJson, HoldallError, toHoldallError } from "../core/error.ts";
import { TASK_STATES, type TaskState } from "../core/states.ts";
import type { WorkflowStatus } from "../protocol/api.ts";
import { cancelTasks, retryTasks } from "./actions.ts";
import { Engine } from "./engine.ts";
import { liveChunks, readStoredOutput, STREAMS, storedChunks, type Stream } from "./output.ts";
import {
  chooseAttempt,
  isLive,
  type Loaded,
  loadedWorkflow,
  taskDetail,
  taskPage,
  workflowStatus,
} from "./queries.ts";
import { workflowSummary } from "./summary.ts";

/** What the listener can do for a request. */
export interface ApiConnection {
  /** the answer may take long, and long silences are no reason to drop it */
  keepOpen(request: Request): void;
}

export type Api = (request: Request, connection?: ApiConnection) => Promise<Response>;

export interface ApiOptions {
  /** where the engine's spill files are */
  stateDir: string;
  /** refuses what would change anything */
  readOnly?: boolean;
  /** no worker will ever come: nobody waits for a task to start */
  noWorkers?: boolean;
  /** something of this workflow was canceled or set back */
  onChange?(workflow: number): void;
}

const BODY_LIMIT_BYTES = 16 * 1024 * 1024;
const PAGE_DEFAULT = 1000;
const PAGE_LIMIT = 10_000;

interface Call {
  request: Request;
  query: URLSearchParams;
  keepOpen(): void;
}

export function createApi(engine: Engine, options: ApiOptions): Api {
  /** for workflows that `engine` has not taken up; it has no workers */
  let shelf: Engine | null = null;

  function load(id: number): Loaded {
    const there = loadedWorkflow(engine, id) ?? (shelf && loadedWorkflow(shelf, id));
    if (there) return there;
    shelf ??= new Engine({ ledger: engine.ledger, stateDir: options.stateDir, now: Date.now });
    shelf.load(id, true);
    return loadedWorkflow(shelf, id)!;
  }

  function workflow(word: string): Loaded {
    const id = word === "latest" ? latest() : /^[1-9]\d{0,14}$/.test(word) ? Number(word) : null;
    if (id === null || !engine.ledger.workflow(id)) {
      throw new HoldallError("not_found", `there is no workflow ${word}`, {
        fix: "holdall status lists the workflows of this state directory",
      });
    }
    return load(id);
  }

  function latest(): number {
    const id = engine.ledger.workflows().at(-1)?.id;
    if (id !== undefined) return id;
    throw new HoldallError("not_found", "there is no workflow yet", {
      fix: "start one: holdall run SPEC",
    });
  }

  async function change(
    call: Call,
    id: string,
    act: (loaded: Loaded, text: string) => Promise<object>,
  ): Promise<Response> {
    if (options.readOnly)
      throw new HoldallError("conflict", "this server only answers questions");
    const loaded = workflow(id);
    call.keepOpen();
    const answer = await act(loaded, await bodyText(call.request));
    options.onChange?.(loaded.id);
    return Response.json(answer);
  }

  type Handler = (call: Call, ...parts: string[]) => Response | Promise<Response>;
  const routes: readonly [path: RegExp, methods: Readonly<Record<string, Handler>>][] = [
    [/^\/healthz$/, { GET: () => Response.json({ ok: true }) }],
    [
      /^\/api\/v1\/workflows$/,
      {
        GET: () => {
          const workflows: WorkflowStatus[] = engine.ledger
            .workflows()
            .map(({ id }) => workflowStatus(load(id)));
          return Response.json({ workflows });
        },
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)$/,
      { GET: (_call, id) => Response.json(workflowStatus(workflow(id!))) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/summary$/,
      { GET: (_call, id) => Response.json(workflowSummary(workflow(id!))) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/tasks$/,
      {
        GET: async ({ query }, id) => {
          const loaded = workflow(id!);
          return Response.json(
            await taskPage(loaded, {
              states: statesOf(query),
              name: query.get("name"),
              from: integerOf(query, "cursor", 0, Number.MAX_SAFE_INTEGER) ?? 0,
              limit: integerOf(query, "limit", 1, PAGE_LIMIT) ?? PAGE_DEFAULT,
            }),
          );
        },
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/tasks\/([^/]+)$/,
      { GET: (_call, id, task) => Response.json(taskDetail(workflow(id!), task!)) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/tasks\/([^/]+)\/output$/,
      { GET: (call, id, task) => output(call, workflow(id!), task!, options.noWorkers !== true) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/cancel$/,
      {
        POST: (call, id) =>
          change(call, id!, async (loaded, text) => {
            const { cancelBody, parseBody } = await import("./bodies.ts");
            return cancelTasks(loaded, parseBody(cancelBody, text));
          }),
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/retry$/,
      {
        POST: (call, id) =>
          change(call, id!, async (loaded, text) => {
            const { parseBody, retryBody } = await import("./bodies.ts");
            return retryTasks(loaded, parseBody(retryBody, text));
          }),
      },
    ],
  ];

  async function answer(request: Request, connection?: ApiConnection): Promise<Response> {
    const url = new URL(request.url);
    for (const [path, methods] of routes) {
      const match = path.exec(url.pathname);
      if (!match) continue;
      const method = request.method === "HEAD" ? "GET" : request.method;
      const handler = methods[method];
      if (!handler) return wrongMethod(request.method, url.pathname, Object.keys(methods));
      return await handler(
        { request, query: url.searchParams, keepOpen: () => connection?.keepOpen(request) },
        ...match.slice(1).map(decode),
      );
    }
    throw new HoldallError("not_found", `there is nothing at ${url.pathname}`);
  }

  return async (request, connection) => {
    try {
      return await answer(request, connection);
    } catch (thrown) {
      return errorResponse(toHoldallError(thrown));
    }
  };
}

export function errorResponse(error: HoldallError, status: number = error.status): Response {
  return Response.json(errorJson(error), { status });
}

function wrongMethod(method: string, path: string, allowed: readonly string[]): Response {
  const error = new HoldallError("usage", `${method} is not possible at ${path}`, {
    fix: `use ${allowed.join(" or ")}`,
  });
  const response = errorResponse(error, 405);
  response.headers.set("allow", allowed.join(", "));
  return response;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new HoldallError("usage", `${part} is not URL-encoded`, { cause });
  }
}

async function bodyText(request: Request): Promise<string> {
  const reader = request.body?.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) break;
    bytes += part.value.length;
    if (bytes > BODY_LIMIT_BYTES) {
      await reader?.cancel();
      throw new TooLarge();
    }
    parts.push(part.value);
  }
  return Buffer.concat(parts).toString("utf8");
}

function statesOf(query: URLSearchParams): TaskState[] {
  const words = query.getAll("state").flatMap((text) => text.split(","));
  return words.map((word) => {
    const state = TASK_STATES.find((each) => each === word);
    if (state) return state;
    throw new HoldallError("usage", `there is no task state "${word}"`, {
      fix: `choose from ${TASK_STATES.join(", ")}`,
    });
  });
}

function integerOf(
  query: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | null {
  const text = query.get(name);
  if (text === null) return null;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new HoldallError("usage", `${name}=${text} is not possible`, {
    fix: `give an integer ${range}`,
  });
}

function streamOf(query: URLSearchParams): Stream {
  const word = query.get("stream") ?? "stdout";
  const stream = STREAMS.find((each) => each === word);
  if (stream) return stream;
  throw new HoldallError("usage", `there is no stream "${word}"`, { fix: "stdout or stderr" });
}

/**
 * Bytes of one stream of one attempt. Of an attempt that has ended the headers say which it was, how many bytes it wrote and how
 * many of them were kept.
 */
function output(
  { request, query, keepOpen }: Call,
  loaded: Loaded,
  name: string,
  canStart: boolean,
): Response {
  const { id, engine, tasks, names } = loaded;
  const task = names.require(name);
  const wanted = integerOf(query, "attempt", 1, 65_535);
  const stream = streamOf(query);
  const offset = integerOf(query, "offset", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const follow = query.get("follow") === "1";
  const attempt = chooseAttempt(loaded, task, wanted);
  const headers: Record<string, string> = {
    "content-type": "application/octet-stream",
    "cache-control": "no-store",
  };
  if (attempt !== null) headers["holdall-attempt"] = String(attempt);
  const runs = isLive(tasks, task) && attempt === tasks.attempt[task];
  const waits = follow && wanted === null;
  if (!runs && !(waits && !TERMINAL(tasks.state[task]!))) {
    if (attempt === null) return new Response(null, { headers });
    const stored = readStoredOutput(engine, id, task, attempt, stream);
    headers["holdall-bytes-written"] = String(stored.written);
    headers["holdall-bytes-stored"] = String(stored.bytes);
    return new Response(streamOfChunks(storedChunks(stored, offset), () => {}), { headers });
  }
  if (follow) keepOpen();
  const stop = new AbortController();
  request.signal.addEventListener("abort", () => stop.abort());
  const chunks = liveChunks(
    loaded,
    { task, attempt: wanted, stream, offset, follow, canStart },
    stop.signal,
  );
  return new Response(
    streamOfChunks(chunks, () => stop.abort()),
    { headers },
  );
}

function streamOfChunks(
  chunks: AsyncGenerator<Uint8Array>,
  stop: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      stop();
      await chunks.return(undefined);
    },
  });
}

/**
 * The HTTP API over an engine: one function from request to answer, for the owner's socket, a port, and inside a command.
 * Workflows that the engine has not taken up are read (and canceled, retried) beside it: nothing of them is started.
 */
import { errorJson, HoldallError, toHoldallError } from "../core/error.ts";
import type { WorkflowStatus } from "../protocol/api.ts";
import { workflowActions } from "./action-list.ts";
import { cancelTasks, retryTasks } from "./actions.ts";
import { steadyNow } from "./clock.ts";
import { workflowCategories } from "./categories.ts";
import { Engine } from "./engine.ts";
import { explainTask } from "./explain.ts";
import { outputResponse } from "./output-response.ts";
import { integerOf, statesOf } from "./parameters.ts";
import { type Loaded, loadedWorkflow, taskDetail, taskPage, workflowStatus } from "./queries.ts";
import { workflowSummary } from "./summary.ts";
import { untilEnded } from "./wait-end.ts";

/** What the listener can do for a request. */
export interface ApiConnection {
  /** the answer may take long, and long silences are no reason to drop it */
  keepOpen(request: Request): void;
}

export interface Api {
  (request: Request, connection?: ApiConnection): Promise<Response>;
  /**
   * Ends those who follow, and stores what is still to be stored of workflows beside the engine. The ledger and the engine stay
   * open, and questions are still answered.
   */
  close(): void;
}

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
/** Longer than this no question is held; who asks again loses nothing. */
const WAIT_LIMIT_SECONDS = 60;

/** A request and what belongs to it. */
export interface Call {
  request: Request;
  query: URLSearchParams;
  keepOpen(): void;
  /** nobody will be answered much longer */
  closing: AbortSignal;
}

export function createApi(engine: Engine, options: ApiOptions): Api {
  /** for workflows that `engine` has not taken up; it has no workers */
  let shelf: Engine | null = null;
  const closing = new AbortController();

  function load(id: number): Loaded {
    const there = loadedWorkflow(engine, id) ?? (shelf && loadedWorkflow(shelf, id));
    if (there) return there;
    shelf ??= new Engine({
      ledger: engine.ledger,
      stateDir: options.stateDir,
      now: steadyNow,
      wall: Date.now,
    });
    shelf.load(id, true);
    return loadedWorkflow(shelf, id)!;
  }

  function workflow(word: string): Loaded {
    const id = word === "latest" ? latest() : /^[1-9]\d{0,14}$/.test(word) ? Number(word) : null;
    if (id === null || !engine.ledger.workflow(id)) {
      throw new HoldallError("not_found", `there is no workflow ${word}`, {
        fix: "holdall status --all lists the workflows of this state directory",
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
    if (options.readOnly) throw new HoldallError("conflict", "this server only answers questions");
    const loaded = workflow(id);
    call.keepOpen();
    const text = await bodyText(call.request);
    if (text === null) {
      return errorResponse(new HoldallError("usage", "the request is larger than 16 MiB"), 413);
    }
    const result = await act(loaded, text);
    options.onChange?.(loaded.id);
    return Response.json(result);
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
      {
        GET: async (call, id) => {
          const loaded = workflow(id);
          const waitSeconds = integerOf(call.query, "wait", 0, WAIT_LIMIT_SECONDS) ?? 0;
          // What the engine has not taken up has nobody who could end it.
          if (waitSeconds > 0 && loaded.engine === engine)
            await untilEnded(loaded, waitSeconds * 1000, call);
          return Response.json(workflowStatus(workflow(String(loaded.id))));
        },
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/summary$/,
      { GET: (_call, id) => Response.json(workflowSummary(workflow(id))) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/categories$/,
      { GET: (_call, id) => Response.json(workflowCategories(workflow(id))) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/schedulers$/,
      {
        GET: (_call, id) => Response.json({ schedulers: workflow(id).tasks.definition.schedulers }),
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/actions$/,
      { GET: (_call, id) => Response.json({ actions: workflowActions(workflow(id)) }) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/tasks$/,
      {
        GET: async ({ query }, id) => {
          const loaded = workflow(id);
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
      { GET: (_call, id, task) => Response.json(taskDetail(workflow(id), task)) },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/tasks\/([^/]+)\/explain$/,
      {
        GET: (_call, id, task) => Response.json(explainTask(workflow(id), task, steadyNow())),
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/tasks\/([^/]+)\/output$/,
      {
        GET: (call, id, task) => {
          const loaded = workflow(id);
          const canStart = loaded.engine === engine && options.noWorkers !== true;
          return outputResponse(call, loaded, task, canStart);
        },
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/cancel$/,
      {
        POST: (call, id) =>
          change(call, id, async (loaded, text) => {
            const { cancelBody, parseBody } = await import("./bodies.ts");
            return cancelTasks(loaded, parseBody(cancelBody, text));
          }),
      },
    ],
    [
      /^\/api\/v1\/workflows\/([^/]+)\/retry$/,
      {
        POST: (call, id) =>
          change(call, id, async (loaded, text) => {
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
        {
          request,
          query: url.searchParams,
          keepOpen: () => connection?.keepOpen(request),
          closing: closing.signal,
        },
        ...match.slice(1).map(decode),
      );
    }
    throw new HoldallError("not_found", `there is nothing at ${url.pathname}`);
  }

  const api = async (request: Request, connection?: ApiConnection): Promise<Response> => {
    try {
      return await answer(request, connection);
    } catch (thrown) {
      return errorResponse(toHoldallError(thrown));
    }
  };
  return Object.assign(api, {
    close() {
      closing.abort();
      shelf?.close();
      shelf = null;
    },
  });
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

/** Null when it is larger than any request needs. */
export async function bodyText(request: Request): Promise<string | null> {
  const reader = request.body?.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) break;
    bytes += part.value.length;
    if (bytes > BODY_LIMIT_BYTES) {
      await reader?.cancel();
      return null;
    }
    parts.push(part.value);
  }
  return Buffer.concat(parts).toString("utf8");
}

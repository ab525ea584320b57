/** The paths of protocol/claims.ts: from a request to an answer that is durable, the same one for the same idempotency key. */
import { HoldallError, toHoldallError } from "../core/error.ts";
import { createAnswers } from "./answers.ts";
import { type Claims, createClaims } from "./claims.ts";
import type { Engine } from "./engine.ts";
import { bodyText, errorResponse } from "./http.ts";

export interface ClaimRoutes {
  claims: Claims;
  /** null = the path is none of ours. `from`: the address it came from */
  answer(request: Request, from: string | null): Promise<Response> | null;
}

const KEY_LIMIT = 255;

interface Call {
  query: URLSearchParams;
  text: string;
  from: string | null;
}

/** What is to be said; nothing has been awaited since the state was changed. */
type Handler = (call: Call, ...parts: string[]) => object | Promise<object>;

export function createClaimRoutes(engine: Engine, now?: () => number): ClaimRoutes {
  const claims = createClaims(engine, now);
  const answers = createAnswers(engine);

  async function claim(
    kind: "resources" | "next",
    { query, text, from }: Call,
    word: string,
    limit?: string,
  ): Promise<object> {
    const { claimRequest } = await import("./claim-requests.ts");
    const id = idOf("workflow", word);
    const { schedulers } = claims.definition(id);
    const all = new URLSearchParams(query);
    if (limit !== undefined) all.set("limit", limit);
    return claims.claim(id, claimRequest(kind, all, text, from, schedulers));
  }

  const routes: readonly [path: RegExp, methods: Readonly<Record<string, Handler>>][] = [
    [
      /^\/workflows\/([^/]+)\/claim_jobs_based_on_resources(?:\/([^/]+))?$/,
      both((call, id, limit) => claim("resources", call, id, limit)),
    ],
    [/^\/workflows\/([^/]+)\/claim_next_jobs$/, both((call, id) => claim("next", call, id))],
    [
      /^\/workflows\/([^/]+)\/is_complete$/,
      { GET: (_call, id) => claims.isComplete(idOf("workflow", id)) },
    ],
    [
      /^\/workflows\/([^/]+)\/claims\/([^/]+)$/,
      { GET: (_call, id, name) => claims.state(name, idOf("workflow", id)) },
    ],
    [
      /^\/workflows\/([^/]+)\/claims\/([^/]+)\/renew$/,
      {
        POST: async ({ query, text }, id, name) => {
          const { renewRequest } = await import("./claim-requests.ts");
          return claims.renew(name, idOf("workflow", id), renewRequest(query, text));
        },
      },
    ],
    [
      /^\/workflows\/([^/]+)\/claims\/([^/]+)\/release$/,
      { POST: (_call, id, name) => claims.release(name, idOf("workflow", id)) },
    ],
    [/^\/jobs\/([^/]+)$/, { GET: (_call, job) => claims.job(idOf("job", job)) }],
    [
      /^\/jobs\/([^/]+)\/start_job\/([^/]+)\/([^/]+)$/,
      {
        PUT: ({ query }, job, run, node) => {
          wholeNumber("run_id", run);
          wholeNumber("compute_node_id", node);
          return claims.start(idOf("job", job), query.get("claim"));
        },
      },
    ],
    [
      /^\/jobs\/([^/]+)\/complete_job\/([^/]+)\/([^/]+)$/,
      {
        POST: async ({ query, text }, word, status, run) => {
          const { completionOf } = await import("./claim-requests.ts");
          wholeNumber("run_id", run);
          const job = idOf("job", word);
          claims.job(job);
          return claims.complete(job, completionOf(status, job, text), query.get("claim"));
        },
      },
    ],
  ];

  async function perform(
    request: Request,
    url: URL,
    path: string,
    handler: Handler,
    parts: string[],
    from: string | null,
  ): Promise<Response> {
    try {
      const key = keyOf(request, path);
      const text = request.method === "GET" ? "" : await bodyText(request);
      if (text === null)
        return errorResponse(new HoldallError("usage", "the request is larger than 16 MiB"), 413);
      const call = { query: url.searchParams, text, from };
      const { body, again } = await answers.give(key, () => handler(call, ...parts));
      return answered(body, again);
    } catch (thrown) {
      return errorResponse(toHoldallError(thrown));
    }
  }

  return {
    claims,
    answer(request, from) {
      const url = new URL(request.url);
      const path = url.pathname.replace(/^\/torc-service\/v1(?=\/)/, "");
      for (const [pattern, methods] of routes) {
        const match = pattern.exec(path);
        if (!match) continue;
        const handler = methods[request.method];
        if (!handler) return Promise.resolve(wrongMethod(request.method, url.pathname, methods));
        const parts = match.slice(1).filter((part) => part !== undefined);
        return perform(request, url, path, handler, parts.map(decoded), from);
      }
      return null;
    },
  };
}

/** GET as the first description of the interface has it, POST as runners send it today. */
function both(handler: Handler): Record<string, Handler> {
  return { GET: handler, POST: handler };
}

/** A key counts for one thing to be done. */
function keyOf(request: Request, path: string): string | null {
  const key = request.headers.get("idempotency-key");
  if (key === null) return null;
  if (key === "" || key.length > KEY_LIMIT)
    throw new HoldallError("usage", `an Idempotency-Key has 1 to ${KEY_LIMIT} characters`);
  return `${path} ${key}`;
}

function idOf(kind: "workflow" | "job", word: string): number {
  if (/^[1-9]\d{0,14}$/.test(word)) return Number(word);
  throw new HoldallError("not_found", `there is no ${kind} ${word}`);
}

function wholeNumber(name: string, word: string): void {
  if (!/^-?\d{1,15}$/.test(word))
    throw new HoldallError("usage", `${name} is an integer, not ${word}`);
}

function answered(body: string, again: boolean): Response {
  const headers = new Headers({
    "content-type": "application/json",
    "cache-control": "no-store",
  });
  if (again) headers.set("idempotent-replayed", "true");
  return new Response(body, { headers });
}

function wrongMethod(method: string, path: string, methods: object): Response {
  const allowed = Object.keys(methods);
  const response = errorResponse(
    new HoldallError("usage", `${method} is not possible at ${path}`, {
      fix: `use ${allowed.join(" or ")}`,
    }),
    405,
  );
  response.headers.set("allow", allowed.join(", "));
  return response;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

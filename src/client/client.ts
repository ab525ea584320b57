/**
 * Holdall's HTTP API as typed methods. Needs a `fetch` and nothing else: runs on Node, Bun and in browsers.
 *
 *   const holdall = createClient({ baseUrl: "http://127.0.0.1:7070", token });
 *   const status = await holdall.workflow("latest");
 *
 * Every method rejects with a ClientError.
 */
import type {
  ActionItem,
  CategoryItem,
  SchedulerItem,
  HostBlockItem,
  TaskDetail,
  TaskExplanation,
  TaskItem,
  TaskPage,
  WorkerItem,
  WorkflowStatus,
  WorkflowSummary,
} from "../protocol/api.ts";
import type {
  AddTasksAnswer,
  AddTasksRequest,
  SubmitAnswer,
  SubmitRequest,
} from "../protocol/submission.ts";
import { ClientError, errorOf } from "./error.ts";

export { ClientError } from "./error.ts";

export type WorkflowRef = number | "latest";
export type OutputStream = "stdout" | "stderr";
type TaskStateName = TaskItem["state"];

export interface ClientOptions {
  /** default "http://localhost": what an injected fetch over a Unix socket needs */
  baseUrl?: string;
  token?: string | null;
  fetch?: (request: Request) => Promise<Response>;
}

export interface WorkflowQuery {
  /** whole seconds, up to 60: the answer comes when the workflow has ended, or after that time */
  wait?: number | undefined;
}

export interface TaskQuery {
  state?: TaskStateName | undefined;
  /** a name or a glob */
  name?: string | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

export interface OutputQuery {
  /** default: the latest attempt */
  attempt?: number | undefined;
  stream?: OutputStream | undefined;
  /** bytes to leave out at the beginning */
  offset?: number | undefined;
  /** stay until the attempt has ended */
  follow?: boolean | undefined;
  /** called before the first byte if the attempt wrote more than was kept */
  onCut?: ((cut: OutputCut) => void) | undefined;
}

/** Bytes. */
export interface OutputCut {
  written: number;
  kept: number;
}

export interface HoldallClient {
  /** true when a Holdall answers */
  healthy(): Promise<boolean>;
  workflows(): Promise<WorkflowStatus[]>;
  workflow(id: WorkflowRef, query?: WorkflowQuery): Promise<WorkflowStatus>;
  summary(id: WorkflowRef): Promise<WorkflowSummary>;
  categories(id: WorkflowRef): Promise<CategoryItem[]>;
  actions(id: WorkflowRef): Promise<ActionItem[]>;
  /** the document's `slurm_schedulers` */
  schedulers(id: WorkflowRef): Promise<SchedulerItem[]>;
  tasks(id: WorkflowRef, query?: TaskQuery): Promise<TaskPage>;
  task(id: WorkflowRef, name: string): Promise<TaskDetail>;
  /** why a task is not running */
  explain(id: WorkflowRef, name: string): Promise<TaskExplanation>;
  /** the bytes as they come; `signal` ends a follow */
  output(
    id: WorkflowRef,
    task: string,
    query?: OutputQuery,
    signal?: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>>;
  cancel(
    id: WorkflowRef,
    request: { tasks?: string[]; reason?: string },
  ): Promise<{ canceled: number }>;
  retry(
    id: WorkflowRef,
    request: { tasks?: string[]; states?: TaskStateName[]; downstream?: boolean },
  ): Promise<{ reset: number }>;
  /** answered once it is durable; the same idempotency key gives the same workflow */
  submit(request: SubmitRequest): Promise<SubmitAnswer>;
  /** more tasks for a workflow, running or ended; answered once they are durable */
  addTasks(id: WorkflowRef, request: AddTasksRequest): Promise<AddTasksAnswer>;
  workers(): Promise<WorkerItem[]>;
  /** a worker's number, a host, or "all" */
  drainWorkers(which: string): Promise<{ draining: number }>;
  blockedHosts(): Promise<HostBlockItem[]>;
  /** its workers get nothing new; what runs there goes on. Without seconds: until it is unblocked */
  blockHost(host: string, request?: { seconds?: number; reason?: string }): Promise<HostBlockItem>;
  unblockHost(host: string): Promise<{ unblocked: string }>;
}

export function createClient(options: ClientOptions = {}): HoldallClient {
  const send = options.fetch ?? ((request: Request) => fetch(request));
  const base = (options.baseUrl ?? "http://localhost").replace(/\/+$/, "");

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (options.token) headers.set("authorization", `Bearer ${options.token}`);
    let response: Response;
    try {
      response = await send(new Request(`${base}${path}`, { ...init, headers }));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ClientError("unreachable", `no answer from ${base}: ${why}`, { status: 0, cause });
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async function json<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await ask(path, init);
    try {
      return (await response.json()) as T;
    } catch (cause) {
      throw new ClientError("internal", `${base}${path} answered something that is no JSON`, {
        status: response.status,
        cause,
      });
    }
  }

  const post = <T>(path: string, body: unknown): Promise<T> =>
    json<T>(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
  const workflowPath = (id: WorkflowRef): string => `/api/v1/workflows/${id}`;
  const taskPath = (id: WorkflowRef, task: string): string =>
    `${workflowPath(id)}/tasks/${encodeURIComponent(task)}`;

  return {
    async healthy() {
      try {
        return (await json<{ ok?: unknown }>("/healthz")).ok === true;
      } catch {
        return false;
      }
    },
    async workflows() {
      return (await json<{ workflows: WorkflowStatus[] }>("/api/v1/workflows")).workflows;
    },
    workflow: (id, query = {}) => json(`${workflowPath(id)}${queryText({ ...query })}`),
    summary: (id) => json(`${workflowPath(id)}/summary`),
    categories: async (id) =>
      (await json<{ categories: CategoryItem[] }>(`${workflowPath(id)}/categories`)).categories,
    actions: async (id) =>
      (await json<{ actions: ActionItem[] }>(`${workflowPath(id)}/actions`)).actions,
    schedulers: async (id) =>
      (await json<{ schedulers: SchedulerItem[] }>(`${workflowPath(id)}/schedulers`)).schedulers,
    tasks: (id, query = {}) => json(`${workflowPath(id)}/tasks${queryText({ ...query })}`),
    task: (id, name) => json(taskPath(id, name)),
    explain: (id, name) => json(`${taskPath(id, name)}/explain`),
    async output(id, task, { follow, onCut, ...query } = {}, signal) {
      const text = queryText({ ...query, follow: follow === true ? 1 : undefined });
      const path = `${taskPath(id, task)}/output${text}`;
      const response = await ask(path, signal === undefined ? {} : { signal });
      const written = Number(response.headers.get("holdall-bytes-written"));
      const kept = Number(response.headers.get("holdall-bytes-stored"));
      if (written > kept) onCut?.({ written, kept });
      return response.body ?? new Blob([]).stream();
    },
    cancel: (id, request) => post(`${workflowPath(id)}/cancel`, request),
    retry: (id, request) => post(`${workflowPath(id)}/retry`, request),
    submit: (request) => post("/api/v1/workflows", request),
    addTasks: (id, request) => post(`${workflowPath(id)}/tasks`, request),
    async workers() {
      return (await json<{ workers: WorkerItem[] }>("/api/v1/workers")).workers;
    },
    drainWorkers: (which) => post(`/api/v1/workers/${encodeURIComponent(which)}/drain`, {}),
    async blockedHosts() {
      return (await json<{ hosts: HostBlockItem[] }>("/api/v1/hosts/blocked")).hosts;
    },
    blockHost: (host, request = {}) =>
      post(`/api/v1/hosts/${encodeURIComponent(host)}/block`, request),
    unblockHost: (host) => post(`/api/v1/hosts/${encodeURIComponent(host)}/unblock`, {}),
  };
}

function queryText(values: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) search.set(key, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

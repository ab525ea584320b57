/**
 * Heartbeats of a worker, from a thread of its own: a main loop that is blocked for half a minute loses nothing, and a process that is
 * stopped (SIGSTOP) falls silent as a whole.
 *
 * The thread also watches the lease. `confirmed` is when the last heartbeat was *sent* that the server has answered: the server
 * heard it after that, so it declares nobody lost before confirmed + lossMs. When that moment comes, the attempts are ended first:
 * the main loop is told, and when it does not react within the grace time (because it is blocked) the whole process is
 * killed, whose guard ends the attempts.
 *
 * A server that is only down or stopped is no reason: its host then refuses connections, or its kernel takes them. So before
 * the lease ends the thread tries to connect, and both answers renew it. A server that starts gives everybody the whole
 * time anew, and one that was stopped extends all deadlines by that. When a server *answers* that it does not know this worker (it
 * was declared lost), only a new hello renews the lease.
 */

import { createReach, type Reach } from "./reach.ts";

export interface BeatStart {
  type: "start";
  /** ws:// or wss://, with instance, host and pid */
  url: string;
  token: string | null;
  hostname: string;
  port: number;
  heartbeatMs: number;
  lossMs: number;
}

export type ToBeat = BeatStart | { type: "fenced" } | { type: "hello" } | { type: "close" };
export type FromBeat = { type: "fence" };

/** Runs inside the thread. Its text is the thread's whole program: it may use globals only. */
export function beatThread(reach: Reach): void {
  const scope = globalThis as unknown as {
    postMessage(message: FromBeat): void;
    addEventListener(type: "message", listener: (event: { data: ToBeat }) => void): void;
  };
  let start: BeatStart | null = null;
  let socket: WebSocket | null = null;
  let openedMs = 0;
  let confirmedMs = 0;
  let probeMs: number | null = null;
  let disowned = false;
  let fenced = false;
  let fencedMs = 0;
  let lastTickMs = 0;
  let timer: ReturnType<typeof setInterval> | null = null;
  const now = (): number => performance.now();

  function confirm(atMs: number): void {
    confirmedMs = Math.max(confirmedMs, atMs);
    if (now() - confirmedMs < start!.lossMs) fenced = false;
  }

  function open(): void {
    openedMs = now();
    const headers = start!.token === null ? {} : { authorization: `Bearer ${start!.token}` };
    const made = new WebSocket(start!.url, { headers } as unknown as string[]);
    socket = made;
    made.addEventListener("open", beat);
    made.addEventListener("message", (event) => {
      if (socket !== made) return;
      disowned = false;
      confirm(Number(event.data));
    });
    made.addEventListener("close", (event) => {
      if (socket !== made) return;
      socket = null;
      // 4404 and 4408: see CLOSE in protocol/session-socket.ts
      if (event.code >= 4400) disowned = true;
    });
    made.addEventListener("error", () => {});
  }

  function beat(): void {
    if (socket?.readyState === 1) socket.send(String(now()));
  }

  /** Whether the server's host answers at all. */
  function probe(): void {
    const atMs = now();
    probeMs = atMs;
    const answered = (): void => {
      if (probeMs === atMs) probeMs = null;
      if (!disowned) confirm(atMs);
    };
    reach(start!.hostname, start!.port, answered);
  }

  function tick(): void {
    const { heartbeatMs, lossMs } = start!;
    const at = now();
    // After a late tick the answers may be waiting to be read: then the next one judges.
    const late = at - lastTickMs > heartbeatMs;
    lastTickMs = at;
    if (socket === null) open();
    else if (socket.readyState === 0 && at - openedMs > lossMs) drop();
    else beat();
    const silentMs = at - confirmedMs;
    // A connection that says nothing for so long is dead; a new one shows whether the server is.
    if (socket?.readyState === 1 && silentMs > lossMs / 2 && at - openedMs > lossMs / 2) drop();
    if (silentMs < (lossMs * 2) / 3) {
      probeMs = null;
      return;
    }
    const limitMs = Math.min(heartbeatMs / 2, 1000);
    const waitedMs = probeMs === null ? 0 : at - probeMs;
    if (silentMs >= lossMs && !fenced && !late && (disowned || waitedMs > limitMs)) {
      fenced = true;
      fencedMs = at;
      const graceMs = Math.min(heartbeatMs / 4, 1000);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      scope.postMessage({ type: "fence" });
      setTimeout(() => {
        if (fencedMs === at) process.kill(process.pid, "SIGKILL");
      }, graceMs);
    }
    if (probeMs === null || waitedMs > lossMs / 3) probe();
  }

  function drop(): void {
    const old = socket;
    socket = null;
    (old as unknown as { terminate(): void } | null)?.terminate();
  }

  scope.addEventListener("message", ({ data }) => {
    if (data.type === "start") {
      start = data;
      confirmedMs = now();
      disowned = false;
      drop();
      if (timer) clearInterval(timer);
      // Two heartbeats a period: one that is lost or late is not a missed one.
      timer = setInterval(tick, Math.max(5, data.heartbeatMs / 2));
      open();
    } else if (data.type === "fenced") {
      fencedMs = 0;
    } else if (data.type === "hello") {
      disowned = false;
    } else {
      if (timer) clearInterval(timer);
      drop();
    }
  });
}

export interface BeatThread {
  start(message: BeatStart): void;
  /** a hello was answered: the server knows this worker */
  known(): void;
  close(): void;
}

/** `onFence` must have ended all attempts (SIGKILL sent) when it returns. */
export function startBeatThread(onFence: () => void): BeatThread {
  const program = new Blob([`(${beatThread.toString()})((${createReach.toString()})());`], {
    type: "text/javascript",
  });
  const url = URL.createObjectURL(program);
  const thread = new Worker(url, { smol: true });
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  const post = (message: ToBeat): void => thread.postMessage(message);
  thread.addEventListener("message", () => {
    onFence();
    post({ type: "fenced" });
  });
  // The thread alone must not keep a process that is done.
  thread.unref();
  return {
    start: post,
    known: () => post({ type: "hello" }),
    close() {
      post({ type: "close" });
      thread.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

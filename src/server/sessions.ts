/**
 * The server's end of worker sessions. Each worker has up to two connections: the session itself, and heartbeats, which a thread of the
 * worker sends so that they do not depend on its main loop. A worker is alive with whatever comes over either.
 *
 * The welcome says `lossMs`: a worker that has had no answer to a heartbeat for so long ends its attempts, because the server
 * may start others. The server waits `lossMs` plus one heartbeat more. That is safe although the two measure time apart: the worker
 * counts from the moment at which it *sent* the last heartbeat that was answered, and the server received that one later.
 * The extra heartbeat covers what a stopped server cannot know (it extends its deadlines by its lateness, counted from its last tick) and
 * the time that killing takes.
 */
import type { ServerWebSocket, WebSocketHandler } from "bun";
import { HoldallError, toHoldallError } from "../core/error.ts";
import { checkToServer } from "../protocol/check-frames.ts";
import type { WorkerItem } from "../protocol/api.ts";
import { decodeFrames } from "../protocol/codec.ts";
import { processExists, thisPlace } from "../protocol/place.ts";
import { type Offer, SESSION_VERSION, type ToServer, type ToWorker } from "../protocol/session.ts";
import {
  BEAT_PATH,
  CLOSE,
  MAX_MESSAGE_BYTES,
  messagesOf,
  SESSION_PATH,
  speaksVersion,
} from "../protocol/session-socket.ts";
import type { Engine } from "./engine.ts";
import { createLiveness } from "./liveness.ts";

export const DEFAULT_HEARTBEAT_MS = 5000;
/** Missed heartbeats after which a worker is lost. */
const MISSED = 3;
/** Attempts of a worker that was killed are dead after this. */
const DYING_MS = 2000;
/** Beyond this, messages wait here until the socket has taken what it has. */
const HIGH_WATER_BYTES: number = 4 * 1024 * 1024;
/** A worker that lets so much pile up is cut off; what it did not get waits again when it comes back. */
const WAITING_LIMIT_BYTES: number = 256 * 1024 * 1024;

export interface SessionsOptions {
  engine: Engine;
  heartbeatMs?: number;
  /** something that whoever runs the server wants to know */
  note(text: string): void;
}

type Socket = ServerWebSocket<SocketData>;

/** What belongs to a connection. */
export type SocketData =
  | { kind: "session"; peer: Peer | null; waiting: Uint8Array<ArrayBuffer>[]; waitingBytes: number }
  | { kind: "beat"; instance: string; worker: number };

interface Peer {
  worker: number;
  instance: string;
  host: string;
  pid: number;
  offer: Offer;
  draining: boolean;
  /** its process number says something here */
  neighbour: boolean;
  /** when its process was found to be gone; null = it is there, or who knows */
  goneMs: number | null;
  socket: Socket | null;
  beat: Socket | null;
}

export interface Sessions {
  /** undefined: the connection is a session now, or the path is none of ours */
  upgrade(request: Request, server: Bun.Server<SocketData>): Response | undefined | null;
  websocket: WebSocketHandler<SocketData>;
  workers(): WorkerItem[];
  /** a number or a host; returns how many are draining now. Throws not_found */
  drain(which: string): number;
  /** from now on silent workers are lost; those from before a restart get the whole time */
  start(): void;
  stop(): void;
}

export function createSessions({ engine, note, ...options }: SessionsOptions): Sessions {
  const heartbeatMs = options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS;
  const lossMs = heartbeatMs * MISSED;
  const intervalMs = Math.max(10, Math.min(heartbeatMs / 4, 500));
  const liveness = createLiveness({
    limitMs: lossMs + heartbeatMs,
    intervalMs,
    now: () => performance.now(),
  });
  const place = thisPlace();
  const peers = new Map<string, Peer>();
  const byWorker = new Map<number, Peer>();
  let timer: ReturnType<typeof setInterval> | null = null;

  function upgrade(request: Request, server: Bun.Server<SocketData>): Response | undefined | null {
    const url = new URL(request.url);
    let data: SocketData;
    if (url.pathname === SESSION_PATH) {
      data = { kind: "session", peer: null, waiting: [], waitingBytes: 0 };
    } else if (url.pathname === BEAT_PATH) {
      const instance = url.searchParams.get("instance") ?? "";
      if (instance === "") return new Response("instance= is missing\n", { status: 400 });
      const known = peers.get(instance)?.worker;
      // After a restart heartbeats may come before the hello: the ledger knows whose they are.
      const worker =
        known ??
        engine.ledger.addWorker(
          instance,
          url.searchParams.get("host") ?? "",
          Number(url.searchParams.get("pid") ?? 0) || 0,
          Date.now(),
        );
      data = { kind: "beat", instance, worker };
    } else {
      return null;
    }
    if (server.upgrade(request, { data })) return undefined;
    return new Response("a WebSocket is wanted here\n", { status: 426 });
  }

  function hello(socket: Socket, frame: Extract<ToServer, { type: "hello" }>): void {
    if (!speaksVersion(frame.version)) {
      const spoken = SESSION_VERSION > 1 ? `${SESSION_VERSION - 1} and ${SESSION_VERSION}` : "1";
      return socket.close(
        CLOSE.refused,
        `the worker speaks session version ${frame.version}, this server ${spoken}`,
      );
    }
    const before = peers.get(frame.instance);
    const old = before?.socket ?? null;
    const data = socket.data as Extract<SocketData, { kind: "session" }>;
    let worker: number;
    try {
      worker = engine.attach(
        frame,
        (frames) => {
          if (data.peer?.socket === socket) send(socket, frames);
        },
        { heartbeatMs, lossMs },
      );
    } catch (thrown) {
      const error = toHoldallError(thrown);
      if (error.code !== "storage") throw error;
      return socket.close(CLOSE.later, error.message.slice(0, 120));
    }
    if (before) before.socket = null;
    old?.close(CLOSE.replaced, "this worker has connected again");
    const peer: Peer = {
      worker,
      instance: frame.instance,
      host: frame.host,
      pid: frame.pid,
      offer: frame.offer,
      draining: before?.draining ?? false,
      neighbour: typeof frame.place === "string" && frame.place === place,
      goneMs: null,
      socket,
      beat: before?.beat ?? null,
    };
    data.peer = peer;
    peers.set(frame.instance, peer);
    byWorker.set(worker, peer);
    liveness.watch(worker);
    if (!before) note(`worker ${worker} on ${frame.host} (process ${frame.pid}) is here`);
  }

  function message(socket: Socket, bytes: string | Buffer): void {
    const { data } = socket;
    if (data.kind === "beat") {
      if (!liveness.heard(data.worker))
        return socket.close(CLOSE.unknown, "no session of this worker is known");
      const peer = byWorker.get(data.worker);
      if (peer) peer.beat = socket;
      socket.send(bytes);
      return;
    }
    let frames: ToServer[];
    try {
      if (typeof bytes === "string") throw new Error("a text message");
      frames = checkToServer(decodeFrames(bytes));
      const [first] = frames;
      if ((first?.type === "hello") !== (data.peer === null)) throw new Error("hello comes first");
    } catch (error) {
      return socket.close(
        CLOSE.refused,
        `not understood: ${(error as Error).message}`.slice(0, 120),
      );
    }
    if (data.peer === null) {
      hello(socket, frames.shift() as Extract<ToServer, { type: "hello" }>);
      if (data.peer === null) return;
    }
    const { peer } = data as { peer: Peer };
    // One that was declared lost, or has a newer connection.
    if (peer.socket !== socket) return;
    liveness.heard(peer.worker);
    const passed = frames.filter((frame) => frame.type !== "alive" && frame.type !== "leaving");
    if (frames.some((frame) => frame.type === "leaving")) drainPeer(peer);
    if (passed.length > 0) engine.receive(peer.worker, passed);
  }

  function close(socket: Socket): void {
    const { data } = socket;
    if (data.kind === "beat") {
      const peer = byWorker.get(data.worker);
      if (peer?.beat === socket) peer.beat = null;
      return;
    }
    data.waiting = [];
    const { peer } = data;
    if (!peer || peer.socket !== socket) return;
    peer.socket = null;
    engine.detach(peer.worker);
    lookFor(peer);
  }

  /** A neighbour that was killed need not be waited for, except that what it ran has to die first. */
  function lookFor(peer: Peer): void {
    if (peer.neighbour && peer.goneMs === null && !processExists(peer.pid))
      peer.goneMs = performance.now();
  }

  function loseDeadNeighbours(): void {
    for (const peer of [...byWorker.values()]) {
      if (peer.socket) continue;
      lookFor(peer);
      if (peer.goneMs !== null && performance.now() - peer.goneMs > DYING_MS)
        lose(peer.worker, `its process ${peer.pid} is gone`);
    }
  }

  function lose(worker: number, why: string): void {
    const peer = byWorker.get(worker);
    note(
      peer
        ? `worker ${worker} on ${peer.host} is lost: ${why}`
        : `worker ${worker} has not come back and is lost`,
    );
    if (peer) remove(peer, CLOSE.lost, "nothing was heard for too long");
    engine.lose(worker, "worker_lost");
  }

  function remove(peer: Peer, code: number, reason: string): void {
    liveness.forget(peer.worker);
    peers.delete(peer.instance);
    byWorker.delete(peer.worker);
    const { socket, beat } = peer;
    peer.socket = null;
    peer.beat = null;
    socket?.close(code, reason);
    beat?.close(code, reason);
  }

  function drainPeer(peer: Peer): void {
    peer.draining = true;
    engine.drainWorker(peer.worker);
  }

  engine.listen({
    drained(worker) {
      const peer = byWorker.get(worker);
      if (!peer) return;
      remove(peer, CLOSE.done, "drained");
      engine.lose(worker, "preempted");
      note(`worker ${worker} on ${peer.host} has been drained`);
    },
  });

  return {
    upgrade,
    websocket: {
      maxPayloadLength: MAX_MESSAGE_BYTES,
      // Silence is our own business, and a close because of it would look like a broken connection.
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      // We look at the buffered amount ourselves: a message must never be dropped.
      backpressureLimit: 2 ** 31 - 1,
      message,
      close,
      drain: flush,
      ping(socket) {
        const { data } = socket;
        if (data.kind === "session" && data.peer?.socket === socket)
          liveness.heard(data.peer.worker);
      },
    },
    workers: () =>
      [...byWorker.values()].map((peer) => ({
        worker_id: peer.worker,
        host: peer.host,
        pid: peer.pid,
        state: peer.draining ? "draining" : peer.socket ? "connected" : "absent",
        cpus: peer.offer.cpus,
        memory_bytes: peer.offer.memoryBytes,
      })),
    drain(which) {
      const chosen = [...byWorker.values()].filter(
        (peer) => which === "all" || String(peer.worker) === which || peer.host === which,
      );
      if (chosen.length === 0)
        throw new HoldallError("not_found", `there is no worker ${which}`, {
          fix: "a worker is its number, its host (all workers there), or all",
        });
      for (const peer of chosen) drainPeer(peer);
      return chosen.length;
    },
    start() {
      for (const worker of engine.absentWorkers()) liveness.watch(worker);
      timer = setInterval(() => {
        for (const worker of liveness.tick())
          lose(worker, `nothing heard for ${seconds(lossMs + heartbeatMs)}`);
        loseDeadNeighbours();
      }, intervalMs);
    },
    stop() {
      if (timer) clearInterval(timer);
      timer = null;
    },
  };
}

function send(socket: Socket, frames: readonly ToWorker[]): void {
  const data = socket.data as Extract<SocketData, { kind: "session" }>;
  for (const message of messagesOf(frames)) {
    data.waiting.push(message);
    data.waitingBytes += message.length;
  }
  flush(socket);
  if (data.waitingBytes > WAITING_LIMIT_BYTES) socket.terminate();
}

function flush(socket: Socket): void {
  const { data } = socket;
  if (data.kind === "beat") return;
  let sent = 0;
  while (sent < data.waiting.length && socket.getBufferedAmount() < HIGH_WATER_BYTES) {
    const message = data.waiting[sent++]!;
    data.waitingBytes -= message.length;
    socket.sendBinary(message);
  }
  if (sent > 0) data.waiting = data.waiting.slice(sent);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

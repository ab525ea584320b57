/**
 * The worker's end of a session with a server in another process. The connection may break and come back as often as it
 * likes: attempts go on, results are kept until acknowledged and sent again, and the hello of each new connection says what
 * the worker holds.
 */
import { HoldallError } from "../core/error.ts";
import { decodeFrames } from "../protocol/codec.ts";
import { type Offer, SESSION_VERSION, type ToServer, type ToWorker } from "../protocol/session.ts";
import { thisPlace } from "../protocol/place.ts";
import { BEAT_PATH, CLOSE, messagesOf, SESSION_PATH } from "../protocol/session-socket.ts";
import { startBeatThread } from "./beat-thread.ts";
import { KeptSpills } from "./kept-spills.ts";
import type { Worker } from "./worker.ts";

export interface RemoteOptions {
  /** http:// or https:// */
  url: string;
  token: string | null;
  instance: string;
  host: string;
  pid: number;
  offer: Offer;
  /** of its own, for output that the server may have to get again */
  folder: string;
  /** makes the worker; its frames go to `send` */
  worker(send: (frames: readonly ToServer[]) => void): Worker;
  /** heartbeats from a thread (default), or from the main loop: for benchmarks with many sessions in a process */
  beats?: "thread" | "loop";
  /** gives up when the first connection does not come about in this time; afterwards it never does */
  firstConnectMs: number;
  /** leaves after holding nothing for so long; null = never */
  idleMs: number | null;
  note(text: string): void;
}

export interface RemoteWorker {
  readonly worker: Worker;
  /** finishes what runs, starts nothing, then ends */
  leave(): void;
  /** ends what runs, now, and then itself */
  stop(): void;
  /** resolves when there is nothing more to do here; rejects when the server refuses this worker */
  readonly ended: Promise<void>;
}

const BACK_OFF_MIN_MS = 100;
const BACK_OFF_MAX_MS = 5000;
/** How long a worker that wants to go waits for the server to say so. */
const DRAIN_WAIT_MS = 1000;
/** How long a stopped worker tries to hand over what it has. */
const STOP_LIMIT_MS = 3000;

type ClientSocket = WebSocket & {
  ping(): void;
  terminate(): void;
};

export function connectWorker(options: RemoteOptions): RemoteWorker {
  const { note, instance } = options;
  const base = new URL(options.url);
  const ended = Promise.withResolvers<void>();
  let socket: ClientSocket | null = null;
  /** the hello went out: frames may follow */
  let ready = false;
  let everConnected = false;
  let failures = 0;
  let done = false;
  const kept = new KeptSpills(options.folder);
  let heartbeatMs = 5000;
  let lossMs = 15_000;
  let heardMs = performance.now();
  let idleSinceMs = performance.now();
  let leaving = false;
  let lastTickMs = 0;
  let timer: ReturnType<typeof setInterval> | null = null;
  const startedMs = performance.now();

  const worker = options.worker(send);
  const thread =
    options.beats === "loop"
      ? null
      : startBeatThread(() => {
          if (worker.held === 0) return;
          note("the server cannot be reached: ending what runs before it is started elsewhere");
          worker.fence();
        });

  function send(frames: readonly ToServer[]): void {
    // Without a connection results are kept anyway, and the next hello says the rest.
    const passed = frames.map((frame) => kept.pass(frame));
    if (ready) transmit(passed);
  }

  function transmit(frames: readonly object[]): void {
    if (frames.length === 0) return;
    for (const message of messagesOf(frames)) socket?.send(message);
  }

  function wsUrl(path: string): URL {
    const url = new URL(path, base);
    url.protocol = base.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }

  function connect(): void {
    if (done) return;
    const headers = options.token === null ? {} : { authorization: `Bearer ${options.token}` };
    const made = new WebSocket(wsUrl(SESSION_PATH), {
      headers,
    } as unknown as string[]) as ClientSocket;
    socket = made;
    made.binaryType = "arraybuffer";
    heardMs = performance.now();
    let why = "";
    made.addEventListener("open", () => {
      if (socket !== made) return;
      heardMs = performance.now();
      hello();
    });
    made.addEventListener("message", (event) => {
      if (socket !== made || typeof event.data === "string") return;
      heardMs = performance.now();
      received(decodeFrames(new Uint8Array(event.data as ArrayBuffer)) as ToWorker[]);
    });
    // Bun's client has it, its types do not.
    made.addEventListener("pong" as "message", () => {
      heardMs = performance.now();
    });
    made.addEventListener("error", (event) => {
      why = event.message;
    });
    made.addEventListener("close", (event) => {
      if (socket === made) closed(event.code, event.reason, why);
    });
  }

  function hello(): void {
    const held = worker.heldAttempts();
    transmit([
      {
        type: "hello",
        version: SESSION_VERSION,
        instance,
        host: options.host,
        pid: options.pid,
        place: options.beats === "loop" ? null : thisPlace(),
        offer: options.offer,
        held,
      },
    ]);
    ready = true;
    for (const frame of kept.all()) transmit([frame]);
    worker.resend();
    if (leaving) {
      // It was said once, and the server says `drain` once only.
      transmit([{ type: "leaving" }]);
      worker.drain();
    }
    // Said before, and perhaps never heard.
    if (worker.draining && worker.held === 0) transmit([{ type: "drained" }]);
  }

  function received(frames: readonly ToWorker[]): void {
    for (const frame of frames) {
      if (frame.type === "welcome") welcomed(frame);
      else if (frame.type === "ack") kept.acknowledged(frame.seq);
    }
    worker.receive(frames);
  }

  function welcomed(frame: Extract<ToWorker, { type: "welcome" }>): void {
    const changed = frame.heartbeatMs !== heartbeatMs || frame.lossMs !== lossMs;
    ({ heartbeatMs, lossMs } = frame);
    if (everConnected && failures > 0) note("connected again");
    failures = 0;
    if (!everConnected || changed) {
      lastTickMs = performance.now();
      if (timer) clearInterval(timer);
      timer = setInterval(tick, heartbeatMs / 2);
      const url = wsUrl(BEAT_PATH);
      url.search = String(
        new URLSearchParams({ instance, host: options.host, pid: String(options.pid) }),
      );
      thread?.start({
        type: "start",
        url: url.href,
        token: options.token,
        hostname: base.hostname.replace(/^\[|\]$/g, ""),
        port: Number(base.port) || (base.protocol === "https:" ? 443 : 80),
        heartbeatMs,
        lossMs,
      });
    } else {
      thread?.known();
    }
    everConnected = true;
  }

  function closed(code: number, reason: string, why: string): void {
    socket = null;
    const wasReady = ready;
    ready = false;
    if (done) return;
    if (code === CLOSE.done) return finish();
    if (code === CLOSE.refused || code === CLOSE.replaced)
      return finish(
        new HoldallError("conflict", `the server has ended this worker's session: ${reason}`, {
          fix: "use the same version of Holdall for server and workers",
        }),
      );
    if (why.includes("status code: 401"))
      return finish(
        new HoldallError("unauthorized", "the server does not accept this token", {
          fix: "use the access file that the server writes: --access STATE_DIR/access.json",
        }),
      );
    if (code === CLOSE.later) {
      if (failures === 0) note(`the server takes up no worker at present: ${reason}`);
      return retry();
    }
    if (!everConnected && performance.now() - startedMs > options.firstConnectMs)
      return finish(
        new HoldallError("unreachable", `no server answers at ${base.origin}`, {
          fix: "start it with `holdall serve`, or give its access file with --access",
        }),
      );
    if (nothingLeft()) return finish();
    if (wasReady && code === CLOSE.lost) note("the server had given this worker up; coming back");
    else if (wasReady) note("the connection to the server is gone; trying again");
    retry();
  }

  function retry(): void {
    const most = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** failures++);
    setTimeout(connect, Math.random() * most);
  }

  function tick(): void {
    const at = performance.now();
    const lateMs = Math.max(0, at - lastTickMs - heartbeatMs / 2);
    lastTickMs = at;
    // Our own lateness is not the server's silence.
    heardMs += lateMs;
    if (!ready && nothingLeft()) return finish();
    if (socket && at - heardMs > lossMs) {
      const dead = socket;
      const wasReady = ready;
      socket = null;
      ready = false;
      dead.terminate();
      if (wasReady) note("the server is silent; trying again");
      retry();
    } else if (ready) {
      // Says that we are here, and its answer that the server is.
      socket?.ping();
    }
    if (worker.held > 0 || worker.unacknowledged) idleSinceMs = at;
    else if (options.idleMs !== null && at - idleSinceMs > options.idleMs) leave();
  }

  function leave(): void {
    if (leaving) return;
    leaving = true;
    if (ready) {
      // The server's `drain` comes after everything that it gave us before: nothing of that is mistaken for lost.
      transmit([{ type: "leaving" }]);
      setTimeout(() => worker.drain(), DRAIN_WAIT_MS).unref();
    } else {
      worker.drain();
    }
    if (!ready && nothingLeft()) finish();
  }

  /** It was told to go, and there is nothing that the server would have to hear. */
  function nothingLeft(): boolean {
    return worker.draining && worker.held === 0 && !worker.unacknowledged;
  }

  function stop(): void {
    leave();
    worker.stop();
    setTimeout(() => finish(), STOP_LIMIT_MS).unref();
  }

  function finish(error?: HoldallError): void {
    if (done) return;
    done = true;
    if (timer) clearInterval(timer);
    thread?.close();
    socket?.close();
    socket = null;
    if (error) ended.reject(error);
    else ended.resolve();
  }

  connect();
  return { worker, leave, stop, ended: ended.promise };
}

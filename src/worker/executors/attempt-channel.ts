/**
 * Where launchers that another engine started (`holdall-launcher --attempt`, one for each attempt) report to: each connects,
 * proves that it is one of ours, is given its command and from then on speaks the frames of launcher-frames.ts. So
 * attempts behave the same under every engine: their streams, signals, exit, usage and end.
 *
 * A connection that ends, for whatever reason, ends its attempt: launchers kill what they started once they cannot hear us.
 */
import { timingSafeEqual } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type { Exit, Start, Stream } from "../executor.ts";
import { signalGroup } from "./checked.ts";
import {
  createFrameReader,
  createFrameWriter,
  type FrameWriter,
  LAUNCHER_VERSION,
} from "./launcher-frames.ts";

export interface AttemptChannelEvents {
  /** the command to start, or null when the attempt is not wanted (any more), or was started before */
  claim(id: number): { start: Start; environment: readonly string[] } | null;
  /** `pid` is -1 when it is a process of another host */
  started(id: number, pid: number, startedMs: number): void;
  output(id: number, stream: Stream, bytes: Uint8Array): void;
  exited(exit: Exit): void;
  /** the launcher is gone without having told an exit */
  lost(id: number, why: string): void;
}

export interface AttemptChannel {
  /** file that tells launchers where to connect, readable for this user only; the engine may put its files beside it */
  readonly context: string;
  /** false when it is not connected */
  kill(id: number, signal: number): boolean;
  /** ends every attempt that is connected, and what those that ended left behind; waits until it is gone */
  close(): Promise<void>;
  /** removes the folder of the context file, with whatever the engine put there */
  remove(): void;
}

const SECRET_LENGTH = 32;
const PREAMBLE_LENGTH = SECRET_LENGTH + 10;
/** A launcher that does not end in this time has a child that cannot die, or its host is gone. */
const CLOSE_MS = 5000;
/** Unix sockets have short paths (107 bytes), and those of Ray lie deep below our folder. */
const LONGEST_FOLDER = 20;

interface Peer {
  /** null until it has said who it is */
  id: number | null;
  preamble: Uint8Array;
  read: ((chunk: Uint8Array) => void) | null;
  writer: FrameWriter;
  /** bytes that the socket has not taken yet */
  unsent: Uint8Array[];
  local: boolean;
  /** of the attempt, once reported and on this host */
  pid: number | null;
  done: boolean;
}

type Socket = Bun.Socket<Peer>;

/** `remote`: launchers of other hosts connect, too. */
export function openAttemptChannel(events: AttemptChannelEvents, remote: boolean): AttemptChannel {
  const parent = tmpdir().length <= LONGEST_FOLDER ? tmpdir() : "/tmp";
  const folder = mkdtempSync(join(parent, "holdall-channel-"));
  const secret = crypto.randomUUID().replaceAll("-", "");
  const expected = Buffer.from(secret);
  const connected = new Map<number, Socket>();
  const sockets = new Set<Socket>();
  let closed = false;
  let allGone: (() => void) | null = null;

  function flush(socket: Socket): void {
    const { unsent } = socket.data;
    while (unsent.length > 0) {
      const next = unsent[0]!;
      const written = socket.write(next);
      if (written < next.length) {
        unsent[0] = next.subarray(Math.max(0, written));
        return;
      }
      unsent.shift();
    }
  }
  function send(socket: Socket): void {
    const frames = socket.data.writer.take();
    if (frames === null) return;
    socket.data.unsent.push(frames);
    flush(socket);
  }

  /** True once it is known who this is and what it shall do. */
  function welcome(socket: Socket): boolean {
    const { data } = socket;
    const text = Buffer.from(data.preamble.subarray(0, PREAMBLE_LENGTH));
    const id = Number(text.toString("latin1", SECRET_LENGTH));
    const ours = timingSafeEqual(text.subarray(0, SECRET_LENGTH), expected);
    const claim = ours && !connected.has(id) ? events.claim(id) : null;
    if (claim === null) {
      socket.end();
      return false;
    }
    data.id = id;
    connected.set(id, socket);
    data.read = createFrameReader(framesOf(socket, id));
    data.writer.environment(0, claim.environment);
    data.writer.start({ ...claim.start, id, environment: 0 }, 0);
    send(socket);
    return true;
  }

  function framesOf(socket: Socket, id: number): Parameters<typeof createFrameReader>[0] {
    const { data } = socket;
    return {
      hello(version) {
        if (version !== LAUNCHER_VERSION) throw new Error(`the launcher speaks version ${version}`);
      },
      started(_id, pid, startedMs) {
        if (data.local) data.pid = pid;
        events.started(id, data.local ? pid : -1, startedMs);
      },
      output(_id, stream, bytes) {
        events.output(id, stream, bytes);
      },
      exited(exit) {
        data.done = true;
        connected.delete(id);
        socket.shutdown(); // it ends what the attempt left, then itself
        events.exited({ ...exit, id });
      },
    };
  }

  function receive(socket: Socket, chunk: Uint8Array): void {
    const { data } = socket;
    if (data.done || closed) return;
    let bytes = chunk;
    if (data.read === null) {
      data.preamble = Buffer.concat([data.preamble, chunk]);
      if (data.preamble.length < PREAMBLE_LENGTH) return;
      bytes = data.preamble.subarray(PREAMBLE_LENGTH);
      if (!welcome(socket)) {
        data.done = true;
        return;
      }
    }
    try {
      data.read?.(bytes);
    } catch (error) {
      gone(socket, error instanceof Error ? error.message : String(error));
      socket.end();
    }
  }

  function gone(socket: Socket, why: string): void {
    const { data } = socket;
    if (data.done || data.id === null) return;
    data.done = true;
    connected.delete(data.id);
    // It was killed, and only its leader died with it (death signal).
    if (data.pid !== null && !closed) signalGroup(data.pid, "SIGKILL");
    if (!closed) events.lost(data.id, why);
  }

  const handler = (local: boolean): Bun.SocketHandler<Peer> => ({
    open(socket) {
      sockets.add(socket);
      socket.data = {
        id: null,
        preamble: new Uint8Array(0),
        read: null,
        writer: createFrameWriter(),
        unsent: [],
        local,
        pid: null,
        done: false,
      };
    },
    data: (socket, chunk) => receive(socket, chunk),
    drain: (socket) => flush(socket),
    close(socket) {
      sockets.delete(socket);
      gone(socket, "the process that ran it was ended from outside");
      if (sockets.size === 0) allGone?.();
    },
    error(socket, error) {
      gone(socket, error.message);
    },
  });

  const path = join(folder, "socket");
  const listeners: { stop(force?: boolean): void }[] = [
    Bun.listen<Peer>({ unix: path, socket: handler(true) }),
  ];
  chmodSync(path, 0o600);
  const lines = [secret, `unix ${path}`];
  if (remote) {
    const listener = Bun.listen<Peer>({ hostname: "0.0.0.0", port: 0, socket: handler(false) });
    listeners.push(listener);
    for (const address of addresses()) lines.push(`tcp ${address} ${listener.port}`);
  }
  const context = join(folder, "context");
  writeFileSync(context, `${lines.join("\n")}\n`, { mode: 0o600 });

  return {
    context,
    kill(id, signal) {
      const socket = connected.get(id);
      if (socket === undefined) return false;
      socket.data.writer.kill(id, signal);
      send(socket);
      return true;
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const socket of sockets) {
        gone(socket, "");
        socket.shutdown();
      }
      if (sockets.size > 0) {
        const late = setTimeout(() => allGone?.(), CLOSE_MS);
        await new Promise<void>((resolve) => (allGone = resolve));
        clearTimeout(late);
      }
      for (const listener of listeners) listener.stop(true);
    },
    remove() {
      try {
        rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
      } catch {
        // What is dying still writes there: a temporary folder stays.
      }
    },
  };
}

/** Those under which other hosts reach this one; IPv4, as the listener. */
function addresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => each.family === "IPv4" && !each.internal)
    .map((each) => each.address);
}

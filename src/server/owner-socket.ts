/**
 * Whoever owns a state directory answers for it on a Unix socket in it, or on a loopback port with a token where sockets do not
 * work. owner.json says where.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { HoldallError } from "../core/error.ts";
import { type Api, errorResponse } from "./http.ts";

/** The kernel's limit is 108 bytes with the final 0, 104 on other systems. */
const PATH_LIMIT_BYTES = 100;
const SOCKET_FILE = "owner.sock";
const OWNER_FILE = "owner.json";
/** A reader that does not read gets this long to take what is left for it. */
const FAREWELL_MS = 1000;

export interface OwnerSocket {
  /** the socket; null when it is a loopback port */
  path: string | null;
  url: string | null;
  /** closes the api, lets those who follow get the rest, and takes the place out of owner.json */
  close(): Promise<void>;
}

/** Only the holder of the ledger's lock may call this: what lies at the socket's place is left over from a dead process. */
export function listenOnOwnerSocket(stateDir: string, api: Api): OwnerSocket {
  const dir = resolve(stateDir);
  try {
    return onSocket(dir, api);
  } catch {
    return onPort(dir, api);
  }
}

function onSocket(dir: string, api: Api): OwnerSocket {
  const inside = join(dir, SOCKET_FILE);
  const short = Buffer.byteLength(inside) <= PATH_LIMIT_BYTES;
  const path = short ? inside : join(privateFolder(dir), SOCKET_FILE);
  rmSync(path, { force: true });
  // Nobody else may connect in the moment before chmod.
  const mask = process.umask(0o177);
  let server: Bun.Server<undefined>;
  try {
    // No limit on silence. `server.timeout(request, 0)` has no effect on Unix sockets in Bun 1.4.4, while this works although
    // Bun's types do not have it.
    const settings: Bun.Serve.Options<undefined> = {
      unix: path,
      fetch: (request: Request) => api(request),
    };
    server = Bun.serve(Object.assign(settings, { idleTimeout: 0 }));
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
  noteInOwnerFile(dir, { socket: path });
  return {
    path,
    url: null,
    async close() {
      await stop(server, api);
      rmSync(path, { force: true });
      if (!short) removeFolder(dirname(path));
      noteInOwnerFile(dir, {});
    },
  };
}

function onPort(dir: string, api: Api): OwnerSocket {
  const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  const server: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) =>
      mayPass(request, token)
        ? // 0: Bun drops a connection after 10 s without bytes otherwise.
          api(request, { keepOpen: (kept) => server.timeout(kept, 0) })
        : errorResponse(new HoldallError("unauthorized", "the token is missing or wrong")),
  });
  const url = `http://127.0.0.1:${server.port}`;
  noteInOwnerFile(dir, { url, token });
  return {
    path: null,
    url,
    async close() {
      await stop(server, api);
      noteInOwnerFile(dir, {});
    },
  };
}

async function stop(server: Bun.Server<undefined>, api: Api): Promise<void> {
  const stopped = server.stop();
  api.close();
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, FAREWELL_MS);
  await Promise.race([stopped, late.promise]);
  clearTimeout(timer);
  await server.stop(true);
}

function mayPass(request: Request, token: string): boolean {
  const given = Buffer.from(request.headers.get("authorization") ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** For a state directory whose own path is too long. The same one each time, unless somebody else took its name. */
function privateFolder(dir: string): string {
  const hash = createHash("sha256").update(dir).digest("hex").slice(0, 16);
  const folder = join(tmpdir(), `holdall-${hash}`);
  try {
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  } catch {
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    const ours = stat?.isDirectory() && stat.uid === process.getuid?.() && !(stat.mode & 0o077);
    return ours ? folder : mkdtempSync(join(tmpdir(), "holdall-"));
  }
}

function removeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // an empty folder harms nobody
  }
}

interface Place {
  socket?: string;
  url?: string;
  token?: string;
}

/** Replaces what owner.json says of the place. On a full disk nobody finds us, and the work goes on. */
function noteInOwnerFile(dir: string, place: Place): void {
  const path = join(dir, OWNER_FILE);
  const { socket: _socket, url: _url, token: _token, ...owner } = readOwnerFile(path);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify({ ...owner, ...place })}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    rmSync(`${path}.new`, { force: true });
  }
}

function readOwnerFile(path: string): Place & Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Place & Record<string, unknown>;
  } catch {
    return { pid: process.pid, host: hostname() };
  }
}

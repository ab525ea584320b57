// A TCP proxy between a worker and its server that can fall silent without closing anything.

import { type Socket, connect, createServer } from "node:net";

export interface Proxy {
  port: number;
  /** what arrives from now on is swallowed; nothing is closed, new connections are taken and stay silent */
  swallow(): void;
  /** breaks the silent connections; new ones work again */
  heal(): void;
  close(): void;
}

export async function openProxy(targetPort: number): Promise<Proxy> {
  let silent = false;
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const to = silent ? null : connect(targetPort, "127.0.0.1");
    for (const socket of to ? [from, to] : [from]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        if (!silent) (socket === from ? to : from)?.destroy();
      });
    }
    from.on("data", (data) => void (silent || to?.write(data)));
    to?.on("data", (data) => void (silent || from.write(data)));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as { port: number }).port,
    swallow() {
      silent = true;
    },
    heal() {
      silent = false;
      for (const socket of sockets) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

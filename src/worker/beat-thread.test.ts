import { afterEach, expect, test } from "bun:test";
import { type BeatStart, type BeatThread, startBeatThread } from "./beat-thread.ts";

const BEAT_MS = 100;
const LOSS_MS = 300;
/** The kernel itself refuses it, as an unreachable network. */
const NOWHERE = "255.255.255.255";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

interface Server {
  port: number;
  beats: string[];
  answer(how: "echo" | "silent" | "unknown"): void;
  untilBeat(): Promise<void>;
}

function server(): Server {
  let how = "echo";
  const beats: string[] = [];
  let heard = Promise.withResolvers<void>();
  const made = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, self) {
      if (request.headers.get("authorization") !== "Bearer t")
        return new Response(null, { status: 401 });
      return self.upgrade(request) ? undefined : new Response(null, { status: 400 });
    },
    websocket: {
      message(socket, text) {
        beats.push(String(text));
        heard.resolve();
        heard = Promise.withResolvers();
        if (how === "echo") socket.send(text);
        if (how === "unknown") socket.close(4404);
      },
    },
  });
  open.push({ close: () => made.stop(true) });
  return {
    port: made.port!,
    beats,
    answer: (next) => void (how = next),
    untilBeat: () => heard.promise,
  };
}

function thread(
  to: Server,
  where: Partial<BeatStart>,
): { fence: Promise<number>; thread: BeatThread } {
  const fence = Promise.withResolvers<number>();
  const made = startBeatThread(() => fence.resolve(performance.now()));
  open.push(made);
  made.start({
    type: "start",
    url: `ws://127.0.0.1:${to.port}/`,
    token: "t",
    hostname: "127.0.0.1",
    port: to.port,
    heartbeatMs: BEAT_MS,
    lossMs: LOSS_MS,
    ...where,
  });
  return { fence: fence.promise, thread: made };
}

const noFence = (fence: Promise<number>, ms: number): Promise<unknown> =>
  Promise.race([fence.then(() => "fenced"), Bun.sleep(ms).then(() => "not fenced")]);

test("heartbeats go on while the main loop is blocked", async () => {
  const to = server();
  const { fence } = thread(to, { lossMs: LOSS_MS * 20 });
  await to.untilBeat();
  const before = Bun.spawnSync(["sleep", "1"]);
  expect(before.exitCode).toBe(0);
  // What came while this loop was blocked is read now.
  await Bun.sleep(20);
  expect(to.beats.length).toBeGreaterThan(5);
  expect(await noFence(fence, 0)).toBe("not fenced");
});

test("a silent server whose host cannot be reached: fenced after the loss time, and before a heartbeat more", async () => {
  const to = server();
  const { fence } = thread(to, { hostname: NOWHERE });
  await to.untilBeat();
  await to.untilBeat();
  to.answer("silent");
  const fromMs = performance.now();
  const afterMs = (await fence) - fromMs;
  expect(afterMs).toBeGreaterThan(LOSS_MS - BEAT_MS);
  expect(afterMs).toBeLessThan(LOSS_MS * 3);
});

test("a silent server whose host takes connections (it is stopped): not fenced", async () => {
  const to = server();
  const { fence } = thread(to, {});
  await to.untilBeat();
  to.answer("silent");
  expect(await noFence(fence, LOSS_MS * 4)).toBe("not fenced");
});

test("a host that refuses connections (the server is down): not fenced", async () => {
  const to = server();
  const free = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = free.port!;
  await free.stop(true);
  const { fence } = thread(to, { port });
  await to.untilBeat();
  to.answer("silent");
  expect(await noFence(fence, LOSS_MS * 4)).toBe("not fenced");
});

test("a server that does not know this worker any more: fenced, although its host takes connections", async () => {
  const to = server();
  const { fence } = thread(to, {});
  await to.untilBeat();
  to.answer("unknown");
  expect(await noFence(fence, LOSS_MS * 6)).toBe("fenced");
});

test("a main loop that is blocked while the lease ends: the process is killed", async () => {
  const program = `
    import { startBeatThread } from ${JSON.stringify(`${import.meta.dir}/beat-thread.ts`)};
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const thread = startBeatThread(() => {});
    thread.start({ type: "start", url: "ws://127.0.0.1:" + server.port + "/", token: "t",
      hostname: "${NOWHERE}", port: 9, heartbeatMs: ${BEAT_MS}, lossMs: ${LOSS_MS} });
    setTimeout(() => { for (;;); }, 50);`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    stdout: "ignore",
    stderr: "inherit",
  });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
});

import { expect, test } from "bun:test";
import { createReach } from "./reach.ts";

const reach = createReach();

/** Whether an answer comes within a time that is long for this machine. */
function answers(hostname: string, port: number, limitMs = 2000): Promise<boolean> {
  return new Promise((done) => {
    setTimeout(() => done(false), limitMs);
    reach(hostname, port, () => done(true));
  });
}

test.each(["127.0.0.1", "localhost", "::1"])(
  "%s takes connections, or refuses them: an answer",
  async (host) => {
    const server = Bun.listen({ hostname: host, port: 0, socket: { data() {} } });
    const { port } = server;
    expect(await answers(host, port)).toBe(true);
    server.stop(true);
    expect(await answers(host, port)).toBe(true);
  },
);

test("a network that cannot be reached, a name that means nothing: none", async () => {
  // The kernel refuses the first one at once, without any packet. Bun calls that refused, too.
  const silent = ["255.255.255.255", "nowhere.invalid"];
  const all = await Promise.all(silent.map((host) => answers(host, 9, 300)));
  expect(all).toEqual([false, false]);
});

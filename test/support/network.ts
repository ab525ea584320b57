// Hosts of a test's own: network namespaces, each behind a cable that can be pulled.

import { afterEach } from "bun:test";
import { forbidden, requires } from "./requires.ts";

export interface Host {
  /** of the machine, as this host sees it */
  gateway: string;
  /** prefix of a command that is to run there */
  enter: readonly string[];
  /** pulls the cable at one of its ends, or puts it in again. There: every connection fails at once. Here: packets vanish. */
  cable(state: "down" | "up", end?: "there" | "here"): void;
}

const hosts: string[] = [];
afterEach(() => {
  for (const name of hosts.splice(0)) ip("netns", "delete", name);
});

/** Whether to skip, with the reason. */
export function requiresNetworks(): boolean {
  if (requires("ip", "apt-get install iproute2")) return true;
  const name = `hd-probe-${process.pid}`;
  const made = ip("netns", "add", name);
  if (made) ip("netns", "delete", name);
  return forbidden("making network namespaces", made);
}

let count = 0;

/** A new host, connected to the machine alone. It is gone when the test ends. */
export function newHost(): Host {
  // Names and addresses that no other test process uses.
  const number = (process.pid * 8 + (count++ % 8)) % 65_536;
  const name = `hd${process.pid}-${count}`;
  const [near, far] = [`${name}a`, `${name}b`].map((end) => end.slice(-15)) as [string, string];
  const subnet = `10.${64 + ((number >> 14) & 63)}.${(number >> 6) & 255}`;
  const first = (number & 63) * 4;
  const gateway = `${subnet}.${first + 1}`;
  hosts.push(name);
  for (const args of [
    ["netns", "add", name],
    ["link", "add", near, "type", "veth", "peer", "name", far, "netns", name],
    ["address", "add", `${gateway}/30`, "dev", near],
    ["link", "set", near, "up"],
    ["-n", name, "address", "add", `${subnet}.${first + 2}/30`, "dev", far],
    ["-n", name, "link", "set", "lo", "up"],
    ["-n", name, "link", "set", far, "up"],
  ])
    if (!ip(...args)) throw new Error(`failed: ip ${args.join(" ")}`);
  return {
    gateway,
    enter: ["ip", "netns", "exec", name],
    cable(state, end = "there") {
      const set =
        end === "there"
          ? ip("-n", name, "link", "set", far, state)
          : ip("link", "set", near, state);
      if (!set) throw new Error(`cannot set the cable of ${name} ${state}`);
    },
  };
}

function ip(...args: string[]): boolean {
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  return Bun.spawnSync(["ip", ...args], { env, stderr: "ignore", stdout: "ignore" }).success;
}

/** `holdall hosts`: the workers of a server, and which hosts get nothing new. */
import { buildCommand, buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import type { HoldallClient } from "../../client/client.ts";
import type { HostBlockItem, WorkerItem } from "../../protocol/api.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { type Column, table } from "../output/table.ts";
import { bytes, count } from "../output/units.ts";
import { ACCESS_FLAG, flag, JSON_FLAG, seconds, STATE_DIR_FLAG, text } from "./shared.ts";

interface Place {
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

interface BlockFlags extends Place {
  for?: number | undefined;
  reason?: string | undefined;
}

const PLACE_FLAGS = { access: ACCESS_FLAG, stateDir: STATE_DIR_FLAG, json: JSON_FLAG } as const;

const HOST_ARGUMENT = {
  kind: "tuple",
  parameters: [{ parse: text, placeholder: "HOST", brief: "as the workers say it" }],
} as const;

async function ask<T>(
  context: CliContext,
  flags: Place,
  question: (client: HoldallClient) => Promise<T>,
): Promise<T> {
  const { askServer } = await import("../find-server.ts");
  return await askServer(context, flags, question);
}

const listCommand: Command<CliContext> = buildCommand<Place, [], CliContext>({
  async func(flags) {
    const [workers, blocked] = await ask(this, flags, (client) =>
      Promise.all([client.workers(), client.blockedHosts()]),
    );
    if (flags.json === true) printJson(this.io, { workers, blocked });
    else this.io.stdout.write(hostsText(workers, blocked));
  },
  parameters: { flags: PLACE_FLAGS },
  docs: {
    brief: "the workers of a server, and the hosts that are blocked",
    customUsage: [{ input: "", brief: "workers and blocked hosts of the server of .holdall" }],
  },
});

const blockCommand: Command<CliContext> = buildCommand<BlockFlags, [string], CliContext>({
  async func(flags, host) {
    const block = await ask(this, flags, (client) =>
      client.blockHost(host, {
        ...(flags.for === undefined ? {} : { seconds: flags.for }),
        ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      }),
    );
    if (flags.json === true) printJson(this.io, block);
    else this.io.stderr.write(`${host}: gets nothing new ${untilText(block)}; what runs goes on\n`);
  },
  parameters: {
    positional: HOST_ARGUMENT,
    flags: {
      for: flag(seconds, "TIME", "how long, such as 30m (default: until it is unblocked)"),
      reason: flag(text, "TEXT", "kept and shown"),
      ...PLACE_FLAGS,
    },
  },
  docs: {
    brief: "give a host's workers nothing new",
    fullDescription: [
      "The workers of a host get nothing new, for a time or until it is unblocked, also those that come later.",
      "What runs there goes on. It is kept over restarts of the server.",
    ].join("\n"),
    customUsage: [{ input: "node7 --for 2h --reason 'disk is failing'", brief: "for two hours" }],
  },
});

const unblockCommand: Command<CliContext> = buildCommand<Place, [string], CliContext>({
  async func(flags, host) {
    const answer = await ask(this, flags, (client) => client.unblockHost(host));
    if (flags.json === true) printJson(this.io, answer);
    else this.io.stderr.write(`${host}: may be given tasks again\n`);
  },
  parameters: { positional: HOST_ARGUMENT, flags: PLACE_FLAGS },
  docs: {
    brief: "end a block",
    customUsage: [{ input: "node7", brief: "it gets tasks again" }],
  },
});

export const hostsRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { list: listCommand, block: blockCommand, unblock: unblockCommand },
  defaultCommand: "list",
  docs: {
    brief: "workers of a server; block a host for a time",
    fullDescription: "holdall hosts shows workers and blocks; block and unblock change them.",
  },
});

function untilText({ until }: HostBlockItem): string {
  return until === null ? "until it is unblocked" : `until ${until}`;
}

function hostsText(workers: readonly WorkerItem[], blocked: readonly HostBlockItem[]): string {
  const right = (title: string): Column => ({ title, align: "right" });
  const byHost = new Map(blocked.map((block) => [block.host, block]));
  const lines =
    workers.length === 0
      ? "no worker is connected\n"
      : table(
          [
            right("WORKER"),
            { title: "HOST" },
            { title: "STATE" },
            right("CPUS"),
            right("MEMORY"),
            { title: "BLOCKED" },
          ],
          workers.map((worker) => [
            String(worker.worker_id),
            worker.host,
            worker.state,
            count(worker.cpus),
            bytes(worker.memory_bytes),
            blockText(byHost.get(worker.host)),
          ]),
        );
  const here = new Set(workers.map(({ host }) => host));
  const others = blocked
    .filter(({ host }) => !here.has(host))
    .map((block) => `blocked, without workers: ${block.host} ${blockText(block)}\n`);
  return lines + others.join("");
}

function blockText(block: HostBlockItem | undefined): string {
  if (block === undefined) return "";
  return untilText(block) + (block.reason === null ? "" : ` (${block.reason})`);
}

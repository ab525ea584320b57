/** `holdall slurm allocate`, `list`, `cancel`. */
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createClient, type HoldallClient } from "../client/client.ts";
import { ClientError } from "../client/error.ts";
import { HoldallError } from "../core/error.ts";
import { nearest } from "../core/nearest.ts";
import { parseDuration } from "../core/units.ts";
import type { SchedulerItem } from "../protocol/api.ts";
import type { Allocation } from "../providers/provider.ts";
import { slurmProvider } from "../providers/slurm/slurm.ts";
import { fromClientError } from "./connect.ts";
import type { CliContext } from "./context.ts";
import { accessFrom, type ServerFlags } from "./find-server.ts";
import type { Io } from "./io.ts";
import { workflowRef } from "./names.ts";
import { printJson } from "./output/json.ts";
import { table } from "./output/table.ts";
import { duration, plural } from "./output/units.ts";
import { selfCommand } from "./self.ts";
import { serverPlace } from "./state-dir.ts";
import { usage } from "./usage.ts";

export interface AllocateFlags extends ServerFlags {
  count?: number | undefined;
  scheduler?: string | undefined;
  workflow?: string | undefined;
  partition?: string | undefined;
  account?: string | undefined;
  qos?: string | undefined;
  time?: string | undefined;
  nodes?: number | undefined;
  cpus?: number | undefined;
  /** bytes */
  memory?: number | undefined;
  gpus?: number | undefined;
  /** seconds */
  idleTimeout?: number | undefined;
  /** seconds */
  drain?: number | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export interface ListFlags extends ServerFlags {
  all?: boolean | undefined;
  json?: boolean | undefined;
}

export interface CancelFlags extends ServerFlags {
  all?: boolean | undefined;
  drain?: boolean | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

const IDLE_SECONDS = 300;
const DRAIN_SECONDS = 60;
const LOOPBACK = /^(127\.|localhost$|\[::1\]$)/;

export async function allocate(
  flags: AllocateFlags,
  extra: readonly string[],
  { io, connectDeps }: Pick<CliContext, "io" | "connectDeps">,
): Promise<void> {
  const access = accessPath(io, flags);
  const { url, token } = accessFrom(access);
  const client = createClient({
    baseUrl: url,
    token,
    fetch: (request) => connectDeps.fetch(request, null),
  });
  if (!(await client.healthy()))
    throw new HoldallError("unreachable", `no server answers at ${url}, which ${access} names`, {
      fix: "start it with `holdall serve`; pilots would end at once without it",
    });
  const time = flags.time === undefined ? undefined : slurmTime(flags.time);
  const scheduler = flags.scheduler ?? null;
  const fields =
    scheduler === null ? {} : (await findScheduler(client, scheduler, flags.workflow)).fields;
  const logs = join(dirname(access), "pilots");
  mkdirSync(logs, { recursive: true });
  const { job, ids } = await slurmProvider().submit({
    count: flags.count ?? 1,
    holdall: selfCommand(),
    access,
    logs,
    scheduler,
    fields,
    partition: flags.partition,
    account: flags.account,
    qos: flags.qos,
    time,
    nodes: flags.nodes,
    cpus: flags.cpus,
    memoryBytes: flags.memory,
    gpus: flags.gpus,
    drainSeconds: Math.round(flags.drain ?? DRAIN_SECONDS),
    idleSeconds: flags.idleTimeout ?? IDLE_SECONDS,
    extra,
  });
  if (LOOPBACK.test(new URL(url).hostname))
    io.stderr.write(
      `the server listens on ${new URL(url).hostname}: only pilots on this host reach it; ` +
        "for others start it with `holdall serve --host NAME`\n",
    );
  if (flags.json === true) printJson(io, { job_id: job, allocations: ids });
  else if (flags.quiet !== true)
    io.stderr.write(`Slurm job ${job}: ${plural(ids.length, "pilot")}; their output: ${logs}\n`);
}

export async function list(flags: ListFlags, { io }: Pick<CliContext, "io">): Promise<void> {
  const access = flags.all === true ? null : accessPath(io, flags);
  const found = await slurmProvider().list(access);
  if (flags.json === true) return printJson(io, { allocations: found.map(allocationJson) });
  if (found.length === 0) io.stderr.write("no pilots\n");
  else io.stdout.write(allocationsText(found, Date.now()));
}

export async function cancel(
  flags: CancelFlags,
  words: readonly string[],
  { io }: Pick<CliContext, "io">,
): Promise<void> {
  if ((flags.all === true) === words.length > 0)
    throw usage("slurm cancel: name pilots, or all of them with --all", "holdall slurm list");
  const provider = slurmProvider();
  // A job that is no pilot of ours is not ours to cancel, so named ones are looked up, too.
  const known = await provider.list(flags.all === true ? accessPath(io, flags) : null);
  const wanted = (id: string): boolean =>
    flags.all === true || words.some((word) => id === word || id.startsWith(`${word}_`));
  const ids = known.map(({ id }) => id).filter(wanted);
  const stranger = words.find(
    (word) => !known.some(({ id }) => id.split("_")[0] === word.split("_")[0]),
  );
  if (stranger !== undefined)
    throw new HoldallError("not_found", `Slurm knows no pilot ${stranger} that waits or runs`, {
      fix: "holdall slurm list --all shows those there are",
    });
  await provider.cancel(ids, flags.drain === true);
  if (flags.json === true) printJson(io, { canceled: ids });
  else if (flags.quiet !== true)
    io.stderr.write(
      `${plural(ids.length, "pilot")} ${flags.drain === true ? "draining" : "ended"}\n`,
    );
}

function accessPath(io: Pick<Io, "cwd" | "env">, flags: ServerFlags): string {
  const place = serverPlace(io, flags);
  return resolve(place.access ?? join(place.path, "access.json"));
}

/** The newest workflow's of this name, unless one is told. */
async function findScheduler(
  client: HoldallClient,
  name: string,
  workflow: string | undefined,
): Promise<SchedulerItem> {
  try {
    const ids =
      workflow === undefined
        ? (await client.workflows()).map((each) => each.workflow_id).toSorted((a, b) => b - a)
        : [workflowRef(workflow)];
    const known: string[] = [];
    for (const id of ids) {
      const schedulers = await client.schedulers(id);
      const found = schedulers.find((each) => each.name === name);
      if (found !== undefined) return found;
      known.push(...schedulers.map((each) => each.name));
    }
    const meant = nearest(name, known);
    throw new HoldallError("not_found", `no workflow of this server has a scheduler '${name}'`, {
      fix:
        meant !== undefined && meant !== null
          ? `did you mean '${meant}'?`
          : known.length === 0
            ? "declare it under slurm_schedulers of the workflow, and submit that first"
            : `there are: ${[...new Set(known)].join(", ")}`,
    });
  } catch (error) {
    throw error instanceof ClientError ? fromClientError(error) : error;
  }
}

/** Ours are durations, as everywhere; Slurm's own way of writing days passes as it is. */
function slurmTime(given: string): string {
  if (/^\d+-\d{1,2}(:\d\d){0,2}$/.test(given)) return given;
  const parsed = parseDuration(given);
  if ("error" in parsed) throw usage(`--time: ${parsed.error}`, parsed.fix);
  const total = Math.max(60, Math.ceil(parsed.value));
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const days = Math.floor(total / 86_400);
  return `${days}-${two((total % 86_400) / 3600)}:${two((total % 3600) / 60)}:${two(total % 60)}`;
}

function allocationJson(each: Allocation): object {
  const iso = (at: number | null): string | null =>
    at === null ? null : new Date(at).toISOString();
  return {
    id: each.id,
    state: each.state,
    reason: each.reason,
    partition: each.partition,
    nodes: each.nodes,
    cpus: each.cpus,
    hosts: each.hosts,
    starts_at: iso(each.startsAtMs),
    ends_at: iso(each.endsAtMs),
    scheduler: each.scheduler,
    access: each.access,
  };
}

function allocationsText(all: readonly Allocation[], nowMs: number): string {
  const left = ({ endsAtMs, state }: Allocation): string =>
    state === "running" && endsAtMs !== null ? duration((endsAtMs - nowMs) / 1000) : "";
  return table(
    [
      { title: "PILOT" },
      { title: "STATE" },
      { title: "PARTITION" },
      { title: "NODES", align: "right" },
      { title: "CPUS", align: "right" },
      { title: "LEFT", align: "right" },
      { title: "SCHEDULER" },
      { title: "WHERE" },
    ],
    all.map((each) => [
      each.id,
      each.state,
      each.partition ?? "",
      String(each.nodes),
      String(each.cpus),
      left(each),
      each.scheduler ?? "",
      each.hosts ?? each.reason ?? "",
    ]),
  );
}

/**
 * Holdall as a user would set it up: `holdall serve` (durable, with fsync), one `holdall worker` for each node, and the client SDK.
 * With `--pilots slurm` each worker is a job of Slurm's instead; `--host ADDR`: where they reach the server. Whatever is not of the protocol (--executor ray, --access FILE ...) is handed to the workers.
 */
import { join, resolve } from "node:path";
import { createClient, type HoldallClient } from "../../src/client/client.ts";
import { readAccess } from "../../src/server/access.ts";
import { DEFAULT_REQUIREMENT, type WorkflowDefinition } from "../../src/core/workflow.ts";
import packageJson from "../../package.json" with { type: "json" };

const CLONE = resolve(import.meta.dir, "../..");
/** The launcher script's own start is part of a start, but a driver that is run from another Bun must not pick another. */
const HOLDALL = [process.execPath, join(CLONE, "src/cli/main.ts")];
const START_LIMIT_MS = 60_000;
const FINISH_MS = 200;
const END_LIMIT_MS = 10_000;
const LOOK_MS = 2;
const PILOT_LOOK_MS = 500;
const WAIT_SECONDS = 60;

interface Task {
  name: string;
  argv: string[];
}

const given = parseArguments(process.argv.slice(2));
const stateDir = resolve("state");
const children = new Map<string, Bun.Subprocess>();
let ending = false;

function parseArguments(words: readonly string[]): {
  workers: number;
  nodes: number;
  retries: number;
  /** workers are jobs of a batch system */
  pilots: boolean;
  serverOptions: string[];
  workerOptions: string[];
} {
  const counts: Record<string, number> = { "--workers": 1, "--nodes": 1, "--retries": 0 };
  const workerOptions: string[] = [];
  const serverOptions: string[] = [];
  let pilots = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word in counts) counts[word] = Number(words[++i]);
    else if (word === "--host") serverOptions.push(word, words[++i]!);
    else if (word === "--pilots" && words[i + 1] === "slurm") pilots = ++i > 0;
    else workerOptions.push(word);
  }
  return {
    workers: counts["--workers"]!,
    nodes: counts["--nodes"]!,
    retries: counts["--retries"]!,
    pilots,
    serverOptions,
    workerOptions,
  };
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function start(name: string, args: readonly string[]): Bun.Subprocess {
  const child = Bun.spawn([...HOLDALL, ...args, "--quiet", "--state-dir", stateDir], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  children.set(name, child);
  void child.exited.then(() => {
    if (children.get(name) !== child || ending) return;
    process.stderr.write(`${name} ended by itself: ${child.exitCode ?? child.signalCode}\n`);
    void end(1);
  });
  return child;
}

/** The first nodes take what cannot be shared evenly. */
function startWorker(node: number): void {
  const cpus =
    Math.floor(given.workers / given.nodes) + (node < given.workers % given.nodes ? 1 : 0);
  const args = ["worker", "--cpus", String(cpus), "--idle-timeout", "1h", ...given.workerOptions];
  if (given.pilots) submitPilot(node, cpus, args);
  else start(`worker ${node}`, args);
}

const pilots = new Map<number, string>();

/** Not to be queued again: Slurm holds what it preempted back for two minutes. Another one is submitted instead. */
function submitPilot(node: number, cpus: number, args: readonly string[]): void {
  const words = [...HOLDALL, ...args, "--quiet", "--access", join(stateDir, "access.json")];
  const script = `#!/bin/sh\nexec ${words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ")}\n`;
  const about = ["--job-name=holdall", "--nodes=1", "--ntasks=1", `--cpus-per-task=${cpus}`];
  const { success, stdout, stderr } = Bun.spawnSync(
    ["sbatch", "--parsable", "--no-requeue", "--output=/dev/null", ...about],
    { stdin: new TextEncoder().encode(script) },
  );
  if (!success) throw new Error(`sbatch: ${stderr.toString().trim()}`);
  pilots.set(node, stdout.toString().trim().split(";")[0]!);
}

/** Submits another one for each that is gone, until the end. */
async function keepPilots(resubmit: (node: number) => void): Promise<void> {
  while (!ending) {
    await Bun.sleep(PILOT_LOOK_MS);
    const child = Bun.spawn(["squeue", "--me", "--noheader", "--format=%i"], { stderr: "ignore" });
    const text = await new Response(child.stdout).text();
    if ((await child.exited) !== 0) continue;
    const there = new Set(text.split("\n"));
    for (const [node, job] of pilots) if (!ending && !there.has(job)) resubmit(node);
  }
}

async function cancelPilots(jobs: readonly string[]): Promise<void> {
  if (jobs.length > 0)
    await Bun.spawn(["scancel", ...jobs], { stdout: "ignore", stderr: "ignore" }).exited;
}

async function startAll(): Promise<{ client: HoldallClient; server: Bun.Subprocess }> {
  const server = start("server", ["serve", ...given.serverOptions]);
  const access = await until(() => readAccess(join(stateDir, "access.json")));
  const client = createClient({ baseUrl: access.url, token: access.token });
  for (let node = 0; node < given.nodes; node++) startWorker(node);
  if (given.pilots) void keepPilots(startWorker);
  await until(async () => ((await client.workers()).length === given.nodes ? true : null));
  return { client, server };
}

async function until<T>(look: () => T | null | Promise<T | null>): Promise<T> {
  const giveUpMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const found = await Promise.resolve(look()).catch(() => null);
    if (found !== null) return found;
    if (performance.now() > giveUpMs) throw new Error("server and workers did not come up");
    await Bun.sleep(LOOK_MS);
  }
}

async function run(client: HoldallClient, tasks: readonly Task[]): Promise<object> {
  const started = performance.now();
  const { workflow_id } = await client.submit({
    definition: workflowOf(tasks),
    stdout: "none",
    stderr: "none",
    output_dir: null,
    idempotency_key: null,
  });
  for (;;) {
    const { tasks: counts } = await client.workflow(workflow_id, { wait: WAIT_SECONDS });
    const { blocked, ready, assigned, running, succeeded } = counts;
    if (blocked + ready + assigned + running > 0) continue;
    const wall_s = (performance.now() - started) / 1000;
    return { type: "ran", done: succeeded, failed: tasks.length - succeeded, wall_s };
  }
}

/** Equal commands are one array, as one would write them; different ones are written out. */
function workflowOf(tasks: readonly Task[]): WorkflowDefinition {
  const { argv } = tasks[0]!;
  const count = tasks.length;
  const same = tasks.every(
    (task) => task.argv.length === argv.length && task.argv.every((word, i) => word === argv[i]),
  );
  const policy = {
    requirement: DEFAULT_REQUIREMENT,
    category: "task",
    retries: given.retries,
    timeoutSeconds: null,
    onUpstreamFailure: "skip",
    priority: 0,
    cwd: null,
    scheduler: null,
    first: 0,
    count,
  } as const;
  return {
    name: "bag",
    source: null,
    specDir: process.cwd(),
    cwd: process.cwd(),
    blocks: [
      same
        ? {
            kind: "array",
            title: "t{i}",
            parameters: {
              names: ["i"],
              values: [{ from: 0, step: 1, count, decimals: 0 }],
              mode: "product",
            },
            body: { name: ["t", { p: 0 }], command: { kind: "argv", argv } },
            ...policy,
          }
        : {
            kind: "explicit",
            bodies: tasks.map((task) => ({
              name: task.name,
              command: { kind: "argv", argv: task.argv },
            })),
            ...policy,
          },
    ],
    edges: [],
    runs: [],
    sets: [],
    taskCount: count,
    priority: 0,
    sortMethod: "auto",
    schedulers: [],
  };
}

/** Attempts die with their worker. */
async function kill(node: number, warningS: number): Promise<void> {
  if (given.pilots) throw new Error("pilots are preempted by Slurm, not killed by the driver");
  const name = `worker ${node}`;
  const old = children.get(name)!;
  children.delete(name);
  if (warningS > 0) {
    old.kill("SIGTERM");
    await Promise.race([old.exited, Bun.sleep(warningS * 1000)]);
  }
  old.kill("SIGKILL");
  await old.exited;
  startWorker(node);
  say({ type: "killed", node });
}

async function end(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  await cancelPilots([...pilots.values()]);
  const all = [...children.values()];
  for (const each of all) each.kill("SIGTERM");
  // A worker that is asked once finishes what it runs; nobody waits for that any more.
  await Promise.race([Promise.all(all.map((each) => each.exited)), Bun.sleep(FINISH_MS)]);
  for (const each of all) if (each.exitCode === null) each.kill("SIGTERM");
  await Promise.race([Promise.all(all.map((each) => each.exited)), Bun.sleep(END_LIMIT_MS)]);
  for (const each of all) each.kill("SIGKILL");
  await Promise.all(all.map((each) => each.exited));
  process.exit(code);
}

async function* lines(): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of Bun.stdin.stream()) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

async function main(): Promise<void> {
  process.on("SIGTERM", () => void end(0));
  // Ctrl-C reaches who started us, who ends us.
  process.on("SIGINT", () => {});
  const startup = startAll();
  startup.catch(async (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    await end(1);
  });
  let last: Promise<unknown> = startup.then(({ server }) => {
    // performance.now() counts from the start of this process.
    const startup_s = performance.now() / 1000;
    say({ type: "ready", version: packageJson.version, startup_s, manager_pid: server.pid });
  });
  for await (const line of lines()) {
    const message = JSON.parse(line) as
      { type: "run"; tasks: string } | { type: "kill"; node: number; warning_s?: number };
    if (message.type === "kill") void kill(message.node, message.warning_s ?? 0);
    else
      last = last
        .then(async () => {
          const { client } = await startup;
          const text = await Bun.file(message.tasks).text();
          const tasks = text
            .trim()
            .split("\n")
            .map((each) => JSON.parse(each) as Task);
          say(await run(client, tasks));
        })
        .catch(async (error: unknown) => {
          if (ending) return;
          process.stderr.write(`${String(error)}\n`);
          await end(1);
        });
  }
  await end(0);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  await end(1);
}

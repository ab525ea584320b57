/**
 * A bridge without an engine, for faults. argv[2] says how it behaves:
 *   run       runs commands itself, and tells their output as base64
 *   slots     the same, and says that it is not told what commands need
 *   launch    starts Holdall's launcher (argv[3]) for each attempt, at once
 *   twice     the same, and once more when it has ended
 *   stage     starts it in a folder of its own, to which it brings inputs, and outputs back; once more for an output `again`
 *   silent    never says hello
 *   garbage   says something else instead
 * While it runs, a command whose first word is one of these makes it misbehave: `say LINE`, `die`, `lose`.
 */
import { cpSync, existsSync, mkdtempSync } from "node:fs";
import { dirname, join } from "node:path";
import { argv as words } from "node:process";

const [, , behaviour = "run", launcher = ""] = words;
const whole = behaviour === "run" || behaviour === "slots";
const context = words[words.indexOf("--context") + 1] ?? "";
const say = (value: object): void => console.log(JSON.stringify(value));

interface File {
  path: string;
  name: string;
}

interface StartLine {
  inputs?: File[];
  outputs?: File[];
  type: string;
  id: number;
  argv: string[];
  cwd: string;
  env: string[];
  signal: number;
}

const children = new Map<number, Bun.Subprocess>();

async function run(line: StartLine): Promise<void> {
  const { id, argv } = line;
  if (argv[0] === "say") return console.log(argv[1]?.replace("ID", String(id)));
  if (argv[0] === "lose") return say({ type: "done", id, message: "its node went away" });
  if (argv[0] === "die") {
    console.error("the engine exploded");
    process.exit(3);
  }
  const env = Object.fromEntries(line.env.map((entry) => entry.split(/=(.*)/s).slice(0, 2)));
  const options = { cwd: line.cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" } as const;
  const child = Bun.spawn(argv, options);
  children.set(id, child);
  say({ type: "started", id, pid: child.pid, started_ms: Date.now() });
  for (const stream of ["stdout", "stderr"] as const) {
    const data = Buffer.from(await child[stream].bytes()).toString("base64");
    if (data !== "") say({ type: "output", id, stream, data });
  }
  const code = await child.exited;
  say({ type: "exited", id, ...(child.signalCode ? { signal: 15 } : { exit_code: code }) });
}

async function stage({ id, inputs = [], outputs = [] }: StartLine): Promise<void> {
  const folder = mkdtempSync(join(dirname(context), "stage-"));
  for (const { path, name } of inputs) cpSync(path, join(folder, name), { recursive: true });
  const again = outputs.some(({ name }) => name === "again");
  for (let time = 0; time < (again ? 2 : 1); time++) {
    const child = Bun.spawn([launcher, "--attempt", context, String(id)], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
    children.set(id, child);
    await child.exited;
  }
  await Bun.sleep(50); // what a slow way back takes
  const missing = outputs.some(({ name }) => !existsSync(join(folder, name)));
  for (const { path, name } of missing ? [] : outputs) cpSync(join(folder, name), path);
  say({ type: "done", id, message: "", ...(missing ? { outputs: "missing" } : {}) });
}

async function launch({ id }: StartLine): Promise<void> {
  for (let time = 0; time < (behaviour === "twice" ? 2 : 1); time++) {
    const child = Bun.spawn([launcher, "--attempt", context, String(id)], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    children.set(id, child);
    const code = await child.exited;
    say({ type: "done", id, message: code === 0 ? "" : `exit code ${code}` });
  }
}

if (behaviour === "garbage") console.log("Segmentation fault (core dumped)");
else if (behaviour !== "silent")
  say({
    type: "hello",
    protocol: 1,
    name: "fake",
    version: "1",
    capabilities: {
      cpus: behaviour !== "slots",
      memory: behaviour !== "slots",
      retries: false,
      cancel: false,
      staging: behaviour === "stage",
      files: behaviour === "stage",
      priorities: false,
      output: whole,
    },
    slot: { cpus: 2, memory_bytes: 1000 },
  });

for await (const text of console) {
  const line = JSON.parse(text) as StartLine;
  if (line.type === "start")
    void (whole ? run(line) : behaviour === "stage" ? stage(line) : launch(line));
  if (line.type === "kill") children.get(line.id)?.kill("SIGTERM");
  if (line.type === "close") break;
}
process.exit(0);

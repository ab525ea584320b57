// The guides that lead from other programs here: every command of Holdall in them is run, in the order of the page,
// in a folder with the documents of the page. Those that need another engine or a Slurm site are only read.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { holdall, run } from "../support/holdall.ts";
import { root, scratchDir } from "../support/scratch.ts";
import { endAll, serve, worker } from "../support/server.ts";

setDefaultTimeout(240_000);
afterEach(endAll);

interface Guide {
  /** what begins with `holdall` or pipes into it: lines of `sh` blocks, and code in the text and in tables */
  commands: string[];
  /** `yaml` blocks that begin with a comment, which is their name */
  documents: Record<string, string>;
  /** code such as `retries: 2` */
  keys: string[];
}

function readGuide(name: string): Guide {
  const text = readFileSync(join(root, "docs", name), "utf8");
  const guide: Guide = { commands: [], documents: {}, keys: [] };
  for (const [, language, block, span] of text.matchAll(
    /^```(\w+)\n([\s\S]*?)^```$|`([^`\n]+)`/gm,
  )) {
    const file = /^# (\S+)\n/.exec(block ?? "")?.[1];
    if (language === "yaml" && file !== undefined) guide.documents[file] = block!;
    const lines = language === "sh" ? block!.trim().split("\n") : [span ?? ""];
    for (const line of lines) {
      const code = line.replaceAll("\\|", "|").replace(/ +# .*$/, "");
      if (/^(?:[^|]*\| )?holdall /.test(code)) guide.commands.push(code);
      else if (/^[a-z_]+: /.test(code)) guide.keys.push(code);
    }
  }
  return guide;
}

function fixture(documents: Record<string, string>): string {
  const cwd = scratchDir();
  mkdirSync(join(cwd, "sub"));
  copyFileSync(join(root, "examples/torc/workflow.yaml"), join(cwd, "workflow.yaml"));
  const files = {
    simulate: '#!/bin/sh\necho "simulated $*"\n',
    "a.txt": "b\na\n",
    "two words.txt": "c\n",
    "files.txt": "a.txt\ntwo words.txt\n",
    "commands.txt": "echo one > one.out\necho two | tr a-z A-Z > two.out\n",
    "runs.json": '[{"seed": 1, "level": "low"}, {"seed": 2, "level": "high"}]',
    "lab.pw": "secret\n",
    ...documents,
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
  chmodSync(join(cwd, "simulate"), 0o755);
  return cwd;
}

const env = {
  PATH: `${dirname(holdall)}:${process.env["PATH"]}`,
  HOLDALL_ACCESS: undefined,
  HOLDALL_STATE_DIR: undefined,
};

async function runAsWritten(cwd: string, command: string): Promise<void> {
  const { code, stderr } = await run(cwd, [command], { env, command: ["sh", "-c"] });
  expect({ command, code, stderr: code === 0 ? "" : stderr }).toEqual({
    command,
    code: 0,
    stderr: "",
  });
}

/** Runs of other engines say what they would do. What asks Slurm does not get that far without a server: only its usage is checked. */
async function readOnly(cwd: string, command: string): Promise<void> {
  if (command.startsWith("holdall run "))
    return await runAsWritten(cwd, command.replace("holdall run", "holdall run --dry-run"));
  const { code, stderr } = await run(cwd, [command], { env, command: ["sh", "-c"] });
  expect({ command, usage: code === 2 ? stderr : "" }).toEqual({ command, usage: "" });
}

/** Files that a guide says are there after its commands. */
const made: Record<string, string[]> = {
  "from-gnu-parallel.md": [
    "a.txt.gz",
    "two words.sorted",
    "two.out",
    "out/simulate_3.1.out",
    "out/simulate_3.1.err",
  ],
  "from-torc.md": ["report.txt", "workflow.svg", "torc.jsonl", "two.out"],
  "from-hyperqueue.md": [],
  "from-work-queue.md": ["9.out"],
};

describe.each(Object.keys(made))("%s", (name) => {
  const guide = readGuide(name);

  test("its commands", async () => {
    expect(guide.commands.length).toBeGreaterThanOrEqual(20);
    const cwd = fixture(guide.documents);
    const elsewhere = fixture(guide.documents);
    for (const command of guide.commands) {
      const words = command.split(" ");
      if (/ --executor |^holdall slurm /.test(command)) await readOnly(elsewhere, command);
      else if (!command.endsWith(" &")) await runAsWritten(cwd, command);
      else if (words[1] === "serve") await serve(cwd, words.slice(2, -1), { env });
      else worker(cwd, words.slice(2, -1), { env });
    }
    for (const file of made[name]!)
      expect([file, existsSync(join(cwd, file))]).toEqual([file, true]);
  });

  test("its keys are keys of a task or of a workflow", async () => {
    const cwd = fixture({});
    const ofWorkflow = guide.keys.filter((key) => key.startsWith("categories:"));
    const ofTask = guide.keys.filter((key) => !ofWorkflow.includes(key));
    const task = (key: string, index: number): string => {
      const needed = [`name: "t${index}_{i}"`, 'command: "echo {i}"', "parameters: {i: [1]}"];
      const others = needed.filter((field) => field.split(":")[0] !== key.split(":")[0]);
      return `  - {${[...others, key].join(", ")}}\n`;
    };
    const tasks = `tasks:\n${[...ofTask, "category: heavy"].map(task).join("")}`;
    for (const key of [...ofWorkflow, "priority: 1"]) {
      writeFileSync(join(cwd, "keys.yaml"), `name: keys\n${key}\n${tasks}`);
      await runAsWritten(cwd, "holdall validate keys.yaml");
    }
    writeFileSync(join(cwd, "keys.yaml"), `name: keys\nno_such_key: 1\n${tasks}`);
    expect((await run(cwd, ["validate", "keys.yaml"])).code).toBe(2);
  });
});

test("a mistake in what is only read is seen", async () => {
  const cwd = fixture({});
  for (const command of ["holdall slurm allocate --cuont 4", "holdall slurm cancel --al"])
    expect((await run(cwd, [command], { env, command: ["sh", "-c"] })).code).toBe(2);
});

import { buildCommand, type Command } from "@stricli/core";
import type { HoldallClient, OutputCut, OutputStream, WorkflowRef } from "../../client/client.ts";
import { formatBytes } from "../../core/units.ts";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import type { Io } from "../io.ts";
import { taskRef } from "../names.ts";
import { printJson } from "../output/json.ts";
import { failureReason } from "../output/summary.ts";
import { count } from "../output/units.ts";
import { serverPlace } from "../state-dir.ts";
import { usage } from "../usage.ts";
import {
  ACCESS_FLAG,
  flag,
  integerFrom,
  JSON_FLAG,
  STATE_DIR_FLAG,
  text,
  toggle,
} from "./shared.ts";

interface Flags {
  attempt?: number | undefined;
  stdout?: boolean | undefined;
  stderr?: boolean | undefined;
  follow?: boolean | undefined;
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const logsCommand: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  async func(flags, word) {
    const { io } = this;
    const ref = taskRef(word);
    if (flags.json === true && flags.follow === true) {
      throw usage("--json prints one value, --follow never ends", "leave one of them");
    }
    const both = flags.stdout === flags.stderr;
    const streams: OutputStream[] = both
      ? ["stdout", "stderr"]
      : [flags.stdout === true ? "stdout" : "stderr"];
    const follow = flags.follow === true;
    await withClient(this, serverPlace(io, flags), async ({ client }) => {
      const source: Source = { client, ...ref, attempt: flags.attempt };
      if (flags.json === true) await printAsJson(io, source, streams);
      else if (follow) await followStreams(io, source, streams);
      else await printStreams(io, source, streams);
    });
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: text,
          placeholder: "TASK",
          brief: "a task of the newest workflow, or ID/TASK",
        },
      ],
    },
    flags: {
      attempt: flag(integerFrom(1), "N", "of this attempt (default: the latest)"),
      stdout: toggle("only what it wrote to stdout"),
      stderr: toggle("only what it wrote to stderr"),
      follow: toggle("go on until the attempt has ended"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
    aliases: { f: "follow" },
  },
  docs: {
    brief: "what a task printed",
    fullDescription:
      "What a task wrote to stdout and then what it wrote to stderr, byte by byte, on our stdout.",
    customUsage: [
      { input: "compress_003", brief: "its latest attempt in the newest workflow" },
      { input: "3/compress_003 --stderr --attempt 1", brief: "of workflow 3, the first attempt" },
      { input: "-f summarize", brief: "while it runs" },
    ],
  },
});

interface Source {
  client: HoldallClient;
  workflow: WorkflowRef;
  task: string;
  attempt: number | undefined;
}

async function printStreams(
  io: Io,
  source: Source,
  streams: readonly OutputStream[],
): Promise<void> {
  let wroteBefore = false;
  const cuts: string[] = [];
  for (const stream of streams) {
    const { client, workflow, task, attempt } = source;
    let first = true;
    const onCut = (cut: OutputCut): void => void cuts.push(cutText(stream, cut));
    for await (const chunk of await client.output(workflow, task, { attempt, stream, onCut })) {
      // Which is which is for people; stdout carries the task's bytes and nothing else.
      if (first && wroteBefore) io.stderr.write("--- stderr:\n");
      first = false;
      wroteBefore = true;
      io.stdout.write(chunk);
      if (io.stdout.closed()) return;
    }
  }
  for (const cut of cuts) io.stderr.write(`${cut}\n`);
  if (!wroteBefore) io.stderr.write(`${await whyNothing(source)}\n`);
}

function cutText(stream: OutputStream, { written, kept }: OutputCut): string {
  return `${stream} was cut: the first ${formatBytes(kept)} are kept of ${count(written)} bytes written; redirect it to a file in the command to keep all`;
}

/** An empty answer leaves one wondering: has it not run, could it not be started, or was it silent? */
async function whyNothing({ client, workflow, task, attempt }: Source): Promise<string> {
  const detail = await client.task(workflow, task);
  const wanted = attempt ?? detail.attempts;
  const found = detail.attempts_detail.find((each) => each.attempt === wanted);
  if (found === undefined) return `${task}: nothing was printed so far; it is ${detail.state}`;
  const { outcome, exit_code, message } = found;
  const how = outcome === "ok" ? "ok" : failureReason({ name: task, outcome, exit_code, message });
  return `${task}: attempt ${wanted} printed nothing; it ended: ${how}`;
}

async function followStreams(
  io: Io,
  source: Source,
  streams: readonly OutputStream[],
): Promise<void> {
  const { client, workflow, task, attempt } = source;
  const stop = new AbortController();
  await Promise.all(
    streams.map(async (stream) => {
      const query = { attempt, stream, follow: true };
      try {
        for await (const chunk of await client.output(workflow, task, query, stop.signal)) {
          io.stdout.write(chunk);
          if (io.stdout.closed()) stop.abort();
        }
      } catch (error) {
        if (!stop.signal.aborted) {
          stop.abort();
          throw error;
        }
      }
    }),
  );
}

async function printAsJson(
  io: Io,
  source: Source,
  streams: readonly OutputStream[],
): Promise<void> {
  const { client, workflow, task, attempt } = source;
  const texts: Partial<Record<OutputStream, string>> = {};
  for (const stream of streams) {
    const onCut = (cut: OutputCut): void => io.stderr.write(`${cutText(stream, cut)}\n`);
    const bytes = await client.output(workflow, task, { attempt, stream, onCut });
    texts[stream] = await new Response(bytes).text();
  }
  printJson(io, { name: task, attempt: attempt ?? null, ...texts });
}

import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { stateDirOf } from "../state-dir.ts";
import {
  ACCEPT_LOSS_FLAG,
  flag,
  HEARTBEAT_FLAG,
  integerFrom,
  QUIET_FLAG,
  STATE_DIR_FLAG,
  text,
} from "./shared.ts";

interface Flags {
  stateDir?: string | undefined;
  port?: number | undefined;
  host?: string | undefined;
  access?: string | undefined;
  heartbeat?: number | undefined;
  fsync: boolean;
  acceptLoss?: boolean | undefined;
  quiet?: boolean | undefined;
}

export const serveCommand: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  async func(flags) {
    const { serve } = await import("../serve.ts");
    this.exitCode = await serve(
      {
        stateDir: stateDirOf(this.io, flags.stateDir),
        port: flags.port ?? null,
        host: flags.host,
        access: flags.access,
        heartbeatMs: flags.heartbeat,
        fsync: flags.fsync,
        acceptLoss: flags.acceptLoss === true,
        quiet: flags.quiet === true,
      },
      this.io,
    );
  },
  parameters: {
    flags: {
      stateDir: STATE_DIR_FLAG,
      port: flag(
        integerFrom(0),
        "PORT",
        "default, and 0: the one it had before, else any free one",
      ),
      host: flag(text, "ADDR", "listen on this address instead of 127.0.0.1"),
      access: flag(text, "FILE", "also write the access file there"),
      heartbeat: HEARTBEAT_FLAG,
      fsync: { kind: "boolean", default: true, brief: "durable against a power cut too" },
      acceptLoss: ACCEPT_LOSS_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "run a server, to which workers and other commands connect",
    fullDescription: [
      "Keeps the ledger of a state directory and gives its tasks to workers. Runs no task itself.",
      "STATE_DIR/access.json (readable by you only) says where it listens and holds the token that opens it;",
      "after a restart port and token are the same. Workers survive a restart with everything they run.",
    ].join("\n"),
    customUsage: [
      { input: "", brief: "serve .holdall on 127.0.0.1" },
      {
        input: "--state-dir /data/holdall --port 7070",
        brief: "a state directory and port of your choice",
      },
    ],
  },
});

/** One command line from its words to its exit code: parsing, `--json` errors, exit codes. */
import { type ApplicationText, buildApplication, run, text_en } from "@stricli/core";
import { toHoldallError } from "../core/error.ts";
import { ClientError } from "../client/error.ts";
import { type ConnectDeps, fromClientError, realConnectDeps } from "./connect.ts";
import type { CliContext } from "./context.ts";
import type { Io } from "./io.ts";
import { EXIT } from "./exit.ts";
import { printError } from "./output/error.ts";
import { routes } from "./routes.ts";
import { unknownCommand, usageError } from "./usage.ts";

/** Runs `holdall ARGV` and returns its exit code. Never throws. */
export async function runCli(
  argv: readonly string[],
  io: Io,
  connectDeps: ConnectDeps = realConnectDeps,
): Promise<number> {
  if (argv[0] === "__complete") return await completeQuietly(argv.slice(1), io);
  // Everything after the first `--` belongs to the user's command and is never looked at.
  const end = argv.indexOf("--");
  const words = longNames(rewriteHelp(end < 0 ? argv : argv.slice(0, end)));
  const rest = end < 0 ? null : argv.slice(end + 1);
  const json = words.includes("--json");
  // Stricli formats errors to text at once; we keep the error itself, for --json and for the exit code.
  let failure: unknown = null;
  const keep = (error: unknown): string => {
    failure ??= error;
    return "";
  };
  const text: ApplicationText = {
    ...text_en,
    exceptionWhileParsingArguments: (error) => keep(usageError(error, commandPath(words))),
    exceptionWhileLoadingCommandFunction: keep,
    exceptionWhileLoadingCommandContext: keep,
    exceptionWhileRunningCommand: keep,
    commandErrorResult: keep,
    noCommandRegisteredForInput: ({ input, corrections }) =>
      keep(unknownCommand(input, corrections, io.cwd)),
    briefs: {
      ...text_en.briefs,
      help: "this text",
      argumentEscapeSequence: takesCommand(words)
        ? "the command of ad-hoc tasks follows"
        : "no flags follow",
    },
  };
  const context: CliContext = {
    process: {
      stdout: { write: (help) => io.stdout.write(help) },
      stderr: { write: () => {} },
      env: { STRICLI_NO_COLOR: "1" },
    },
    io,
    connectDeps,
    verbatim: rest,
    exitCode: EXIT.ok,
  };
  try {
    await run(
      buildApplication<CliContext>(routes, {
        name: "holdall",
        scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
        documentation: {
          caseStyle: "convert-camel-to-kebab",
          disableAnsiColor: true,
          onlyRequiredInUsageLine: true,
        },
        localization: { text },
      }),
      // Elsewhere -- is what it is everywhere: names that begin with "-" follow.
      rest === null || takesCommand(words) ? words : [...words, "--", ...rest],
      context,
    );
  } catch (error) {
    failure ??= error;
  }
  if (failure === null) return context.exitCode;
  const error = failure instanceof ClientError ? fromClientError(failure) : toHoldallError(failure);
  printError(error, io, json);
  return error.exitCode;
}

/** A key press waits no longer for a server that does not answer. Usually it is a tenth of this. */
const COMPLETION_MS = 1_500;

/** Of shells, while a command line is typed: whatever goes wrong, nothing is said. */
async function completeQuietly(words: readonly string[], io: Io): Promise<number> {
  try {
    const [{ complete, answerText }, { realRecords }] = await Promise.all([
      import("./completion/complete.ts"),
      import("./completion/records.ts"),
    ]);
    const late = Bun.sleep(COMPLETION_MS).then(() => null);
    const answer = await Promise.race([complete(words, io, realRecords), late]);
    if (answer !== null) io.stdout.write(answerText(answer));
  } catch {
    // a half-written command line is no mistake
  }
  return EXIT.ok;
}

/** Whether what follows -- is the user's own command. */
function takesCommand(words: readonly string[]): boolean {
  return words[0] === "run" || words[0] === "submit";
}

/** "holdall bench spawn": the words that name a command. */
function commandPath(words: readonly string[]): string {
  const path = ["holdall"];
  let target: ReturnType<typeof routes.getRoutingTargetForInput> = routes;
  for (const word of words) {
    if (target === undefined || !("getRoutingTargetForInput" in target)) break;
    target = target.getRoutingTargetForInput(word);
    if (target !== undefined) path.push(word);
  }
  return path.join(" ");
}

/** `holdall help run` is `holdall run --help`. */
function rewriteHelp(words: readonly string[]): readonly string[] {
  return words[0] === "help" ? [...words.slice(1), "--help"] : words;
}

/** `bench engines --n 2000`: Stricli takes a single letter after two dashes for an argument. */
function longNames(words: readonly string[]): readonly string[] {
  if (words[0] !== "bench") return withArguments(words);
  return words.map((word) => (/^--n(=|$)/.test(word) ? word.replace("--n", "--values") : word));
}

/** `--slurm-args "--qos high"`: a value that begins like a flag belongs to the one before it. */
function withArguments(words: readonly string[]): readonly string[] {
  const at = words.indexOf("--slurm-args");
  const value = words[at + 1];
  if (at < 0 || value === undefined) return words;
  return [...words.slice(0, at), `--slurm-args=${value}`, ...words.slice(at + 2)];
}

/** One command line from its words to its exit code: parsing, `--json` errors, exit codes. */
import { type ApplicationText, buildApplication, run, text_en } from "@stricli/core";
import { toHoldallError } from "../core/error.ts";
import type { CliContext } from "./context.ts";
import type { Io } from "./io.ts";
import { EXIT } from "./exit.ts";
import { printError } from "./output/error.ts";
import { routes } from "./routes.ts";
import { unknownCommand, usageError } from "./usage.ts";

/** Runs `holdall ARGV` and returns its exit code. Never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  // Everything after the first `--` belongs to the user's command and is never looked at.
  const end = argv.indexOf("--");
  const words = rewriteHelp(end < 0 ? argv : argv.slice(0, end));
  const json = words.includes("--json");
  // Stricli formats errors to text at once; we keep the error itself, for --json and for the exit code.
  let failure: unknown = null;
  const keep = (error: unknown): string => {
    failure ??= error;
    return "";
  };
  const text: ApplicationText = {
    ...text_en,
    exceptionWhileParsingArguments: (error) => keep(usageError(error, words)),
    exceptionWhileLoadingCommandFunction: keep,
    exceptionWhileLoadingCommandContext: keep,
    exceptionWhileRunningCommand: keep,
    commandErrorResult: keep,
    noCommandRegisteredForInput: ({ input, corrections }) =>
      keep(unknownCommand(input, corrections, io.cwd)),
    briefs: { ...text_en.briefs, help: "this text", version: "the version" },
  };
  const context: CliContext = {
    process: {
      stdout: { write: (help) => io.stdout.write(help) },
      stderr: { write: () => {} },
      env: { STRICLI_NO_COLOR: "1" },
    },
    io,
    verbatim: end < 0 ? null : argv.slice(end + 1),
    exitCode: EXIT.ok,
  };
  try {
    await run(
      buildApplication<CliContext>(routes, {
        name: "holdall",
        scanner: { caseStyle: "allow-kebab-for-camel" },
        documentation: { caseStyle: "convert-camel-to-kebab", disableAnsiColor: true },
        localization: { text },
      }),
      words,
      context,
    );
  } catch (error) {
    failure ??= error;
  }
  if (failure === null) return context.exitCode;
  const error = toHoldallError(failure);
  printError(error, io, json);
  return error.exitCode;
}

/** `holdall help run` is `holdall run --help`. */
function rewriteHelp(words: readonly string[]): readonly string[] {
  return words[0] === "help" ? [...words.slice(1), "--help"] : words;
}

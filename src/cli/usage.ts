/** Mistakes on the command line, said in our words with the fix. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import {
  AliasNotFoundError,
  ArgumentParseError,
  ArgumentScannerError,
  EnumValidationError,
  FlagNotFoundError,
  formatMessageForArgumentScannerError,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
} from "@stricli/core";
import { HoldallError } from "../core/error.ts";

export function usage(message: string, fix?: string): HoldallError {
  return new HoldallError("usage", message, { fix });
}

export function unknownCommand(
  input: string,
  corrections: readonly string[],
  cwd: string,
): HoldallError {
  if (isFile(resolve(cwd, input))) {
    return usage(`"${input}" is a file, not a command`, `holdall run ${input}`);
  }
  const near = corrections[0]?.replaceAll("`", "");
  return usage(
    `unknown command "${input}"`,
    near === undefined ? "holdall --help lists the commands" : `did you mean "${near}"?`,
  );
}

/** What Stricli found wrong, as a HoldallError. `command` is what was called: "holdall bench spawn". */
export function usageError(error: unknown, command: string): unknown {
  if (error instanceof HoldallError || !(error instanceof ArgumentScannerError)) return error;
  const help = `${command} --help`;
  const seeHelp = `${help} lists the flags`;
  if (error instanceof FlagNotFoundError) {
    const near = error.corrections[0]
      ?.replace(/^-+/, "")
      .replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const flag = `--${error.input}`;
    return usage(`unknown flag ${flag}`, near === undefined ? seeHelp : `did you mean --${near}?`);
  }
  if (error instanceof AliasNotFoundError) return usage(`unknown flag -${error.input}`, seeHelp);
  if (error instanceof ArgumentParseError) {
    // Placeholders are in capitals here, flags never.
    const given = error.externalFlagNameOrPlaceholder;
    const name = given === given.toUpperCase() ? given : `--${given}`;
    const inner = error.exception;
    const why = inner instanceof Error ? inner.message : String(inner);
    const fix = inner instanceof HoldallError ? inner.fix : undefined;
    return usage(`${name}: ${why}`, fix ?? seeHelp);
  }
  if (error instanceof EnumValidationError) {
    return usage(
      `--${error.externalFlagName}: no value '${error.input}'`,
      `one of ${error.values.join(", ")}`,
    );
  }
  if (error instanceof UnsatisfiedFlagError) {
    const next = error.nextFlagName === undefined ? "" : `; --${error.nextFlagName} follows it`;
    return usage(
      `--${error.externalFlagName} needs a value${next}`,
      `a value that begins with "-" is written --${error.externalFlagName}=VALUE`,
    );
  }
  if (error instanceof UnexpectedFlagError) {
    return usage(
      `--${error.externalFlagName} is given twice: ${error.previousInput} and ${error.input}`,
      "leave one of them",
    );
  }
  if (error instanceof UnexpectedPositionalError) {
    return usage(`unexpected argument "${error.input}"`, help);
  }
  if (error instanceof UnsatisfiedPositionalError) {
    return usage(`${error.placeholder.toUpperCase()} is missing`, help);
  }
  return usage(formatMessageForArgumentScannerError(error, {}), seeHelp);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

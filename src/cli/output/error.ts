import { type ErrorDetail, errorJson, type HoldallError } from "../../core/error.ts";
import type { Io } from "../io.ts";
import { type Colors, colorsFor } from "./colors.ts";

/** How many further mistakes of one document are listed. */
const OTHERS_SHOWN = 9;

/** The error as text on stderr; with --json also as the one value on stdout. */
export function printError(error: HoldallError, io: Io, json: boolean): void {
  if (json) io.stdout.write(`${JSON.stringify(errorJson(error))}\n`);
  io.stderr.write(errorText(error, colorsFor(io, io.stderr)));
  if (error.code === "internal" && io.env["HOLDALL_DEBUG"] !== undefined) {
    const cause = error.cause instanceof Error ? error.cause : error;
    io.stderr.write(`${cause.stack ?? ""}\n`);
  }
}

export function errorText(error: HoldallError, colors: Colors): string {
  const shown = error.others.slice(0, OTHERS_SHOWN);
  const hidden = error.others.length - shown.length;
  const parts = [error, ...shown].map((detail) => detailText(detail, colors));
  if (hidden > 0) parts.push(`and ${hidden} more\n`);
  return parts.join("");
}

function detailText(detail: ErrorDetail, colors: Colors): string {
  let text = `${colors.red("error:")} ${detail.message}\n`;
  if (detail.place !== undefined) {
    const { file, line, column } = detail.place;
    text += ` --> ${file}:${line}:${column}\n`;
  }
  if (detail.fix !== undefined) text += `${colors.bold("fix:")} ${detail.fix}\n`;
  return text;
}

import type { Io, Output } from "../io.ts";

export interface Colors {
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

const plain = (text: string): string => text;
const wrap =
  (open: number, close: number) =>
  (text: string): string =>
    text === "" ? "" : `\x1b[${open}m${text}\x1b[${close}m`;

export const NO_COLORS: Colors = {
  red: plain,
  green: plain,
  yellow: plain,
  bold: plain,
  dim: plain,
};

const ANSI_COLORS: Colors = {
  red: wrap(31, 39),
  green: wrap(32, 39),
  yellow: wrap(33, 39),
  bold: wrap(1, 22),
  dim: wrap(2, 22),
};

/** Colours only on a terminal that has them, and not when NO_COLOR (any value but "") asks for none. */
export function colorsFor(io: Pick<Io, "env">, stream: Pick<Output, "isTTY">): Colors {
  const refused = (io.env["NO_COLOR"] ?? "") !== "" || io.env["TERM"] === "dumb";
  return stream.isTTY && !refused ? ANSI_COLORS : NO_COLORS;
}

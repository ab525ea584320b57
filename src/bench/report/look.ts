/** How an engine looks: the same in every plot of every report. No two look alike without colours. */
import { ENGINES } from "../engines/samples.ts";

export const SHAPES = [
  "circle",
  "square",
  "triangle",
  "diamond",
  "wedge",
  "cross",
  "plus",
  "star",
] as const;
export type Shape = (typeof SHAPES)[number];

export interface Look {
  /** class of the stylesheet that sets the colour, light and dark: c0 to c7 */
  color: string;
  shape: Shape;
  /** hollow: `holdall --executor X` has the colour and shape of X, without the filling */
  hollow: boolean;
  /** of lines; empty: solid */
  dash: string;
}

const COLORS = 8;
const DASHES = ["", "7 3", "2 3", "8 3 2 3"];

export function lookOf(engine: string): Look {
  const bridged = engine.startsWith("holdall+");
  const name = bridged ? engine.slice("holdall+".length) : engine;
  const known = ENGINES.indexOf(name as (typeof ENGINES)[number]);
  const index = known >= 0 ? known : ENGINES.length + hash(name);
  return {
    color: `c${index % COLORS}`,
    // Engines that share a colour are a whole palette apart, so another shift gives another shape.
    shape: SHAPES[(index + 3 * Math.floor(index / COLORS)) % SHAPES.length]!,
    hollow: bridged,
    dash: bridged ? "3 2" : DASHES[Math.floor(index / COLORS) % DASHES.length]!,
  };
}

function hash(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)!) % 1009;
  return sum;
}

/** Okabe and Ito's colours, which people with any kind of colour blindness tell apart, darkened or lightened until they stand out. */
export const PALETTE: { light: readonly string[]; dark: readonly string[] } = {
  light: ["#0060a8", "#c94f00", "#00805c", "#b0468c", "#7a6a00", "#2a8fc4", "#8a4b00", "#4a4a4a"],
  dark: ["#6cb6ff", "#ff9a57", "#3fd1a4", "#f09bd0", "#e0d05a", "#9fe0ff", "#e0b080", "#d0d0d0"],
};

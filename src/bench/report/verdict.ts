/** What repeated measurements allow to be said. Deliberately plain: every round counts once, and all have to agree. */
import type { Sample } from "../engines/samples.ts";
import { spreadOf } from "../engines/statistics.ts";
import { plain } from "./axis.ts";

export interface Comparison {
  /** median over the rounds of other ÷ one */
  ratio: number;
  min: number;
  max: number;
  rounds: number;
  verdict: "faster" | "slower" | "open" | "too few";
}

/** Fewer rounds than this show what happened, not what is typical: with five that agree, chance does it once in 16. */
export const ENOUGH_ROUNDS = 5;

/** Figures (wall times, unless told) round by round: within a round the machine was in about the same mood. "faster": `one` is. */
export function compare(
  one: readonly Sample[],
  other: readonly Sample[],
  figureOf: (sample: Sample) => number = (sample) => sample.wall_s,
): Comparison | null {
  const ratios = one.flatMap((sample) => {
    const partner = other.find((each) => each.round === sample.round);
    return partner === undefined ? [] : [figureOf(partner) / figureOf(sample)];
  });
  if (ratios.length === 0) return null;
  const { median, min, max } = spreadOf(ratios);
  const verdict =
    ratios.length < ENOUGH_ROUNDS ? "too few" : min > 1 ? "faster" : max < 1 ? "slower" : "open";
  return { ratio: median, min, max, rounds: ratios.length, verdict };
}

/** For what is not compared round by round. Empty where there are enough. */
export function tooFew(samples: readonly Sample[]): string[] {
  const rounds = new Set(samples.map((sample) => sample.round)).size;
  return rounds >= ENOUGH_ROUNDS
    ? []
    : [
        `${rounds === 1 ? "One repetition" : `At most ${rounds} repetitions`}: that shows what happened, not what is typical.`,
      ];
}

/** 1.2, 3.4 or 12: no more figures than repetitions are good for. */
export function times(ratio: number): string {
  return `${ratio >= 9.95 ? Math.round(ratio).toLocaleString("en") : ratio.toFixed(ratio < 1.995 ? 2 : 1)}×`;
}

/** a; a and b; a, b and c */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

export function percent(share: number): string {
  return `${plain(Math.round(share * 1000) / 10)} %`;
}

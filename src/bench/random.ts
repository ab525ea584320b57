/** Seeded random numbers for generated loads: the same seed, the same load, on every machine. */

export interface RandomSource {
  /** in [0, 1) */
  uniform(): number;
  normal(): number;
  /** whole numbers, both ends included */
  integer(from: number, to: number): number;
}

export function randomSource(seed: number): RandomSource {
  let state = seed >>> 0;
  const uniform = (): number => {
    // mulberry32 (public domain)
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    uniform,
    // Box and Muller
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    integer: (from, to) => from + Math.floor(uniform() * (to - from + 1)),
  };
}

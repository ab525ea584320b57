/** Paired measurements: two things in turn, order reversed every round, so that a drifting machine harms both alike. */

export interface Pairs {
  a: number[];
  b: number[];
  /** median of a/b pair by pair */
  ratio: number;
}

export async function measurePairs(
  rounds: number,
  a: () => Promise<number>,
  b: () => Promise<number>,
): Promise<Pairs> {
  const result: Pairs = { a: [], b: [], ratio: 0 };
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      result.a.push(await a());
      result.b.push(await b());
    } else {
      result.b.push(await b());
      result.a.push(await a());
    }
  }
  result.ratio = median(result.a.map((value, i) => value / result.b[i]!));
  return result;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

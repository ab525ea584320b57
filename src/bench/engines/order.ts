import { randomSource } from "../random.ts";

/**
 * Who is measured when: the engines in an order drawn by the seed, and one place further every round, so that in as many rounds as
 * there are engines each has every place once.
 */
export function orderOfRound<T>(engines: readonly T[], round: number, seed: number): T[] {
  const random = randomSource(seed);
  const order = [...engines];
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.integer(0, i);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  const first = order.length === 0 ? 0 : round % order.length;
  return [...order.slice(first), ...order.slice(0, first)];
}

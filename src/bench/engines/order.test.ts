import { expect, test } from "bun:test";
import { orderOfRound } from "./order.ts";

const engines = ["a", "b", "c", "d", "e"];

test("the same seed gives the same order, another seed another one", () => {
  expect(orderOfRound(engines, 3, 7)).toEqual(orderOfRound(engines, 3, 7));
  const orders = Array.from({ length: 20 }, (_, seed) => orderOfRound(engines, 0, seed).join(""));
  expect(new Set(orders).size).toBeGreaterThan(10);
});

test("in as many rounds as there are engines each has every place once", () => {
  const rounds = engines.map((_, round) => orderOfRound(engines, round, 1));
  for (const round of rounds) expect(round.toSorted()).toEqual(engines);
  for (const place of engines.keys())
    expect(rounds.map((round) => round[place]!).toSorted()).toEqual(engines);
  expect(orderOfRound(engines, 5, 1)).toEqual(rounds[0]!);
});

test("no engines, no order", () => expect(orderOfRound([], 4, 1)).toEqual([]));

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { HoldallError } from "../../core/error.ts";
import { loadFiles } from "./testing.ts";

const EXAMPLES = path.join(import.meta.dir, "../../../examples/makeflow");
const documents = readdirSync(EXAMPLES).map((name) => ({
  name,
  text: readFileSync(path.join(EXAMPLES, name), "utf8"),
}));

const BITS: readonly string[] = [
  ...['"', "'", "\\", "$", "$(", "${", ")", "}", "{", "[", "]", "(", ":", "=", "+=", "->", "#"],
  ...["\n", "\t", "\n\t", " ", "\r\n", "\0", "\uD800", "%", "*", "@", ",", "."],
  ...["export ", "LOCAL ", "MAKEFLOW ", ".MAKEFLOW CORES ", "CATEGORY=", ".SIZE ", "1e999", "-1"],
  ...[
    " for x in range(9)",
    " if x",
    "define",
    "rules",
    "range(100000000)",
    "template(",
    "[:",
    "not ",
  ],
];

function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function mutated(text: string, random: (below: number) => number): string {
  let result = text;
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(result.length + 1);
    const to = Math.min(result.length, at + random(30));
    const what = random(5);
    const bit = BITS[random(BITS.length)]!;
    if (what === 0) result = result.slice(0, at) + result.slice(to);
    else if (what === 1) result = result.slice(0, to) + result.slice(at, to) + result.slice(to);
    else if (what === 2)
      result = result.slice(0, at) + bit.repeat(1 + random(40)) + result.slice(at);
    else if (what === 3) result = result.slice(0, at);
    else result = result.slice(0, at) + bit + result.slice(to);
  }
  return result;
}

test.each(documents)(
  "whatever becomes of $name is a workflow or told as a mistake",
  ({ name, text }) => {
    const random = randomOf(7);
    const others = Object.fromEntries(
      documents.filter((each) => each.name !== name).map((each) => [each.name, each.text]),
    );
    let refused = 0;
    for (let i = 0; i < 500; i++) {
      const changed = mutated(text, random);
      const started = performance.now();
      try {
        loadFiles({ [name]: changed, ...others });
      } catch (error) {
        // with the text that did it
        if (!(error instanceof HoldallError) || error.code !== "spec")
          throw new Error(`${JSON.stringify(changed)}: ${String(error)}`, { cause: error });
        expect(error.place?.line).toBeGreaterThan(0);
        refused += 1;
      }
      expect(performance.now() - started).toBeLessThan(10_000);
    }
    expect(refused).toBeGreaterThan(50);
  },
  120_000,
);

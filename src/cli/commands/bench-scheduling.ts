/** `bench packing` and `bench placement`: the real scheduler in a simulator. */
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { pairs } from "../output/table.ts";
import { usage } from "../usage.ts";
import { integerFrom, JSON_FLAG } from "./shared.ts";

interface Flags {
  tasks: number;
  seeds: number;
  json?: boolean | undefined;
}

interface PackingFlags {
  tasks: number;
  seeds: Seeds;
  draws: number;
  json?: boolean | undefined;
}

interface Seeds {
  first: number;
  count: number;
}

/** `100` = 1 to 100; `1001-1200`. */
function seedRange(input: string): Seeds {
  const [, from, to] = /^(?:(\d{1,9})-)?(\d{1,9})$/.exec(input) ?? [];
  const first = Number(from ?? 1);
  const count = Number(to) - first + 1;
  if (first >= 1 && count >= 1) return { first, count };
  throw usage(`'${input}' is neither a number of seeds nor a range of them`, "--seeds 1-100");
}

export const packingCommand: Command<CliContext> = buildCommand<PackingFlags, [], CliContext>({
  async func({ tasks, seeds, draws, json }) {
    const { io } = this;
    const { packingBench } = await import("../../bench/packing.ts");
    const result = packingBench({
      tasks,
      seeds: seeds.count,
      firstSeed: seeds.first,
      draws,
      note: (text) => {
        if (json !== true) io.stderr.write(`${text}\n`);
      },
    });
    if (json === true) {
      printJson(io, result);
      return;
    }
    for (const set of [result.exact, result.estimated])
      io.stdout.write(
        pairs([
          ["estimates", set.sigma === 0 ? "exact" : `off by a factor e^N(0, ${set.sigma})`],
          ...Object.entries(set.rules).map(([rule, { mean, max }]): [string, string] => [
            `${rule}, makespan / bound`,
            `mean ${mean.toFixed(4)}, max ${max.toFixed(4)}`,
          ]),
          worstOf(set),
        ]),
      );
    const { drawn } = result;
    if (!drawn) return;
    io.stdout.write(
      pairs([
        ["estimates", `the same tasks, errors drawn ${drawn.draws} times`],
        ...Object.entries(drawn.rules).map(([rule, each]): [string, string] => [
          `${rule}, makespan / bound`,
          `mean ${each.mean.toFixed(4)}, between draws of a seed ± ${each.deviation.toFixed(4)}`,
        ]),
        worstOf(drawn),
        ["the same, draw by draw", drawn.worst_draw.toFixed(4)],
        ["draws of more than 1.02", `${(drawn.over * 100).toFixed(1)} %`],
      ]),
    );
  },
  parameters: {
    flags: {
      tasks: { kind: "parsed", parse: integerFrom(1), default: "1000", brief: "tasks of a set" },
      seeds: {
        kind: "parsed",
        parse: seedRange,
        default: "100",
        brief: "how many sets, or which: 1-100",
        placeholder: "N|FROM-TO",
      },
      draws: {
        kind: "parsed",
        parse: integerFrom(1),
        default: "1",
        brief: "errors of the estimates of each set",
      },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "makespans of unequal tasks against the bound and other rules, simulated",
    customUsage: [
      { input: "", brief: "seeds 1 to 100, 1,000 tasks each" },
      { input: "--seeds 10 --json", brief: "fewer, for programs" },
      {
        input: "--seeds 1001-1020 --draws 10",
        brief: "other sets, estimates off in ten ways each",
      },
    ],
  },
});

function worstOf(set: { worst_against_best: number; worst_seed: number }): [string, string] {
  const { worst_against_best: worst, worst_seed: seed } = set;
  return ["auto / best of others, worst seed", `${worst.toFixed(4)} (seed ${seed})`];
}

export const placementCommand: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  async func({ tasks, seeds, json }) {
    const { io } = this;
    const { placementBench } = await import("../../bench/placement.ts");
    const result = placementBench({
      tasks,
      seeds,
      note: (text) => {
        if (json !== true) io.stderr.write(`${text}\n`);
      },
    });
    if (json === true) {
      printJson(io, result);
      return;
    }
    const rows = result.traces.map((row): [string, string] => {
      const others = Object.entries(row.algorithms).map(
        ([name, seconds]) => `${name} ${seconds.toFixed(1)}`,
      );
      return [
        row.trace,
        `default ${row.default.toFixed(1)} s (${others.join(", ")}); / best ${row.against_best.toFixed(3)}`,
      ];
    });
    io.stdout.write(
      pairs([...rows, ["default / best, worst trace", result.worst_against_best.toFixed(3)]]),
    );
  },
  parameters: {
    flags: {
      tasks: { kind: "parsed", parse: integerFrom(1), default: "1000", brief: "tasks of a trace" },
      seeds: { kind: "parsed", parse: integerFrom(1), default: "10", brief: "loads of each trace" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "ways to choose a worker on unequal, caching and vanishing ones, simulated",
    customUsage: [
      { input: "", brief: "eight traces, ten loads each" },
      { input: "--seeds 2 --json", brief: "fewer, for programs" },
    ],
  },
});

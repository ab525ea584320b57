/** `bench packing` and `bench placement`: the real scheduler in a simulator. */
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { pairs } from "../output/table.ts";
import { integerFrom, JSON_FLAG } from "./shared.ts";

interface Flags {
  tasks: number;
  seeds: number;
  json?: boolean | undefined;
}

export const packingCommand: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  async func({ tasks, seeds, json }) {
    const { io } = this;
    const { packingBench } = await import("../../bench/packing.ts");
    const result = packingBench({
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
    for (const set of [result.exact, result.estimated])
      io.stdout.write(
        pairs([
          ["estimates", set.sigma === 0 ? "exact" : `off by a factor e^N(0, ${set.sigma})`],
          ...Object.entries(set.rules).map(([rule, { mean, max }]): [string, string] => [
            `${rule}, makespan / bound`,
            `mean ${mean.toFixed(4)}, max ${max.toFixed(4)}`,
          ]),
          ["auto / best of others, worst seed", set.worst_against_best.toFixed(4)],
        ]),
      );
  },
  parameters: {
    flags: {
      tasks: { kind: "parsed", parse: integerFrom(1), default: "1000", brief: "tasks of a set" },
      seeds: { kind: "parsed", parse: integerFrom(1), default: "100", brief: "sets" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "makespans of unequal tasks against the bound and other rules, simulated",
    customUsage: [
      { input: "", brief: "seeds 1 to 100, 1,000 tasks each" },
      { input: "--seeds 10 --json", brief: "fewer, for programs" },
    ],
  },
});

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

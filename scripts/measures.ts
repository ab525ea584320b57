// What `npm run performance` measures: the command, what of its answer counts, and the goal it is held against.

import { z } from "zod";

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly digits: number;
  /** "≥ 0.75" and the like; the further goal in brackets */
  readonly least?: number;
  readonly most?: number;
  readonly further?: number;
}

export interface Measure {
  /** arguments of `holdall`, without --json; the second with --quick */
  readonly args: readonly string[];
  readonly quick: readonly string[];
  /** instead of `args`, where it can be had with less when less time is left */
  readonly within?: (seconds: number) => readonly string[];
  readonly figures: (answer: unknown) => Figure[];
}

/** A measure whose answer has the fields of `shape`; an answer of another shape is an error. */
function measure<T>(
  shape: z.ZodType<T>,
  rest: Omit<Measure, "figures"> & { figures: (answer: T) => Figure[] },
): Measure {
  return { ...rest, figures: (answer) => rest.figures(shape.parse(answer)) };
}

const number = z.number();
const spawn = z.object({ floor_per_second: number, run_per_second: number, ratio: number });
const words = (text: string): string[] => text.split(" ");

function spawnMeasure(flags: string, what: string, least: number, further: number): Measure {
  return measure(spawn, {
    args: words(`bench spawn --tasks 20000${flags}`),
    quick: words(`bench spawn --tasks 2000 --pairs 2${flags}`),
    figures: ({ ratio, floor_per_second, run_per_second }) => {
      const rates = `${run_per_second.toFixed(0)}/s against ${floor_per_second.toFixed(0)}/s`;
      const text = `${what}, of the floor (${rates})`;
      return [{ what: text, value: ratio, unit: "", digits: 2, least, further }];
    },
  });
}

const rate = { unit: "tasks/s", digits: 0 } as const;
const mebibytes = (bytes: number): number => bytes / 2 ** 20;
const rules = z.object({
  worst_against_best: number,
  rules: z.object({ auto: z.object({ mean: number }) }),
});

/** One takes 1.4 s of one core. */
const SECONDS_A_SEED = 1.6;

function seedsWithin(seconds: number): number {
  return Math.min(100, Math.max(3, Math.floor(seconds / SECONDS_A_SEED)));
}

export const MEASURES: readonly Measure[] = [
  measure(z.object({ tasks_per_second: number, server_peak_rss_bytes: number }), {
    args: words("bench dispatch --tasks 1000000"),
    quick: words("bench dispatch --tasks 100000"),
    figures: (answer) => [
      {
        ...rate,
        what: "dispatch in one process, durable",
        value: answer.tasks_per_second,
        least: 150_000,
        further: 1_000_000,
      },
      {
        what: "its peak memory",
        value: mebibytes(answer.server_peak_rss_bytes),
        unit: "MiB",
        digits: 0,
        most: 300,
        further: 150,
      },
    ],
  }),
  measure(z.object({ tasks_per_second: number, server_cpu_seconds: number, tasks: number }), {
    args: words("bench dispatch --tasks 1000000 --workers 16"),
    quick: words("bench dispatch --tasks 200000 --workers 16"),
    figures: (answer) => [
      {
        ...rate,
        what: "dispatch over sockets, 16 sessions, durable",
        value: answer.tasks_per_second,
        least: 200_000,
        further: 1_000_000,
      },
      {
        what: "the server's cpu time for a task",
        value: (answer.server_cpu_seconds / answer.tasks) * 1e6,
        unit: "µs",
        digits: 2,
      },
    ],
  }),
  measure(z.object({ ratio: number }), {
    args: words("bench dispatch --compare 1000000,10000000"),
    quick: words("bench dispatch --compare 200000,1000000"),
    figures: ({ ratio }) => [
      { what: "rate with ten times the tasks", value: ratio, unit: "", digits: 2, least: 0.9 },
    ],
  }),
  ...(["array", "explicit"] as const).map((shape) =>
    measure(z.object({ bytes_per_task: number, accepted_seconds: number, tasks: number }), {
      args: words(`bench memory --shape ${shape}`),
      quick: words(`bench memory --shape ${shape} --tasks 500000`),
      figures: ({ bytes_per_task, accepted_seconds, tasks }) => [
        {
          what: `server memory for a queued task, ${shape === "array" ? "of an array" : "written out"}`,
          value: bytes_per_task,
          unit: "bytes",
          digits: 1,
          most: shape === "array" ? 100 : 400,
        },
        {
          what: `${tasks.toLocaleString("en")} of them accepted in`,
          value: accepted_seconds,
          unit: "s",
          digits: 2,
        },
      ],
    }),
  ),
  measure(
    z.object({
      run_ms: z.object({ median: number }),
      chain_ms_per_link: number,
      array_accepted_seconds: number,
    }),
    {
      args: words("bench startup"),
      quick: words("bench startup --runs 5"),
      figures: (answer) => [
        {
          what: "`holdall run -- true`, start to exit",
          value: answer.run_ms.median,
          unit: "ms",
          digits: 0,
          most: 150,
        },
        {
          what: "a chain of 200 dependent tasks, a link",
          value: answer.chain_ms_per_link,
          unit: "ms",
          digits: 2,
          most: 5,
        },
        {
          what: "`holdall submit` of 1,000,000 array tasks, start to exit",
          value: answer.array_accepted_seconds,
          unit: "s",
          digits: 2,
          most: 2,
        },
      ],
    },
  ),
  measure(z.object({ restart_seconds: number, dispatch_seconds: number, attempts_rerun: number }), {
    args: words("bench recovery --tasks 1000000"),
    quick: words("bench recovery --tasks 200000"),
    figures: (answer) => [
      {
        what: "restart after `kill -9` with half of the tasks done, until it serves",
        value: answer.restart_seconds,
        unit: "s",
        digits: 2,
        most: 3,
      },
      {
        what: "the same, until tasks are done again",
        value: answer.dispatch_seconds,
        unit: "s",
        digits: 2,
      },
      { what: "attempts run again", value: answer.attempts_rerun, unit: "", digits: 0 },
    ],
  }),
  measure(z.object({ workers: number, server_cpu_percent: number, server_rss_bytes: number }), {
    args: words("bench idle --workers 1000"),
    quick: words("bench idle --workers 200 --seconds 5"),
    figures: (answer) => [
      {
        what: `${answer.workers.toLocaleString("en")} idle workers, of one core`,
        value: answer.server_cpu_percent,
        unit: "%",
        digits: 1,
        most: 5,
      },
      {
        what: "the server's memory then",
        value: mebibytes(answer.server_rss_bytes),
        unit: "MiB",
        digits: 0,
      },
    ],
  }),
  measure(
    z.object({
      milliseconds: z.object({ p50: number, p95: number }),
      floor_milliseconds: z.object({ p50: number }),
    }),
    {
      args: words("bench latency"),
      quick: words("bench latency --steps 100"),
      figures: (answer) => {
        const p95 = answer.milliseconds.p95.toFixed(1);
        const floor = answer.floor_milliseconds.p50.toFixed(1);
        return [
          {
            what: `from a task to the one that waits for it, p50 (p95 ${p95} ms, shell loop ${floor} ms)`,
            value: answer.milliseconds.p50,
            unit: "ms",
            digits: 1,
            most: 3,
          },
        ];
      },
    },
  ),
  measure(z.object({ worst_against_best: number }), {
    args: words("bench placement"),
    quick: words("bench placement --seeds 1"),
    figures: ({ worst_against_best }) => [
      {
        what: "choice of workers, against the best single policy, worst of eight traces (simulated)",
        value: worst_against_best,
        unit: "",
        digits: 3,
        most: 1.02,
      },
    ],
  }),
  spawnMeasure("", "short commands, output discarded", 0.75, 0.95),
  spawnMeasure(" --logs", "the same, output kept", 0.68, 0.9),
  spawnMeasure(" --server", "the same through server and worker processes", 0.7, 0.9),
  // Last, because it does with the time that is left.
  measure(z.object({ exact: rules, estimated: rules, seeds: number }), {
    args: words("bench packing --seeds 100"),
    quick: words("bench packing --seeds 3"),
    within: (seconds) => words(`bench packing --seeds ${seedsWithin(seconds)}`),
    figures: ({ exact, estimated, seeds }) => [
      {
        what: `makespan against the bound, mean of ${seeds} exact sets (simulated)`,
        value: exact.rules.auto.mean,
        unit: "",
        digits: 3,
        most: 1.05,
      },
      ...[exact, estimated].map((sets) => ({
        what: `makespan against the best other rule, worst set, ${sets === exact ? "exact" : "estimates off"}`,
        value: sets.worst_against_best,
        unit: "",
        digits: 3,
        most: 1.02,
      })),
    ],
  }),
];

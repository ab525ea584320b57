/** Workers that are taken away: what that costs in work done again, and in time. */
import type { Sample } from "../engines/samples.ts";
import { medianOf } from "../engines/statistics.ts";
import { plain, secondsLabel } from "./axis.ts";
import { byEngine, type Runs } from "./groups.ts";
import { fixed } from "./runs.ts";
import type { Figure } from "./section.ts";
import { stripPlot } from "./strip.ts";
import { compare, ENOUGH_ROUNDS, listed, times, tooFew } from "./verdict.ts";

interface Disturbed extends Runs {
  /** 5 s of warning */
  how: string;
  kills: number;
  perKill: number[];
  inflation: number[];
}

export function spotFigures(samples: readonly Sample[]): Figure[] {
  const all = disturbedOf(samples);
  return [...Map.groupBy(all, ({ how }) => how)]
    .toSorted(([a], [b]) => order(a) - order(b))
    .flatMap(([how, rows]) => [reexecuted(how, rows, all), inflation(how, rows, all)]);
}

/** Killed before preempted, without warning before with one. */
function order(how: string): number {
  return (how.startsWith("killed") ? 0 : 2) + (how.endsWith("no warning") ? 0 : 1);
}

function disturbedOf(samples: readonly Sample[]): Disturbed[] {
  const calm = Map.groupBy(
    samples.filter((sample) => isCalm(sample)),
    keyOf,
  );
  const wild = samples.filter((sample) => !isCalm(sample));
  return [...Map.groupBy(wild, howOf)].flatMap(([how, members]) =>
    byEngine(members).map((runs) => ({
      ...runs,
      how,
      kills: runs.samples.reduce((sum, { spot }) => sum + spot!.kills, 0),
      perKill: runs.samples.map(perKill).filter((value) => !Number.isNaN(value)),
      inflation: runs.samples.flatMap((sample) => {
        const undisturbed = calm.get(keyOf(sample));
        return undisturbed === undefined
          ? []
          : [sample.wall_s / medianOf(undisturbed.map((each) => each.wall_s))];
      }),
    })),
  );
}

function isCalm({ spot }: Sample): boolean {
  return spot === null || spot.warning_s === null;
}

/** Runs with workers of the engine's own and runs with Slurm's jobs are not compared with each other. */
function keyOf({ engine, workload, spot }: Sample): string {
  return JSON.stringify([engine, workload, spot?.by === "slurm"]);
}

function howOf({ spot }: Sample): string {
  const taken = spot!.by === "slurm" ? "preempted by Slurm" : "killed";
  return spot!.warning_s === 0
    ? `${taken}, no warning`
    : `${taken}, ${plain(spot!.warning_s!)} s warning`;
}

/** Disturbed rounds of all engines follow one schedule of kills, so rounds are compared with each other. */
function perKill({ spot }: Sample): number {
  return spot!.kills === 0 ? Number.NaN : Math.max(0, spot!.reexecuted_s) / spot!.kills;
}

function reexecuted(how: string, rows: readonly Disturbed[], all: readonly Disturbed[]): Figure {
  const shown = rows
    .filter((row) => row.perKill.length > 0)
    .toSorted((a, b) => medianOf(a.perKill) - medianOf(b.perKill));
  const lost = rows.filter(({ samples }) => samples.some(({ spot }) => spot!.lost > 0));
  const conclude: string[] = [];
  const [first, ...others] = shown;
  const told = (row: Disturbed): string => `${row.engine} (${secondsLabel(medianOf(row.perKill))})`;
  if (first !== undefined && first.perKill.length < ENOUGH_ROUNDS)
    conclude.push(
      `Task time executed again for each worker lost: ${listed(shown.map(told))}. Too few runs to say who does less.`,
    );
  else if (first !== undefined) {
    conclude.push(
      `${first.engine} did least again: ${secondsLabel(medianOf(first.perKill))} of task time for each worker lost (median of ${first.perKill.length}).`,
    );
    const less = others.filter(
      (row) => compare(first.samples, row.samples, perKill)?.verdict === "faster",
    );
    const open = others.filter((row) => !less.includes(row));
    if (less.length > 0)
      conclude.push(`In every run it was less than for ${listed(less.map(told))}.`);
    if (open.length > 0)
      conclude.push(
        `For ${listed(open.map(told))} the difference is smaller than the spread of runs: no conclusion.`,
      );
  }
  conclude.push(
    lost.length === 0
      ? "No engine lost a task: each had an end in every run."
      : `Tasks without an end: ${listed(lost.map(({ engine, samples }) => `${engine} ${samples.reduce((sum, { spot }) => sum + spot!.lost, 0)}`))}.`,
  );
  return {
    title: `Work done again for each worker lost: ${how}`,
    svg:
      shown.length === 0
        ? null
        : stripPlot({
            title: `Task-seconds executed again for each kill: ${how}`,
            axis: "task-seconds executed again for each kill",
            format: secondsLabel,
            log: false,
            also: all.flatMap((row) => row.perKill),
            rows: shown.map(({ engine, look, perKill: values, samples }) => ({
              name: engine,
              look,
              values,
              titles: samples.map(({ spot }) => `${spot!.kills} kills`),
            })),
          }),
    conclude,
    glance: `${capital(how)}: ${[conclude[0], conclude.at(-1)].filter((each, i, both) => each !== both[i - 1]).join(" ")}`,
    not: [
      "What a kill destroys is unavoidable: on average half a task for each busy slot. All engines have the same schedule of kills, but not the same tasks at these moments.",
    ],
    table: {
      head: [
        "engine",
        "runs",
        "kills",
        "lost",
        "failed",
        "executed again",
        "task-s again a kill, median",
      ],
      rows: [...shown, ...rows.filter((row) => !shown.includes(row))].map((row) => [
        row.engine,
        String(row.samples.length),
        String(row.kills),
        String(row.samples.reduce((sum, { spot }) => sum + spot!.lost, 0)),
        String(row.samples.reduce((sum, { failed }) => sum + failed, 0)),
        String(row.samples.reduce((sum, { spot }) => sum + spot!.reexecutions, 0)),
        row.perKill.length === 0 ? "" : fixed(medianOf(row.perKill)),
      ]),
    },
  };
}

function inflation(how: string, rows: readonly Disturbed[], all: readonly Disturbed[]): Figure {
  const shown = rows
    .filter((row) => row.inflation.length > 0)
    .toSorted((a, b) => medianOf(a.inflation) - medianOf(b.inflation));
  return {
    title: `Wall time against the undisturbed run: ${how}`,
    svg:
      shown.length === 0
        ? null
        : stripPlot({
            title: `Wall time of disturbed runs divided by the median of undisturbed ones: ${how}`,
            axis: "wall time ÷ median of the undisturbed runs of the same engine",
            format: (ratio) => `${plain(ratio)}×`,
            log: false,
            also: all.flatMap((row) => row.inflation),
            reference: { value: 1, name: "undisturbed" },
            rows: shown.map(({ engine, look, inflation: values }) => ({
              name: engine,
              look,
              values,
            })),
          }),
    conclude:
      shown.length === 0
        ? ["There is no undisturbed run to compare with."]
        : [
            `Median of the disturbed runs against the undisturbed ones: ${listed(shown.map((row) => `${row.engine} ${times(medianOf(row.inflation))}`))}.`,
          ],
    not: [
      "Inflation depends on how often workers go and how long tasks are; it is each engine against itself, so it says nothing about which one is done first.",
      ...tooFew(rows.flatMap((row) => row.samples)),
    ],
    table: {
      head: ["engine", "÷ undisturbed, median", "each run"],
      rows: shown.map((row) => [
        row.engine,
        medianOf(row.inflation).toFixed(2),
        row.inflation.map((value) => value.toFixed(2)).join(" "),
      ]),
    },
  };
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

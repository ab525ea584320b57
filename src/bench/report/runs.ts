/** One workload on several engines: runs, start-up and the tasks' own times. */
import { meanOf, medianOf, quantile, ascending, spreadOf } from "../engines/statistics.ts";
import { bytesLabel, plain, secondsLabel } from "./axis.ts";
import { type Group, idealSeconds, type Runs, rate, wall } from "./groups.ts";
import { ecdfPlot } from "./lines.ts";
import type { Figure } from "./section.ts";
import { stripPlot } from "./strip.ts";
import { compare, ENOUGH_ROUNDS, listed, percent, times } from "./verdict.ts";

export type NameOf = (engine: string) => string;
const same: NameOf = (engine) => engine;

export function figuresOf(group: Group, nameOf: NameOf = same): Figure[] {
  return [wallFigure(group, nameOf), startupFigure(group, nameOf), ...taskFigure(group, nameOf)];
}

function wallFigure(group: Group, nameOf: NameOf): Figure {
  const { conclude, not, glance } = wallCaption(group, nameOf);
  return {
    title: `Run: ${group.name}`,
    svg: wallPlots(group, nameOf),
    conclude,
    not,
    table: wallTable(group, nameOf),
    ...(glance === null ? {} : { glance: `${group.name}: ${glance}` }),
  };
}

/** Engines that are so much slower that the others cannot be told apart on their axis. */
const ENLARGE = 3;

function wallPlots(group: Group, nameOf: NameOf): string {
  const floor = group.engines.find((runs) => runs.engine === "floor");
  const plot = (engines: readonly Runs[], axis: string): string =>
    stripPlot({
      title: `Wall time of each run, without start-up: ${group.name}`,
      axis,
      format: secondsLabel,
      rows: engines.map(({ engine, look, samples }) => ({
        name: nameOf(engine),
        look,
        values: samples.map((sample) => sample.wall_s),
        titles: samples.map((sample) => `round ${sample.round + 1}, place ${sample.place + 1}`),
        ...failedNote(samples),
      })),
      ...(floor === undefined ? {} : { reference: { value: wall(floor), name: "floor" } }),
    });
  const all = plot(group.engines, "wall time of a run, without start-up");
  const least = Math.min(...group.engines.map(wall));
  const near = group.engines.filter((runs) => wall(runs) <= ENLARGE * least);
  const most = Math.max(...group.engines.map(wall));
  if (near.length < 2 || most <= 2 * ENLARGE * least) return all;
  return all + plot(near, `the same, enlarged: those within ${ENLARGE} times the fastest`);
}

function failedNote(samples: Runs["samples"]): { note?: string } {
  const failed = samples.reduce((total, sample) => total + sample.failed, 0);
  return failed === 0 ? {} : { note: `(${failed.toLocaleString("en")} failed)` };
}

/** The floor is a yardstick: nothing distributes less than it does. */
function contenders(group: Group): Runs[] {
  return group.engines.filter((runs) => runs.engine !== "floor");
}

function wallCaption(
  group: Group,
  nameOf: NameOf,
): { conclude: string[]; not: string[]; glance: string | null } {
  let glance: string | null = null;
  const conclude: string[] = [];
  const not: string[] = [];
  const [first, ...others] = contenders(group);
  const rounds = Math.min(...group.engines.map((runs) => runs.samples.length));
  if (first !== undefined) {
    const { median, min, max } = spreadOf(first.samples.map((sample) => sample.wall_s));
    conclude.push(
      `${nameOf(first.engine)} had the shortest median: ${secondsLabel(median)} (${secondsLabel(min)} to ${secondsLabel(max)}, ${runsWord(first.samples.length)}).`,
    );
    const compared = others.map((runs) => ({
      name: nameOf(runs.engine),
      result: compare(first.samples, runs.samples),
    }));
    const clear = compared.filter(({ result }) => result?.verdict === "faster");
    const open = compared.filter(({ result }) => result?.verdict === "open");
    const every = clear.length === others.length ? "all" : String(clear.length);
    glance = `${conclude[0]}${clear.length === 0 ? "" : ` In every round it was faster than ${every} of the ${others.length} others.`}`;
    if (clear.length > 0) {
      const named = clear.map(({ name, result }) => `${name} (${times(result!.ratio)})`);
      conclude.push(`In every round it was faster than ${listed(named)}; medians over the rounds.`);
    }
    if (open.length > 0)
      conclude.push(
        `Against ${listed(open.map(({ name }) => name))} the rounds disagree: the difference is smaller than the spread of repetitions, so no conclusion.`,
      );
  }
  const floor = group.engines.find((runs) => runs.engine === "floor");
  if (floor !== undefined && first !== undefined) {
    const result = compare(floor.samples, first.samples);
    if (result !== null && result.ratio >= 1)
      conclude.push(
        `${nameOf(first.engine)} took ${times(result.ratio)} the time of the floor (a C loop that only starts the processes; nothing that starts them can be below it).`,
      );
    else if (result !== null)
      not.push(
        "The floor, a C loop that only starts the processes, took longer than the fastest engine. That cannot be the engine's doing: something else used the machine, and harmed some runs more than others.",
      );
  }
  if (rounds < ENOUGH_ROUNDS)
    not.push(
      `${runsWord(rounds)} an engine: that shows what happened, not what is typical. Which engine is faster needs ${ENOUGH_ROUNDS} or more.`,
    );
  else if (rounds < 8)
    not.push(
      `${rounds} rounds that agree: chance alone would do that in 1 of ${2 ** (rounds - 1)} comparisons.`,
    );
  not.push(...shortness(group, first));
  if (!group.warm)
    not.push(
      "Cold: each run is the first of its engine, and pays for what is set up on first use.",
    );
  return { conclude, not, glance };
}

function shortness(group: Group, first: Runs | undefined): string[] {
  const ideals = (first?.samples ?? []).flatMap((sample) => idealSeconds(sample) ?? []);
  if (ideals.length === 0)
    return group.workload.kind === "empty"
      ? ["Tasks that do nothing show the price of distribution alone; real tasks make it smaller."]
      : [];
  const work = medianOf(ideals);
  const text = `The tasks themselves are ${secondsLabel(work)} of work on ${group.workload.workers} slots`;
  if (work < 1)
    return [
      `${text}: so short that the last task and the first contact weigh as much as the engine. Not to be carried over to long bags.`,
    ];
  const share = first === undefined ? 0 : 1 - work / wall(first);
  return [
    share < 0.05
      ? `${text}; the fastest engine adds ${percent(Math.max(0, share))} of its run to that. With tasks this long the choice of engine hardly changes the time.`
      : `${text}; the rest is distribution, process starts and waiting for the last task.`,
  ];
}

function runsWord(count: number): string {
  return count === 1 ? "1 repetition" : `${count} repetitions`;
}

function wallTable(group: Group, nameOf: NameOf): Figure["table"] {
  const first = contenders(group)[0];
  return {
    head: [
      "engine",
      "runs",
      "done",
      "failed",
      "wall s, median (min–max)",
      "tasks/s",
      "÷ fastest",
      "manager CPU s",
      "manager peak",
      "bytes in ÷ out",
    ],
    rows: group.engines.map((runs) => {
      const { samples } = runs;
      const { median, min, max } = spreadOf(samples.map((sample) => sample.wall_s));
      const against = first === undefined ? null : compare(first.samples, samples);
      const cpu = samples.flatMap((sample) => sample.manager_cpu_s ?? []);
      const peak = samples.flatMap((sample) => sample.manager_peak_bytes ?? []);
      const ratio = samples.flatMap((sample) => sample.compression_ratio ?? []);
      return [
        nameOf(runs.engine),
        String(samples.length),
        sum(samples.map((sample) => sample.done)),
        sum(samples.map((sample) => sample.failed)),
        `${fixed(median)} (${fixed(min)}–${fixed(max)})`,
        plain(medianOf(samples.map(rate))),
        against === null
          ? ""
          : `${against.ratio.toFixed(2)} (${against.min.toFixed(2)}–${against.max.toFixed(2)})`,
        cpu.length === 0 ? "" : fixed(medianOf(cpu)),
        peak.length === 0 ? "" : bytesLabel(Math.max(...peak)),
        ratio.length === 0 ? "" : medianOf(ratio).toFixed(3),
      ];
    }),
  };
}

function sum(values: readonly number[]): string {
  return values.reduce((total, each) => total + each, 0).toLocaleString("en");
}

/** Seconds for tables: four significant figures. */
export function fixed(seconds: number): string {
  return seconds >= 1000 ? String(Math.round(seconds)) : String(Number(seconds.toPrecision(4)));
}

function startsOf(runs: Runs): number[] {
  return runs.samples.map((sample) => sample.startup_s);
}

function startupFigure(group: Group, nameOf: NameOf): Figure {
  const rows = group.engines
    .map((runs) => ({ runs, starts: startsOf(runs) }))
    .toSorted((a, b) => medianOf(a.starts) - medianOf(b.starts));
  return {
    title: `Start-up: ${group.name}`,
    svg: stripPlot({
      title: `Time from start until the engine and all of its workers were ready: ${group.name}`,
      axis: "from start until the engine and all of its workers were ready",
      format: secondsLabel,
      rows: rows.map(({ runs, starts }) => ({
        name: nameOf(runs.engine),
        look: runs.look,
        values: starts,
      })),
    }),
    ...startupCaption(group, nameOf),
    table: {
      head: ["engine", "starts", "start-up s, median", "run s, median", "both", "start-up's share"],
      rows: rows.map(({ runs, starts }) => {
        const [start, run] = [medianOf(starts), wall(runs)];
        const share = percent(start / (start + run));
        return [
          nameOf(runs.engine),
          String(starts.length),
          fixed(start),
          fixed(run),
          fixed(start + run),
          share,
        ];
      }),
    },
  };
}

function startupCaption(group: Group, nameOf: NameOf): { conclude: string[]; not: string[] } {
  const engines = contenders(group).map((runs) => {
    const start = medianOf(startsOf(runs));
    return { name: nameOf(runs.engine), start, run: wall(runs), both: start + wall(runs) };
  });
  const conclude: string[] = [];
  const dominated = engines.filter(({ start, run }) => start > run);
  if (dominated.length > 0)
    conclude.push(
      `For ${listed(dominated.map(({ name }) => name))} start-up is longer than the run itself: whoever measures both together measures start-up.`,
    );
  const byRun = engines.toSorted((a, b) => a.run - b.run);
  const byBoth = engines.toSorted((a, b) => a.both - b.both);
  const changed = byRun.find((each, i) => byBoth[i] !== each) !== undefined;
  if (changed)
    conclude.push(
      `Counting start-up changes the order to ${listed(byBoth.map(({ name }) => name))}: that is the order for one bag on an engine that is not running, the other one for an engine that is kept.`,
    );
  else if (engines.length > 1)
    conclude.push("The order of the engines is the same with start-up counted.");
  const not = [
    "Start-up is paid once for an engine that is kept, and again for each bag otherwise. It is local here: starting workers on other hosts or through a queue takes what the site takes.",
  ];
  return { conclude, not };
}

/** The kernel's own times: empty and sleeping tasks have none. */
function taskFigure(group: Group, nameOf: NameOf): Figure[] {
  const engines = group.engines
    .map((runs) => ({ ...runs, taskMs: runs.samples.flatMap((sample) => sample.task_ms ?? []) }))
    .filter(({ taskMs }) => taskMs.length > 0);
  if (engines.length === 0) return [];
  const all = engines.flatMap(({ taskMs }) => taskMs);
  const medians = engines.map(({ engine, taskMs }) => ({
    name: nameOf(engine),
    median: medianOf(taskMs),
  }));
  const ordered = medians.toSorted((a, b) => a.median - b.median);
  const [least, most] = [ordered[0]!, ordered.at(-1)!];
  const apart = most.median / least.median - 1;
  return [
    {
      title: `The tasks' own times: ${group.name}`,
      svg: ecdfPlot({
        title: `Distribution of the tasks' own times: ${group.name}`,
        axis: "time of a task, measured by itself",
        log: Math.max(...all) > 8 * Math.min(...all),
        format: (ms) => secondsLabel(ms / 1000),
        series: engines.map(({ engine, look, taskMs }) => ({
          name: nameOf(engine),
          look,
          values: taskMs,
        })),
      }),
      conclude: [
        apart < 0.1
          ? `The same binary took the same time under every engine (medians within ${percent(apart)}): differences of the runs come from the engines.`
          : `The same binary took ${percent(apart)} longer under ${most.name} than under ${least.name} (medians): part of the difference of the runs is how much of the machine the engine, or something else, took from the tasks.`,
      ],
      not: [
        "A task's time is not the engine's doing unless its own processes compete for the cores: it counts from the kernel's start to its end, without the start of the process.",
      ],
      table: {
        head: ["engine", "tasks", "mean ms", "p5", "p50", "p95", "max"],
        rows: engines.map(({ engine, taskMs }) => {
          const sorted = ascending(taskMs);
          const at = (share: number): string => fixed(quantile(sorted, share));
          return [
            nameOf(engine),
            sorted.length.toLocaleString("en"),
            fixed(meanOf(sorted)),
            at(0.05),
            at(0.5),
            at(0.95),
            at(1),
          ];
        }),
      },
    },
  ];
}

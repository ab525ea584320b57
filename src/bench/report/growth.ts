/** Figures against something that grows: task length (`overhead`), tasks (`scale`), and whatever a sweep varied. */
import type { Sample, Workload } from "../engines/samples.ts";
import { medianOf, spreadOf } from "../engines/statistics.ts";
import { bytesLabel, plain, secondsLabel } from "./axis.ts";
import { byEngine, idealSeconds, inOrder, rate, type Runs } from "./groups.ts";
import { type Axis, linePlot, type Series } from "./lines.ts";
import type { Figure, Table } from "./section.ts";
import { listed, times, tooFew } from "./verdict.ts";

interface Growth {
  title: string;
  x: Axis & { ticks?: readonly { value: number; label: string }[] };
  y: Axis;
  xOf: (sample: Sample) => number;
  yOf: (sample: Sample) => number | null;
  reference?: { value: number; name: string };
}

type Curve = Runs & Series;

function curvesOf(samples: readonly Sample[], growth: Pick<Growth, "xOf" | "yOf">): Curve[] {
  return inOrder(byEngine(samples))
    .map((runs) => ({
      ...runs,
      name: runs.engine,
      points: [...Map.groupBy(runs.samples, growth.xOf)]
        .map(([x, members]) => ({
          x,
          values: members.flatMap((each) => growth.yOf(each) ?? []),
        }))
        .filter((point) => point.values.length > 0)
        .toSorted((a, b) => a.x - b.x),
    }))
    .filter((curve) => curve.points.length > 0);
}

function figure(
  samples: readonly Sample[],
  growth: Growth,
  caption: (curves: readonly Curve[]) => Pick<Figure, "conclude" | "not">,
): Figure[] {
  const curves = curvesOf(samples, growth);
  if (curves.length === 0) return [];
  const { conclude, not } = caption(curves);
  return [
    {
      title: growth.title,
      svg: linePlot({ ...growth, series: curves }),
      conclude,
      not: [...not, ...tooFew(samples)],
      table: tableOf(curves, growth),
      ...(conclude[0] === undefined ? {} : { glance: conclude[0] }),
    },
  ];
}

function tableOf(curves: readonly Curve[], { x, y }: Growth): Table {
  const xs = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point.x)))];
  const columns = xs.toSorted((a, b) => a - b);
  const named = (value: number): string =>
    x.ticks?.find((tick) => tick.value === value)?.label ?? x.format(value);
  return {
    head: ["engine", ...columns.map(named)],
    rows: curves.map((curve) => [
      curve.name,
      ...columns.map((column) => {
        const values = curve.points.find((point) => point.x === column)?.values;
        if (values === undefined) return "";
        const { median, min, max, count } = spreadOf(values);
        return count === 1
          ? y.format(median)
          : `${y.format(median)} (${y.format(min)}–${y.format(max)})`;
      }),
    ]),
  };
}

const perSecond: Axis = { name: "tasks a second", log: true, format: plain };

// --- overhead --------------------------------------------------------------------------------------

/** Where empty tasks stand on a log axis of task lengths. */
const EMPTY_MS = 0.2;

function taskMs({ workload }: Sample): number {
  return workload.sleep_ms === null || workload.sleep_ms === 0 ? EMPTY_MS : workload.sleep_ms;
}

export function overheadFigures(samples: readonly Sample[]): Figure[] {
  const lengths = [...new Set(samples.map(taskMs))].toSorted((a, b) => a - b);
  const ticks = lengths.map((value) => ({
    value,
    label: value === EMPTY_MS ? "empty" : secondsLabel(value / 1000),
  }));
  const x = { name: "length of a task (log scale)", log: true, format: msLabel, ticks };
  return [
    ...figure(
      samples,
      { title: "Throughput against the length of tasks", x, y: perSecond, xOf: taskMs, yOf: rate },
      (curves) => ({
        conclude: throughputCaption(curves, lengths),
        not: [
          "Empty tasks measure distribution alone; where the curves come together the tasks, not the engines, set the pace.",
        ],
      }),
    ),
    ...figure(
      samples,
      {
        title: "Makespan against the ideal",
        x,
        y: { name: "makespan ÷ ideal", log: true, format: plain },
        xOf: taskMs,
        yOf: (sample) => {
          const ideal = idealSeconds(sample);
          return ideal === null ? null : sample.wall_s / ideal;
        },
        reference: { value: 1, name: "ideal: tasks × length ÷ slots" },
      },
      (curves) => ({
        conclude: efficiencySentences(curves),
        not: [
          "Sleeping tasks need no processor. Tasks that compute share the cores with the engine's own processes, and lose more than this shows.",
        ],
      }),
    ),
  ];
}

function msLabel(ms: number): string {
  return ms === EMPTY_MS ? "empty tasks" : secondsLabel(ms / 1000);
}

function throughputCaption(curves: readonly Curve[], lengths: readonly number[]): string[] {
  return lengths.flatMap((length) => {
    const at = curves
      .flatMap((curve) => {
        const values = curve.points.find((point) => point.x === length)?.values;
        if (values === undefined || curve.engine === "floor") return [];
        return [{ name: curve.name, ...spreadOf(values) }];
      })
      .toSorted((a, b) => b.median - a.median);
    const [first, ...others] = at;
    if (first === undefined || others.length === 0) return [];
    const clear = others.filter((each) => each.max < first.min);
    const open = others.filter((each) => each.max >= first.min);
    const what = length === EMPTY_MS ? "empty tasks" : `tasks of ${msLabel(length)}`;
    const parts = [`With ${what} ${first.name} does most, ${plain(first.median)}/s`];
    if (clear.length > 0)
      parts.push(
        listed(clear.map((each) => `${times(first.median / each.median)} that of ${each.name}`)),
      );
    if (open.length > 0)
      parts.push(
        `its repetitions overlap with those of ${listed(open.map(({ name }) => name))}: no conclusion about ${open.length === 1 ? "that one" : "these"}`,
      );
    return [`${parts.join("; ")}.`];
  });
}

/** From which length on 90 % of the slots' time goes into tasks: between two measured points on log axes. */
function efficiencySentences(curves: readonly Curve[]): string[] {
  const goal = 1 / 0.9;
  const reached: { name: string; ms: number; text: string }[] = [];
  const never: string[] = [];
  for (const curve of curves) {
    const points = curve.points.map(({ x, values }) => ({ x, y: medianOf(values) }));
    const from = points.findIndex((_, i) => points.slice(i).every((each) => each.y <= goal));
    const [before, after] = [points[from - 1], points[from]];
    if (after === undefined) {
      const last = points.at(-1)!;
      never.push(`${curve.name} (${times(last.y)} the ideal at ${msLabel(last.x)})`);
    } else if (before === undefined) {
      reached.push({ name: curve.name, ms: after.x, text: `at most ${msLabel(after.x)}` });
    } else {
      const share = Math.log(before.y / goal) / Math.log(before.y / after.y);
      const ms = before.x * (after.x / before.x) ** share;
      const text = `about ${secondsLabel(Number(ms.toPrecision(1)) / 1000)}`;
      reached.push({ name: curve.name, ms, text });
    }
  }
  const ordered = reached.toSorted((a, b) => a.ms - b.ms);
  const sentences: string[] = [];
  if (ordered.length > 0)
    sentences.push(
      `For 90 % of the ideal tasks must take ${listed(ordered.map(({ name, text }) => `${text} (${name})`))}.`,
    );
  if (never.length > 0)
    sentences.push(`Below 90 % at every length that was measured: ${listed(never)}.`);
  return sentences;
}

// --- scale -----------------------------------------------------------------------------------------

const taskAxis: Axis = { name: "tasks in the bag (log scale)", log: true, format: plain };
const tasksOf = ({ workload }: Sample): number => workload.tasks;

export function scaleFigures(samples: readonly Sample[]): Figure[] {
  return [
    ...figure(
      samples,
      {
        title: "Throughput against the size of the bag",
        x: taskAxis,
        y: perSecond,
        xOf: tasksOf,
        yOf: rate,
      },
      (curves) => ({
        conclude: sentence(
          "Tasks a second in the smallest and in the largest bag",
          curves.flatMap((curve) => {
            const found = ends(curve);
            if (found === null) return [];
            const { first, last } = found;
            return `${curve.name} ${plain(first.y)} and ${plain(last.y)} (${times(last.y / first.y)}, ${plain(last.x)} tasks)`;
          }),
        ),
        not: [
          "A curve that ends early was ended by the engine's limit in this scenario, not by a failure, unless tasks failed. Small bags hold the first contact with the workers.",
        ],
      }),
    ),
    ...figure(
      samples,
      {
        title: "Memory of the manager against the size of the bag",
        x: taskAxis,
        y: { name: "peak memory", log: true, format: bytesLabel },
        xOf: tasksOf,
        yOf: (sample) => sample.manager_peak_bytes,
      },
      (curves) => ({
        conclude: sentence(
          "Bytes for each further task, between the smallest and the largest bag",
          curves.flatMap((curve) => {
            const found = ends(curve);
            if (found === null) return [];
            const { first, last } = found;
            const each = (last.y - first.y) / (last.x - first.x);
            return `${curve.name} ${each < 1 ? "none to be seen" : bytesLabel(each)}`;
          }),
        ),
        not: ["Peaks include the runtime of the language: between small bags only that is seen."],
      }),
    ),
    ...figure(
      samples,
      {
        title: "Processor time of the manager against the size of the bag",
        x: taskAxis,
        y: { name: "processor time", log: true, format: secondsLabel },
        xOf: tasksOf,
        yOf: (sample) => sample.manager_cpu_s,
      },
      (curves) => ({
        conclude: sentence(
          "Processor time of the manager a task, in the largest bag",
          curves.map((curve) => {
            const last = curve.points.at(-1)!;
            return `${curve.name} ${secondsLabel(medianOf(last.values) / last.x)}`;
          }),
        ),
        not: [
          "Only the processes that the engine names as its manager: agents and stores that some engines run beside them are not in it.",
        ],
      }),
    ),
  ];
}

function sentence(lead: string, parts: readonly string[]): string[] {
  return parts.length === 0 ? [] : [`${lead}: ${listed(parts)}.`];
}

function ends(curve: Curve): Record<"first" | "last", { x: number; y: number }> | null {
  const points = curve.points.map(({ x, values }) => ({ x, y: medianOf(values) }));
  const [first, last] = [points[0], points.at(-1)];
  return first === undefined || last === undefined || first.x === last.x ? null : { first, last };
}

// --- sweeps ----------------------------------------------------------------------------------------

const VARIED = {
  tasks: { name: "tasks in the bag (log scale)", log: true, format: plain },
  n: { name: "floats a task (log scale)", log: true, format: plain },
  bytes: { name: "bytes a task (log scale)", log: true, format: bytesLabel },
  sleep_ms: { name: "length of a task", log: true, format: msLabel },
  workers: { name: "tasks at a time", log: false, format: plain },
} satisfies Partial<Record<keyof Workload, Axis>>;

/** One picture where the samples differ in exactly one figure of their workload, and have three or more values of it. */
export function sweepFigures(samples: readonly Sample[]): Figure[] {
  const varied = (Object.keys(VARIED) as (keyof typeof VARIED)[]).filter(
    (key) => new Set(samples.map((sample) => sample.workload[key])).size > 1,
  );
  const [key, ...more] = varied;
  const kinds = new Set(samples.map((sample) => `${sample.workload.kind} ${sample.warm}`));
  if (key === undefined || more.length > 0 || kinds.size > 1) return [];
  if (samples.some((sample) => sample.workload[key] === null)) return [];
  return figure(
    samples,
    {
      title: `Throughput against ${VARIED[key].name.replace(" (log scale)", "")}`,
      x: VARIED[key],
      y: perSecond,
      xOf: (sample) => sample.workload[key] ?? 0,
      yOf: rate,
    },
    (curves) => ({
      conclude: [
        `Median and range of the repetitions for ${listed(curves.map((curve) => curve.name))}.`,
      ],
      not: ["Between the measured points nothing was measured: the lines only guide the eye."],
    }),
  );
}

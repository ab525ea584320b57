/** Which sections a set of samples gives. */
import type { Sample } from "../engines/samples.ts";
import { groupsOf } from "./groups.ts";
import { overheadFigures, scaleFigures, sweepFigures } from "./growth.ts";
import { figuresOf } from "./runs.ts";
import type { Section } from "./section.ts";
import { spotFigures } from "./spot.ts";

interface Scenario {
  title: string;
  question: string;
  figures: (samples: readonly Sample[]) => Section["figures"];
}

const runsOf: Scenario["figures"] = (samples) => [
  ...sweepFigures(samples),
  ...groupsOf(samples).flatMap((group) => figuresOf(group)),
];

const SLURM_NAMES: Readonly<Record<string, string>> = {
  holdall: "holdall (pilots)",
  slurm: "slurm (steps)",
  "slurm-array": "slurm (array)",
  "slurm-job": "slurm (job a task)",
};

const SCENARIOS: Readonly<Record<Sample["scenario"], Scenario>> = {
  engines: {
    title: "The same bag on every engine",
    question: "Which engine finishes this bag sooner on this machine, once it is running?",
    figures: runsOf,
  },
  baseline: {
    title: "Baseline",
    question:
      "The bags of the two earlier studies, and bags long enough to tell engines apart: who is done sooner, and is it the engine or its start?",
    figures: runsOf,
  },
  overhead: {
    title: "Overhead",
    question: "How long must tasks be until it no longer matters who distributes them?",
    figures: overheadFigures,
  },
  scale: {
    title: "Scale",
    question: "Does the rate hold when the bag grows, and what does the manager need?",
    figures: scaleFigures,
  },
  spot: {
    title: "Workers that are taken away",
    question: "What is lost, done again and delayed when workers are killed?",
    figures: spotFigures,
  },
  slurm: {
    title: "On Slurm",
    question: "A bag on a Slurm cluster: pilots, one job a task, an array, or steps?",
    figures: (samples) =>
      groupsOf(samples).flatMap((group) =>
        figuresOf(group, (engine) => SLURM_NAMES[engine] ?? engine),
      ),
  },
};

export function sectionsOf(samples: readonly Sample[]): Section[] {
  return [...Map.groupBy(samples, (sample) => sample.scenario)].map(([id, members]) => {
    const { title, question, figures } = SCENARIOS[id];
    return { id, title, question, figures: figures(members) };
  });
}

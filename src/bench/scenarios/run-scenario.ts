/** Measures the parts of a scenario one after the other. An engine that broke in one part is tried again in the next. */
import type { CatalogEntry } from "../engines/catalog.ts";
import { type EnginesPlan, type EnginesResult, runEngines } from "../engines/run-engines.ts";
import type { Part, ScenarioName } from "./scenario.ts";

export type ScenarioPlan = Omit<
  EnginesPlan,
  | "scenario"
  | "engines"
  | "workloads"
  | "rounds"
  | "warm"
  | "nodes"
  | "retries"
  | "marks"
  | "beside"
  | "driverOptions"
  | "warmUpTasks"
> & {
  scenario: ScenarioName;
  engines: readonly CatalogEntry[];
  parts: readonly Part[];
};

export async function runScenario(plan: ScenarioPlan): Promise<EnginesResult> {
  const { scenario, engines, parts, ...common } = plan;
  const all: EnginesResult = { samples: [], broken: [], interrupted: false };
  for (const part of parts) {
    const some = engines.filter(
      (entry) =>
        (part.engines === null || part.engines.includes(entry.id)) &&
        (part.killable !== true || entry.killable),
    );
    if (some.length === 0) continue;
    plan.note(`${part.title}: ${some.map((entry) => entry.id).join(", ")}`);
    const { title: _title, workload, killable: _killable, ...rest } = part;
    const result = await runEngines({
      ...common,
      ...rest,
      scenario,
      engines: some,
      workloads: [workload],
    });
    all.samples.push(...result.samples);
    all.broken.push(...result.broken);
    if (result.interrupted) return { ...all, interrupted: true };
  }
  return all;
}

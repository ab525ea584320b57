/** Whether the samples may be compared at all: the first thing a report says. */
import type { Environment, Sample } from "../engines/samples.ts";
import { groupsOf } from "./groups.ts";
import { listed } from "./verdict.ts";

export interface Check {
  ok: boolean;
  text: string;
}

export function checksOf(samples: readonly Sample[], environment: Environment | null): Check[] {
  return [outputs(samples), binaries(samples), failures(samples), ...calm(samples, environment)];
}

function outputs(samples: readonly Sample[]): Check {
  const groups = groupsOf(samples.filter((sample) => sample.checksum !== null));
  if (groups.length === 0) return { ok: true, text: "The tasks have no output to compare." };
  const unequal = groups.filter(
    ({ engines }) => new Set(checksums(engines.flatMap((runs) => runs.samples))).size > 1,
  );
  if (unequal.length > 0)
    return {
      ok: false,
      text: `Void: the outputs differ between runs of the same bag (${listed(unequal.map(({ name }) => name))}). Nothing below may be compared until that is explained.`,
    };
  const runs = samples.filter((sample) => sample.checksum !== null).length;
  return { ok: true, text: `All outputs are equal: one checksum for each bag over ${runs} runs.` };
}

function checksums(samples: readonly Sample[]): (string | null)[] {
  return samples.map((sample) => sample.checksum);
}

function binaries(samples: readonly Sample[]): Check {
  const found = new Set(samples.flatMap((sample) => sample.binary ?? []));
  if (found.size === 0) return { ok: true, text: "The tasks did not report their binary." };
  const [first] = found;
  return found.size === 1
    ? { ok: true, text: `One task binary under all engines: ${first!.slice(0, 16)}…` }
    : { ok: false, text: `Void: ${found.size} different task binaries were used.` };
}

function failures(samples: readonly Sample[]): Check {
  const bad = samples.filter((sample) => sample.failed > 0);
  const all = samples.reduce((sum, sample) => sum + sample.done, 0).toLocaleString("en");
  if (bad.length === 0) return { ok: true, text: `No task failed; ${all} were done.` };
  const engines = [...new Set(bad.map((sample) => sample.engine))];
  return {
    ok: false,
    text: `Tasks failed in ${bad.length} of ${samples.length} runs (${listed(engines)}): the times of these runs are not those of whole bags.`,
  };
}

function calm(samples: readonly Sample[], environment: Environment | null): Check[] {
  if (environment === null)
    return [
      { ok: false, text: "environment.json is missing: on what machine this ran is not known." },
    ];
  const load = environment.load_average[0];
  const checks: Check[] = [];
  if (load !== undefined && load > environment.cores / 2)
    checks.push({
      ok: false,
      text: `The machine was busy when this began (load ${load.toFixed(1)} on ${environment.cores} cores): read ratios, not times.`,
    });
  const most = Math.max(...samples.map((sample) => sample.workload.workers));
  if (most > environment.cores && samples.some(({ workload }) => workload.kind !== "sleep"))
    checks.push({
      ok: false,
      text: `Up to ${most} tasks at a time ran on ${environment.cores} cores: they waited for each other.`,
    });
  return checks;
}

/** What makes a run void: engines that did not compute the same with the same program. */
import type { EngineId, Sample } from "./samples.ts";

/** Null when samples of one workload may be compared, else who differs from whom, and in what. */
export function whyVoid(samples: readonly Sample[]): string | null {
  const complete = samples.filter(({ failed }) => failed === 0);
  return (
    differing(complete, "outputs", ({ checksum }) => checksum) ??
    differing(complete, "task programs", ({ binary }) => binary)
  );
}

/** Against what most samples have. */
function differing(
  samples: readonly Sample[],
  what: string,
  of: (sample: Sample) => string | null,
): string | null {
  const groups = new Map<string | null, Set<EngineId>>();
  const sizes = new Map<string | null, number>();
  for (const sample of samples) {
    const value = of(sample);
    sizes.set(value, (sizes.get(value) ?? 0) + 1);
    groups.set(value, (groups.get(value) ?? new Set()).add(sample.engine));
  }
  if (groups.size < 2) return null;
  const [usual] = [...sizes].toSorted((a, b) => b[1] - a[1])[0]!;
  const others = [...groups].filter(([value]) => value !== usual);
  const told = others.map(([value, engines]) => `${shown(value)} of ${[...engines].join(", ")}`);
  const usually = [...groups.get(usual)!].join(", ");
  return `the ${what} differ: ${told.join("; ")}; ${shown(usual)} of ${usually}`;
}

const shown = (value: string | null): string => (value === null ? "none" : value.slice(0, 12));

import { simulate } from "./simulate.ts";
const seed = Number(process.argv[2] ?? 1);
const n = Number(process.argv[3] ?? 1);
const t0 = performance.now();
const edges = new Set<string>(); const faults = new Map<string, number>(); let steps = 0, attempts=0, bad = 0;
for (let s = seed; s < seed + n; s++) {
  const r = simulate({ seed: s, ...(n === 1 ? { log: console.log } : {}) });
  if (r.failure) { bad++; if (bad < 15) console.log(s, r.failure); }
  for (const e of r.edges) edges.add(e);
  for (const [k, v] of r.faults) faults.set(k, (faults.get(k) ?? 0) + v);
  steps += r.steps; attempts += r.attempts;
}
console.log({ bad, n, steps, attempts, ms: performance.now() - t0, edges: edges.size });
console.log([...faults].join(" "));

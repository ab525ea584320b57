/** Many seeds, one after the other, and what they covered together. */
import { EVENT_KINDS, type EventKind, FAULT_KINDS, type FaultKind } from "./plan.ts";
import { simulate, type SimulationOptions, type SimulationReport } from "./simulate.ts";
import { ALL_EDGES } from "../../src/core/testing/edge-watch.ts";

export interface Campaign {
  seeds: number;
  failures: { seed: number; failure: string }[];
  /** how many seeds took each edge of the state machine */
  edges: Map<string, number>;
  faults: Map<FaultKind, number>;
  events: Map<EventKind, number>;
  steps: number;
  attempts: number;
  accepted: number;
}

export function runCampaign(
  firstSeed: number,
  seeds: number,
  options: Omit<SimulationOptions, "seed"> & {
    stopAfter?: number;
    progress?: (campaign: Campaign) => void;
  } = {},
): Campaign {
  const { stopAfter = 10, progress, ...rest } = options;
  const campaign: Campaign = {
    seeds: 0,
    failures: [],
    edges: new Map(Array.from(ALL_EDGES, (edge) => [edge, 0])),
    faults: new Map(FAULT_KINDS.map((kind) => [kind, 0])),
    events: new Map(EVENT_KINDS.map((kind) => [kind, 0])),
    steps: 0,
    attempts: 0,
    accepted: 0,
  };
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    add(campaign, seed, simulate({ ...rest, seed }));
    if (campaign.failures.length >= stopAfter) break;
    progress?.(campaign);
  }
  return campaign;
}

function add(campaign: Campaign, seed: number, report: SimulationReport): void {
  campaign.seeds++;
  if (report.failure !== null) campaign.failures.push({ seed, failure: report.failure });
  for (const edge of report.edges) campaign.edges.set(edge, (campaign.edges.get(edge) ?? 0) + 1);
  for (const [kind, count] of report.faults)
    campaign.faults.set(kind, campaign.faults.get(kind)! + count);
  for (const [kind, count] of report.events)
    campaign.events.set(kind, campaign.events.get(kind)! + count);
  campaign.steps += report.steps;
  campaign.attempts += report.attempts;
  campaign.accepted += report.accepted;
}

/** Names of what never occurred. */
export function missing(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].filter(([, count]) => count === 0).map(([name]) => name);
}

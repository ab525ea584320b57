/** Hosts that get nothing new for a time. */
import type { Core } from "./core.ts";

/** Blocks that are over: all workers are looked at again. */
export function unblockHosts(core: Core, nowMs: number): void {
  for (const [host, untilMs] of core.scheduling.blockedHosts)
    if (untilMs !== null && untilMs <= nowMs) unblockHost(core, host);
}

export function blockHost(core: Core, host: string, untilMs: number | null, nowMs: number): void {
  if (untilMs !== null && untilMs <= nowMs) {
    unblockHost(core, host);
    return;
  }
  core.scheduling.blockedHosts.set(host, untilMs);
  if (untilMs !== null) core.timers.add({ atMs: untilMs, workflow: 0, task: 0 });
}

function unblockHost(core: Core, host: string): void {
  if (!core.scheduling.blockedHosts.delete(host)) return;
  for (const worker of core.workers.values())
    if (worker.capacity.host === host) core.dirty.add(worker);
}

/** Hosts that get nothing new because somebody said so: kept over restarts, told to the core. What runs there goes on. */
import { HoldallError } from "../core/error.ts";
import type { HostBlock } from "../ledger/ledger.ts";
import type { HostBlockItem } from "../protocol/api.ts";
import type { Engine } from "./engine.ts";

/** A restart would take longer blocks for ones without an end, through rounding; nobody waits that long either. */
const LONGEST_SECONDS: number = 10 * 365 * 86_400;
const MOST_BLOCKS = 10_000;

export interface HostBlocks {
  list(): HostBlockItem[];
  /** `seconds` null = until unblocked; 0 unblocks. Durable when `engine.whenDurable()` says so. */
  block(host: string, seconds: number | null, reason: string): HostBlockItem;
  /** throws not_found for a host that is not blocked */
  unblock(host: string): void;
}

/** `now`: steady ms; `wall`: ms since the epoch. */
export function createHostBlocks(
  engine: Engine,
  now: () => number,
  wall: () => number = Date.now,
): HostBlocks {
  const blocks = new Map<string, HostBlock>();
  for (const block of engine.ledger.hostBlocks()) {
    if (block.untilMs !== null && block.untilMs <= wall()) {
      engine.record({ kind: "host_unblocked", host: block.host });
      continue;
    }
    blocks.set(block.host, block);
    tell(block);
  }

  function tell({ host, untilMs }: HostBlock): void {
    const left = untilMs === null ? null : now() + untilMs - wall();
    engine.event({ type: "block_host", host, untilMs: left });
  }

  /** Those whose time is over have been taken up again by the core. */
  function forgetEnded(): void {
    for (const { host, untilMs } of blocks.values()) {
      if (untilMs === null || untilMs > wall()) continue;
      blocks.delete(host);
      engine.record({ kind: "host_unblocked", host });
    }
  }

  return {
    list() {
      forgetEnded();
      return [...blocks.values()].map(item).sort((a, b) => (a.host < b.host ? -1 : 1));
    },
    block(host, seconds, reason) {
      if (host.trim() === "" || host.length > 255)
        throw new HoldallError("usage", `"${host}" is not the name of a host`);
      if (seconds !== null && !(seconds > 0 && seconds <= LONGEST_SECONDS))
        throw new HoldallError("usage", `a host cannot be blocked for ${seconds} s`, {
          fix: "give a time above 0, at most ten years, or none: until it is unblocked",
        });
      forgetEnded();
      if (blocks.size >= MOST_BLOCKS && !blocks.has(host))
        throw new HoldallError("conflict", `${MOST_BLOCKS} hosts are blocked already`);
      const atMs = wall();
      const block = {
        host,
        untilMs: seconds === null ? null : atMs + seconds * 1000,
        reason,
        atMs,
      };
      blocks.set(host, block);
      tell(block);
      engine.record({ kind: "host_blocked", ...block });
      return item(block);
    },
    unblock(host) {
      forgetEnded();
      if (!blocks.delete(host))
        throw new HoldallError("not_found", `the host ${host} is not blocked`, {
          fix: "holdall hosts shows which are",
        });
      // A time that is over unblocks.
      engine.event({ type: "block_host", host, untilMs: now() - 1 });
      engine.record({ kind: "host_unblocked", host });
    },
  };
}

function item({ host, untilMs, reason, atMs }: HostBlock): HostBlockItem {
  return {
    host,
    until: untilMs === null ? null : new Date(untilMs).toISOString(),
    reason: reason === "" ? null : reason,
    since: new Date(atMs).toISOString(),
  };
}

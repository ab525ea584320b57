/** What squeue says about pilots. */
import type { Allocation } from "../provider.ts";
import { parseComment, PILOT_NAME } from "./pilot.ts";

/** The comment is last because it may hold anything; the name decides what is a pilot. */
const FIELDS = ["%i", "%T", "%r", "%P", "%D", "%C", "%N", "%S", "%e", "%j", "%k"];

export function squeueArguments(user: number | null): string[] {
  const argv = ["squeue", "--noheader", "--array", `--format=${FIELDS.join("|")}`];
  if (user !== null) argv.push(`--user=${user}`);
  return argv;
}

export function parseQueue(text: string): Allocation[] {
  const found: Allocation[] = [];
  for (const line of text.split("\n")) {
    const parts = line.split("|");
    if (parts.length < FIELDS.length) continue;
    const [id, state, reason, partition, nodes, cpus, hosts, starts, ends, name] = parts;
    if (!(name === PILOT_NAME || name?.startsWith(`${PILOT_NAME}-`))) continue;
    const comment = parseComment(parts.slice(FIELDS.length - 1).join("|"));
    const runs = state !== "PENDING";
    found.push({
      id: id ?? "",
      state: (state ?? "").toLowerCase(),
      reason: runs || reason === "None" ? null : (reason ?? null),
      partition: partition === "" ? null : (partition ?? null),
      nodes: Number(nodes),
      cpus: Number(cpus),
      hosts: runs && hosts !== "" ? (hosts ?? null) : null,
      startsAtMs: timeOf(starts),
      endsAtMs: timeOf(ends),
      scheduler: comment?.scheduler ?? null,
      access: comment?.access ?? null,
    });
  }
  return found;
}

/** "2026-11-20T15:04:05" in this host's time zone; N/A, Unknown, NONE = null. */
function timeOf(text: string | undefined): number | null {
  const value = Date.parse(text ?? "");
  return Number.isNaN(value) ? null : value;
}

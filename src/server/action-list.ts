/** What became of the actions of a workflow. */
import type { WorkflowAction } from "../core/workflow.ts";
import type { ActionRow } from "../ledger/ledger.ts";
import type { ActionItem } from "../protocol/api.ts";
import type { Loaded } from "./queries.ts";

export function workflowActions({ id, engine, tasks }: Loaded): ActionItem[] {
  const rows = engine.ledger.actions(id);
  return (tasks.definition.actions ?? []).flatMap((action, index) => {
    const own = rows.filter((row) => row.action === index);
    return own.length === 0
      ? [item(action, index, null)]
      : own.map((row) => item(action, index, row));
  });
}

function item({ trigger, what }: WorkflowAction, index: number, row: ActionRow | null): ActionItem {
  const iso = (atMs: number | null | undefined): string | null =>
    atMs === null || atMs === undefined ? null : new Date(atMs).toISOString();
  return {
    action: index + 1,
    trigger_type: trigger,
    action_type: what.kind,
    state: stateOf(row),
    worker: row === null || row.worker === 0 ? null : row.worker,
    exit_code: row?.exitCode ?? null,
    message: row?.message ?? "",
    claimed_at: iso(row?.claimedMs),
    ended_at: iso(row?.endedMs),
  };
}

function stateOf(row: ActionRow | null): ActionItem["state"] {
  if (row === null) return "waiting";
  if (row.endedMs === null) return "claimed";
  return row.exitCode === 0 ? "done" : "failed";
}

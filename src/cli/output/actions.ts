/** `status --actions`: what became of each action. */
import type { ActionItem } from "../../protocol/api.ts";
import { table } from "./table.ts";

/** Of a message on several lines, what a table has room for. */
const SHOWN = 60;

export function actionsText(actions: readonly ActionItem[]): string {
  if (actions.length === 0) return "the workflow has no actions\n";
  return table(
    [
      { title: "ACTION", align: "right" },
      { title: "WHEN" },
      { title: "WHAT" },
      { title: "STATE" },
      { title: "MESSAGE" },
    ],
    actions.map(({ action, trigger_type, action_type, state, worker, message }) => [
      String(action),
      worker === null ? trigger_type : `${trigger_type} (worker ${worker})`,
      action_type,
      state,
      message.split("\n").at(-1)!.slice(0, SHOWN),
    ]),
  );
}

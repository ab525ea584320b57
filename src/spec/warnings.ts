/** What a document asks for and nothing carries out yet. Told before it runs, so that nobody waits for it in vain. */
import type { ErrorDetail } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Path, SpecDocument } from "./document.ts";

type Asked = Pick<WorkflowDefinition, "monitor" | "nodes" | "pendingFailed" | "actions" | "reuse">;

export interface SpecWarning extends ErrorDetail {
  /** whom it concerns: `run`, a workflow that is submitted to a server, or both */
  of: "run" | "server" | "both";
}

export function warningsFor(document: SpecDocument, asked: Asked): readonly SpecWarning[] {
  const warnings: SpecWarning[] = (document.warnings ?? []).map((each) => ({
    of: "both",
    ...each,
  }));
  const warn = (path: Path, message: string, fix: string, of: SpecWarning["of"] = "both"): void => {
    const place = { file: document.file, ...document.locate(path, { key: true }) };
    warnings.push({ message, place, fix, of });
  };
  const { monitor, pendingFailed, actions = [], reuse } = asked;
  if (reuse !== undefined) {
    warn(
      ["reuse"],
      "results of another state directory are taken by `holdall run` alone, not yet by a server",
      "run it with `holdall run`, or remove this",
      "server",
    );
  }
  for (const [i, { trigger, what }] of actions.entries()) {
    if (trigger.startsWith("on_worker")) {
      warn(
        ["actions", i, "trigger_type"],
        `actions ${trigger} are done by \`holdall run\` alone, not yet by the workers of a server`,
        "put the commands into the tasks where workers of a server run them",
        "server",
      );
    }
    if (what.kind === "schedule_nodes") {
      warn(
        ["actions", i, "action_type"],
        "nodes are asked for by `holdall serve`; `holdall run` uses this machine alone",
        "submit the workflow to a server to use Slurm",
        "run",
      );
    }
  }
  if (monitor?.enabled && (monitor.granularity === "time_series" || monitor.plots)) {
    warn(
      ["resource_monitor"],
      "time series and plots of resources are not recorded yet; what each task used at most is",
      "see it with `holdall tasks --json`",
    );
  }
  if (pendingFailed) {
    warn(
      ["use_pending_failed"],
      "failed tasks do not wait for a decision yet: they have failed",
      "run them again with `holdall retry`",
    );
  }
  return warnings;
}

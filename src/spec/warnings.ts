/** What a document asks for and nothing carries out yet. Told before it runs, so that nobody waits for it in vain. */
import type { ErrorDetail } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Path, SpecDocument } from "./document.ts";

type Asked = Pick<WorkflowDefinition, "monitor" | "nodes" | "pendingFailed" | "actions">;

export function warningsFor(document: SpecDocument, asked: Asked): readonly ErrorDetail[] {
  const warnings: ErrorDetail[] = [];
  const warn = (path: Path, message: string, fix: string): void => {
    const place = { file: document.file, ...document.locate(path, { key: true }) };
    warnings.push({ message, place, fix });
  };
  const { monitor, pendingFailed } = asked;
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

/** All commands. Each file holds a command's flags and help; what it does is loaded when it runs. */
import { buildRouteMap, type RouteMap } from "@stricli/core";
import { benchCommand } from "./commands/bench.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { completionCommand } from "./commands/completion.ts";
import { convertCommand } from "./commands/convert.ts";
import { explainCommand } from "./commands/explain.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { graphCommand } from "./commands/graph.ts";
import { hostsRoutes } from "./commands/hosts.ts";
import { initCommand } from "./commands/init.ts";
import { logsCommand } from "./commands/logs.ts";
import { reportCommand } from "./commands/report.ts";
import { planCommand } from "./commands/plan.ts";
import { retryCommand } from "./commands/retry.ts";
import { runCommand } from "./commands/run.ts";
import { schemaCommand } from "./commands/schema.ts";
import { serveCommand } from "./commands/serve.ts";
import { slurmCommand } from "./commands/slurm.ts";
import { statusCommand } from "./commands/status.ts";
import { submitCommand } from "./commands/submit.ts";
import { tasksCommand } from "./commands/tasks.ts";
import { exportCommand, importCommand } from "./commands/transfer.ts";
import { validateCommand } from "./commands/validate.ts";
import { waitCommand } from "./commands/wait.ts";
import { workerCommand } from "./commands/worker.ts";
import type { CliContext } from "./context.ts";

export const routes: RouteMap<CliContext> = buildRouteMap({
  routes: {
    run: runCommand,
    plan: planCommand,
    validate: validateCommand,
    graph: graphCommand,
    init: initCommand,
    convert: convertCommand,
    schema: schemaCommand,
    serve: serveCommand,
    worker: workerCommand,
    slurm: slurmCommand,
    submit: submitCommand,
    wait: waitCommand,
    status: statusCommand,
    tasks: tasksCommand,
    logs: logsCommand,
    retry: retryCommand,
    cancel: cancelCommand,
    explain: explainCommand,
    export: exportCommand,
    import: importCommand,
    hosts: hostsRoutes,
    doctor: doctorCommand,
    bench: benchCommand,
    report: reportCommand,
    completion: completionCommand,
  },
  docs: {
    brief: "one bag of tasks, any engine, nothing lost",
    fullDescription: [
      "holdall: one bag of tasks, any engine, nothing lost",
      "",
      "  holdall run workflow.yaml               run a workflow on this machine; again: go on",
      "  holdall run --array 0-9 -- echo '{i}'   ten tasks without a file",
      "  holdall tasks --state failed            what failed",
      "  holdall logs compress_003               what a task printed",
      "  holdall --version",
      "",
      "Each command has --help with examples.",
    ].join("\n"),
  },
});

/** What has to be known to run one attempt, made from its block's template. */
import { resolve } from "node:path";
import { compileTemplate } from "../core/template.ts";
import type { ParameterTable, TaskBody, TextTemplate } from "../core/workflow.ts";
import type { WorkerTemplate } from "../protocol/session.ts";
import { compileCommand } from "./command.ts";

export interface AttemptPlan {
  cwd: string;
  /** null when none are declared */
  inputs: string[] | null;
  outputs: string[] | null;
  argv(path: string, onPath: (word: string, path: string, cwd: string) => boolean): string[];
  env(attempt: number): string[];
}

export type PlanMaker = (index: number) => AttemptPlan;

/** Compiles a template once per block; the result is called once per attempt. */
export function compileAttempts(
  template: WorkerTemplate,
  body: TaskBody,
  table: ParameterTable,
): PlanMaker {
  const compile = (text: TextTemplate): ((index: number) => string) => compileTemplate(text, table);
  const name = compile(body.name);
  const command = compileCommand(body.command, table);
  const inputs = body.inputs?.length ? body.inputs.map(compile) : null;
  const outputs = body.outputs?.length ? body.outputs.map(compile) : null;
  const env = Object.entries({ ...template.env, ...body.env }).map(
    ([key, value]) => [`${key}=`, compile(value)] as const,
  );
  const ownPath = env.find(([key]) => key === "PATH=")?.[1] ?? null;
  const workflow = `HOLDALL_WORKFLOW_ID=${template.workflow}`;
  const cwd = resolve(template.cwd);
  return (index) => ({
    cwd,
    inputs: inputs ? inputs.map((path) => path(index)) : null,
    outputs: outputs ? outputs.map((path) => path(index)) : null,
    argv: (path, onPath) => command(index, ownPath ? ownPath(index) : path, cwd, onPath),
    env(attempt) {
      const list = [workflow, `HOLDALL_TASK=${name(index)}`, `HOLDALL_ATTEMPT=${attempt}`];
      for (const [key, value] of env) list.push(key + value(index));
      return list;
    },
  });
}

import { expect, test } from "bun:test";
import { DEFAULT_REQUIREMENT, type ParameterTable, type TaskBody } from "../core/workflow.ts";
import type { WorkerTemplate } from "../protocol/session.ts";
import { type AttemptPlan, compileAttempts } from "./attempt-plan.ts";

const TABLE: ParameterTable = {
  names: ["i"],
  values: [{ from: 1, step: 1, count: 9, decimals: 0 }],
  mode: "product",
};

function plan(
  body: Partial<TaskBody>,
  template: Partial<WorkerTemplate> = {},
  index = 1,
): AttemptPlan {
  const whole: TaskBody = {
    name: ["t_", { p: 0 }],
    command: { kind: "auto", text: "c" },
    ...body,
  };
  return compileAttempts(
    {
      workflow: 4,
      block: 0,
      first: 0,
      cwd: "/w/../x",
      requirement: DEFAULT_REQUIREMENT,
      timeoutSeconds: null,
      captureStdout: true,
      captureStderr: true,
      parameters: TABLE,
      body: whole,
      env: {},
      ...template,
    },
    whole,
    TABLE,
  )(index);
}

test("files are named per task; none declared is null", () => {
  const { cwd, inputs, outputs } = plan({ inputs: ["a", ["in_", { p: 0, f: "03d" }]] });
  expect({ cwd, inputs, outputs }).toEqual({ cwd: "/x", inputs: ["a", "in_002"], outputs: null });
  expect(plan({ inputs: [], outputs: [[{ p: 0 }]] }, {}, 8)).toMatchObject({
    inputs: null,
    outputs: ["9"],
  });
});

test("the environment says who the task is; its own values replace the template's", () => {
  const { env } = plan({ env: { B: ["b", { p: 0 }], C: "c" } }, { env: { A: "a", B: "other" } });
  expect(env(3)).toEqual([
    "HOLDALL_WORKFLOW_ID=4",
    "HOLDALL_TASK=t_2",
    "HOLDALL_ATTEMPT=3",
    "A=a",
    "B=b2",
    "C=c",
  ]);
});

test("a command is looked for along the task's own PATH, from its own folder", () => {
  const asked: string[][] = [];
  const onPath = (...all: [string, string, string]): boolean => asked.push(all) > 0;
  expect(plan({}).argv("/bin", onPath)).toEqual(["c"]);
  plan({ env: { PATH: ["/p", { p: 0 }] } }).argv("/bin", onPath);
  plan({}, { env: { PATH: "/t" }, cwd: "/elsewhere" }).argv("/bin", onPath);
  expect(asked).toEqual([
    ["c", "/bin", "/x"],
    ["c", "/p2", "/x"],
    ["c", "/t", "/elsewhere"],
  ]);
});

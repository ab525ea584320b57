import { expect, test } from "bun:test";
import { taskRef, workflowAndTasks, workflowRef } from "./names.ts";

test("workflow IDs are integers from 1; none means the newest", () => {
  expect(workflowRef(undefined)).toBe("latest");
  expect(workflowRef("12")).toBe(12);
  for (const word of ["0", "01", "-1", "1.5", "x", ""]) expect(() => workflowRef(word)).toThrow();
});

test("a task is NAME or ID/NAME; a name may hold slashes", () => {
  expect(taskRef("a")).toEqual({ workflow: "latest", task: "a" });
  expect(taskRef("3/a")).toEqual({ workflow: 3, task: "a" });
  expect(taskRef("3/a/b")).toEqual({ workflow: 3, task: "a/b" });
  expect(taskRef("a/3")).toEqual({ workflow: "latest", task: "a/3" });
  expect(taskRef("3/")).toEqual({ workflow: "latest", task: "3/" });
  expect(taskRef("/a")).toEqual({ workflow: "latest", task: "/a" });
});

test("an ID, then tasks of that workflow", () => {
  expect(workflowAndTasks([])).toEqual({ workflow: "latest", tasks: [] });
  expect(workflowAndTasks(["3"])).toEqual({ workflow: 3, tasks: [] });
  expect(workflowAndTasks(["3", "a", "3/b"])).toEqual({ workflow: 3, tasks: ["a", "b"] });
  expect(workflowAndTasks(["a", "3/b"])).toEqual({ workflow: 3, tasks: ["a", "b"] });
  // Only the first word can be an ID: a task may be called 7.
  expect(workflowAndTasks(["3", "7"])).toEqual({ workflow: 3, tasks: ["7"] });
  expect(() => workflowAndTasks(["3", "4/a"])).toThrow("tasks of two workflows: 3 and 4");
});

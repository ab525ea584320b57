/** Workflows and tasks as they are named on the command line: ID, NAME, ID/NAME. */
import type { WorkflowRef } from "../client/client.ts";
import { usage } from "./usage.ts";

const ID = /^[1-9]\d{0,15}$/;

export function isId(word: string): boolean {
  return ID.test(word);
}

/** `[ID]`: without one, the newest workflow. */
export function workflowRef(word: string | undefined): WorkflowRef {
  if (word === undefined) return "latest";
  if (!isId(word)) {
    throw usage(
      `"${word}" is no workflow ID`,
      "workflow IDs are integers from 1; without one, the newest workflow is meant",
    );
  }
  return Number(word);
}

/** `NAME` or `ID/NAME`. Names may contain slashes: only a leading integer is an ID. */
export function taskRef(word: string): { workflow: WorkflowRef; task: string } {
  const slash = word.indexOf("/");
  if (slash > 0 && slash < word.length - 1 && isId(word.slice(0, slash))) {
    return { workflow: Number(word.slice(0, slash)), task: word.slice(slash + 1) };
  }
  return { workflow: "latest", task: word };
}

/** `[ID] [TASK…]` as in `retry` and `cancel`; all tasks have to be of one workflow. */
export function workflowAndTasks(words: readonly string[]): {
  workflow: WorkflowRef;
  tasks: string[];
} {
  const [first, ...rest] = words;
  if (first === undefined) return { workflow: "latest", tasks: [] };
  const byId = isId(first);
  let workflow: WorkflowRef = byId ? Number(first) : "latest";
  const tasks: string[] = [];
  for (const word of byId ? rest : words) {
    const named = taskRef(word);
    if (named.workflow !== "latest") {
      if (workflow !== "latest" && workflow !== named.workflow) {
        throw usage(
          `tasks of two workflows: ${workflow} and ${named.workflow}`,
          "one command for each workflow",
        );
      }
      workflow = named.workflow;
    }
    tasks.push(named.task);
  }
  return { workflow, tasks };
}

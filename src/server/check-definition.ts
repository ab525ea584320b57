/** What must be true of a definition beyond the shape of its fields. Our own client's are; others are refused before anything is stored. */
import { HoldallError } from "../core/error.ts";
import { buildGraph, inDegrees, visitDependents } from "../core/graph.ts";
import { parameterCount } from "../core/parameters.ts";
import type { Block, TaskBody, TextTemplate, WorkflowDefinition } from "../core/workflow.ts";

/** Throws `spec`. That no two tasks have one name is the ledger's to say: it has the index. */
export function checkDefinition(definition: WorkflowDefinition): void {
  let next = 0;
  for (const [index, block] of definition.blocks.entries()) {
    if (block.first !== next) throw wrong(`blocks.${index}.first is not ${next}`);
    next += block.count;
    checkBlock(block, `blocks.${index}`);
  }
  if (next !== definition.taskCount) throw wrong(`taskCount is not ${next}`);
  checkEdges(definition);
}

function checkBlock(block: Block, place: string): void {
  if (block.kind === "array") {
    const { names: params, values } = block.parameters;
    if (params.length !== values.length || new Set(params).size !== params.length)
      throw wrong(`${place}.parameters: names and values do not match`);
    const { mode } = block.parameters;
    if (mode === "zip" && values.some((each) => size(each) !== size(values[0]!)))
      throw wrong(`${place}.parameters: lists of different length`);
    if (parameterCount(block.parameters) !== block.count)
      throw wrong(`${place}.count is not what its parameters give`);
    checkBody(block.body, params.length, () => place);
    return;
  }
  if (block.bodies?.length !== block.count) throw wrong(`${place}.count is not its bodies' number`);
  let at = 0;
  // Asked for only when something is wrong: there may be a million of them.
  const here = (): string => `${place}.bodies.${at}`;
  for (const body of block.bodies) {
    checkBody(body, 0, here);
    if (typeof body.name !== "string") throw wrong(`${here()}.name is not a text`);
    at++;
  }
}

function size(values: readonly string[] | { count: number }): number {
  return "count" in values ? values.count : values.length;
}

function checkBody(body: TaskBody, parameters: number, place: () => string): void {
  const { name, command, inputs = [], outputs = [] } = body;
  checkTemplate(name, parameters, place);
  const texts = command.kind === "argv" ? command.argv : [command.text];
  for (const list of [texts, inputs, outputs])
    for (const template of list) checkTemplate(template, parameters, place);
  if (!body.env) return;
  for (const [variable, value] of Object.entries(body.env)) {
    if (!/^[^=\0]+$/.test(variable))
      throw wrong(`${place()}.env: no variable can be called ${variable}`);
    checkTemplate(value, parameters, place);
  }
}

function checkTemplate(template: TextTemplate, parameters: number, place: () => string): void {
  if (typeof template === "string") return;
  for (const piece of template)
    if (typeof piece !== "string" && piece.p >= parameters)
      throw wrong(`${place()} refers to a parameter that is not there`);
}

function checkEdges(definition: WorkflowDefinition): void {
  const { edges, runs, sets, taskCount } = definition;
  if (edges.length % 2 !== 0) throw wrong("edges are not pairs");
  for (const task of edges) if (task >= taskCount) throw wrong(`there is no task ${task}`);
  for (const { upstream, dependent, count } of runs)
    if (upstream + count > taskCount || dependent + count > taskCount)
      throw wrong("a run goes beyond the tasks");
  for (const { members, dependents } of sets)
    for (const [first, count] of [...members, ...dependents])
      if (first + count > taskCount) throw wrong("a set goes beyond the tasks");
  const graph = buildGraph(definition);
  if (graph.empty) return;
  // What cannot be taken off from the front is a circle, or waits for one.
  const waiting = inDegrees(graph);
  const setWaiting = graph.setSize.slice();
  const stack: number[] = [];
  for (let task = 0; task < taskCount; task++) if (waiting[task] === 0) stack.push(task);
  let taken = 0;
  const arrive = (task: number): void => {
    if (--waiting[task]! === 0) stack.push(task);
  };
  while (stack.length > 0) {
    taken++;
    visitDependents(graph, stack.pop()!, arrive, (set) => {
      if (--setWaiting[set]! > 0) return;
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++) arrive(first + i);
    });
  }
  if (taken !== taskCount) throw wrong("the dependencies are a circle");
}

function wrong(message: string): HoldallError {
  return new HoldallError("spec", `the definition: ${message}`, {
    fix: "submit the document with `holdall submit`, which makes a definition of it",
  });
}

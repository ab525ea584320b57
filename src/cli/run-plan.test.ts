import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outcomeIndex, SUCCEEDED } from "../core/states.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import {
  arrayWorkflow,
  body,
  DEFINITION,
  explicitWorkflow,
  finished,
} from "../ledger/testing/samples.ts";
import { Engine } from "../server/engine.ts";
import { createStamper } from "../worker/files.ts";
import type { RunRequest } from "./embedded-types.ts";
import { openRun, type OpenedRun } from "./run-plan.ts";
import { requestOf, temporaryFolder } from "./testing-embedded.ts";

let stateDir: string;
let ledger: Ledger;
let engine: Engine;

beforeEach(() => {
  stateDir = temporaryFolder();
  open();
});

afterEach(() => {
  close();
  rmSync(stateDir, { recursive: true });
});

function open(): void {
  ledger = openLedger(stateDir);
  engine = new Engine({ ledger, stateDir, now: () => 1000 });
}

function close(): void {
  engine.close();
  ledger.close();
}

/** As the next process would. */
function run(definition: WorkflowDefinition, change: Partial<RunRequest> = {}): OpenedRun {
  close();
  open();
  return openRun(engine, requestOf(stateDir, definition, change));
}

const states = (id: number): number[] => [...engine.tasks(id)!.state];
const NOTHING = { kept: 0, changed: 0, added: 0, again: 0, removed: 0 };

test("a workflow seen for the first time is stored, with what the run wants of it", () => {
  const { row, plan } = run(arrayWorkflow(3), { stdout: "none", outputDir: "/o" });
  expect(plan).toBeNull();
  expect(ledger.workflow(row.id)).toMatchObject({
    name: "w",
    taskCount: 3,
    options: { stdout: "none", stderr: "capture", outputDir: "/o" },
  });
  expect(engine.tasks(row.id)!.state.length).toBe(3);
});

test("what succeeded is kept; what failed, was canceled or never ran runs again", () => {
  const { row } = run(arrayWorkflow(4));
  ledger.commit([
    finished(row.id, [0]),
    finished(row.id, [1], { outcome: outcomeIndex("exit") }),
    { kind: "canceled", workflow: row.id, tasks: [2], reason: "r", atMs: 1 },
  ]);
  const second = run(arrayWorkflow(4), { outputDir: "/new" });
  expect(second.row.id).toBe(row.id);
  expect(second.plan).toEqual({ ...NOTHING, kept: 1, again: 3 });
  expect(states(row.id).filter((state) => state === SUCCEEDED).length).toBe(1);
  expect(ledger.workflow(row.id)!.options.outputDir).toBe("/new");
});

test("what changed runs again with everything downstream; what is new and gone is counted", () => {
  const definition = (command: string, last = "d"): WorkflowDefinition => {
    const bodies = ["a", "b", "c", last].map(body);
    bodies[0] = { ...bodies[0]!, command: { kind: "auto", text: command } };
    return { ...explicitWorkflow(bodies), edges: [0, 1] };
  };
  const { row } = run(definition("one"));
  ledger.commit([finished(row.id, [0, 1, 2, 3])]);
  expect(run(definition("one")).plan).toEqual({ ...NOTHING, kept: 4 });
  expect(run(definition("two", "e")).plan).toEqual({
    kept: 1,
    changed: 2,
    added: 1,
    again: 0,
    removed: 1,
  });
});

test("a touched input is unchanged, another content is not", () => {
  const file = join(stateDir, "input");
  writeFileSync(file, "one");
  const { row } = run(arrayWorkflow(2));
  ledger.commit([
    finished(row.id, [0, 1]),
    {
      kind: "files",
      workflow: row.id,
      task: 1,
      files: [createStamper()(file, "input", "/")!],
    },
  ]);
  writeFileSync(file, "one");
  expect(run(arrayWorkflow(2)).plan).toEqual({ ...NOTHING, kept: 2 });
  writeFileSync(file, "two");
  expect(run(arrayWorkflow(2)).plan).toEqual({ ...NOTHING, kept: 1, changed: 1 });
});

test("a fresh run forgets the one of that name, with what it wrote", () => {
  const first = run(arrayWorkflow(2)).row;
  ledger.commit([finished(first.id, [0, 1])]);
  mkdirSync(join(stateDir, `logs/${first.id}`), { recursive: true });
  const { row, plan } = run(arrayWorkflow(2), { fresh: true });
  expect(plan).toBeNull();
  expect(ledger.workflows().map(({ id }) => id)).toEqual([row.id]);
  expect(ledger.countResults(row.id)).toBe(0);
  expect(existsSync(join(stateDir, `logs/${first.id}`))).toBe(false);
});

test("a name from another file is refused, and stays what it was", () => {
  const { row } = run(arrayWorkflow(2));
  const other = { ...arrayWorkflow(3), source: "/other/w.yaml" };
  expect(() => run(other)).toThrow(
    expect.objectContaining({ code: "conflict", fix: expect.stringContaining("--name") }),
  );
  expect(ledger.workflow(row.id)).toMatchObject({ taskCount: 2, source: "/s/w.yaml" });
  expect(run({ ...other, name: "v" }).row.id).not.toBe(row.id);
  expect(run(other, { fresh: true }).plan).toBeNull();
});

test("an ad-hoc run is a new workflow each time", () => {
  const definition = { ...DEFINITION, ...arrayWorkflow(1), source: null };
  const what = { kind: "definition", definition, adHoc: true } as const;
  const [first, second] = [run(definition, { what }), run(definition, { what })];
  expect(second.row.id).not.toBe(first.row.id);
  expect([first.plan, second.plan]).toEqual([null, null]);
  ledger.commit([finished(first.row.id, [0])]);
  const again = run(definition, { what: { kind: "workflow", id: first.row.id } });
  expect([again.row.id, again.plan]).toEqual([first.row.id, { ...NOTHING, kept: 1 }]);
});

test("a workflow that is not there is not found", () => {
  expect(() => run(DEFINITION, { what: { kind: "workflow", id: 9 } })).toThrow(
    expect.objectContaining({ code: "not_found" }),
  );
});

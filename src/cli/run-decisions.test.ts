import { expect, test } from "bun:test";
import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { outcomeIndex, SUCCEEDED } from "../core/states.ts";
import type { TaskBody, WorkflowDefinition } from "../core/workflow.ts";
import type { LedgerRecord } from "../ledger/ledger.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { body, explicitWorkflow, finished, OPTIONS } from "../ledger/testing/samples.ts";
import { Engine } from "../server/engine.ts";
import { definitionWithBodies } from "../server/definition.ts";
import { compareDefinitions, definitionDigest } from "../server/identity.ts";
import { createStamper } from "../worker/files.ts";
import { decide, fileChanges } from "./run-decisions.ts";
import { openRun } from "./run-plan.ts";
import { requestOf, temporaryFolder } from "./testing-embedded.ts";

interface Drawn {
  names: string[];
  /** indexes into names, smaller first */
  edges: [number, number][];
  /** the first tasks up to here all come before the last, as a set */
  set: number;
  edited: string[];
}

const ALL = ["a", "b", "c", "d", "e", "f"];

const drawn: fc.Arbitrary<Drawn> = fc.record({
  names: fc.shuffledSubarray(ALL, { minLength: 1 }),
  edges: fc.array(
    fc.tuple(fc.nat(4), fc.nat(4)).map(([a, d]): [number, number] => [a, a + 1 + d]),
    { maxLength: 5 },
  ),
  set: fc.nat(3),
  edited: fc.subarray(ALL, { maxLength: 2 }),
});

function definitionOf({ names, edges, set, edited }: Drawn): WorkflowDefinition {
  const bodies = names.map((name): TaskBody => {
    const text = edited.includes(name) ? "other" : "command";
    return { ...body(name), command: { kind: "auto", text } };
  });
  const pairs = edges.filter(([, to]) => to < names.length);
  const last = names.length - 1;
  const members = Math.min(set, last);
  return {
    ...explicitWorkflow(bodies),
    edges: pairs.flat(),
    sets: members > 0 ? [{ members: [[0, members]], dependents: [[last, 1]] }] : [],
  };
}

test("what is decided beforehand is what the run does, whatever happened before and was edited", () => {
  const happened = fc.array(fc.constantFrom("ok", "exit", "canceled", "nothing", "file"), {
    minLength: ALL.length,
    maxLength: ALL.length,
  });
  fc.assert(
    fc.property(drawn, drawn, happened, (before, after, history) => {
      const stateDir = temporaryFolder();
      const ledger = openLedger(stateDir, { fsync: false });
      try {
        const definition = definitionOf(before);
        const digest = definitionDigest(definition);
        const row = ledger.insertWorkflow(definition, digest, OPTIONS, 1);
        const gone = join(stateDir, "gone");
        writeFileSync(gone, "");
        const stamp = createStamper()(gone, "output", "/")!;
        rmSync(gone);
        const records = before.names.flatMap((_, task): LedgerRecord[] => {
          const what = history[task]!;
          if (what === "nothing") return [];
          if (what === "canceled")
            return [{ kind: "canceled", workflow: row.id, tasks: [task], reason: "", atMs: 1 }];
          if (what === "exit") return [finished(row.id, [task], { outcome: outcomeIndex("exit") })];
          const done = finished(row.id, [task]);
          const files = { kind: "files", workflow: row.id, task, files: [stamp] } as const;
          return what === "file" ? [done, files] : [done];
        });
        if (records.length > 0) ledger.commit(records);

        const now = definitionOf(after);
        const comparison =
          definitionDigest(now) === digest
            ? null
            : compareDefinitions(definitionWithBodies(ledger, row.id), now);
        const decisions = decide(ledger, row, now, comparison);
        const engine = new Engine({ ledger, stateDir, now: () => 1000 });
        openRun(engine, requestOf(stateDir, now));
        const { state } = engine.tasks(row.id)!;
        engine.close();
        expect([...decisions.runs]).toEqual([...state].map((each) => (each === SUCCEEDED ? 0 : 1)));
        for (const [task, runs] of decisions.runs.entries()) {
          const explained = decisions.reasons.has(task) || decisions.because[task] !== -1;
          expect([after.names[task], explained]).toEqual([after.names[task], runs === 1]);
        }
      } finally {
        ledger.close();
        rmSync(stateDir, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("touched files are told as they look now, of tasks of which nothing changed", () => {
  const stateDir = temporaryFolder();
  const ledger = openLedger(stateDir, { fsync: false });
  try {
    const { id } = ledger.insertWorkflow(explicitWorkflow(["a", "b"].map(body)), "d", OPTIONS, 1);
    const stamper = createStamper();
    const [one, two] = ["one", "two"].map((name) => {
      writeFileSync(join(stateDir, name), name);
      return stamper(name, "input", stateDir)!;
    });
    const all = (task: number): LedgerRecord => ({
      kind: "files",
      workflow: id,
      task,
      files: [one!, two!],
    });
    ledger.commit([all(0), all(1), { ...all(1), files: [one!] } as LedgerRecord]);
    utimesSync(one!.path, 1, 1);
    expect(fileChanges(ledger, id, [SUCCEEDED, SUCCEEDED])).toEqual({
      reasons: new Map(),
      touched: [
        { kind: "files", workflow: id, task: 0, files: [stamper("one", "input", stateDir)!, two!] },
        { kind: "files", workflow: id, task: 1, files: [stamper("one", "input", stateDir)!] },
      ],
    });
    writeFileSync(two!.path, "TWO");
    const { reasons, touched } = fileChanges(ledger, id, [SUCCEEDED, SUCCEEDED]);
    expect(reasons).toEqual(new Map([[0, [{ why: "input_changed", file: two!.path }]]]));
    expect(touched.map((record) => "task" in record && record.task)).toEqual([1]);
  } finally {
    ledger.close();
    rmSync(stateDir, { recursive: true });
  }
});

/**
 * Results of other workflows in place of work: tasks with declared outputs whose command, inputs' contents, declared environment and
 * outputs' names are those of a task that succeeded before. Their outputs are copied into place and have to be what was recorded.
 */
import { constants, copyFileSync, mkdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { visitDependents } from "../core/graph.ts";
import { OUTCOME_OK } from "../core/states.ts";
import type {
  AttemptColumns,
  FileStamp,
  Ledger,
  LedgerRecord,
  OutputRow,
} from "../ledger/ledger.ts";
import { openLedgerCopy } from "../ledger/sqlite/open-copy.ts";
import { definitionWithBodies } from "../server/definition.ts";
import { eachTold, type Told } from "../server/identity.ts";
import { createStamper, type Stamper } from "../worker/files.ts";
import { hashFile } from "../worker/hash-file.ts";
import type { Decisions } from "./run-decisions.ts";

export interface ReuseSource {
  ledger: Ledger;
  dir: string;
  close(): void;
}

/** `own` is asked where the directory is the run's own. Throws not_found and conflict. */
export function openReuseSource(
  dir: string,
  own: { ledger: Ledger | null; dir: string },
): ReuseSource {
  if (own.ledger && realPath(dir) === realPath(own.dir))
    return { ledger: own.ledger, dir, close: () => {} };
  const ledger = openLedgerCopy(dir);
  return { ledger, dir, close: () => ledger.close() };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

interface Earlier {
  workflow: number;
  workflowName: string;
  task: number;
  name: string;
  attempt: number;
  /** in the order they are declared */
  outputs: { path: string; sha256: string; bytes: number }[];
}

export interface ReusedTask {
  task: number;
  earlier: Earlier;
  stamps: FileStamp[];
}

/**
 * Finds what need not run, and takes it out of `decisions`: only tasks that wait for nothing that runs. With `place` their outputs
 * are in place when it returns; `workflow` is the run's own, whose results are not looked at.
 */
export function reuseTasks(
  decisions: Decisions,
  source: ReuseSource,
  workflow: number | null,
  place: boolean,
): ReusedTask[] {
  const { graph, runs } = decisions;
  const candidates = new Map<number, () => Told>();
  eachTold(decisions.definition, hasOutputs, (task, tell) => {
    if (runs[task] === 1) candidates.set(task, tell);
  });
  if (candidates.size === 0) return [];
  const earlier = earlierTasks(source, workflow);
  if (earlier.size === 0) return [];
  const stamper = createStamper();
  /** contents that will be there once what is reused is in place */
  const made = new Map<string, string>();
  const reused: ReusedTask[] = [];
  const waits = waitsOf(decisions);
  const ready = [...candidates.keys()].filter((task) => waits.tasks[task] === 0);
  for (let task = ready.pop(); task !== undefined; task = ready.pop()) {
    const told = candidates.get(task)!();
    const found = lookUp(told, earlier, made, stamper);
    if (!found || !takeOver(told, found, place)) continue;
    told.outputs.forEach((path, i) => made.set(resolve(told.cwd, path), found.outputs[i]!.sha256));
    reused.push({ task, earlier: found, stamps: place ? stampsOf(told, stamper) : [] });
    runs[task] = 0;
    const free = (dependent: number): void => {
      if (--waits.tasks[dependent]! === 0 && runs[dependent] === 1 && candidates.has(dependent))
        ready.push(dependent);
    };
    visitDependents(graph, task, free, (set) => {
      if (--waits.sets[set]! > 0) return;
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++) free(first + i);
    });
  }
  return reused.sort((a, b) => a.task - b.task);
}

const hasOutputs = (body: { outputs?: readonly unknown[] }): boolean =>
  (body.outputs?.length ?? 0) > 0;

/** How much that runs each task and each set waits for. */
function waitsOf({ graph, runs }: Decisions): { tasks: Int32Array; sets: Int32Array } {
  const tasks = new Int32Array(graph.size);
  const sets = new Int32Array(graph.setSize.length);
  for (let task = 0; task < graph.size; task++) {
    if (runs[task] !== 1) continue;
    visitDependents(
      graph,
      task,
      (dependent) => tasks[dependent]!++,
      (set) => {
        if (sets[set]!++ > 0) return;
        for (const [first, count] of graph.setDependents[set]!)
          for (let i = 0; i < count; i++) tasks[first + i]!++;
      },
    );
  }
  return { tasks, sets };
}

/** Every success with declared outputs whose contents are on record, by its identity; of equal ones the newest. */
function earlierTasks({ ledger }: ReuseSource, except: number | null): Map<string, Earlier> {
  const earlier = new Map<string, Earlier>();
  for (const row of ledger.workflows()) {
    if (row.id === except) continue;
    const succeeded = new Map<number, number>();
    for (const [task, attempt, outcome] of ledger.history(row.id).results)
      if (outcome === OUTCOME_OK) succeeded.set(task, attempt);
    if (succeeded.size === 0) continue;
    const files = new Map<number, FileStamp[]>();
    for (const [task, stamp] of ledger.files(row.id)) {
      const list = files.get(task);
      if (list) list.push(stamp);
      else files.set(task, [stamp]);
    }
    eachTold(definitionWithBodies(ledger, row.id), hasOutputs, (task, tell) => {
      const stamps = files.get(task);
      const attempt = succeeded.get(task);
      if (!stamps || attempt === undefined) return;
      const told = tell();
      const stampOf = (role: FileStamp["role"], path: string): FileStamp | undefined => {
        const absolute = resolve(told.cwd, path);
        return stamps.find((stamp) => stamp.role === role && stamp.path === absolute);
      };
      const key = identityKey(told, (path) => stampOf("input", path)?.sha256 ?? null);
      const outputs = told.outputs.map((path) => stampOf("output", path));
      if (key === null || !outputs.every((stamp) => stamp?.sha256)) return;
      earlier.set(key, {
        workflow: row.id,
        workflowName: row.name,
        task,
        name: told.name,
        attempt,
        outputs: outputs.map((stamp) => ({
          path: stamp!.path,
          sha256: stamp!.sha256!,
          bytes: stamp!.bytes,
        })),
      });
    });
  }
  return earlier;
}

/** Equal for tasks that do the same to the same; null when the content of an input is not known. */
function identityKey(told: Told, contentOf: (path: string) => string | null): string | null {
  const inputs: [name: string, sha256: string][] = [];
  for (const path of told.inputs) {
    const sha256 = contentOf(path);
    if (sha256 === null) return null;
    inputs.push([nameOf(path, told.cwd), sha256]);
  }
  const outputs = told.outputs.map((path) => nameOf(path, told.cwd));
  return JSON.stringify([told.kind, told.command, inputs, outputs, told.env]);
}

/** The same wherever the folder lies, for what is below it. */
function nameOf(path: string, cwd: string): string {
  const absolute = resolve(cwd, path);
  const name = relative(cwd, absolute);
  return name.startsWith("..") ? absolute : name;
}

function lookUp(
  told: Told,
  earlier: ReadonlyMap<string, Earlier>,
  made: ReadonlyMap<string, string>,
  stamper: Stamper,
): Earlier | null {
  const key = identityKey(
    told,
    (path) => made.get(resolve(told.cwd, path)) ?? stamper(path, "input", told.cwd)?.sha256 ?? null,
  );
  return (key !== null && earlier.get(key)) || null;
}

/** Whether the outputs of then are what was recorded; with `place` they are where they belong now. Nothing is changed otherwise. */
function takeOver(told: Told, { outputs }: Earlier, place: boolean): boolean {
  const copies: [copy: string, target: string][] = [];
  try {
    for (const [i, { path, sha256 }] of outputs.entries()) {
      const target = resolve(told.cwd, told.outputs[i]!);
      if (!place || target === path) {
        if (hashFile(path) !== sha256) return false;
        continue;
      }
      mkdirSync(dirname(target), { recursive: true });
      const copy = `${target}.holdall-${process.pid}`;
      copies.push([copy, target]);
      copyFileSync(path, copy, constants.COPYFILE_FICLONE);
      if (hashFile(copy) !== sha256) return false;
    }
    for (let next = copies.pop(); next; next = copies.pop()) {
      rmSync(next[1], { force: true });
      renameSync(...next);
    }
    return true;
  } catch {
    return false; // gone, closed to us, no space: the task itself makes them
  } finally {
    for (const [copy] of copies) rmSync(copy, { force: true });
  }
}

function stampsOf(told: Told, stamper: Stamper): FileStamp[] {
  const stamps = [
    ...told.inputs.map((path) => stamper(path, "input", told.cwd)),
    ...told.outputs.map((path) => stamper(path, "output", told.cwd)),
  ];
  return stamps.filter((stamp) => stamp !== null);
}

/** What the ledger is to hold of them: a success each, with what it took and printed then. */
export function reuseRecords(
  reused: readonly ReusedTask[],
  { attempts }: Decisions,
  workflow: number,
  { ledger, dir }: ReuseSource,
): LedgerRecord[] {
  if (reused.length === 0) return [];
  const columns = {
    tasks: [] as number[],
    attempts: [] as number[],
    outcomes: [] as number[],
    exits: [] as (number | null)[],
    startedMs: [] as (number | null)[],
    wallUs: [] as (number | null)[],
    userUs: [] as (number | null)[],
    systemUs: [] as (number | null)[],
    peakBytes: [] as (number | null)[],
  } satisfies AttemptColumns;
  const messages: [row: number, text: string][] = [];
  const outputs: OutputRow[] = [];
  const files: LedgerRecord[] = [];
  for (const { task, earlier, stamps } of reused) {
    const attempt = attempts[task]! + 1;
    const [then] = ledger.latestAttempts(earlier.workflow, [earlier.task]);
    messages.push([
      columns.tasks.length,
      `reused: task ${earlier.name} of workflow ${earlier.workflow} (${earlier.workflowName}) in ${dir}`,
    ]);
    columns.tasks.push(task);
    columns.attempts.push(attempt);
    columns.outcomes.push(OUTCOME_OK);
    columns.exits.push(0);
    columns.startedMs.push(then?.startedMs ?? null);
    columns.wallUs.push(then?.wallUs ?? null);
    columns.userUs.push(then?.userUs ?? null);
    columns.systemUs.push(then?.systemUs ?? null);
    columns.peakBytes.push(then?.peakBytes ?? null);
    const output = ledger.output(earlier.workflow, earlier.task, earlier.attempt);
    if (output && isWhole(output)) outputs.push({ ...output, task, attempt });
    files.push({ kind: "files", workflow, task, files: stamps });
  }
  const accepted = new Uint8Array(reused.length).fill(1);
  return [
    { kind: "reset", workflow, tasks: columns.tasks },
    { kind: "finished", workflow, worker: 0, columns, accepted, messages, outputs },
    ...files,
  ];
}

/** What lies in a file of the other directory is left there. */
function isWhole({ stdout, stderr, stdoutBytes, stderrBytes }: OutputRow): boolean {
  return (stdout?.length ?? 0) === stdoutBytes && (stderr?.length ?? 0) === stderrBytes;
}

/** A ledger in memory, for simulations: what is committed outlives the server that committed it, nothing else does. */
import { OUTCOME_OK, outcomeIndex } from "../../src/core/states.ts";
import { HoldallError } from "../../src/core/error.ts";
import type { TaskBody, WorkflowDefinition } from "../../src/core/workflow.ts";
import type {
  ActionRow,
  AnswerRow,
  HostBlock,
  AttemptRow,
  ClaimRow,
  FileStamp,
  Ledger,
  LedgerRecord,
  OutputRow,
  WorkflowRow,
} from "../../src/ledger/ledger.ts";

const OOM = outcomeIndex("oom");
const DISK = outcomeIndex("disk");

interface StoredWorkflow {
  row: WorkflowRow;
  definition: WorkflowDefinition;
  bodies: Map<number, TaskBody>;
  names: Map<string, number>;
  results: Map<number, AttemptRow>;
  /** by task, by attempt */
  attempts: Map<number, Map<number, AttemptRow>>;
  outputs: Map<string, OutputRow>;
  canceled: Set<number>;
  /** rows of `attempts` from before the last reset */
  forgiven: Set<AttemptRow>;
  /** "task/attempt" → worker */
  assigned: Map<string, number>;
  files: Map<number, FileStamp[]>;
  /** "action/worker" */
  actions: Map<string, ActionRow>;
}

/** What lies on the simulated disk. */
export interface Disk {
  uuid: string;
  nextWorkflow: number;
  nextTaskId: number;
  nextWorker: number;
  workflows: Map<number, StoredWorkflow>;
  workers: Map<number, { instance: string; host: string; pid: number }>;
  claims: Map<string, ClaimRow>;
  answers: Map<string, AnswerRow>;
  hostBlocks: Map<string, HostBlock>;
}

export function createDisk(uuid: string = crypto.randomUUID()): Disk {
  return {
    uuid,
    nextWorkflow: 1,
    nextTaskId: 1,
    nextWorker: 1,
    workflows: new Map(),
    workers: new Map(),
    claims: new Map(),
    answers: new Map(),
    hostBlocks: new Map(),
  };
}

export function openMemoryLedger(disk: Disk): Ledger {
  let open = true;

  function stored(id: number): StoredWorkflow {
    const found = disk.workflows.get(id);
    if (!found) throw new HoldallError("not_found", `there is no workflow ${id}`);
    return found;
  }

  const verbs: Omit<Ledger, "uuid" | "close"> = {
    insertWorkflow(definition, digest, options, nowMs) {
      const workflow = place(definition);
      const { name, source, taskCount } = definition;
      const row: WorkflowRow = {
        id: disk.nextWorkflow++,
        name,
        source,
        digest,
        firstTaskId: disk.nextTaskId,
        taskCount,
        submittedMs: nowMs,
        endedMs: null,
        options,
      };
      disk.nextTaskId += taskCount;
      disk.workflows.set(row.id, { ...workflow, row });
      return row;
    },
    replaceDefinition(id, definition, digest, mapping, records = []) {
      const old = stored(id);
      const workflow = place(definition);
      moveHistory(old, workflow, mapping, definition.taskCount);
      const { name, source, taskCount } = definition;
      let { firstTaskId } = old.row;
      const added = taskCount - old.row.taskCount;
      if (added > 0 && firstTaskId + old.row.taskCount === disk.nextTaskId)
        disk.nextTaskId += added;
      else if (added > 0) {
        firstTaskId = disk.nextTaskId;
        disk.nextTaskId += taskCount;
      }
      const row = { ...old.row, name, source, digest, firstTaskId, taskCount };
      disk.workflows.set(id, { ...workflow, row });
      for (const record of records) write(disk, stored, record, []);
      return stored(id).row;
    },
    updateOptions(id, options) {
      const workflow = stored(id);
      workflow.row = { ...workflow.row, options };
    },
    workflows: () => [...disk.workflows.values()].map(({ row }) => row),
    workflow: (id) => disk.workflows.get(id)?.row ?? null,
    definition: (id) => stored(id).definition,
    bodies: (id, tasks) =>
      tasks.map((task) => {
        const body = disk.workflows.get(id)?.bodies.get(task);
        if (!body)
          throw new HoldallError("not_found", `workflow ${id} has no explicit task ${task}`);
        return body;
      }),
    taskByName: (id, name) => disk.workflows.get(id)?.names.get(name) ?? null,
    history(id) {
      const workflow = disk.workflows.get(id);
      if (!workflow) return { results: [], attempts: [], canceled: [], failures: [], assigned: [] };
      const { results, attempts, canceled, forgiven, assigned } = workflow;
      const brief = ({ task, attempt, outcome }: AttemptRow) => [task, attempt, outcome] as const;
      const known = (row: AttemptRow): boolean => row.task >= 0;
      return {
        results: [...results.values()].filter(known).sort(byTask).map(brief),
        attempts: [...attempts.values()]
          .flatMap((rows) => [...rows.values()])
          .filter(known)
          .sort(byTask)
          .map(brief),
        canceled: [...canceled].sort((a, b) => a - b),
        failures: [...attempts.values()]
          .flatMap((rows) => [...rows.values()])
          .filter((row) => known(row) && row.outcome !== OUTCOME_OK && !forgiven.has(row))
          .sort(byTask)
          .map(
            ({ task, attempt, outcome, exit, startedMs, peakBytes, message }) =>
              [
                task,
                attempt,
                outcome,
                exit,
                startedMs === null && message === null ? 0 : 1,
                peakBytes,
                outcome === OOM || outcome === DISK ? message : null,
              ] as const,
          ),
        assigned: [...assigned]
          .map(([key, worker]) => [worker, ...numbersOf(key)] as const)
          .filter(([, task, attempt]) => task >= 0 && !hasEnded(workflow, task, attempt))
          .sort((a, b) => a[1] - b[1] || a[2] - b[2]),
      };
    },
    commit(records) {
      const undo: (() => void)[] = [];
      try {
        for (const record of records) write(disk, stored, record, undo);
      } catch (error) {
        while (undo.length > 0) undo.pop()!();
        throw error;
      }
    },
    attemptsOf(id, task) {
      const workflow = disk.workflows.get(id);
      const rows = [...(workflow?.attempts.get(task)?.values() ?? [])];
      const result = workflow?.results.get(task);
      if (result) rows.push(result);
      return rows.sort(byTask);
    },
    latestAttempts: (id, tasks) =>
      tasks.map((task) => {
        const workflow = disk.workflows.get(id);
        const rows = [...(workflow?.attempts.get(task)?.values() ?? [])];
        return workflow?.results.get(task) ?? rows.sort(byTask).at(-1) ?? null;
      }),
    output: (id, task, attempt) =>
      disk.workflows.get(id)?.outputs.get(`${task}/${attempt}`) ?? null,
    resultStatistics(id, visit) {
      for (const row of [...stored(id).results.values()].sort(byTask))
        if (row.task >= 0)
          visit(
            {
              outcome: row.outcome,
              wallUs: row.wallUs,
              cpuUs:
                row.userUs === null || row.systemUs === null ? null : row.userUs + row.systemUs,
              peakBytes: row.peakBytes,
            },
            row.task,
          );
    },
    files: (id) =>
      [...stored(id).files]
        .sort(([a], [b]) => a - b)
        .flatMap(([task, stamps]) => stamps.map((stamp) => [task, stamp] as const)),
    addWorker(instance, host, pid) {
      const known = [...disk.workers].find(([, worker]) => worker.instance === instance);
      const id = known?.[0] ?? disk.nextWorker++;
      disk.workers.set(id, { instance, host, pid });
      return id;
    },
    addWorkers: (instances, host, pid, nowMs) =>
      instances.map((instance) => verbs.addWorker(instance, host, pid, nowMs)),
    workerHost: (worker) => disk.workers.get(worker)?.host ?? null,
    workerProcess: (worker) => disk.workers.get(worker) ?? null,
    claims: () =>
      [...disk.claims.values()].sort((a, b) => a.worker - b.worker || (a.id < b.id ? -1 : 1)),
    hostBlocks: () => [...disk.hostBlocks.values()].sort((a, b) => (a.host < b.host ? -1 : 1)),
    actions: (id) =>
      [...(disk.workflows.get(id)?.actions.values() ?? [])].sort(
        (a, b) => a.action - b.action || a.worker - b.worker,
      ),
    answer: (key) => disk.answers.get(key) ?? null,
    countResults: (id) =>
      [...(disk.workflows.get(id)?.results.keys() ?? [])].filter((task) => task >= 0).length,
    clearAssignments: (id) => stored(id).assigned.clear(),
    deleteWorkflow(id) {
      stored(id);
      disk.workflows.delete(id);
      for (const claim of disk.claims.values())
        if (claim.workflow === id) disk.claims.delete(claim.id);
    },
  };
  const guarded = Object.fromEntries(
    Object.entries(verbs).map(([name, verb]) => [
      name,
      (...values: unknown[]): unknown => {
        if (!open) throw new HoldallError("internal", `the ledger was closed before ${name}`);
        return (verb as (...values: unknown[]) => unknown)(...values);
      },
    ]),
  ) as unknown as typeof verbs;
  return {
    uuid: disk.uuid,
    ...guarded,
    close() {
      open = false;
    },
  };
}

function byTask(a: AttemptRow, b: AttemptRow): number {
  return a.task - b.task || a.attempt - b.attempt;
}

function numbersOf(key: string): [task: number, attempt: number] {
  const [task, attempt] = key.split("/").map(Number);
  return [task!, attempt!];
}

function hasEnded(workflow: StoredWorkflow, task: number, attempt: number): boolean {
  return (
    workflow.results.get(task)?.attempt === attempt ||
    workflow.attempts.get(task)?.has(attempt) === true
  );
}

/** A workflow without history; checks what the database's constraints would. */
function place(definition: WorkflowDefinition): Omit<StoredWorkflow, "row"> {
  const bodies = new Map<number, TaskBody>();
  const names = new Map<string, number>();
  let next = 0;
  for (const block of definition.blocks) {
    if (block.first !== next) throw new HoldallError("internal", `a block does not fit at ${next}`);
    next += block.count;
    if (block.kind !== "explicit") continue;
    block.bodies!.forEach((body, i) => {
      const name = typeof body.name === "string" ? body.name : JSON.stringify(body.name);
      if (names.has(name))
        throw new HoldallError("spec", `two tasks are called "${name}"`, {
          fix: "give each task a name of its own",
        });
      names.set(name, block.first + i);
      bodies.set(block.first + i, body);
    });
  }
  if (next !== definition.taskCount)
    throw new HoldallError("internal", `the blocks hold ${next} of ${definition.taskCount} tasks`);
  return {
    definition: {
      ...definition,
      blocks: definition.blocks.map((block) =>
        block.kind === "explicit" ? { ...block, bodies: null } : block,
      ),
    },
    bodies,
    names,
    results: new Map(),
    attempts: new Map(),
    outputs: new Map(),
    canceled: new Set(),
    forgiven: new Set(),
    assigned: new Map(),
    files: new Map(),
    actions: new Map(),
  };
}

function moveHistory(
  old: StoredWorkflow,
  into: Omit<StoredWorkflow, "row">,
  mapping: Int32Array,
  taskCount: number,
): void {
  if (mapping.length !== taskCount)
    throw new HoldallError("internal", `${mapping.length} tasks mapped of ${taskCount}`);
  const moved = new Map<number, number>();
  mapping.forEach((from, to) => {
    if (from === -1) return;
    if (from >= old.row.taskCount || moved.has(from))
      throw new HoldallError("internal", `task ${from} cannot become task ${to}`);
    moved.set(from, to);
  });
  const all = [...old.results.keys(), ...old.attempts.keys()];
  const lowest = Math.min(0, ...all);
  // Tasks dropped earlier lie from -1 down; those dropped now go below them.
  const target = (task: number): number =>
    task < 0 ? task : (moved.get(task) ?? lowest - 1 - task);
  for (const [task, row] of old.results)
    into.results.set(target(task), { ...row, task: target(task) });
  for (const [task, rows] of old.attempts)
    into.attempts.set(
      target(task),
      new Map(
        [...rows].map(([attempt, row]) => {
          const placed = { ...row, task: target(task) };
          if (old.forgiven.has(row)) into.forgiven.add(placed);
          return [attempt, placed];
        }),
      ),
    );
  for (const [key, row] of old.outputs) {
    const task = target(numbersOf(key)[0]);
    into.outputs.set(`${task}/${row.attempt}`, { ...row, task });
  }
  for (const task of old.canceled) if (target(task) >= 0) into.canceled.add(target(task));
  for (const [task, stamps] of old.files)
    if (target(task) >= 0) into.files.set(target(task), stamps);
  for (const [key, row] of old.actions) into.actions.set(key, row);
  for (const [key, worker] of old.assigned) {
    const [task, attempt] = numbersOf(key);
    into.assigned.set(`${target(task)}/${attempt}`, worker);
  }
}

/** Writes one record; what would take it back goes onto `undo`. */
function write(
  disk: Disk,
  stored: (id: number) => StoredWorkflow,
  record: LedgerRecord,
  undo: (() => void)[],
): void {
  const put = <K, V>(map: Map<K, V>, key: K, value: V): void => {
    const had = map.has(key);
    const before = map.get(key);
    map.set(key, value);
    undo.push(() => (had ? map.set(key, before!) : map.delete(key)));
  };
  if (record.kind === "worker") {
    const { worker, instance, host, pid } = record;
    put(disk.workers, worker, { instance, host, pid });
    return;
  }
  if (record.kind === "host_blocked") {
    const { kind: _, ...block } = record;
    put(disk.hostBlocks, block.host, block);
    return;
  }
  if (record.kind === "host_unblocked") {
    const block = disk.hostBlocks.get(record.host);
    if (block === undefined) return;
    disk.hostBlocks.delete(record.host);
    undo.push(() => disk.hostBlocks.set(record.host, block));
    return;
  }
  if (isOfClaims(record)) {
    writeClaims(disk, record, put, undo);
    return;
  }
  const workflow = stored(record.workflow);
  switch (record.kind) {
    case "assigned":
      record.tasks.forEach((task, i) =>
        put(workflow.assigned, `${task}/${record.attempts[i]}`, record.worker),
      );
      return;
    case "finished":
      writeFinished(workflow, record, put);
      return;
    case "canceled":
      for (const task of record.tasks) {
        if (workflow.canceled.has(task)) continue;
        workflow.canceled.add(task);
        undo.push(() => workflow.canceled.delete(task));
      }
      return;
    case "reset":
      for (const task of record.tasks) {
        const result = workflow.results.get(task);
        if (result) {
          put(attemptsOf(workflow, task), result.attempt, result);
          workflow.results.delete(task);
          undo.push(() => workflow.results.set(task, result));
        }
        for (const row of workflow.attempts.get(task)?.values() ?? []) {
          if (workflow.forgiven.has(row)) continue;
          workflow.forgiven.add(row);
          undo.push(() => workflow.forgiven.delete(row));
        }
        if (workflow.canceled.delete(task)) undo.push(() => workflow.canceled.add(task));
        const files = workflow.files.get(task);
        if (files) {
          workflow.files.delete(task);
          undo.push(() => workflow.files.set(task, files));
        }
      }
      return;
    case "action_taken": {
      const { action, worker, atMs } = record;
      const key = `${action}/${worker}`;
      if (workflow.actions.has(key))
        throw new HoldallError("internal", `action ${key} was claimed before`);
      const row = { action, worker, claimedMs: atMs, endedMs: null, exitCode: null, message: "" };
      put(workflow.actions, key, row);
      return;
    }
    case "action_ended": {
      const { action, worker, endedMs, exitCode, message } = record;
      const key = `${action}/${worker}`;
      const row = workflow.actions.get(key);
      if (row) put(workflow.actions, key, { ...row, endedMs, exitCode, message });
      return;
    }
    case "actions_forgotten": {
      const before = workflow.actions;
      workflow.actions = new Map();
      undo.push(() => {
        workflow.actions = before;
      });
      return;
    }
    case "ended": {
      const before = workflow.row;
      workflow.row = { ...before, endedMs: record.atMs };
      undo.push(() => {
        workflow.row = before;
      });
      return;
    }
    case "files":
      put(
        workflow.files,
        record.task,
        record.files.toSorted((a, b) => (a.role + a.path < b.role + b.path ? -1 : 1)),
      );
      return;
  }
}

type ClaimRecord = Extract<
  LedgerRecord,
  { kind: "claim" | "claim_started" | "claim_ended" | "answer" | "forget_claims" }
>;

function isOfClaims(record: LedgerRecord): record is ClaimRecord {
  return record.kind.includes("claim") || record.kind === "answer";
}

function writeClaims(
  disk: Disk,
  record: ClaimRecord,
  put: <K, V>(map: Map<K, V>, key: K, value: V) => void,
  undo: (() => void)[],
): void {
  const { claims, answers } = disk;
  const change = (id: string, by: (row: ClaimRow) => Partial<ClaimRow>): void => {
    const row = claims.get(id);
    if (row) put(claims, id, { ...row, ...by(row) });
  };
  switch (record.kind) {
    case "claim": {
      const { claim: id, workflow, worker, leaseMs } = record;
      const known = claims.get(id);
      put(claims, id, { id, workflow, worker, endedMs: null, started: [], ...known, leaseMs });
      return;
    }
    case "claim_started":
      change(record.claim, ({ started }) => ({
        started: [...new Set([...started, record.task])].sort((a, b) => a - b),
      }));
      return;
    case "claim_ended": {
      const { claim: id, atMs } = record;
      const row = claims.get(id);
      if (atMs === null && row) {
        claims.delete(id);
        undo.push(() => claims.set(id, row));
      } else change(id, () => ({ endedMs: atMs, started: [] }));
      return;
    }
    case "answer": {
      const { status, body, atMs } = record;
      put(answers, record.key, { status, body, atMs });
      return;
    }
    case "forget_claims": {
      const forget = <K, V>(map: Map<K, V>, key: K, value: V): void => {
        map.delete(key);
        undo.push(() => map.set(key, value));
      };
      for (const [id, row] of claims)
        if (row.endedMs !== null && row.endedMs < record.beforeMs) forget(claims, id, row);
      for (const [key, row] of answers) if (row.atMs < record.beforeMs) forget(answers, key, row);
      return;
    }
  }
}

function attemptsOf(workflow: StoredWorkflow, task: number): Map<number, AttemptRow> {
  let rows = workflow.attempts.get(task);
  if (!rows) workflow.attempts.set(task, (rows = new Map()));
  return rows;
}

function writeFinished(
  workflow: StoredWorkflow,
  record: Extract<LedgerRecord, { kind: "finished" }>,
  put: <K, V>(map: Map<K, V>, key: K, value: V) => void,
): void {
  const { columns, accepted } = record;
  const messages = new Map(record.messages);
  for (let row = 0; row < columns.tasks.length; row++) {
    const whole = (column: ArrayLike<number | null>): number | null =>
      column[row] === null ? null : Math.round(column[row]!);
    const stored: AttemptRow = {
      task: columns.tasks[row]!,
      attempt: columns.attempts[row]!,
      outcome: columns.outcomes[row]!,
      exit: columns.exits[row]!,
      startedMs: whole(columns.startedMs),
      wallUs: whole(columns.wallUs),
      userUs: whole(columns.userUs),
      systemUs: whole(columns.systemUs),
      peakBytes: whole(columns.peakBytes),
      worker: record.worker,
      message: messages.get(row) ?? null,
    };
    refuseImpossible(stored);
    if (accepted[row] === 1) {
      if (workflow.results.has(stored.task))
        throw new HoldallError("internal", `task ${stored.task} has an accepted completion`);
      put(workflow.results, stored.task, stored);
    } else {
      const rows = attemptsOf(workflow, stored.task);
      if (rows.has(stored.attempt))
        throw new HoldallError(
          "internal",
          `attempt ${stored.attempt} of task ${stored.task} has ended before`,
        );
      put(rows, stored.attempt, stored);
    }
  }
  for (const output of record.outputs) {
    const { stdout, stderr } = output;
    if (output.stdoutBytes < (stdout?.length ?? 0) || output.stderrBytes < (stderr?.length ?? 0))
      throw new HoldallError("internal", "an output is longer than what was written");
    put(workflow.outputs, `${output.task}/${output.attempt}`, output);
  }
}

function refuseImpossible({ attempt, outcome, exit }: AttemptRow): void {
  if (attempt < 1 || outcome < 0 || outcome > 63 || (exit !== null && Math.abs(exit) > 255))
    throw new HoldallError("internal", "the ledger refused a row");
}

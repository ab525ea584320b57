/** Judges what the core decides by what it has been told: who was blocked, who had too little, and where a worker stands. */
import type { Core } from "../../src/core/core.ts";
import { type Effect, type Grant, VERDICT_ACCEPTED } from "../../src/core/events.ts";
import { mayRun } from "../../src/core/placement.ts";
import { OUTCOMES } from "../../src/core/states.ts";
import { classOf } from "../../src/core/tasks.ts";
import type { BlockPolicy } from "../../src/core/workflow.ts";
import type { LedgerRecord } from "../../src/ledger/ledger.ts";
import type { EventKind } from "./plan.ts";

/** What a worker said of itself when it was given something; of a claim, the same. */
interface Stand {
  host: string | undefined;
  features: readonly string[];
  scheduler: string | null;
  /** what is bound to other schedulers may come to it */
  anyScheduler: boolean;
}

export class Decisions {
  readonly #note: (kind: EventKind) => void;
  /** null = until unblocked */
  readonly #blocked = new Map<string, number | null>();
  /** the same, as committed */
  readonly #stored = new Map<string, number | null>();
  readonly #stands = new Map<number, Stand>();
  /** what attempts were given, by workflow/task/attempt; null = amounts are only reserved */
  readonly #grants = new Map<string, Grant | null>();
  /** those of runners that poll */
  readonly #claimed = new Set<string>();

  constructor(note: (kind: EventKind) => void) {
    this.#note = note;
  }

  /** The server is gone: it knows of blocks what was committed, and nothing of what runners that poll said they have. */
  forget(): void {
    this.#blocked.clear();
    for (const [host, untilMs] of this.#stored) this.#blocked.set(host, untilMs);
    for (const key of this.#claimed) this.#grants.set(key, null);
    this.#claimed.clear();
  }

  blocked(host: string, untilMs: number | null): void {
    this.#blocked.set(host, untilMs);
  }

  unblocked(host: string): void {
    this.#blocked.delete(host);
  }

  committed(records: readonly LedgerRecord[]): void {
    for (const record of records) {
      if (record.kind === "host_blocked") this.#stored.set(record.host, record.untilMs);
      if (record.kind === "host_unblocked") this.#stored.delete(record.host);
    }
  }

  /** The ledger has it that this host is blocked. */
  isStored(host: string): boolean {
    return this.#stored.has(host);
  }

  grantOf(workflow: number, task: number, attempt: number): Grant | null {
    return this.#grants.get(`${workflow}/${task}/${attempt}`) ?? null;
  }

  judge(core: Core, effect: Effect, nowMs: number): void {
    if (effect.type === "assign") this.#assigned(core, effect, nowMs);
    if (effect.type === "verdicts") this.#ended(core, effect);
  }

  #assigned(core: Core, effect: Extract<Effect, { type: "assign" }>, nowMs: number): void {
    const { worker, workflow, tasks, attempts, grant } = effect;
    const capacity = core.workers.get(worker)?.capacity;
    if (!capacity) throw new Error(`worker ${worker} is given something, and is not there`);
    const { host, features = [], scheduler, strictScheduler } = capacity;
    const claim = core.workers.get(worker)!.claim === true;
    const anyScheduler = claim && strictScheduler === false;
    this.#stands.set(worker, { host, features, scheduler, anyScheduler });
    tasks.forEach((task, i) => {
      const key = `${workflow}/${task}/${attempts[i]}`;
      this.#grants.set(key, capacity.maxParallel === null ? grant : null);
      if (claim) this.#claimed.add(key);
    });
    const untilMs = host === undefined ? undefined : this.#blocked.get(host);
    if (untilMs === undefined) return;
    if (untilMs === null || untilMs > nowMs)
      throw new Error(`worker ${worker} on host ${host} is given something, and is blocked`);
    this.#blocked.delete(host!);
    this.#note("block_over");
  }

  /** A task that had too little is tried again with more, as long as anybody has more. */
  #ended(core: Core, { batch, verdicts }: Extract<Effect, { type: "verdicts" }>): void {
    const tasks = core.workflows.get(batch.workflow);
    batch.tasks.forEach((task, i) => {
      if (!tasks || verdicts[i] !== VERDICT_ACCEPTED) return;
      if (OUTCOMES[batch.outcomes[i]!] !== "oom") return;
      const grant = this.grantOf(batch.workflow, task, batch.attempts[i]!);
      if (!grant || batch.recoveryFailed?.includes(i)) return;
      const cls = classOf(tasks, task);
      for (const worker of core.workers.values()) {
        const { capacity, joinedMs } = worker;
        if (worker.claim || capacity.maxParallel !== null || !mayRun(worker, cls, joinedMs))
          continue;
        if (capacity.memoryBytes > grant.memoryBytes && capacity.cpus >= grant.cpus)
          throw new Error(
            `task ${task} has failed with ${grant.memoryBytes} bytes of memory, worker ${worker.id} has ${capacity.memoryBytes}`,
          );
      }
    });
  }

  /** Why such a task must not run on this worker; null = it may. */
  objection(worker: number, { scheduler, placement }: BlockPolicy): string | null {
    const stand = this.#stands.get(worker);
    if (!stand) return "its worker is not known";
    if (scheduler !== null && scheduler !== stand.scheduler && !stand.anyScheduler)
      return `it is bound to ${scheduler}, its worker belongs to ${stand.scheduler}`;
    const hosts = placement?.requiredHosts ?? [];
    if (hosts.length > 0 && !hosts.includes(stand.host ?? ""))
      return `it has to run on ${hosts.join(" or ")}, its worker is on ${stand.host}`;
    if (hosts.length > 0) this.#note("required_host");
    const features = placement?.features ?? [];
    const missing = features.find((each) => !stand.features.includes(each));
    if (missing !== undefined) return `it needs the feature ${missing}`;
    if (features.length > 0) this.#note("required_feature");
    return null;
  }
}

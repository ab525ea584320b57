/**
 * Attempts that workers of a server, or runners that poll, have of a workflow. They outlive their server: a `run` that started the same
 * tasks again would have two attempts of them at a time.
 */
import { hostname } from "node:os";
import { HoldallError } from "../core/error.ts";
import type { Ledger, WorkflowRow } from "../ledger/ledger.ts";
import { restoreWorkflow } from "../server/restore.ts";

/** Instances of workers inside of a `run` begin with it: they died with their process. */
export const RUN_INSTANCE = "run-";

interface Holder {
  instance: string;
  host: string;
  pid: number;
  attempts: number;
}

function holdersOf(ledger: Ledger, row: WorkflowRow): Holder[] {
  if (ledger.history(row.id).assigned[Symbol.iterator]().next().done) return [];
  const { blocks } = ledger.definition(row.id);
  const counts = new Map<number, number>();
  for (const [worker] of restoreWorkflow(ledger, row, blocks, false).restored.live)
    counts.set(worker, (counts.get(worker) ?? 0) + 1);
  const holders: Holder[] = [];
  for (const [worker, attempts] of counts) {
    const known = ledger.workerProcess(worker);
    if (known && !known.instance.startsWith(RUN_INSTANCE)) holders.push({ ...known, attempts });
  }
  return holders;
}

/** Throws conflict while attempts of the workflow may be alive. */
export function refuseHeld(ledger: Ledger, row: WorkflowRow): void {
  const { id, name } = row;
  const holders = holdersOf(ledger, row).filter((holder) => !isDead(holder));
  if (holders.length === 0) return;
  const attempts = holders.reduce((sum, holder) => sum + holder.attempts, 0);
  const hosts = [...new Set(holders.map(({ host }) => host))];
  const named = hosts.slice(0, 3).join(", ") + (hosts.length > 3 ? ", ..." : "");
  throw new HoldallError(
    "conflict",
    `workers of a server that has ended may still run ${attempts} task${attempts === 1 ? "" : "s"} of workflow ${id} (${name}), on ${named}`,
    {
      fix: "start the server again (holdall serve): it takes back what still runs, and knows what does not; to end it all, holdall cancel there",
    },
  );
}

/** Marks of attempts of workers that died on this host: what they left is ended before anything runs again. */
export function marksOfDead(ledger: Ledger): string[] {
  const marks = new Set<string>();
  for (const row of ledger.workflows())
    for (const holder of holdersOf(ledger, row)) if (isDead(holder)) marks.add(holder.instance);
  return [...marks];
}

/** Known for processes of this host only. */
function isDead({ host, pid }: Holder): boolean {
  if (host !== hostname() || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** POST /api/v1/workflows/ID/tasks: more tasks for a workflow, running or ended. Answered once they are durable. */
import { HoldallError } from "../core/error.ts";
import type { AddTasksAnswer, AddTasksRequest } from "../protocol/submission.ts";
import { REMEMBERED_MS } from "./answers.ts";
import type { Engine } from "./engine.ts";
import { loadedWorkflow } from "./queries.ts";
import { submitted } from "./submissions.ts";

export interface Additions {
  /** `id`: a workflow that the engine has taken up; null = there is none */
  add(request: Request, id: number | null): Promise<Response>;
}

/** What is remembered under an idempotency key. */
interface Remembered {
  digest: string;
  answer: AddTasksAnswer;
}

export function createAdditions(engine: Engine): Additions {
  /** Names are looked at while other work goes on: of two additions the second one has to see the first. */
  let last: Promise<unknown> = Promise.resolve();

  async function perform(id: number, request: AddTasksRequest): Promise<Response> {
    const [{ checkDefinition }, { definitionDigest }, { requireNewNames }] = await Promise.all([
      import("./check-definition.ts"),
      import("./identity.ts"),
      import("./new-names.ts"),
    ]);
    const { definition, after = [], idempotency_key = null } = request;
    checkDefinition(definition);
    const digest = `${definitionDigest(definition)} ${after.join("\0")}`;
    const key =
      idempotency_key === null ? null : `/api/v1/workflows/${id}/tasks ${idempotency_key}`;
    const row = key === null ? null : engine.ledger.answer(key);
    if (row && Date.now() - row.atMs < REMEMBERED_MS) {
      const known = JSON.parse(row.body) as Remembered;
      if (known.digest === digest) return Response.json(known.answer);
      throw new HoldallError("conflict", "the idempotency key was used for other tasks", {
        fix: "use a new key for what is new",
      });
    }
    const loaded = loadedWorkflow(engine, id)!;
    const upstream = after.length > 0 ? await loaded.names.select(after) : [];
    await requireNewNames(engine.ledger, id, loaded, definition);
    refuseClaimed(engine, id);
    const { name } = loaded.tasks.definition;
    const answer: AddTasksAnswer = { workflow_id: id, name, tasks: definition.taskCount };
    const body = JSON.stringify({ digest, answer } satisfies Remembered);
    engine.extend(
      id,
      definition,
      upstream,
      key === null ? [] : [{ kind: "answer", key, status: 201, body, atMs: Date.now() }],
    );
    return Response.json(answer, { status: 201 });
  }

  return {
    async add(request, id) {
      const { addTasksRequest } = await import("../protocol/submission.ts");
      const read = await submitted(request, addTasksRequest);
      if (id === null)
        throw new HoldallError("not_found", "there is no such workflow", {
          fix: "holdall status --all lists the workflows of a server",
        });
      const work = last.then(() => perform(id, read));
      last = work.catch(() => {});
      return await work;
    },
  };
}

/** Ids of tasks are integers in one row: those of a workflow that is not the newest change, and runners that poll know tasks by them. */
export function refuseClaimed({ ledger, core }: Engine, id: number): void {
  const { firstTaskId } = ledger.workflow(id)!;
  if (!ledger.workflows().some((other) => other.firstTaskId > firstTaskId)) return;
  const owner = core.workflows.get(id)?.owner;
  if (!owner?.some((worker) => core.workers.get(worker)?.claim === true)) return;
  throw new HoldallError(
    "conflict",
    `runners that poll hold tasks of workflow ${id}, whose ids would change`,
    {
      fix: "add the tasks when these claims have ended, or submit them as a workflow of their own",
    },
  );
}

/** POST /api/v1/workflows. Answered once the workflow is durable; the same idempotency key gives the same workflow. */
import { gunzipSync } from "node:zlib";
import type { z } from "zod";
import { HoldallError } from "../core/error.ts";
import { type SubmitAnswer } from "../protocol/submission.ts";
import type { WorkflowRow } from "../ledger/ledger.ts";
import type { Engine } from "./engine.ts";

export interface Submissions {
  submit(request: Request): Promise<Response>;
}

export function createSubmissions(engine: Engine): Submissions {
  const byKey = new Map<string, number>();
  for (const row of engine.ledger.workflows()) {
    const key = row.options.idempotencyKey;
    if (key) byKey.set(key, row.id);
  }

  function known(key: string | null, digest: string): WorkflowRow | null {
    const id = key === null ? undefined : byKey.get(key);
    const row = id === undefined ? null : engine.ledger.workflow(id);
    if (row && row.digest !== digest)
      throw new HoldallError(
        "conflict",
        `the idempotency key was used for another workflow: ${row.id}, ${row.name}`,
        { fix: "use a new key for what is new" },
      );
    return row;
  }

  return {
    async submit(request) {
      const [{ submitRequest }, { checkDefinition }, { definitionDigest }] = await Promise.all([
        import("../protocol/submission.ts"),
        import("./check-definition.ts"),
        import("./identity.ts"),
      ]);
      const { definition, stdout, stderr, output_dir, idempotency_key } = await submitted(
        request,
        submitRequest,
      );
      checkDefinition(definition);
      const digest = definitionDigest(definition);
      let row = known(idempotency_key, digest);
      const isNew = row === null;
      if (row === null) {
        row = engine.submit(definition, digest, {
          stdout,
          stderr,
          outputDir: output_dir,
          idempotencyKey: idempotency_key,
        });
        if (idempotency_key !== null) byKey.set(idempotency_key, row.id);
      }
      // The workflow itself is durable by now; what follows from it may have to wait for space.
      await engine.durableOrFull();
      const answer: SubmitAnswer = { workflow_id: row.id, name: row.name, tasks: row.taskCount };
      return Response.json(answer, { status: isNew ? 201 : 200 });
    },
  };
}

/** The body of a request, gzip or not. Throws `spec`, naming the field. */
export async function submitted<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  const result = schema.safeParse(jsonOf(await bodyOf(request)));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue!.path.join(".");
  throw new HoldallError("spec", `${place === "" ? "" : `${place}: `}${issue!.message}`);
}

async function bodyOf(request: Request): Promise<string> {
  const bytes = Buffer.from(await request.arrayBuffer());
  if (request.headers.get("content-encoding") !== "gzip") return bytes.toString("utf8");
  try {
    return gunzipSync(bytes, { maxOutputLength: 2 ** 30 }).toString("utf8");
  } catch (cause) {
    throw new HoldallError("spec", "the request is not gzip, although it says so", { cause });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HoldallError("spec", `the request is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}

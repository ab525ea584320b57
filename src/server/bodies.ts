/** What POST requests carry. Loaded with the first of them: most commands never send one. */
import { z } from "zod";
import { HoldallError } from "../core/error.ts";
import { TASK_STATES } from "../core/states.ts";

const tasks: z.ZodOptional<z.ZodArray<z.ZodString>> = z.array(z.string().min(1)).optional();

export interface CancelBody {
  tasks?: string[] | undefined;
  reason?: string | undefined;
}

export const cancelBody: z.ZodType<CancelBody> = z.strictObject({
  tasks,
  reason: z.string().max(1000).optional(),
});

export interface BlockBody {
  seconds?: number | null | undefined;
  reason?: string | undefined;
}

export const blockBody: z.ZodType<BlockBody> = z.strictObject({
  seconds: z.number().nullable().optional(),
  reason: z.string().max(1000).optional(),
});

export interface RetryBody {
  tasks?: string[] | undefined;
  states?: (typeof TASK_STATES)[number][] | undefined;
  /** also what depends on them and has succeeded */
  downstream?: boolean | undefined;
}

export const retryBody: z.ZodType<RetryBody> = z.strictObject({
  tasks,
  states: z.array(z.enum(TASK_STATES)).optional(),
  downstream: z.boolean().optional(),
});

/** Throws usage, naming the field. An empty text is an empty object. */
export function parseBody<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch (cause) {
    throw new HoldallError("usage", `the request is not JSON: ${(cause as Error).message}`, {
      fix: "send a JSON object",
      cause,
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue!.path.join(".");
  throw new HoldallError("usage", `${place === "" ? "" : `${place}: `}${issue!.message}`);
}

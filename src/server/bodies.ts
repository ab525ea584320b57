/** What POST requests carry. Loaded with the first of them: most commands never send one. */
import { z } from "zod";
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

export interface RetryBody {
  tasks?: string[] | undefined;
  states?: (typeof TASK_STATES)[number][] | undefined;
}

export const retryBody: z.ZodType<RetryBody> = z.strictObject({
  tasks,
  states: z.array(z.enum(TASK_STATES)).optional(),
});

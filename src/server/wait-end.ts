import type { Call } from "./http.ts";
import type { Loaded } from "./queries.ts";

/** Until a workflow has ended and that is durable, `limitMs` are over, whoever asked is gone, or the server ends. */
export async function untilEnded(
  { id, engine, tasks }: Loaded,
  limitMs: number,
  { request, closing, keepOpen }: Call,
): Promise<void> {
  if (tasks.ended) return;
  keepOpen();
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, limitMs);
  const unlisten = engine.listen({
    ended: (workflow) => {
      if (workflow === id) over.resolve();
    },
  });
  const signals = [request.signal, closing];
  for (const signal of signals) signal.addEventListener("abort", () => over.resolve());
  if (signals.some((signal) => signal.aborted)) over.resolve();
  try {
    await over.promise;
  } finally {
    clearTimeout(timer);
    unlisten();
  }
}

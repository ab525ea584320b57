import { isTerminal } from "../core/states.ts";
import type { Call } from "./http.ts";
import { liveChunks, readStoredOutput, storedChunks } from "./output.ts";
import { integerOf, streamOf } from "./parameters.ts";
import { chooseAttempt, isLive, type Loaded } from "./queries.ts";

/**
 * Bytes of one stream of one attempt. Of an attempt that has ended the headers say which it was, how many bytes it wrote and how
 * many of them were kept.
 */
export function outputResponse(
  { request, query, keepOpen, closing }: Call,
  loaded: Loaded,
  name: string,
  canStart: boolean,
): Response {
  const { id, engine, tasks, names } = loaded;
  const task = names.require(name);
  const wanted = integerOf(query, "attempt", 1, 65_535);
  const stream = streamOf(query);
  const offset = integerOf(query, "offset", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const follow = query.get("follow") === "1";
  const attempt = chooseAttempt(loaded, task, wanted);
  const headers: Record<string, string> = {
    "content-type": "application/octet-stream",
    "cache-control": "no-store",
  };
  if (attempt !== null) headers["holdall-attempt"] = String(attempt);
  const runs = isLive(tasks, task) && attempt === tasks.attempt[task];
  const waits = follow && wanted === null;
  if (!runs && !(waits && !isTerminal(tasks.state[task]!))) {
    if (attempt === null) return new Response(null, { headers });
    const stored = readStoredOutput(engine, id, task, attempt, stream);
    headers["holdall-bytes-written"] = String(stored.written);
    headers["holdall-bytes-stored"] = String(stored.bytes);
    return new Response(
      streamOfChunks(storedChunks(stored, offset), () => {}),
      { headers },
    );
  }
  if (follow) keepOpen();
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  const signals = [request.signal, closing];
  for (const signal of signals) signal.addEventListener("abort", abort);
  if (signals.some((signal) => signal.aborted)) abort();
  const chunks = liveChunks(
    loaded,
    { task, attempt: wanted, stream, offset, follow, canStart },
    stop.signal,
  );
  async function* released(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
    } finally {
      for (const signal of signals) signal.removeEventListener("abort", abort);
    }
  }
  return new Response(streamOfChunks(released(), abort), { headers });
}

function streamOfChunks(
  chunks: AsyncGenerator<Uint8Array>,
  stop: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      stop();
      await chunks.return(undefined);
    },
  });
}

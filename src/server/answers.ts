/**
 * Answers that are durable before they are given, and the same ones for the same idempotency key: at once, later, at the same time, and
 * after a restart. Errors are not remembered.
 */
import type { Engine } from "./engine.ts";

/** Answers under a key are remembered for so long. */
export const REMEMBERED_MS: number = 24 * 3600 * 1000;

export interface Answers {
  /**
   * What `change` gives, as JSON, once it is durable; or what was answered under this key before (`again`). Throws what `change` throws,
   * and storage when the disk refuses.
   */
  give(
    key: string | null,
    change: () => object | Promise<object>,
  ): Promise<{ body: string; again: boolean }>;
}

/** `wall`: ms since the epoch. */
export function createAnswers(engine: Engine, wall: () => number = Date.now): Answers {
  /** under a key, on their way */
  const pending = new Map<string, Promise<string>>();

  function known(key: string): string | null {
    const row = engine.ledger.answer(key);
    return row && wall() - row.atMs < REMEMBERED_MS ? row.body : null;
  }

  /** What was changed and what is answered about it become durable together. */
  async function durably(
    key: string | null,
    change: () => object | Promise<object>,
  ): Promise<string> {
    if (engine.storageError) throw engine.storageError;
    const body = JSON.stringify(await change());
    if (key !== null) engine.record({ kind: "answer", key, status: 200, body, atMs: wall() });
    if (!(await engine.durableOrFull())) throw engine.storageError!;
    return body;
  }

  return {
    async give(key, change) {
      if (key === null) return { body: await durably(key, change), again: false };
      const before = pending.get(key) ?? known(key);
      if (before !== null) return { body: await before, again: true };
      const work = durably(key, change);
      pending.set(key, work);
      try {
        return { body: await work, again: false };
      } finally {
        pending.delete(key);
      }
    },
  };
}

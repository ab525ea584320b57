import type { Start } from "../executor.ts";

/** The attempts of one pool that wait here, first in first out. */
export interface Pool {
  /** dense number, counted from 0 in order of first use */
  readonly index: number;
  /** how many may run at the same time */
  width: number;
  /** attempts handed on that have not exited */
  handed: number;
  /** may hold dropped ones, which `take` passes over */
  queue: Start[];
  /** of the next one in `queue` */
  head: number;
}

export interface Pools {
  /** the pool of that number, made on first use */
  get(number: number): Pool;
  at(index: number): Pool | undefined;
  add(start: Start): Pool;
  /** the next attempt of the pool, counted as handed on; undefined when it has none */
  take(pool: Pool): Start | undefined;
  /** puts an attempt back that `take` gave, before those with higher ids */
  putBack(pool: Pool, start: Start): void;
  /** the one that `take` would return */
  next(pool: Pool): Start | undefined;
  /** how many wait here whose ids are lower */
  before(pool: Pool, id: number): number;
  /** takes an attempt out that was not handed on yet; false when there is no such */
  drop(id: number): boolean;
}

export function createPools(): Pools {
  const byNumber = new Map<number, Pool>();
  const byIndex: Pool[] = [];
  const waiting = new Set<number>();
  function get(number: number): Pool {
    let pool = byNumber.get(number);
    if (pool === undefined) {
      pool = { index: byIndex.length, width: 1, handed: 0, queue: [], head: 0 };
      byNumber.set(number, pool);
      byIndex.push(pool);
    }
    return pool;
  }
  return {
    get,
    at(index) {
      return byIndex[index];
    },
    add(start) {
      const pool = get(start.pool);
      pool.queue.push(start);
      waiting.add(start.id);
      return pool;
    },
    take(pool) {
      for (;;) {
        const start = pool.queue[pool.head];
        if (start === undefined) {
          pool.queue = [];
          pool.head = 0;
          return undefined;
        }
        if (++pool.head >= 1024) {
          pool.queue = pool.queue.slice(pool.head);
          pool.head = 0;
        }
        if (!waiting.delete(start.id)) continue;
        pool.handed++;
        return start;
      }
    },
    putBack(pool, start) {
      pool.handed--;
      waiting.add(start.id);
      let at = pool.head;
      while (at < pool.queue.length && pool.queue[at]!.id < start.id) at++;
      pool.queue.splice(at, 0, start);
    },
    next(pool) {
      let at = pool.head;
      while (at < pool.queue.length && !waiting.has(pool.queue[at]!.id)) at++;
      return pool.queue[at];
    },
    before(pool, id) {
      let count = 0;
      for (let at = pool.head; at < pool.queue.length && pool.queue[at]!.id < id; at++)
        if (waiting.has(pool.queue[at]!.id)) count++;
      return count;
    },
    drop(id) {
      return waiting.delete(id);
    },
  };
}

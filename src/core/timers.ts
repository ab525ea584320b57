/** What is due later: a binary heap by time. Entries are never taken out early; whoever is told looks whether it still matters. */
export interface Timer {
  atMs: number;
  workflow: number;
  task: number;
}

export class Timers {
  readonly #heap: Timer[] = [];

  /** When the next one is due; null = nothing is. */
  get nextMs(): number | null {
    return this.#heap[0]?.atMs ?? null;
  }

  add(timer: Timer): void {
    const heap = this.#heap;
    heap.push(timer);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (heap[parent]!.atMs <= timer.atMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  /** Takes the first that is due, or null. */
  take(nowMs: number): Timer | null {
    const heap = this.#heap;
    const first = heap[0];
    if (!first || first.atMs > nowMs) return null;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(timer: Timer): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++;
      if (heap[child]!.atMs >= timer.atMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = timer;
  }
}

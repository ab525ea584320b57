/** Simulated time: what is to happen, in order of time, then in the order in which it was asked for. */
interface Entry {
  atMs: number;
  order: number;
  work: () => void;
}

export class Clock {
  nowMs = 1_800_000_000_000;
  readonly #heap: Entry[] = [];
  #order = 0;

  after(delayMs: number, work: () => void): void {
    this.at(this.nowMs + delayMs, work);
  }

  at(timeMs: number, work: () => void): void {
    const heap = this.#heap;
    const entry = { atMs: Math.max(timeMs, this.nowMs), order: this.#order++, work };
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  /** Does the next thing; false when there is none. */
  step(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (!first) return false;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
        if (!isBefore(heap[child]!, last)) break;
        heap[at] = heap[child]!;
        at = child;
      }
      heap[at] = last;
    }
    this.nowMs = first.atMs;
    first.work();
    return true;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

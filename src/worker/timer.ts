/** The longest delay the runtime's own timers take; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `work` after `delayMs`, however long that is; returns what takes it back. */
export function startTimer(delayMs: number, work: () => void): () => void {
  const due = performance.now() + delayMs;
  let timer: ReturnType<typeof setTimeout>;
  const wait = (): void => {
    const left = Math.max(0, due - performance.now());
    timer = left > LONGEST_MS ? setTimeout(wait, LONGEST_MS) : setTimeout(work, left);
  };
  wait();
  return () => clearTimeout(timer);
}

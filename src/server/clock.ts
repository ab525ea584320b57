/**
 * The time that decisions are made by: back-offs, leases, ageing. It counts on when somebody sets the machine's clock, by an
 * hour or to another day; only what is recorded for people shows the clock as it is.
 */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

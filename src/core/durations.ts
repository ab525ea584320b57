/**
 * How long the attempts of a category take: a log-linear histogram (the layout of HdrHistogram, 32 steps an
 * octave), so a value read back is within 1.6 % of one that went in (below 1 ms: within 8 µs).
 * Only the octaves that occur are kept, 128 bytes each, at most 4 KiB; above 2⁴⁰ µs (12.7 days) all values
 * share the last bucket, while mean and maximum stay exact.
 */

/** Steps of an octave, as a power of two; half a step over the lower edge is the error: 1 / 64. */
const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
/** Width of the linear part: starting a process alone takes some 300 µs, finer tells nothing. */
const UNIT_US = 16;
/** All above share the last of the 1,024 buckets. */
const MOST_UNITS = 2 ** 36 - 1;

export interface Durations {
  count: number;
  sumUs: number;
  /** Infinity when empty */
  minUs: number;
  /** 0 when empty */
  maxUs: number;
  /** number of the first bucket in `buckets`; a multiple of an octave's steps */
  first: number;
  buckets: Uint32Array;
}

export function createDurations(): Durations {
  return {
    count: 0,
    sumUs: 0,
    minUs: Infinity,
    maxUs: 0,
    first: 0,
    buckets: new Uint32Array(0),
  };
}

/** Notes `times` attempts that took `us` each; negative values (a clock that jumped) count as 0. */
export function addDuration(durations: Durations, us: number, times = 1): void {
  const value = us > 0 ? us : 0;
  durations.count += times;
  durations.sumUs += value * times;
  if (value < durations.minUs) durations.minUs = value;
  if (value > durations.maxUs) durations.maxUs = value;
  const bucket = bucketOf(value);
  cover(durations, bucket, bucket);
  durations.buckets[bucket - durations.first]! += times;
}

/** Adds all of `other` to `durations`: the same as if its values had been added one by one. */
export function mergeDurations(durations: Durations, other: Durations): void {
  if (other.count === 0) return;
  durations.count += other.count;
  durations.sumUs += other.sumUs;
  durations.minUs = Math.min(durations.minUs, other.minUs);
  durations.maxUs = Math.max(durations.maxUs, other.maxUs);
  cover(durations, other.first, other.first + other.buckets.length - 1);
  const shift = other.first - durations.first;
  other.buckets.forEach((count, i) => (durations.buckets[i + shift]! += count));
}

/** 0 when empty. */
export function meanUs(durations: Durations): number {
  return durations.count === 0 ? 0 : durations.sumUs / durations.count;
}

/** The smallest value that `share` (0…1) of the attempts do not exceed; exact at both ends; 0 when empty. */
export function quantileUs(durations: Durations, share: number): number {
  const { count, buckets, first, minUs, maxUs } = durations;
  if (count === 0) return 0;
  const rank = Math.ceil(share * count);
  if (rank <= 1) return minUs;
  if (rank >= count) return maxUs;
  let passed = 0;
  for (let i = 0; i < buckets.length; i++) {
    passed += buckets[i]!;
    if (passed >= rank) return within(durations, middleOf(first + i));
  }
  return maxUs;
}

export function medianUs(durations: Durations): number {
  return quantileUs(durations, 0.5);
}

/** Half the distance between the quantiles 0.16 and 0.84: the standard deviation, were the values normal, but blind to outliers. */
export function spreadUs(durations: Durations): number {
  return (quantileUs(durations, 0.84) - quantileUs(durations, 0.16)) / 2;
}

/**
 * Standard deviation of the natural logarithm of the values: 0.1 = they differ by some 10 %. Run times are
 * products of causes (size of the input, speed of the host), so this describes them where `spreadUs` does not.
 * 0 with fewer than two values.
 */
export function logSpread(durations: Durations): number {
  const { count, buckets, first } = durations;
  if (count < 2) return 0;
  let sum = 0;
  let squares = 0;
  // Around the first value found, so that no precision is lost to a large common part.
  let origin = Number.NaN;
  for (let i = 0; i < buckets.length; i++) {
    const times = buckets[i]!;
    if (times === 0) continue;
    const value = Math.log(Math.max(1, within(durations, middleOf(first + i))));
    if (Number.isNaN(origin)) origin = value;
    sum += (value - origin) * times;
    squares += (value - origin) ** 2 * times;
  }
  return Math.sqrt(Math.max(0, squares - (sum * sum) / count) / (count - 1));
}

function bucketOf(us: number): number {
  const units = us / UNIT_US;
  if (units < 2 ** 32) {
    const whole = units >>> 0;
    const octave = 31 - Math.clz32(whole) - STEP_BITS;
    // In the linear part `octave` is negative; from its end on, `whole >>> octave` has six bits, the highest set.
    return octave < 0 ? whole : octave * STEPS + (whole >>> octave);
  }
  const most = Math.min(units, MOST_UNITS);
  const octave = 63 - Math.clz32(most / 2 ** 32) - STEP_BITS;
  return octave * STEPS + Math.floor(most / 2 ** octave);
}

function middleOf(bucket: number): number {
  if (bucket < STEPS) return (bucket + 0.5) * UNIT_US;
  const scale = 2 ** ((bucket >> STEP_BITS) - 1);
  return (STEPS + (bucket & (STEPS - 1)) + 0.5) * scale * UNIT_US;
}

function within(durations: Durations, us: number): number {
  return Math.min(durations.maxUs, Math.max(durations.minUs, us));
}

/** Makes room for the buckets `from`…`to`, in whole octaves. */
function cover(durations: Durations, from: number, to: number): void {
  const { first, buckets } = durations;
  const end = first + buckets.length;
  if (from >= first && to < end) return;
  const empty = buckets.length === 0;
  const newFirst = (empty ? from : Math.min(from, first)) & ~(STEPS - 1);
  const newEnd = ((empty ? to : Math.max(to, end - 1)) | (STEPS - 1)) + 1;
  const wider = new Uint32Array(newEnd - newFirst);
  if (!empty) wider.set(buckets, first - newFirst);
  durations.first = newFirst;
  durations.buckets = wider;
}

/** Scales and their ticks: where a value lies on an axis, and which values get a label. */

export interface Tick {
  value: number;
  /** empty: a grid line without a label */
  label: string;
}

export interface Scale {
  log: boolean;
  /** position of a value, in the unit of the range */
  at(value: number): number;
  ticks: Tick[];
}

export interface ScaleRequest {
  /** all that is to be shown; what is not finite, or not above 0 on a log axis, is ignored */
  values: readonly number[];
  range: readonly [from: number, to: number];
  log: boolean;
  /** linear axes: begin at 0 */
  zero?: boolean;
  label: (value: number) => string;
}

export function scaleOf(request: ScaleRequest): Scale {
  const shown = request.values.filter(
    (value) => Number.isFinite(value) && (!request.log || value > 0),
  );
  const low = Math.min(...shown);
  const high = Math.max(...shown);
  if (shown.length === 0) return scaleOf({ ...request, values: [1, 10] });
  return request.log ? logScale(request, low, high) : linearScale(request, low, high);
}

function linearScale({ range, zero, label }: ScaleRequest, low: number, high: number): Scale {
  const bottom = zero === true ? Math.min(0, low) : low;
  const top = high > bottom ? high : bottom + (Math.abs(bottom) || 1);
  const step = niceStep(top - bottom, 6);
  const [first, last] = [Math.floor(bottom / step + 1e-9), Math.ceil(top / step - 1e-9)];
  const [from, to] = [first * step, last * step];
  const ticks: Tick[] = [];
  for (let i = first; i <= last; i++) {
    const value = Number((i * step).toPrecision(12));
    ticks.push({ value, label: label(value) });
  }
  const at = (value: number): number =>
    range[0] + ((value - from) / (to - from)) * (range[1] - range[0]);
  return { log: false, at, ticks };
}

/** 1, 2 or 5 times a power of ten, so that about `count` steps fill the span. */
export function niceStep(span: number, count: number): number {
  const power = 10 ** Math.floor(Math.log10(span / count));
  const steps = span / count / power;
  return power * (steps <= 1 ? 1 : steps <= 2 ? 2 : steps <= 5 ? 5 : 10);
}

function logScale({ range, label }: ScaleRequest, low: number, high: number): Scale {
  // The ends are 1, 2 or 5 times a power of ten: whole decades would leave half of a short axis empty.
  const from = stepBelow(low * 1.0001);
  const to = stepBelow(high * 0.9999, true);
  const bottom = from < to ? from : from / 2;
  const decades = Math.log10(to / bottom);
  const ticks: Tick[] = [];
  const lowest = Math.floor(Math.log10(bottom) + 1e-9);
  const highest = Math.ceil(Math.log10(to) - 1e-9);
  const every = Math.ceil(decades / 8);
  for (let power = lowest; power <= highest; power++)
    for (let digit = 1; digit <= 9; digit++) {
      const value = Number(`${digit}e${power}`);
      if (value < bottom * 0.999 || value > to * 1.001) continue;
      const named =
        digit === 1
          ? (power - lowest) % every === 0 || decades < 3
          : decades < 2.2 && (digit === 2 || digit === 5);
      if (named || decades < 4.5) ticks.push({ value, label: named ? label(value) : "" });
    }
  const at = (value: number): number =>
    range[0] + (Math.log10(value / bottom) / Math.log10(to / bottom)) * (range[1] - range[0]);
  return { log: true, at, ticks };
}

function stepBelow(value: number, above = false): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const digits = above ? [1, 2, 5, 10] : [5, 2, 1];
  const found = digits.find((digit) => (above ? digit * power >= value : digit * power <= value));
  return Number(((found ?? (above ? 10 : 1)) * power).toPrecision(6));
}

/** 0.00025 → 250 µs, 0.02 → 20 ms, 90 → 90 s, 600 → 10 min. */
export function secondsLabel(seconds: number): string {
  if (seconds === 0) return "0";
  if (seconds < 0.000_999_5) return `${plain(seconds * 1e6)} µs`;
  if (seconds < 0.999_5) return `${plain(seconds * 1e3)} ms`;
  if (seconds < 300) return `${plain(seconds)} s`;
  return seconds < 7200 ? `${plain(seconds / 60)} min` : `${plain(seconds / 3600)} h`;
}

/** Powers of 1000, so that decades of a log axis have round names. */
export function bytesLabel(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${plain(value)} ${units[unit]}`;
}

/** 0.0312, 3.12, 31.2, 312, 3,120, 31k, 3.1M: about three figures. */
export function plain(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 99_950) return `${Math.round(value / 1000)}k`;
  if (size >= 999.5) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

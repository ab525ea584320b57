/** Figures for people. Numbers for programs are in --json. */

/** 0.0042 → "4.2 ms", 3.2 → "3.20 s", 75 → "1:15", 3700 → "1:01:40". */
export function duration(seconds: number): string {
  if (seconds < 0.0995) return `${significant(seconds * 1000)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${significant(seconds)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** An estimate: no more than two figures' worth. 0.3 → "<1 s", 42.4 → "42 s", 75 → "1:15". */
export function remaining(seconds: number): string {
  if (seconds < 1) return "<1 s";
  return seconds < 59.5 ? `${Math.round(seconds)} s` : duration(Math.round(seconds));
}

/** Powers of 1024: 5452595 → "5.2 MiB". */
export function bytes(size: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = size;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : significant(value)} ${units[unit] ?? ""}`;
}

/** Tasks a second: 0.37, 12.4, 2,345. */
export function rate(perSecond: number): string {
  return perSecond >= 1000 ? count(Math.round(perSecond)) : significant(perSecond);
}

/** 1234567 → "1,234,567". */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function plural(n: number, one: string, many: string = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** Three significant figures below 100, whole numbers above. */
function significant(value: number): string {
  if (value >= 99.95) return String(Math.round(value));
  if (value >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

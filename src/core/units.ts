/** Memory, disk and durations as people write them, one meaning each. */
import type { Parsed } from "./parameters.ts";

const BINARY = ["", "k", "m", "g", "t", "p"];

const SIZE_FIX = "write a number with k, m, g or t (powers of 1024), KB, MB, GB (1000), or bytes";

/**
 * Bytes: `512`, `4g`, `1.5GiB`, `4 GB`. `k m g t` and `KiB…` are powers of 1024, `KB…` of 1000, in either case;
 * a bare number is bytes.
 */
export function parseBytes(text: string): Parsed<number> {
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(?:(b)|([kmgtp])(b|ib)?)?\s*$/i.exec(text);
  if (!match) return { error: `'${text}' is not an amount of memory`, fix: SIZE_FIX };
  const power = BINARY.indexOf((match[3] ?? "").toLowerCase());
  const base = match[4]?.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = Math.round(Number(match[1]) * base ** power);
  if (!Number.isSafeInteger(bytes)) {
    return { error: `'${text}' is more than any machine has`, fix: SIZE_FIX };
  }
  return { value: bytes };
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  w: 604800,
  d: 86400,
  h: 3600,
  m: 60,
  s: 1,
};

const DURATION_FIX =
  "write a duration such as 90s, 30m, 1h30m, 1:30:00 (hours:minutes:seconds) or PT30M";

/**
 * Seconds: `30m`, `1h30m`, `1.5h`, `250ms`, `PT30M`, `P1DT12H`, `1:30:00`, `2-12:00:00` (days), or a bare number of
 * seconds. `1:30` is refused: Slurm reads minutes, people read hours.
 */
export function parseDuration(text: string): Parsed<number> {
  const trimmed = text.trim();
  const seconds =
    bareSeconds(trimmed) ?? unitSeconds(trimmed) ?? isoSeconds(trimmed) ?? clockSeconds(trimmed);
  if (seconds !== null && Number.isFinite(seconds) && seconds < 1e11) return { value: seconds };
  const pair = /^(\d+):(\d\d?)$/.exec(trimmed);
  if (pair) {
    return {
      error: `'${trimmed}' is ambiguous: hours and minutes, or minutes and seconds`,
      fix: `write ${pair[1]}:${pair[2]!.padStart(2, "0")}:00 or ${pair[1]}m${pair[2]}s`,
    };
  }
  return { error: `'${text}' is not a duration`, fix: DURATION_FIX };
}

function bareSeconds(text: string): number | null {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : null;
}

function unitSeconds(text: string): number | null {
  const pattern = /(\d+(?:\.\d+)?)\s*(ms|w|d|h|m|s)[a-z]*\s*/iy;
  const words =
    /^(?:\s*\d+(?:\.\d+)?\s*(?:ms|w(?:eeks?)?|d(?:ays?)?|h(?:ours?|rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?))+$/i;
  if (!words.test(text)) return null;
  let total = 0;
  let last = Number.POSITIVE_INFINITY;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (!match) return null;
    const unit = match[2]!.toLowerCase();
    const factor = unit === "ms" ? 0.001 : UNIT_SECONDS[unit]!;
    if (factor >= last) return null; // 5m1h is a slip, not a duration
    last = factor;
    total += (Number(match[1]) * Math.round(factor * 1000)) / 1000;
  }
  return total;
}

function isoSeconds(text: string): number | null {
  const match =
    /^P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D?(?<=D))?(?:T(?=.)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i.exec(
      text,
    );
  if (!match) return null;
  const part = (i: number): number => Number(match[i] ?? 0);
  // a year of 365.25 days and a twelfth of it, as Torc counts
  const days = part(1) * 365.25 + part(2) * (365.25 / 12) + part(3) * 7 + part(4);
  return days * 86400 + part(5) * 3600 + part(6) * 60 + part(7);
}

function clockSeconds(text: string): number | null {
  const match = /^(?:(\d+)-)?(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text);
  if (!match) return null;
  const [days, hours, minutes, seconds] = [1, 2, 3, 4].map((i) => Number(match[i] ?? 0));
  if (minutes! > 59 || seconds! >= 60 || (match[1] !== undefined && hours! > 23)) return null;
  return days! * 86400 + hours! * 3600 + minutes! * 60 + seconds!;
}

/** For people: `0 B`, `1.4 MiB`, `16 GiB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1023.95 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (unit === 0) return `${Math.round(bytes)} B`;
  return `${value >= 99.95 ? Math.round(value) : Number(value.toFixed(1))} ${BINARY[unit]!.toUpperCase()}iB`;
}

/** For people: `850 µs`, `6.2 ms`, `4.25 s`, `1m 30s`, `2h 05m`, `3d 04h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.0009995) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 59.95) return `${Number(seconds.toPrecision(3))} s`;
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

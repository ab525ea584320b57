import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "./units.ts";

describe("bytes", () => {
  test.each([
    ["512", 512],
    ["4g", 4 * 1024 ** 3],
    ["4G", 4 * 1024 ** 3],
    ["1.5GiB", 1.5 * 1024 ** 3],
    ["4 GB", 4e9],
    ["10kb", 10_000],
    ["10 KiB", 10_240],
    ["2t", 2 * 1024 ** 4],
    ["7b", 7],
  ])("%p is %p", (text, bytes) => {
    expect(parseBytes(text)).toEqual({ value: bytes });
  });
  test.each(["4 gb?", "", "g", "-1g", "1e3", "4 g b", "4gig", "999999999p", "0x10"])(
    "%p is refused",
    (text) => {
      expect(parseBytes(text)).toHaveProperty("fix");
    },
  );
  test("powers of 1024 and of 1000 are what they say", () => {
    const units = fc.constantFrom("k", "m", "g");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4096 }), units, fc.boolean(), (n, unit, decimal) => {
        const power = "kmg".indexOf(unit) + 1;
        const text = decimal ? `${n}${unit}b` : `${n}${unit}`;
        expect(parseBytes(text)).toEqual({ value: n * (decimal ? 1000 : 1024) ** power });
        expect(parseBytes(text.toUpperCase())).toEqual(parseBytes(text));
      }),
    );
  });
  test("for people", () => {
    expect([0, 1023, 1024, 1.4e6, 16 * 1024 ** 3].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1 KiB",
      "1.3 MiB",
      "16 GiB",
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 52 }), (bytes) => {
        const parsed = parseBytes(formatBytes(bytes));
        expect(Math.abs(("value" in parsed ? parsed.value : -1) - bytes) / bytes).toBeLessThan(
          0.05,
        );
      }),
    );
  });
});

describe("durations", () => {
  test.each([
    ["45", 45],
    ["1.5", 1.5],
    ["30m", 1800],
    ["1h30m", 5400],
    ["1h 30min", 5400],
    ["1.5h", 5400],
    ["2 days", 172_800],
    ["250ms", 0.25],
    ["PT30M", 1800],
    ["P0DT1M", 60],
    ["P1DT12H", 129_600],
    ["P1W", 604_800],
    ["1:30:00", 5400],
    ["100:00:00", 360_000],
    ["2-12:00:00", 216_000],
  ])("%p is %p s", (text, seconds) => {
    expect(parseDuration(text)).toEqual({ value: seconds });
  });
  test("hours and minutes or minutes and seconds: ambiguous", () => {
    expect(parseDuration("1:30")).toEqual({
      error: "'1:30' is ambiguous: hours and minutes, or minutes and seconds",
      fix: "write 1:30:00 or 1m30s",
    });
  });
  test.each([
    "",
    "m",
    "-5m",
    "5m1h",
    "3mm",
    "1:75:00",
    "1:00:60",
    "1-25:00:00",
    "P",
    "PT",
    "P1",
    "soon",
    "1h30",
  ])("%p is refused", (text) => {
    expect(parseDuration(text)).toHaveProperty("error");
  });
  test("all spellings of one duration agree", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 99 }),
        fc.integer({ min: 0, max: 59 }),
        fc.integer({ min: 0, max: 59 }),
        (h, m, s) => {
          const two = (n: number): string => String(n).padStart(2, "0");
          const expected = { value: h * 3600 + m * 60 + s };
          expect(parseDuration(`${h}h${m}m${s}s`)).toEqual(expected);
          expect(parseDuration(`PT${h}H${m}M${s}S`)).toEqual(expected);
          expect(parseDuration(`${h}:${two(m)}:${two(s)}`)).toEqual(expected);
          expect(parseDuration(String(expected.value))).toEqual(expected);
        },
      ),
    );
  });
  test("for people", () => {
    expect([0, 8e-4, 0.0062, 4.25, 59.97, 90, 7500, 3e5].map(formatDuration)).toEqual([
      "0 s",
      "800 µs",
      "6.2 ms",
      "4.25 s",
      "1m 00s",
      "1m 30s",
      "2h 05m",
      "3d 11h",
    ]);
  });
});

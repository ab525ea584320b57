import { expect, test } from "bun:test";
import { addTallies, readJunit } from "./tally.ts";

test("reads totals and files of a report", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="2" failures="2" skipped="2" time="0.01">
  <testsuite name="src/a.test.ts" file="src/a.test.ts" tests="4" failures="1" skipped="2">
    <testcase name="says tests=&quot;9&quot;" classname="" time="0" file="src/a.test.ts" line="2" />
  </testsuite>
</testsuites>`;
  const { tally, files } = readJunit(xml);
  expect(tally).toEqual({ passed: 1, failed: 2, skipped: 2 });
  expect([...files]).toEqual(["src/a.test.ts"]);
});

test("a report that was never written counts nothing", () => {
  expect(readJunit("")).toEqual({ tally: { passed: 0, failed: 0, skipped: 0 }, files: new Set() });
});

test("adds", () => {
  const one = { passed: 1, failed: 2, skipped: 3 };
  expect(addTallies([one, one])).toEqual({ passed: 2, failed: 4, skipped: 6 });
});

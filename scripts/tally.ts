// Counts of tests, and how to read them from the JUnit report that `bun test` writes.

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function addTallies(tallies: readonly Tally[]): Tally {
  const sum = (key: keyof Tally): number => tallies.reduce((total, tally) => total + tally[key], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

/** The totals of a report and the files that reported at least one test. An empty report has none. */
export function readJunit(xml: string): { tally: Tally; files: Set<string> } {
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const count = (name: string): number =>
    Number(new RegExp(`\\s${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped");
  const files = new Set<string>();
  for (const [, file] of xml.matchAll(/<testcase\b[^>]*\sfile="([^"]*)"/g)) files.add(file ?? "");
  return { tally: { passed: count("tests") - failed - skipped, failed, skipped }, files };
}

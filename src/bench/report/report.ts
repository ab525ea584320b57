/** `holdall report`: a page out of samples.jsonl and environment.json, and of nothing else. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { checksOf } from "./checks.ts";
import { pageOf } from "./page.ts";
import { readResults } from "./read.ts";
import { sectionsOf } from "./sections.ts";

export interface ReportOutcome {
  /** absolute path of the page */
  report: string;
  samples: number;
  scenarios: string[];
  engines: string[];
  /** why the runs may not be compared, if so: unequal outputs, failed tasks, a busy machine */
  doubts: string[];
}

/** Writes the page beside the samples, or to `out`. Throws `not_found` without samples and `spec` for a broken line. */
export function writeReport(folder: string, out?: string): ReportOutcome {
  const results = readResults(folder);
  const path = resolve(out ?? join(folder, "report.html"));
  mkdirSync(dirname(path), { recursive: true });
  // Renamed when whole: a page that is open in a browser is never half of one.
  writeFileSync(`${path}.new`, renderReport(results));
  renameSync(`${path}.new`, path);
  const { samples, environment } = results;
  return {
    report: path,
    samples: samples.length,
    scenarios: [...new Set(samples.map((sample) => sample.scenario))],
    engines: [...new Set(samples.map((sample) => sample.engine))],
    doubts: checksOf(samples, environment)
      .filter((check) => !check.ok)
      .map((check) => check.text),
  };
}

/** The page as text; the same samples give the same page. */
export function renderReport({ samples, environment }: ReturnType<typeof readResults>): string {
  return pageOf({
    samples,
    environment,
    checks: checksOf(samples, environment),
    sections: sectionsOf(samples),
  });
}

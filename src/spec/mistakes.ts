/** Mistakes of a document, gathered so that all of them are told at once. */
import { HoldallError, type ErrorDetail } from "../core/error.ts";
import type { At, Format, Path, SpecDocument } from "./document.ts";

/** Further mistakes shown beside the first: twenty in all. */
const SHOWN_OTHERS = 19;
/** Kept to be put in the order of the document; whoever finds more stops looking. */
const KEPT = 200;

export interface Mistakes {
  readonly count: number;
  /** so many that looking for more helps nobody */
  readonly enough: boolean;
  add(path: Path, message: string, fix?: string, at?: At): void;
  /** throws `spec` with everything gathered, in document order; returns when there is nothing */
  throwAny(): void;
}

export function gatherMistakes(document: SpecDocument): Mistakes {
  const kept: { path: Path; message: string; fix: string | undefined; at: At | undefined }[] = [];
  const seen = new Set<string>();
  const { mistakes: found = [] } = document;
  let count = found.length;
  return {
    get count() {
      return count;
    },
    get enough() {
      return count >= KEPT;
    },
    add(path, message, fix, at) {
      if (kept.length < KEPT) {
        const key = `${path.join("\n")}\n${message}`;
        if (seen.has(key)) return;
        seen.add(key);
        kept.push({ path, message, fix: fix && spelled(fix, document.format), at });
      }
      count += 1;
    },
    throwAny() {
      if (count === 0) return;
      const details = kept.map(({ path, message, fix, at }) => ({
        message,
        fix,
        place: { file: document.file, ...document.locate(path, at) },
      }));
      throw mistakesError([...found, ...details], count);
    },
  };
}

/** A fix as this format would write it: fixes are worded for YAML, `name:` is `"name"` in JSON and `name` in KDL. */
export function spelled(fix: string, format: Format): string {
  if (format === "yaml") return fix;
  return fix.replaceAll(/`([a-z_]+):`/g, format === "kdl" ? "`$1`" : '`"$1"`');
}

/** One error of many: the first in document order, the others beside it. */
export function mistakesError(
  details: readonly (ErrorDetail & { place: { file: string; line: number; column: number } })[],
  count: number = details.length,
): HoldallError {
  const ordered = details
    .toSorted((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
    .filter((each, i, all) => {
      const before = all[i - 1];
      const again =
        before?.place.line === each.place.line && before.place.column === each.place.column;
      return !again || before.message !== each.message;
    });
  const [first, ...rest] = ordered;
  if (!first) return new HoldallError("internal", "an error without a mistake");
  const others: ErrorDetail[] = rest.slice(0, SHOWN_OTHERS);
  const hidden = count - (details.length - ordered.length) - 1 - others.length;
  if (hidden > 0) others.push({ message: `${hidden} more mistakes are not shown` });
  return new HoldallError("spec", first.message, { place: first.place, fix: first.fix, others });
}

/** JSON and JSON5 into a document; places are looked for only where a mistake is. */
import { type ErrorDetail, HoldallError, type Place } from "../core/error.ts";
import { type At, linesOf, type Path, type SpecDocument, type SpecValue } from "./document.ts";
import { jsonReader, type JsonMistake, JsonStop, type Member } from "./json-reader.ts";
import { mistakesError } from "./mistakes.ts";

/** Equal keys that are told. */
const KEPT = 100;

/** Reads one document. Throws `spec` with the mistakes of syntax. */
export function parseJson(file: string, text: string, format: "json" | "json5"): SpecDocument {
  const five = format === "json5";
  const reader = jsonReader(text, five);
  const lines = linesOf(text);
  const place = (offset: number): Place => ({ file, ...lines(offset) });
  const told = ({ message, fix, offset }: JsonMistake): Told => ({
    message,
    fix,
    place: place(offset),
  });
  const value = readWhole(file, text, reader.document, (stopped) =>
    mistakesError([...reader.mistakes.slice(0, KEPT), stopped].map(told)),
  );
  const find = finder(text, five);
  return {
    file,
    format,
    value,
    mistakes: reader.mistakes.slice(0, KEPT).map(told),
    locate(path: Path, at: At = {}) {
      const found = find(path);
      let offset = at.key === true && found.whole ? found.keyOffset : found.start;
      if (at.needle !== undefined && at.key !== true) {
        const inside = text.slice(found.start, found.end).indexOf(at.needle);
        if (inside > 0) offset += inside;
      }
      return lines(offset);
    },
    source(path: Path) {
      const found = find(path);
      return found.whole ? text.slice(found.start, found.end) : "";
    },
  };
}

type Told = ErrorDetail & { place: Place };

function readWhole(
  file: string,
  text: string,
  read: () => SpecValue,
  tell: (stopped: JsonMistake) => HoldallError,
): SpecValue {
  if (text.trim() === "") {
    throw new HoldallError("spec", "the file is empty", {
      place: { file, line: 1, column: 1 },
      fix: 'write a workflow: {"name": …, "tasks": [{"name": …, "command": …}]}',
    });
  }
  try {
    return read();
  } catch (error) {
    throw error instanceof JsonStop ? tell(error.mistake) : error;
  }
}

interface Found {
  keyOffset: number;
  start: number;
  end: number;
  /** false: only a part of the path is in the document */
  whole: boolean;
}

/** Looks up paths; what stands in a list or mapping is read once. */
function finder(text: string, five: boolean): (path: Path) => Found {
  const reader = jsonReader(text, five);
  const known = new Map<number, Map<string | number, Member>>();
  const membersAt = (start: number): Map<string | number, Member> => {
    let members = known.get(start);
    if (!members) {
      members = new Map(reader.members(start).map((member) => [member.key, member]));
      known.set(start, members);
    }
    return members;
  };
  return (path) => {
    const start = reader.start(0);
    let found: Found = { keyOffset: start, start, end: text.length, whole: true };
    for (const step of path) {
      const member = membersAt(found.start).get(step);
      if (!member) return { ...found, whole: false };
      found = { ...member, whole: true };
    }
    return found;
  };
}

/** The first line of a rule: what it makes and what it reads. */
import type { Place } from "../../core/error.ts";
import type { FileUse } from "./rules.ts";
import { type FileWord, stopAt } from "./words.ts";

/** Throws `Stop` at a name that Makeflow does not have. */
export function ruleFiles(
  words: readonly FileWord[],
  place: (offset: number) => Place,
): { inputs: FileUse[]; outputs: FileUse[] } {
  const outputs: FileUse[] = [];
  const inputs: FileUse[] = [];
  let list = outputs;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word.kind === "colon") list = inputs;
    else if (word.kind === "arrow") {
      const message = "-> stands before or after nothing";
      stopAt(message, String.raw`write FILE->NAME, or \-\> in a name`, word.offset);
    } else {
      checkName(word);
      let as: string | null = null;
      if (words[i + 1]?.kind === "arrow") {
        const name = words[i + 2];
        if (name?.kind !== "file") {
          const message = `'${word.text}->' does not say what the command calls the file`;
          return stopAt(message, `write ${word.text}->NAME without a blank`, word.offset);
        }
        checkName(name);
        as = name.text;
        i += 2;
      }
      list.push({ path: word.text, as, place: place(word.offset) });
    }
  }
  return { inputs, outputs };
}

function checkName({ text: name, quoted, offset }: FileWord): void {
  if (name === "") stopAt("a file has no name", 'write its name instead of ""', offset);
  if (quoted) return;
  if (/[*?]/.test(name)) {
    stopAt(
      `'${name}': Makeflow has no wildcards`,
      "name every file, or put the rules together with JX: listdir() and a comprehension",
      offset,
    );
  }
  if (name.includes("%")) {
    stopAt(
      `'${name}': Makeflow has no rules for patterns`,
      `write one rule for each file, or use JX; '${name}' in quotes is a file of this name`,
      offset,
    );
  }
}

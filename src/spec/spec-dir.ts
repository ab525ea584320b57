/** `${spec_dir}`, the folder of the document, in commands and paths. */
import type { TextReference, TextTemplate } from "../core/workflow.ts";
import { quotedFor } from "./references.ts";

const VARIABLE = "${spec_dir}";

/** Puts the folder in; in a command (`quoting`) so that a shell reads one word also when the folder has spaces. */
export function substituteSpecDir(
  template: TextTemplate,
  specDir: string,
  quoting: boolean,
): TextTemplate {
  const literals = typeof template === "string" ? [template] : template;
  if (!literals.some((piece) => typeof piece === "string" && piece.includes("$"))) return template;
  const plain = !quoting || /^[\w@%+=:,./-]*$/.test(specDir);
  let quote = "";
  const replace = (text: string): string => {
    if (plain) return text.replaceAll(VARIABLE, specDir);
    let result = "";
    for (let i = 0; i < text.length; i++) {
      const character = text[i]!;
      if (text.startsWith(VARIABLE, i)) {
        result += quotedFor(specDir, quote);
        i += VARIABLE.length - 1;
      } else if (character === "\\" && quote !== "'") {
        result += text.slice(i, i + 2);
        i += 1;
      } else {
        if (quote === "" && (character === "'" || character === '"')) quote = character;
        else if (character === quote) quote = "";
        result += character;
      }
    }
    return result;
  };
  if (typeof template === "string") return replace(template);
  return template.map((piece): string | TextReference =>
    typeof piece === "string" ? replace(piece) : piece,
  );
}

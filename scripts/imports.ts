// Finds what a TypeScript source imports, type-only imports included (a transpiler's scan leaves those
// out). Works on tokens, so comments, strings and templates that look like imports are not taken for any.

export interface Import {
  /** The specifier as written; null for a dynamic import of a computed name. */
  readonly specifier: string | null;
  /** From 1. */
  readonly line: number;
  readonly typeOnly: boolean;
}

interface Token {
  readonly kind: "word" | "string" | "mark";
  readonly text: string;
  readonly line: number;
}

const wordPattern = /[\p{ID_Start}$_#][\p{ID_Continue}$]*/uy;
const numberPattern = /\d[\w.]*/y;
const regexPattern = /\/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const stringPattern = /"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'/y;
/** After these words a slash begins a regular expression, after other words a division. */
const wordsBeforeRegex = new Set(["return", "typeof", "case", "in", "of", "do", "else", "void"]);

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** For every open brace, whether it began inside a template and so ends by going on with it. */
  const braces: boolean[] = [];
  let at = 0;
  let line = 1;

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const advance = (text: string): void => {
    at += text.length;
    for (const character of text) if (character === "\n") line++;
  };
  const push = (kind: Token["kind"], raw: string, text = raw): void => {
    tokens.push({ kind, text, line });
    advance(raw);
  };
  const regexMayBegin = (): boolean => {
    const last = tokens.at(-1);
    if (last === undefined) return true;
    if (last.kind === "word") return wordsBeforeRegex.has(last.text);
    return last.kind === "mark" && last.text !== ")" && last.text !== "]" && last.text !== "}";
  };
  const skipTemplate = (): void => {
    const text = take(/(?:[^\\`$]|\\[^]|\$(?!\{))*/y) ?? "";
    advance(text);
    if (source.startsWith("${", at)) {
      advance("${");
      braces.push(true);
    } else {
      advance("`");
      // The value of a template, as far as the grammar around it goes.
      tokens.push({ kind: "mark", text: ")", line });
    }
  };

  while (at < source.length) {
    const character = source[at] ?? "";
    const comment = character === "/" ? take(/\/\/[^\n]*|\/\*[^]*?\*\//y) : take(/\s+/y);
    const regex = comment === undefined && character === "/" && regexMayBegin();
    const skipped = comment ?? (regex ? take(regexPattern) : undefined) ?? take(numberPattern);
    if (skipped !== undefined) {
      advance(skipped);
      if (comment === undefined) tokens.push({ kind: "mark", text: ")", line });
      continue;
    }
    const string = take(stringPattern);
    const word = take(wordPattern);
    if (string !== undefined) {
      push("string", string, string.slice(1, -1));
    } else if (word !== undefined) {
      push("word", word);
    } else if (character === "`") {
      advance("`");
      skipTemplate();
    } else if (character === "}" && braces.pop() === true) {
      advance("}");
      skipTemplate();
    } else {
      if (character === "{") braces.push(false);
      push("mark", character);
    }
  }
  return tokens;
}

/** Everything `source` imports or re-exports, in order. */
export function findImports(source: string): Import[] {
  const tokens = tokenize(source);
  const found: Import[] = [];
  const text = (index: number): string => tokens[index]?.text ?? "";
  const isString = (index: number): boolean => tokens[index]?.kind === "string";

  tokens.forEach((token, index) => {
    if (token.kind !== "word" || text(index - 1) === ".") return;
    const { line } = token;
    const next = index + 1;
    if ((token.text === "import" || token.text === "require") && text(next) === "(") {
      const literal = isString(next + 1) && (text(next + 2) === ")" || text(next + 2) === ",");
      if (literal) found.push({ specifier: text(next + 1), line, typeOnly: false });
      else if (token.text === "import") found.push({ specifier: null, line, typeOnly: false });
    } else if (token.text === "import" && isString(next)) {
      found.push({ specifier: text(next), line, typeOnly: false });
    } else if (token.text === "import" || token.text === "export") {
      // Up to `from "…"`, over names, commas, stars and one pair of braces; anything else ends it.
      let end = next;
      while (tokens[end] !== undefined && !isString(end)) {
        if (tokens[end]?.kind === "mark" && !/[{},*]/.test(text(end))) return;
        end++;
      }
      if (text(end - 1) !== "from") return;
      const typeOnly = text(next) === "type" && text(next + 1) !== "from";
      found.push({ specifier: text(end), line, typeOnly });
    }
  });
  return found;
}

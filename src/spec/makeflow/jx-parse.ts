/** JX, JSON with expressions, into a tree. Operators of one rank are taken from left to right, `and` before `or`. */
import { stopAt } from "./words.ts";

export type BinaryOperator =
  "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "or";

export interface Clause {
  variable: string;
  list: Expression;
  condition: Expression | null;
}

export interface Item {
  value: Expression;
  clauses: readonly Clause[];
}

export interface Pair extends Item {
  key: Expression;
}

/** `at`: its offset in the text. */
export type Expression = { at: number } & (
  | { kind: "constant"; value: string | number | boolean | null; real: boolean }
  | { kind: "symbol"; name: string }
  | { kind: "list"; items: readonly Item[] }
  | { kind: "object"; pairs: readonly Pair[] }
  | { kind: "binary"; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: "unary"; operator: "-" | "+" | "not"; operand: Expression }
  | { kind: "index"; of: Expression; index: Expression }
  | { kind: "slice"; of: Expression; from: Expression | null; to: Expression | null }
  | { kind: "call"; name: string; args: readonly Expression[] }
);

/** Brackets and operators inside each other. */
const MAX_DEPTH = 400;

interface Token {
  kind: "end" | "mark" | "text" | "number" | "word";
  text: string;
  at: number;
  real: boolean;
}

const MARKS = [..."== != <= >= && || { } [ ] ( ) , : ; + - * / % < > ! .".split(" ")];
const RANKS: readonly (readonly string[])[] = [
  ["or", "||"],
  ["and", "&&"],
  ["==", "!=", "<", "<=", ">", ">="],
  ["+", "-"],
  ["*", "/", "%"],
];
const KEYWORDS = new Set(["for", "in", "if", "and", "or", "not", "true", "false", "null"]);

/** Throws `Stop` at the first mistake. */
export function parseJx(text: string): Expression {
  let at = 0;
  let depth = 0;
  const open: Token[] = [];
  let token: Token = next();

  function stop(message: string, fix: string, where = token.at): never {
    return stopAt(message, fix, where);
  }

  function next(): Token {
    for (;;) {
      while (at < text.length && /[\s\uFEFF]/.test(text[at]!)) at += 1;
      if (text[at] !== "#") break;
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
    }
    const start = at;
    const character = text[at];
    const made = (kind: Token["kind"], value: string, real = false): Token => ({
      kind,
      text: value,
      at: start,
      real,
    });
    if (character === undefined) return made("end", "");
    if (character === '"') return made("text", string());
    const number = /(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y;
    number.lastIndex = at;
    const digits = number.exec(text)?.[0];
    if (digits !== undefined) {
      at += digits.length;
      if (/[\w.]/.test(text[at] ?? "")) {
        const whole = `${digits}${/^[\w.]*/.exec(text.slice(at))![0]}`;
        stop(`'${whole}' is no number`, `quote it: "${whole}"`, start);
      }
      const real = /[.eE]/.test(digits);
      const value = Number(digits);
      if (!Number.isFinite(value) || (!real && !Number.isSafeInteger(value)))
        stop(`the number ${digits.slice(0, 40)} is too large`, "quote it as a text", start);
      return made("number", digits, real);
    }
    const word = /[A-Za-z_]\w*/y;
    word.lastIndex = at;
    const name = word.exec(text)?.[0];
    if (name !== undefined) {
      at += name.length;
      return made("word", name);
    }
    const mark = MARKS.find((each) => text.startsWith(each, at));
    if (mark !== undefined) {
      at += mark.length;
      return made("mark", mark);
    }
    const fix =
      character === "="
        ? "write == to compare, and : after a key"
        : character === "'"
          ? 'write texts as "…"'
          : "remove it, or put it into a text";
    return stop(`'${character}' means nothing here`, fix, start);
  }

  function string(): string {
    const start = at;
    let result = "";
    for (at += 1; ; at += 1) {
      const character = text[at];
      if (character === undefined) {
        const line = text.slice(start).split("\n", 1)[0]!;
        const shown = line.length > 80 ? `${line.slice(0, 77)}...` : line;
        stop(`a text is opened and never closed: ${shown}`, 'close it with "', start);
      }
      if (character === '"') break;
      if (character !== "\\") {
        result += character;
        continue;
      }
      at += 1;
      const escaped = text[at] ?? "";
      if (escaped === "u") {
        const hex = text.slice(at + 1, at + 5);
        if (!/^[\da-fA-F]{4}$/.test(hex))
          stop(
            String.raw`'\u' needs 4 hexadecimal digits`,
            String.raw`write a backslash as \\`,
            at - 1,
          );
        result += String.fromCharCode(Number.parseInt(hex, 16));
        at += 4;
      } else result += ESCAPES[escaped] ?? escaped;
    }
    at += 1;
    return result;
  }

  function advance(): Token {
    const before = token;
    token = next();
    return before;
  }

  function is(...marks: readonly string[]): boolean {
    return (token.kind === "mark" || token.kind === "word") && marks.includes(token.text);
  }

  function found(): string {
    if (token.kind === "end") return "the end of the document";
    return token.kind === "text" ? `"${token.text.slice(0, 30)}"` : `'${token.text.slice(0, 40)}'`;
  }

  /** Takes an opening bracket. */
  function enter(): Token {
    open.push(token);
    return advance();
  }

  function close(mark: string, opened: Token): void {
    if (is(mark)) {
      open.pop();
      advance();
      return;
    }
    if (token.kind === "end")
      stop(`'${opened.text}' is opened and never closed`, `close it with ${mark}`, opened.at);
    const what = `${found()} stands where a comma or '${mark}' should`;
    stop(what, `put a comma before it, or an operator; texts are joined with +`);
  }

  function expression(rank = 0): Expression {
    if (rank === RANKS.length) return unary();
    if (rank === 0 && (depth += 1) > MAX_DEPTH)
      stop("brackets are nested too deeply", `${MAX_DEPTH} levels at most`);
    let left = expression(rank + 1);
    let many = 0;
    while (is(...RANKS[rank]!)) {
      const operator = advance();
      // the tree of a long sum is as deep as the sum is long
      if ((many += 1) > 4 * MAX_DEPTH)
        stop("this has too many terms", "use join() and a list", operator.at);
      const right = expression(rank + 1);
      const named = operator.text === "||" ? "or" : operator.text === "&&" ? "and" : operator.text;
      left = { kind: "binary", operator: named as BinaryOperator, left, right, at: operator.at };
    }
    if (rank === 0) {
      depth -= 1;
      if (is(";")) advance();
    }
    return left;
  }

  function unary(): Expression {
    if (!is("-", "+", "!", "not")) return postfix();
    const operator = advance();
    if ((depth += 1) > MAX_DEPTH) stop("signs are nested too deeply", "remove some");
    const operand = unary();
    depth -= 1;
    const { kind } = operand;
    if (kind === "constant" && typeof operand.value === "number" && /[-+]/.test(operator.text))
      return { ...operand, value: operator.text === "-" ? -operand.value : operand.value };
    const named = operator.text === "!" ? "not" : (operator.text as "-" | "+" | "not");
    return { kind: "unary", operator: named, operand, at: operator.at };
  }

  function postfix(): Expression {
    let value = atom();
    for (;;) {
      if (is("[")) value = index(value, enter());
      else if (is(".")) {
        advance();
        if (token.kind !== "word") stop("a '.' is followed by no function", "write list.len()");
        const name = advance();
        if (!is("("))
          stop(`'.${name.text}' is no call`, `write .${name.text}(), or ["${name.text}"]`);
        value = { kind: "call", name: name.text, args: [value, ...args()], at: name.at };
      } else if (is("(")) {
        if (value.kind !== "symbol") return stop("what is called is no function", "write NAME(…)");
        value = { kind: "call", name: value.name, args: args(), at: value.at };
      } else return value;
    }
  }

  function index(of: Expression, opened: Token): Expression {
    const from = is(":") ? null : expression();
    if (is(":")) {
      advance();
      const to = is("]") ? null : expression();
      close("]", opened);
      return { kind: "slice", of, from, to, at: opened.at };
    }
    close("]", opened);
    return { kind: "index", of, index: from!, at: opened.at };
  }

  function args(): Expression[] {
    const opened = enter();
    const list: Expression[] = [];
    while (!is(")")) {
      list.push(expression());
      if (!is(",")) break;
      advance();
    }
    close(")", opened);
    return list;
  }

  function atom(): Expression {
    const start = token;
    const constant = (value: string | number | boolean | null, real = false): Expression => {
      advance();
      return { kind: "constant", value, real, at: start.at };
    };
    if (start.kind === "text") return constant(start.text);
    if (start.kind === "number") return constant(Number(start.text), start.real);
    if (is("true", "false")) return constant(start.text === "true");
    if (is("null")) return constant(null);
    if (start.kind === "word" && !KEYWORDS.has(start.text)) {
      advance();
      return { kind: "symbol", name: start.text, at: start.at };
    }
    if (is("(")) {
      enter();
      const inside = expression();
      close(")", start);
      return inside;
    }
    if (is("[")) return readList(enter());
    if (is("{")) return readObject(enter());
    const last = open.at(-1);
    if (start.kind === "end" && last) {
      const mark = { "[": "]", "{": "}", "(": ")" }[last.text]!;
      return stop(`'${last.text}' is opened and never closed`, `close it with ${mark}`, last.at);
    }
    if (start.kind === "end")
      return stop("the document ends where a value should stand", "write the value");
    return stop(`${found()} stands where a value should`, "give a value");
  }

  function readList(opened: Token): Expression {
    const items: Item[] = [];
    while (!is("]")) {
      items.push({ value: expression(), clauses: clauses() });
      if (!is(",")) break;
      advance();
    }
    close("]", opened);
    return { kind: "list", items, at: opened.at };
  }

  function readObject(opened: Token): Expression {
    const pairs: Pair[] = [];
    while (!is("}")) {
      const key = expression();
      if (!is(":")) stop(`${found()} stands where a colon should`, 'write "key": value');
      advance();
      pairs.push({ key, value: expression(), clauses: clauses() });
      if (!is(",")) break;
      advance();
    }
    close("}", opened);
    return { kind: "object", pairs, at: opened.at };
  }

  function clauses(): Clause[] {
    const all: Clause[] = [];
    while (is("for")) {
      advance();
      if (token.kind !== "word" || KEYWORDS.has(token.text))
        stop(`${found()} is no name of a variable`, "write for NAME in LIST");
      const variable = advance().text;
      if (!is("in")) stop(`${found()} stands where 'in' should`, `write for ${variable} in LIST`);
      advance();
      const list = expression();
      let condition: Expression | null = null;
      if (is("if")) {
        advance();
        condition = expression();
      }
      all.push({ variable, list, condition });
      if (all.length > 20) stop("a list has too many 'for'", "20 at most");
    }
    return all;
  }

  const whole = expression();
  if (token.kind !== "end") stop("something follows the end of the document", "remove it");
  return whole;
}

const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

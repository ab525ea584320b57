/** The functions of JX. */
import { readdirSync } from "node:fs";
import path from "node:path";
import { compilePattern } from "../regexes.ts";
import { bind, type Evaluator, type Scope } from "./jx-eval.ts";
import type { Expression } from "./jx-parse.ts";
import {
  Dict,
  general,
  kindOf,
  List,
  numberOf,
  Real,
  textOf,
  typeName,
  type Value,
} from "./jx-values.ts";

interface Call {
  readonly evaluator: Evaluator;
  readonly name: string;
  readonly args: readonly Value[];
  readonly scope: Scope | null;
  readonly at: number;
}

type Plain = (call: Call) => Value;

const PLAIN: Readonly<Record<string, { least: number; most: number; usage: string; run: Plain }>> =
  {
    range: { least: 1, most: 3, usage: "range(STOP), range(START, STOP, STEP)", run: range },
    format: { least: 1, most: 1000, usage: 'format("out.%d.txt", 1)', run: format },
    join: { least: 1, most: 2, usage: 'join(LIST, " ")', run: join },
    ceil: { least: 1, most: 1, usage: "ceil(NUMBER)", run: (call) => rounded(call, Math.ceil) },
    floor: { least: 1, most: 1, usage: "floor(NUMBER)", run: (call) => rounded(call, Math.floor) },
    basename: { least: 1, most: 2, usage: 'basename(PATH, ".txt")', run: basename },
    dirname: {
      least: 1,
      most: 1,
      usage: "dirname(PATH)",
      run: (call) => path.posix.dirname(text(call, 0)),
    },
    listdir: { least: 1, most: 1, usage: "listdir(FOLDER)", run: listdir },
    escape: {
      least: 1,
      most: 1,
      usage: "escape(TEXT)",
      run: (call) => `"${text(call, 0).replaceAll(/["$`\\]/g, String.raw`\$&`)}"`,
    },
    len: { least: 1, most: 1, usage: "len(LIST)", run: (call) => list(call, 0).items.length },
    keys: {
      least: 1,
      most: 1,
      usage: "keys(OBJECT)",
      run: (call) => made(call, [...object(call, 0).entries.keys()]),
    },
    values: {
      least: 1,
      most: 1,
      usage: "values(OBJECT)",
      run: (call) => made(call, [...object(call, 0).entries.values()]),
    },
    items: {
      least: 1,
      most: 1,
      usage: "items(OBJECT)",
      run: (call) =>
        made(
          call,
          [...object(call, 0).entries].map((pair) => made(call, pair)),
        ),
    },
    template: { least: 1, most: 2, usage: 'template("out.{N}.txt")', run: template },
    like: { least: 2, most: 2, usage: 'like(TEXT, ".*txt")', run: like },
    schema: { least: 1, most: 1, usage: "schema(OBJECT)", run: schema },
  };

/** Their second argument is looked at once for each object of the first. */
const EACH = ["select", "where", "project"];

export const FUNCTION_NAMES: readonly string[] = [...Object.keys(PLAIN), ...EACH, "fetch"];

export function callFunction(
  evaluator: Evaluator,
  name: string,
  args: readonly Expression[],
  scope: Scope | null,
  at: number,
): Value {
  if (name === "fetch") {
    return evaluator.stop(
      "fetch() is not there: a workflow reads nothing from elsewhere while it is read",
      'copy the data into "define"',
      at,
    );
  }
  if (EACH.includes(name)) return eachObject(evaluator, name, args, scope, at);
  const { least, most, usage, run } = PLAIN[name]!;
  if (args.length < least || args.length > most) {
    const many = args.length === 1 ? "1 argument" : `${args.length} arguments`;
    evaluator.stop(`${name}() does not take ${many}`, `write ${usage}`, at);
  }
  const values = args.map((each) => evaluator.evaluate(each, scope));
  return run({ evaluator, name, args: values, scope, at });
}

function wrong(call: Call, i: number, wanted: string): never {
  const { evaluator, name, args, at } = call;
  const which = args.length > 1 ? `argument ${i + 1} of ${name}()` : `${name}()`;
  const verb = args.length > 1 ? "is" : "takes";
  const usage = PLAIN[name]!.usage;
  return evaluator.stop(
    `${which} ${verb} ${wanted}, not ${kindOf(args[i]!)}`,
    `write ${usage}`,
    at,
  );
}

function text(call: Call, i: number): string {
  const value = call.args[i]!;
  return typeof value === "string" ? value : wrong(call, i, "a text");
}

function list(call: Call, i: number): List {
  const value = call.args[i]!;
  return value instanceof List ? value : wrong(call, i, "a list");
}

function object(call: Call, i: number): Dict {
  const value = call.args[i]!;
  return value instanceof Dict ? value : wrong(call, i, "an object");
}

function made(call: Call, items: readonly Value[]): List {
  call.evaluator.spend(items.length, call.at);
  const offsets = items.map(() => call.at);
  return new List(items, call.at, offsets);
}

function range(call: Call): Value {
  const { args, evaluator, at } = call;
  const numbers = args.map((value, i) =>
    typeof value === "number" ? value : wrong(call, i, "a whole number"),
  );
  const [first = 0, second, step = 1] = numbers;
  if (step === 0) evaluator.stop("range() never ends with a step of 0", "give it another", at);
  const [from, to] = second === undefined ? [0, first] : [first, second];
  const count = Math.max(0, Math.ceil((to - from) / step));
  evaluator.checkLength(count, at);
  return made(
    call,
    Array.from({ length: count }, (_, i) => from + i * step),
  );
}

function format(call: Call): Value {
  const { evaluator, args, at } = call;
  let used = 0;
  const result = text(call, 0).replaceAll(
    /%([-0 +#]*)(\d*)(?:\.(\d+))?(.?)/gs,
    (whole, flags: string, width: string, precision: string | undefined, kind: string) => {
      if (kind === "%" && whole === "%%") return "%";
      used += 1;
      const value = args[used];
      if (value === undefined)
        return evaluator.stop(
          `'${whole}' of format() has no value`,
          "give it one more argument",
          at,
        );
      const printed = printOne(kind, value, precision === undefined ? null : Number(precision));
      if (printed === null) {
        return evaluator.stop(
          `'${whole}' of format() does not print ${kindOf(value)}`,
          "write %d for whole numbers, %f for numbers, %s for texts, %% for a %",
          at,
        );
      }
      const signed = flags.includes("+") && kind !== "s" && !printed.startsWith("-");
      return padded(
        signed ? `+${printed}` : printed,
        flags,
        Math.min(1000, Number(width || 0)),
        kind,
      );
    },
  );
  if (used < args.length - 1)
    evaluator.stop("format() has more values than places for them", "write one % for each", at);
  return result;
}

function printOne(kind: string, value: Value, precision: number | null): string | null {
  const digits = Math.min(100, precision ?? 6);
  if (kind === "s") return textOf(value);
  if (kind === "d" || kind === "i") return typeof value === "number" ? String(value) : null;
  const number = numberOf(value);
  if (number === null) return null;
  if (kind === "f" || kind === "F") return number.toFixed(digits);
  if (kind === "e" || kind === "E") {
    const printed = number.toExponential(digits).replace(/e([-+])(\d)$/, "e$10$2");
    return kind === "E" ? printed.toUpperCase() : printed;
  }
  if (kind !== "g" && kind !== "G") return null;
  const printed = general(number, Math.max(1, digits));
  return kind === "G" ? printed.toUpperCase() : printed;
}

function padded(printed: string, flags: string, width: number, kind: string): string {
  if (flags.includes("-")) return printed.padEnd(width);
  if (!flags.includes("0") || kind === "s") return printed.padStart(width);
  const sign = /^[-+]/.exec(printed)?.[0] ?? "";
  return sign + printed.slice(sign.length).padStart(width - sign.length, "0");
}

function join(call: Call): Value {
  const { items } = list(call, 0);
  const between = call.args.length > 1 ? text(call, 1) : " ";
  const { evaluator, at } = call;
  const texts = items.map((item, i) => {
    if (typeof item === "string") return item;
    const message = `join() takes a list of texts, and item ${i} is ${kindOf(item)}`;
    return evaluator.stop(message, 'make it a text: "" + N', at);
  });
  const size = texts.reduce((sum, each) => sum + each.length + between.length, 0);
  if (size > 10_000_000) evaluator.stop("a text becomes too long", "join fewer", at);
  evaluator.spend(size >> 6, at);
  return texts.join(between);
}

function rounded(call: Call, round: (value: number) => number): Value {
  const value = call.args[0]!;
  if (value instanceof Real) return new Real(round(value.value));
  return typeof value === "number" ? value : wrong(call, 0, "a number");
}

function basename(call: Call): Value {
  const name = path.posix.basename(text(call, 0)) || "/";
  if (call.args.length < 2) return name;
  const suffix = text(call, 1);
  return suffix !== "" && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

/** Sorted, so that the same folder makes the same workflow. */
function listdir(call: Call): Value {
  const folder = text(call, 0);
  const { evaluator, at } = call;
  try {
    return made(call, readdirSync(path.resolve(evaluator.folder, folder)).toSorted());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such folder" : (code ?? String(error));
    return evaluator.stop(
      `listdir("${folder}"): ${why}`,
      `name a folder; relative paths start at ${evaluator.folder}`,
      at,
    );
  }
}

function template(call: Call): Value {
  const { evaluator, scope, at } = call;
  const more = call.args.length > 1 ? object(call, 1) : null;
  const shape = /\{\{|\}\}|\{\s*([A-Za-z_]\w*)\s*\}|[{}]/g;
  return text(call, 0).replaceAll(shape, (whole, name: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole[0]!;
    if (name === undefined)
      return evaluator.stop(
        `'${whole}' of template() names no variable`,
        "write {NAME}, or {{ and }}",
        at,
      );
    const value = more?.entries.get(name) ?? evaluator.lookup(name, scope, at);
    const printed = value === undefined ? null : textOf(value);
    if (printed !== null) return printed;
    const message =
      value === undefined ? "is not defined" : `is ${kindOf(value)}, which is no text`;
    return evaluator.stop(
      `'${name}' of template() ${message}`,
      `give it: template(…, {"${name}": …})`,
      at,
    );
  });
}

function like(call: Call): Value {
  const [value, source] = [text(call, 0), text(call, 1)];
  const pattern = compilePattern(source);
  if ("error" in pattern) return call.evaluator.stop(pattern.error, pattern.fix, call.at);
  call.evaluator.spend(value.length >> 4, call.at);
  return pattern.regex.test(value);
}

function schema(call: Call): Value {
  const entries = new Map<string, Value>();
  const offsets = new Map<string, number>();
  for (const [key, value] of object(call, 0).entries) {
    entries.set(key, typeName(value));
    offsets.set(key, call.at);
  }
  return new Dict(entries, call.at, offsets);
}

function eachObject(
  evaluator: Evaluator,
  name: string,
  args: readonly Expression[],
  scope: Scope | null,
  at: number,
): Value {
  const [from, what] = args;
  if (args.length !== 2 || !from || !what)
    return evaluator.stop(
      `${name}() takes a list and an expression`,
      `write ${name}(LIST, x > 1)`,
      at,
    );
  const objects = evaluator.evaluate(from, scope);
  if (!(objects instanceof List))
    return evaluator.stop(
      `${name}() takes a list of objects, not ${kindOf(objects)}`,
      `write ${name}(LIST, x > 1)`,
      at,
    );
  const items: Value[] = [];
  for (const each of objects.items) {
    if (!(each instanceof Dict))
      return evaluator.stop(
        `${name}() takes a list of objects, and it has ${kindOf(each)}`,
        "write [{…}, {…}]",
        at,
      );
    let inner = scope;
    for (const [key, value] of each.entries) inner = bind(inner, key, value);
    const found = evaluator.evaluate(what, inner);
    if (name === "project") items.push(found);
    else if (typeof found !== "boolean")
      return evaluator.stop(
        `${name}() asks for true or false, not ${kindOf(found)}`,
        "compare it with something",
        at,
      );
    else if (found) items.push(each);
  }
  return new List(
    items,
    at,
    items.map(() => at),
  );
}

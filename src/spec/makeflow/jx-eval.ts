/** Evaluates JX within limits of steps, sizes and time. */
import { nearest } from "../nearest.ts";
import { callFunction, FUNCTION_NAMES } from "./jx-functions.ts";
import type { BinaryOperator, Clause, Expression, Item } from "./jx-parse.ts";
import { Dict, equal, kindOf, List, numberOf, Real, textOf, type Value } from "./jx-values.ts";
import { stopAt } from "./words.ts";

/** What a name stands for; inner ones come before outer ones. */
export interface Scope {
  readonly name: string;
  readonly value: Value;
  readonly outer: Scope | null;
  readonly depth: number;
}

export interface Evaluator {
  evaluate(expression: Expression, scope: Scope | null): Value;
  /** the value of a name, or undefined when it has none */
  lookup(name: string, scope: Scope | null, at: number): Value | undefined;
  /** throws when a list of so many items is too long */
  checkLength(items: number, at: number): void;
  /** counts work; throws when it is too much */
  spend(steps: number, at: number): void;
  stop(message: string, fix: string, at: number): never;
  /** folder that `listdir` starts from */
  readonly folder: string;
}

const MAX_STEPS = 20_000_000;
const MAX_ITEMS = 1_000_000;
const MAX_TEXT = 10_000_000;
const MAX_MS = 15_000;
const MAX_DEPTH = 500;

export function bind(outer: Scope | null, name: string, value: Value): Scope {
  return { name, value, outer, depth: (outer?.depth ?? 0) + 1 };
}

/** `defined`: what names of the document stand for, given values before those of `define`. */
export function makeEvaluator(
  defined: ReadonlyMap<string, Expression>,
  given: ReadonlyMap<string, Value>,
  folder: string,
): Evaluator {
  let steps = 0;
  let depth = 0;
  const started = performance.now();
  const known = new Map<string, Value>();
  const open = new Set<string>();
  /** of definitions that are being evaluated: whether a name of the place they are used at was asked for */
  const watched: { depth: number; hit: boolean }[] = [];

  function stop(message: string, fix: string, at: number): never {
    return stopAt(message, fix, at);
  }

  function spend(more: number, at: number): void {
    const before = steps;
    steps += more;
    if (steps > MAX_STEPS)
      stop("this expands to too much", "make ranges and lists smaller, or several workflows", at);
    if (steps >> 14 !== before >> 14 && performance.now() - started > MAX_MS)
      stop("this takes too long to expand", "make ranges and lists smaller", at);
  }

  function checkLength(items: number, at: number): void {
    if (items > MAX_ITEMS)
      stop(`a list has more than ${MAX_ITEMS} items`, "make several workflows", at);
  }

  function lookup(name: string, scope: Scope | null, at: number): Value | undefined {
    for (let each = scope; each; each = each.outer) {
      if (each.name !== name) continue;
      for (const watch of watched) if (each.depth <= watch.depth) watch.hit = true;
      return each.value;
    }
    if (given.has(name)) return given.get(name);
    if (known.has(name)) return known.get(name);
    const expression = defined.get(name);
    if (!expression) return undefined;
    if (open.has(name)) stop(`'${name}' is defined by itself`, "take it out of its definition", at);
    open.add(name);
    const watch = { depth: scope?.depth ?? 0, hit: false };
    watched.push(watch);
    // names of the place it is used at are seen by a definition
    const made = evaluate(expression, scope);
    watched.pop();
    open.delete(name);
    if (!watch.hit) known.set(name, made);
    return made;
  }

  function evaluate(expression: Expression, scope: Scope | null): Value {
    spend(1, expression.at);
    if ((depth += 1) > MAX_DEPTH * 4)
      stop("definitions and brackets are nested too deeply", "make it flatter", expression.at);
    const value = evaluated(expression, scope);
    depth -= 1;
    return value;
  }

  function evaluated(expression: Expression, scope: Scope | null): Value {
    const { at } = expression;
    switch (expression.kind) {
      case "constant":
        return expression.real ? new Real(expression.value as number) : expression.value;
      case "symbol": {
        const value = lookup(expression.name, scope, at);
        if (value !== undefined) return value;
        const names = [...namesOf(scope), ...given.keys(), ...defined.keys()];
        const near = nearest(expression.name, names);
        const fix =
          near === null
            ? `put "${expression.name}": … into "define", or quote it as a text`
            : `did you mean ${near}?`;
        return stop(`'${expression.name}' is not defined`, fix, at);
      }
      case "list": {
        const items: Value[] = [];
        const offsets: number[] = [];
        for (const item of expression.items) {
          expand(item, scope, (inner) => {
            checkLength(items.length + 1, item.value.at);
            items.push(evaluate(item.value, inner));
            offsets.push(item.value.at);
          });
        }
        return new List(items, at, offsets);
      }
      case "object": {
        const entries = new Map<string, Value>();
        const offsets = new Map<string, number>();
        for (const pair of expression.pairs) {
          expand(pair, scope, (inner) => {
            const key = evaluate(pair.key, inner);
            if (typeof key !== "string")
              return stop(`a key is a text, not ${kindOf(key)}`, 'write "key": value', pair.key.at);
            if (entries.has(key))
              stop(`the key '${key}' is there twice`, "keep one of them", pair.key.at);
            entries.set(key, evaluate(pair.value, inner));
            return offsets.set(key, pair.value.at);
          });
        }
        return new Dict(entries, at, offsets);
      }
      case "unary": {
        const operand = evaluate(expression.operand, scope);
        if (expression.operator === "not") {
          if (typeof operand === "boolean") return !operand;
          return stop(`'not' takes true or false, not ${kindOf(operand)}`, "compare it first", at);
        }
        if (expression.operator === "+" && typeof operand === "string") return operand;
        const number = numberOf(operand);
        if (number === null)
          return stop(
            `'${expression.operator}' takes a number, not ${kindOf(operand)}`,
            "remove it",
            at,
          );
        const signed = expression.operator === "-" ? -number : number;
        return operand instanceof Real ? new Real(signed) : signed;
      }
      case "binary": {
        const left = evaluate(expression.left, scope);
        if (expression.operator === "and" || expression.operator === "or") {
          if (left === (expression.operator === "or")) return left;
          const right = evaluate(expression.right, scope);
          if (typeof left === "boolean" && typeof right === "boolean") return right;
          const wrong = typeof left === "boolean" ? right : left;
          const message = `'${expression.operator}' takes true or false, not ${kindOf(wrong)}`;
          return stop(message, "compare it first", at);
        }
        return operate(expression.operator, left, evaluate(expression.right, scope), at);
      }
      case "index":
        return itemOf(evaluate(expression.of, scope), evaluate(expression.index, scope), at);
      case "slice":
        return slice(expression, scope);
      case "call":
        if (!FUNCTION_NAMES.includes(expression.name)) {
          const near = nearest(expression.name, FUNCTION_NAMES);
          const fix =
            near === null ? `there is ${FUNCTION_NAMES.join(", ")}` : `did you mean ${near}?`;
          stop(`there is no function '${expression.name}'`, fix, at);
        }
        return callFunction(evaluator, expression.name, expression.args, scope, at);
    }
  }

  function operate(operator: BinaryOperator, a: Value, b: Value, at: number): Value {
    if (operator === "==") return equal(a, b);
    if (operator === "!=") return !equal(a, b);
    const [x, y] = [numberOf(a), numberOf(b)];
    if (x !== null && y !== null) {
      if (operator === "<") return x < y;
      if (operator === "<=") return x <= y;
      if (operator === ">") return x > y;
      if (operator === ">=") return x >= y;
      if ((operator === "/" || operator === "%") && y === 0)
        return stop("a division by zero", "divide by something else", at);
      const real = a instanceof Real || b instanceof Real;
      const result =
        operator === "+"
          ? x + y
          : operator === "-"
            ? x - y
            : operator === "*"
              ? x * y
              : operator === "/"
                ? x / y
                : x % y;
      if (real) return new Real(result);
      if (!Number.isSafeInteger(Math.trunc(result)))
        return stop("a number becomes too large", "stay below 2^53", at);
      return Math.trunc(result);
    }
    if (typeof a === "string" && typeof b === "string") {
      if (operator === "<") return a < b;
      if (operator === "<=") return a <= b;
      if (operator === ">") return a > b;
      if (operator === ">=") return a >= b;
    }
    if (operator === "+" && (typeof a === "string" || typeof b === "string")) {
      const [left, right] = [textOf(a), textOf(b)];
      if (left !== null && right !== null) {
        if (left.length + right.length > MAX_TEXT)
          stop("a text becomes too long", `${MAX_TEXT} characters at most`, at);
        spend((left.length + right.length) >> 6, at);
        return left + right;
      }
    }
    if (operator === "+" && a instanceof List && b instanceof List) {
      checkLength(a.items.length + b.items.length, at);
      spend(a.items.length + b.items.length, at);
      return new List([...a.items, ...b.items], at, [...a.offsets, ...b.offsets]);
    }
    const fix =
      operator === "+" ? "join lists with join(), add lists to lists" : "give it two numbers";
    return stop(`'${operator}' is not for ${kindOf(a)} and ${kindOf(b)}`, fix, at);
  }

  function itemOf(of: Value, index: Value, at: number): Value {
    if (of instanceof Dict && typeof index === "string") {
      const value = of.entries.get(index);
      if (value !== undefined) return value;
      const near = nearest(index, of.entries.keys());
      const fix = near === null ? "look at its keys()" : `did you mean "${near}"?`;
      return stop(`there is no key '${index}'`, fix, at);
    }
    if (of instanceof List && typeof index === "number") {
      const value = of.items.at(index);
      if (value !== undefined) return value;
      const many = `the list has ${of.items.length} items`;
      return stop(`there is no item ${index}: ${many}`, "count from 0", at);
    }
    return stop(
      `${kindOf(of)} has no item by ${kindOf(index)}`,
      "write list[NUMBER] or object[TEXT]",
      at,
    );
  }

  function slice(expression: Extract<Expression, { kind: "slice" }>, scope: Scope | null): Value {
    const { at } = expression;
    const of = evaluate(expression.of, scope);
    if (!(of instanceof List)) return stop(`${kindOf(of)} has no parts`, "take them of a list", at);
    const bound = (written: Expression | null, otherwise: number): number => {
      if (!written) return otherwise;
      const value = evaluate(written, scope);
      if (typeof value === "number") return value;
      return stop(`a part begins at a whole number, not ${kindOf(value)}`, "write list[1:3]", at);
    };
    const from = bound(expression.from, 0);
    const to = bound(expression.to, of.items.length);
    const items = of.items.slice(from, to);
    spend(items.length, at);
    return new List(items, at, of.offsets.slice(from, to));
  }

  /** Calls `make` once, or for every combination of the clauses. */
  function expand(entry: Item, scope: Scope | null, make: (scope: Scope | null) => unknown): void {
    const each = (clauses: readonly Clause[], inner: Scope | null): void => {
      const [clause, ...rest] = clauses;
      if (!clause) {
        make(inner);
        return;
      }
      const list = evaluate(clause.list, inner);
      if (!(list instanceof List)) {
        const message = `'for' goes through a list, not ${kindOf(list)}`;
        return stop(message, "write for NAME in range(10)", clause.list.at);
      }
      for (const value of list.items) {
        const bound = bind(inner, clause.variable, value);
        if (clause.condition) {
          const holds = evaluate(clause.condition, bound);
          if (typeof holds !== "boolean") {
            const message = `'if' takes true or false, not ${kindOf(holds)}`;
            return stop(message, "compare it with something", clause.condition.at);
          }
          if (!holds) continue;
        }
        each(rest, bound);
      }
    };
    each(entry.clauses, scope);
  }

  const evaluator: Evaluator = { evaluate, lookup, checkLength, spend, stop, folder };
  return evaluator;
}

function namesOf(scope: Scope | null): string[] {
  const names: string[] = [];
  for (let each = scope; each; each = each.outer) names.push(each.name);
  return names;
}

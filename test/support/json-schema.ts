// A validator for the part of JSON Schema that schema/holdall.schema.json uses. A keyword it does not know is an
// error, so that nothing is passed over.

type Schema = Readonly<Record<string, unknown>>;

/** What is wrong with `value`, as "/tasks/0/name: …". Empty: nothing. */
export function schemaMistakes(root: Schema, value: unknown, schema: Schema = root): string[] {
  return check(root, schema, value, "");
}

const typeOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value;

function check(root: Schema, schema: Schema, value: unknown, at: string): string[] {
  return Object.entries(schema).flatMap(([keyword, rule]) => {
    const rules = KEYWORDS[keyword];
    if (!rules) throw new Error(`the validator does not know '${keyword}'`);
    return rules({ root, schema, value, at }, rule as never);
  });
}

interface Visit {
  root: Schema;
  schema: Schema;
  value: unknown;
  at: string;
}

const no = (): string[] => [];
const unless = (fine: boolean, { at }: Visit, text: string): string[] =>
  fine ? [] : [`${at}: ${text}`];
const entriesOf = (value: unknown): [string, unknown][] =>
  typeOf(value) === "object" ? Object.entries(value as object) : [];
const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === "number" ? value : otherwise;

const KEYWORDS: Readonly<Record<string, (visit: Visit, rule: never) => string[]>> = {
  $schema: no,
  $defs: no,
  title: no,
  description: no,
  $ref: ({ root, value, at }, rule: string) => {
    const name = rule.replace("#/$defs/", "");
    const target = (root["$defs"] as Record<string, Schema>)[name];
    if (!target) throw new Error(`no definition ${rule}`);
    return check(root, target, value, at);
  },
  type: (visit, rule: string | string[]) => {
    const actual = typeOf(visit.value);
    const whole = Number.isInteger(visit.value);
    const fits = [rule].flat().some((type) => type === actual || (type === "integer" && whole));
    return unless(fits, visit, `${actual}, not ${[rule].flat().join(" or ")}`);
  },
  const: (visit, rule) => unless(visit.value === rule, visit, `not ${String(rule)}`),
  enum: (visit, rule: unknown[]) => unless(rule.includes(visit.value), visit, "none of the values"),
  pattern: (visit, rule: string) =>
    unless(
      typeof visit.value !== "string" || new RegExp(rule, "u").test(visit.value),
      visit,
      `does not match ${rule}`,
    ),
  minLength: (visit, rule: number) =>
    unless(typeof visit.value !== "string" || visit.value.length >= rule, visit, "too short"),
  minimum: (visit, rule: number) =>
    unless(numberOr(visit.value, rule) >= rule, visit, `below ${rule}`),
  maximum: (visit, rule: number) =>
    unless(numberOr(visit.value, rule) <= rule, visit, `above ${rule}`),
  exclusiveMinimum: (visit, rule: number) =>
    unless(numberOr(visit.value, rule + 1) > rule, visit, `not above ${rule}`),
  minItems: (visit, rule: number) =>
    unless(!Array.isArray(visit.value) || visit.value.length >= rule, visit, "too few items"),
  items: ({ root, value, at }, rule: Schema) =>
    Array.isArray(value) ? value.flatMap((item, i) => check(root, rule, item, `${at}/${i}`)) : [],
  required: (visit, rule: string[]) =>
    typeOf(visit.value) === "object"
      ? rule.flatMap((key) => unless(Object.hasOwn(visit.value as object, key), visit, `no ${key}`))
      : [],
  properties: ({ root, value, at }, rule: Record<string, Schema>) =>
    entriesOf(value).flatMap(([key, item]) =>
      Object.hasOwn(rule, key) ? check(root, rule[key]!, item, `${at}/${key}`) : [],
    ),
  additionalProperties: ({ root, schema, value, at }, rule: false | Schema) => {
    const known = schema["properties"] ?? {};
    return entriesOf(value)
      .filter(([key]) => !Object.hasOwn(known, key))
      .flatMap(([key, item]) =>
        rule === false ? [`${at}/${key}: unknown`] : check(root, rule, item, `${at}/${key}`),
      );
  },
  allOf: ({ root, value, at }, rule: Schema[]) =>
    rule.flatMap((each) => check(root, each, value, at)),
  anyOf: (visit, rule: Schema[]) => {
    const found = rule.map((each) => check(visit.root, each, visit.value, visit.at));
    return found.some((mistakes) => mistakes.length === 0) ? [] : found.flat();
  },
  not: (visit, rule: Schema) =>
    unless(check(visit.root, rule, visit.value, visit.at).length > 0, visit, "what must not be"),
};

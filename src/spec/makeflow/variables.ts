/**
 * Variables of a Makeflow file. Each category has its own, those of no category are for all; a rule sees what was
 * said before it, and its own first. What nobody sets is looked for in the environment.
 */
interface Version {
  /** number of the first rule that sees it */
  rule: number;
  value: string;
}

export interface Variables {
  /** `own`: variables of the rule itself */
  lookup(
    name: string,
    rule: number,
    category: string,
    own?: ReadonlyMap<string, string>,
  ): string | undefined;
  set(name: string, value: string, rule: number, category: string): void;
  append(name: string, value: string, rule: number, category: string): void;
  names(): Iterable<string>;
}

/** Stands for "no category". */
export const DEFAULT = "default";

export function makeVariables(
  environment: Readonly<Record<string, string | undefined>>,
): Variables {
  const tables = new Map<string, Map<string, Version[]>>([[DEFAULT, new Map()]]);

  const latest = (category: string, name: string, rule: number): string | undefined =>
    tables
      .get(category)
      ?.get(name)
      ?.findLast((version) => version.rule <= rule)?.value;

  const variables: Variables = {
    lookup(name, rule, category, own) {
      return (
        own?.get(name) ??
        latest(category, name, rule) ??
        latest(DEFAULT, name, rule) ??
        (Object.hasOwn(environment, name) ? environment[name] : undefined)
      );
    },
    set(name, value, rule, category) {
      let table = tables.get(category);
      if (!table) tables.set(category, (table = new Map()));
      const versions = table.get(name);
      if (!versions) table.set(name, [{ rule, value }]);
      else if (versions.at(-1)!.rule === rule) versions.at(-1)!.value = value;
      else versions.push({ rule, value });
    },
    append(name, value, rule, category) {
      const own = latest(category, name, rule);
      const before = own ?? variables.lookup(name, rule, DEFAULT);
      // without an own one, it is the one of all categories that grows
      const where = own === undefined ? DEFAULT : category;
      variables.set(name, before === undefined ? value : `${before} ${value}`, rule, where);
    },
    *names() {
      for (const table of tables.values()) yield* table.keys();
    },
  };
  return variables;
}

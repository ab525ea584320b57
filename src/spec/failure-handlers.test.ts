import { describe, expect, test } from "bun:test";
import { blockOf, load, mistakesOf, oneTask } from "./testing.ts";

/** The handlers stand on line 1. */
const handlers = (list: string, ...lines: readonly string[]): string =>
  `failure_handlers: ${list}\n${oneTask(...lines)}`;
const rules = (text: string): string => handlers(`[{name: h, rules: [${text}]}]`);

describe("failure_handlers", () => {
  test("Torc's rules, whose max_retries counts attempts", () => {
    const text = handlers(
      "[{name: h, rules: [{exit_codes: [11, 10], recovery_script: ./fix, max_retries: 5}," +
        " {exit_codes: [12], max_retries: 1}, {exit_codes: [1], max_retries: 0}, {match_all_exit_codes: true}]}]",
      "failure_handler: h",
      "crash_limit: 3",
    );
    expect(blockOf(text).faults).toEqual({
      exitRules: [
        { exitCodes: [10, 11], retries: 4, recovery: "./fix" },
        { exitCodes: [12], retries: 0, recovery: null },
        { exitCodes: [1], retries: 0, recovery: null },
        { exitCodes: null, retries: 2, recovery: null },
      ],
      crashLimit: 3,
    });
  });
  test.each(["[1]", "[]"])("a rule for all codes may list %s", (codes) => {
    const rule = `{exit_codes: ${codes}, match_all_exit_codes: true, max_retries: 2}`;
    const text = handlers(`[{name: h, rules: [${rule}]}]`, "failure_handler: h");
    expect(blockOf(text).faults?.exitRules).toEqual([
      { exitCodes: null, retries: 1, recovery: null },
    ]);
  });
  test("one that no task uses is fine", () => {
    expect(load(rules("{exit_codes: [1]}")).blocks[0]).not.toHaveProperty("faults");
  });
  test.each([
    ["h", "1:19 'failure_handlers' must be a list"],
    ["[h]", "1:20 item 1 of 'failure_handlers' must be a mapping"],
    ["[{rules: [{exit_codes: [1]}]}]", "1:20 a failure handler has no name"],
    ["[{name: h}]", "1:20 a failure handler has no rules"],
    ["[{name: h, rule: []}]", "1:30 a failure handler has no key 'rule' [did you mean 'rules'?]"],
    ["[{nam: h, rules: [{exit_codes: [1]}]}]", "1:21 a failure handler has no key 'nam'"],
    ["[{name: h, rules: []}]", "1:37 'rules' is an empty list"],
    ["[{name: h, rules: {exit_codes: [1]}}]", "1:37 'rules' must be a list"],
    [
      "[{name: h, rules: [{exit_codes: [1]}]}, {name: h, rules: [{exit_codes: [1]}]}]",
      "1:66 two failure handlers are called 'h'",
    ],
  ])("%s", (list, message) => {
    const found = mistakesOf(handlers(list));
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(message);
  });
  test.each([
    ["{exit_code: [1]}", "1:39 a rule of a failure handler has no key 'exit_code' [did you mean"],
    ["{max_retries: 2}", "1:38 this rule is for no exit code"],
    ["{match_all_exit_codes: false}", "1:38 this rule is for no exit code"],
    ["{match_all_exit_codes: 1}", "1:61 'match_all_exit_codes' must be true or false"],
    ["{exit_codes: 1}", "1:51 'exit_codes' must be a list"],
    ["{exit_codes: []}", "1:51 'exit_codes' is an empty list"],
    [
      "{exit_codes: [-1]}",
      "1:52 item 1 of 'exit_codes' must be a whole number of 1 or more, not -1",
    ],
    ["{exit_codes: [1], max_retries: x}", "1:69 'max_retries' must be a whole number"],
    ["{exit_codes: [1], recovery_script: [a]}", "1:73 YAML reads the unquoted […] as a list"],
  ])("%s", (text, message) => {
    expect(mistakesOf(rules(text))[0]).toStartWith(message);
  });
});

describe("failure_handler", () => {
  const named = "[{name: licence, rules: [{exit_codes: [1]}]}]";
  test("an unknown name names the nearest", () => {
    expect(mistakesOf(handlers(named, "failure_handler: license"))).toEqual([
      "6:22 no failure handler is called 'license' [did you mean 'licence'?]",
    ]);
    expect(mistakesOf(handlers(named, "failure_handler: zzz"))[0]).toEndWith("[there is licence]");
    expect(mistakesOf(oneTask("failure_handler: zzz"))[0]).toEndWith(
      "[add it to failure_handlers]",
    );
    expect(mistakesOf(handlers(named, "failure_handler: 7"))[0]).toStartWith(
      "6:22 'failure_handler' must be text",
    );
  });
  test("not beside exit_codes", () => {
    expect(
      mistakesOf(
        handlers(named, "exit_codes: [{codes: 1, retries: 1}]", "failure_handler: licence"),
      ),
    ).toEqual(["7:5 'failure_handler' and 'exit_codes' are both given [keep one of them]"]);
  });
});

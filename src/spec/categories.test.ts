import { describe, expect, test } from "bun:test";
import { ALLOCATIONS } from "../core/workflow.ts";
import { load, mistakesOf, oneTask, tasks } from "./testing.ts";

/** Settings of the category c on line 1; its task has it on line 6. */
const category = (settings: string): string =>
  `categories: {c: ${settings}}\n${oneTask("category: c")}`;

describe("categories", () => {
  test("all settings", () => {
    expect(
      load(
        category(
          "{allocation: min_waste, max_concurrent: 4, fast_abort: 3, speculate: 1.5, algorithm: time}",
        ),
      ).categories,
    ).toEqual({
      c: {
        allocation: "min_waste",
        maxConcurrent: 4,
        fastAbort: 3,
        speculate: 1.5,
        algorithm: "time",
      },
    });
    expect(load(category("{fast_abort: null, speculate: ~}")).categories).toEqual({
      c: { fastAbort: null, speculate: null },
    });
    expect(load(category("{}")).categories).toEqual({ c: {} });
    expect(load(oneTask())).not.toHaveProperty("categories");
  });
  test.each([...ALLOCATIONS])("allocation: %s", (allocation) => {
    expect(load(category(`{allocation: ${allocation}}`)).categories).toEqual({ c: { allocation } });
  });
  test("of arrays, by their template's name, and of the others", () => {
    const text = tasks(
      "  - {name: 'x_{i}', command: e, parameters: {i: '1:3'}}",
      "  - {name: y, command: e}",
    );
    expect(
      load(`categories: {"x_{i}": {max_concurrent: 1}, default: {speculate: 2}}\n${text}`)
        .categories,
    ).toEqual({ "x_{i}": { maxConcurrent: 1 }, default: { speculate: 2 } });
  });
  test.each([
    ["5", "1:17 'c' must be a mapping"],
    ["{alocation: max}", "1:18 a category has no key 'alocation' [did you mean 'allocation'?]"],
    [
      "{allocation: min_wast}",
      "1:30 'allocation' must be one of fixed, max, min_waste, max_throughput, not 'min_wast' [did you mean 'min_waste'?]",
    ],
    ["{max_concurrent: 0}", "1:34 'max_concurrent' must be a whole number of 1 or more, not 0"],
    ["{max_concurrent: 1.5}", "1:34 'max_concurrent' must be a whole number of 1 or more"],
    ["{max_concurrent: null}", "1:34 'max_concurrent' must be a whole number of 1 or more"],
    ["{fast_abort: 0.5}", "1:30 'fast_abort' must be a number of 1 or more, not 0.5"],
    ["{fast_abort: true}", "1:30 'fast_abort' must be a number of 1 or more, not 'true'"],
    ["{fast_abort: }", "1:18 'fast_abort' must be a number of 1 or more, not empty"],
    ["{speculate: twice}", "1:29 'speculate' must be a number of 1 or more, not 'twice'"],
    ["{speculate: 1000001}", "1:29 'speculate' must be a number of 1 or more, 1000000 at most"],
    ["{algorithm: tim}", "1:29 'algorithm' must be one of"],
  ])("c: %s", (settings, message) => {
    const found = mistakesOf(category(settings));
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(message);
  });
  test("not a mapping, or no name", () => {
    expect(mistakesOf(`categories: [c]\n${oneTask()}`)[0]).toStartWith(
      "1:13 'categories' must be a mapping",
    );
    expect(mistakesOf(`categories: {__proto__: {}, constructor: {}}\n${oneTask()}`)).toEqual([
      "1:14 '__proto__' cannot be the name of a category with settings [give the category another name]",
      "1:29 'constructor' cannot be the name of a category with settings [give the category another name]",
    ]);
  });
});

describe("a category that no task is in", () => {
  test("names the nearest", () => {
    const text = `categories: {compres: {}, c: {}}\n${oneTask("category: compress")}`;
    expect(mistakesOf(text)).toEqual([
      "1:14 no task is in the category 'compres' [did you mean 'compress'?]",
      "1:27 no task is in the category 'c' [there is compress]",
    ]);
  });
  test("is told beside other mistakes", () => {
    const text = `categories: {c: {}}\n${oneTask("retries: x")}`;
    expect(mistakesOf(text).map((each) => each.split(" [")[0])).toEqual([
      "1:14 no task is in the category 'c'",
      "6:14 'retries' must be a whole number of 0 or more, not 'x'",
    ]);
  });
  test.each(["category: 7", "catgory: c", "category:"])("is not told beside `%s`", (line) => {
    expect(mistakesOf(`categories: {c: {}}\n${oneTask(line)}`)).toHaveLength(1);
  });
  test("is not told when tasks cannot be read", () => {
    expect(mistakesOf("name: w\ncategories: {c: {}}\ntasks: [x]\n")).toHaveLength(1);
    expect(mistakesOf("name: w\ncategories: {c: {}}\ntasks: []\n")).toHaveLength(1);
    expect(mistakesOf("name: w\ncategories: {c: {}}\n")).toHaveLength(1);
  });
});

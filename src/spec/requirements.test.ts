import { describe, expect, test } from "bun:test";
import { DEFAULT_REQUIREMENT } from "../core/workflow.ts";
import { parseNeed } from "./requirements.ts";
import { blockOf, mistakesOf, oneTask } from "./testing.ts";

describe("requirements", () => {
  const wanted = { ...DEFAULT_REQUIREMENT, gpus: 0.5, custom: { licenses: 1, tokens: 2.5 } };
  test("custom resources and parts of a gpu: by name, inline, as shorthand", () => {
    const fields = "gpus: 0.5, custom: {tokens: 2.5, licenses: 1}";
    const named = `resource_requirements: [{name: r, ${fields}}]\n${oneTask("resource_requirements: r")}`;
    expect(blockOf(named).requirement).toEqual(wanted);
    expect(blockOf(oneTask(`resource_requirements: {${fields}}`)).requirement).toEqual(wanted);
    expect(blockOf(oneTask("gpus: 0.5", "custom: {licenses: 1, tokens: 2.5}")).requirement).toEqual(
      wanted,
    );
  });
  test("num_nodes and num_gpus", () => {
    const text = oneTask("resource_requirements: {num_nodes: 4, num_gpus: 1.5}");
    expect(blockOf(text).requirement).toEqual({ ...DEFAULT_REQUIREMENT, nodes: 4, gpus: 1.5 });
  });
  test.each([
    ["custom: 1", "5:13 'custom' must be a mapping"],
    [
      "custom: {licenses: 0}",
      "5:24 'licenses' must be a number above 0, not 0 [write a number above",
    ],
    ["custom: {licenses: -1}", "5:24 'licenses' must be a number above 0, not -1"],
    ["custom: {licenses: one}", "5:24 'licenses' must be a number above 0, not 'one'"],
    ["custom: {licenses: }", "5:14 'licenses' must be a number above 0, not empty"],
    ["custom: {2x: 1}", "5:14 '2x' cannot be the name of a resource"],
    ["custom: {constructor: 1}", "5:14 'constructor' cannot be the name of a resource"],
    ["custm: {a: 1}", "5:5 a task has no key 'custm' [did you mean 'custom'?]"],
    ["gpus: half", "5:11 'gpus' must be a number of 0 or more, not 'half'"],
    ["gpus: -0.5", "5:11 'gpus' must be a number of 0 or more, not -0.5"],
    ["resource_requirements: {num_nodes: 0}", "5:40 'num_nodes' must be a whole number of 1 or"],
    ["resource_requirements: {num_nodes: 1.5}", "5:40 'num_nodes' must be a whole number of 1 or"],
    ["resource_requirements: {cutsom: {a: 1}}", "5:29 a resource requirement has no key 'cutsom'"],
  ])("%s", (line, message) => {
    expect(mistakesOf(oneTask(line))[0]).toStartWith(message);
  });
  test("the shorthand not beside resource_requirements", () => {
    expect(
      mistakesOf(oneTask("resource_requirements: {cpus: 1}", "custom: {a: 1}"))[0],
    ).toStartWith("6:5 'custom' and 'resource_requirements' are both given");
  });
});

describe("--need", () => {
  test("custom resources and parts of a gpu", () => {
    expect(parseNeed("gpus=0.5,custom.licenses=1, custom.a.b-c = 2.5")).toEqual({
      ...DEFAULT_REQUIREMENT,
      gpus: 0.5,
      custom: { licenses: 1, "a.b-c": 2.5 },
    });
    expect(parseNeed("nodes=2").nodes).toBe(2);
  });
  test.each([
    ["custom.licenses=0", "'0' is not an amount above 0 of licenses"],
    ["custom.licenses=x", "'x' is not an amount above 0 of licenses"],
    ["custom.licenses=-1", "'-1' is not an amount above 0 of licenses"],
    ["custom.=1", "'' cannot be the name of a resource"],
    ["custom.__proto__=1", "'__proto__' cannot be the name of a resource"],
    ["custom=1", "there is no resource 'custom'"],
    ["gpus=half", "'half' is not a number of gpus"],
    ["gpus=-1", "'-1' is not a number of gpus"],
    ["nodes=1.5", "'1.5' is not a number of nodes"],
  ])("%s", (text, message) => {
    expect(() => parseNeed(text)).toThrow(message);
  });
  test("an unknown resource: the nearest, or how to name one's own", () => {
    const fixOf = (text: string): unknown => {
      try {
        parseNeed(text);
      } catch (error) {
        return (error as { fix?: unknown }).fix;
      }
      throw new Error("accepted");
    };
    expect(fixOf("gpu=1")).toBe("did you mean 'gpus'?");
    expect(fixOf("licenses=2")).toBe("for a resource of your own, write custom.licenses=2");
    expect(fixOf("custom=1")).toContain("custom.NAME=1");
    expect(fixOf("custm=1")).toContain("custom");
  });
});

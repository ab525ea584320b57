import { describe, expect, test } from "bun:test";
import { specWarnings } from "./index.ts";
import { load, mistakesOf, oneTask } from "./testing.ts";

const workflow = (...lines: readonly string[]): string => `${lines.join("\n")}\n${oneTask()}`;

describe("settings of a workflow", () => {
  test("all of them", () => {
    expect(
      load(
        workflow(
          "algorithm: random",
          "max_failures: 10",
          "on_failure: stop",
          "age: 90s",
          "priority: -5",
          "job_sort_method: gpus_memory_runtime",
        ),
      ),
    ).toMatchObject({
      algorithm: "random",
      maxFailures: 10,
      onFailure: "stop",
      ageSeconds: 90,
      priority: -5,
      sortMethod: "gpus_memory_runtime",
    });
    expect(load(workflow("on_failure: continue")).onFailure).toBe("continue");
  });
  test("a directory to reuse is found from where tasks run, and told to whom it does not help", () => {
    const w = load(workflow("cwd: /data", "reuse: ../last/.holdall"));
    expect(w.reuse).toBe("/last/.holdall");
    expect(specWarnings(w).map(({ of, place }) => [of, place?.line])).toEqual([["server", 2]]);
    expect(load(workflow("reuse: ${spec_dir}/state")).reuse).toBe(`${w.specDir}/state`);
    expect(load(oneTask())).not.toHaveProperty("reuse");
  });
  test("none of them", () => {
    const w = load(oneTask());
    expect(w).toMatchObject({ priority: 0, sortMethod: "auto" });
    for (const key of ["algorithm", "maxFailures", "onFailure", "ageSeconds"])
      expect(w).not.toHaveProperty(key);
  });
  test.each([
    [
      "algorithm: wrst",
      "1:12 'algorithm' must be one of fcfs, files, time, random, worst, not 'wrst' [did you mean 'worst'?]",
    ],
    ["max_failures: 0", "1:15 'max_failures' must be a whole number of 1 or more, not 0"],
    ["max_failures: few", "1:15 'max_failures' must be a whole number of 1 or more, not 'few'"],
    ["max_failure: 1", "1:1 a workflow has no key 'max_failure' [did you mean 'max_failures'?]"],
    ["on_failure: halt", "1:13 'on_failure' must be one of continue, stop, not 'halt'"],
    ["on_failure: true", "1:13 'on_failure' must be one of continue, stop, not 'true'"],
    ["age: old", "1:6 'age': 'old' is not a duration"],
    ["age: 0", "1:6 with an age of 0"],
    ["age: [1]", "1:6 'age' must be an amount"],
    ["priority: high", "1:11 'priority' must be a whole number, not 'high'"],
    ["job_sort_method: gpus", "1:18 'job_sort_method' must be one of auto, gpus_runtime_memory"],
  ])("%s", (line, message) => {
    const found = mistakesOf(workflow(line));
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(message);
  });
  test("all mistakes at once", () => {
    const found = mistakesOf(workflow("age: x", "on_failure: x", "max_failures: x"));
    expect(found.map((each) => each.split(" ")[0])).toEqual(["1:6", "2:13", "3:15"]);
  });
});

describe("slurm_schedulers", () => {
  const schedulers = (list: string, ...lines: readonly string[]): string =>
    `slurm_schedulers: ${list}\n${oneTask(...lines)}`;
  test.each(["scheduler", "slurm_scheduler"])("%s binds a task", (key) => {
    const w = load(schedulers("[{name: cpu}, {name: gpu, account: a, nodes: 2}]", `${key}: gpu`));
    expect(w.blocks[0]?.scheduler).toBe("gpu");
    expect(w.schedulers).toEqual([
      { name: "cpu", fields: {} },
      { name: "gpu", fields: { account: "a", nodes: 2 } },
    ]);
  });
  test("an unknown name names the nearest", () => {
    const list = "[{name: short}, {name: gpu-long}]";
    expect(mistakesOf(schedulers(list, "scheduler: gpu_long"))).toEqual([
      "6:16 no scheduler is called 'gpu_long' [did you mean 'gpu-long'?]",
    ]);
    expect(mistakesOf(schedulers(list, "slurm_scheduler: zz"))[0]).toEndWith(
      "no scheduler is called 'zz' [there is short, gpu-long]",
    );
    expect(mistakesOf(oneTask("scheduler: zz"))[0]).toEndWith("[add it to slurm_schedulers]");
    expect(mistakesOf(schedulers(list, "scheduler: 3"))[0]).toStartWith(
      "6:16 'scheduler' must be text",
    );
    expect(mistakesOf(schedulers(list, "scheduler: short", "slurm_scheduler: short"))[0]).toBe(
      "7:5 'slurm_scheduler' and 'scheduler' say the same thing [keep one of them]",
    );
  });
  test.each([
    ["[{account: a}]", "1:20 a Slurm scheduler has no name"],
    ["[{nme: a}]", "1:21 a Slurm scheduler has no key 'nme' [did you mean 'name'?]"],
    ["[{name: a, nodes: 0}]", "1:37 'nodes' must be a whole number of 1 or more, not 0"],
    ["[{name: a}, {name: a}]", "1:38 two Slurm schedulers are called 'a'"],
    ["{name: a}", "1:19 'slurm_schedulers' must be a list"],
  ])("%s", (list, message) => {
    const found = mistakesOf(schedulers(list));
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(message);
  });
});

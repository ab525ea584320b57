import { describe, expect, test } from "bun:test";
import { ALGORITHMS } from "../core/workflow.ts";
import { blockOf, load, mistakesOf, oneTask, tasks } from "./testing.ts";

describe("placement", () => {
  test("hosts, features and algorithm", () => {
    expect(
      blockOf(
        oneTask(
          "algorithm: files",
          "preferred_hosts: [n2, n1, n2]",
          "required_hosts: [n3, n2, n1]",
          "features: ssd",
        ),
      ).placement,
    ).toEqual({
      algorithm: "files",
      preferredHosts: ["n2", "n1"],
      requiredHosts: ["n1", "n2", "n3"],
      features: ["ssd"],
    });
    expect(blockOf(oneTask())).not.toHaveProperty("placement");
  });
  test.each([...ALGORITHMS])("algorithm: %s", (algorithm) => {
    expect(blockOf(oneTask(`algorithm: ${algorithm}`)).placement).toEqual({ algorithm });
  });
  test.each([
    [
      "algorithm: file",
      "5:16 'algorithm' must be one of fcfs, files, time, random, worst, not 'file' [did you mean 'files'?]",
    ],
    ["algorithm: zzz", "5:16 'algorithm' must be one of fcfs, files, time, random, worst"],
    [
      "algorithm: [fcfs]",
      "5:16 'algorithm' must be one of fcfs, files, time, random, worst, not a",
    ],
    ["preferred_hosts: 7", "5:22 'preferred_hosts' must be text or a list of texts"],
    ["preferred_hosts: []", "5:22 'preferred_hosts' is an empty list"],
    ["required_hosts: {a: b}", "5:21 YAML reads the unquoted {…} as a mapping"],
    ["required_hosts: []", "5:21 'required_hosts' is an empty list [name at least one, or remove"],
    ["features: [avx, 2]", "5:21 item 2 of 'features' must be text, not the number 2"],
    ["features: [avx, '']", "5:21 item 2 of 'features' is empty"],
    ["featurs: [avx]", "5:5 a task has no key 'featurs' [did you mean 'features'?]"],
    ["idempotent: 1", "5:17 'idempotent' must be true or false, not the number 1"],
    ["idempotent: yes", "5:17 'idempotent' must be true or false"],
    ["idempotnt: true", "5:5 a task has no key 'idempotnt' [did you mean 'idempotent'?]"],
    ["priority: high", "5:15 'priority' must be a whole number, not 'high'"],
    ["priority: 1.5", "5:15 'priority' must be a whole number"],
    ["priority: 1000001", "5:15 'priority' must be a whole number, 1000000 at most"],
  ])("%s", (line, message) => {
    expect(mistakesOf(oneTask(line))[0]).toStartWith(message);
  });
  test("idempotent and priority", () => {
    expect(blockOf(oneTask("idempotent: true", "priority: -3"))).toMatchObject({
      idempotent: true,
      priority: -3,
    });
    expect(blockOf(oneTask("idempotent: false"))).not.toHaveProperty("idempotent");
  });
});

test("tasks of different policies are not gathered, those of equal ones are", () => {
  const keys = [
    "retry_on: {oom: 1}",
    "retry_on: {oom: 2}",
    "backoff: {max: 2m}",
    "exit_codes: [{codes: 1, retries: 1}]",
    "exit_codes: [{codes: 1, retries: 1, recovery: fix}]",
    "failure_handler: h",
    "crash_limit: 2",
    "algorithm: worst",
    "preferred_hosts: a",
    "required_hosts: a",
    "features: a",
    "idempotent: true",
    "priority: 1",
    "category: c",
    "scheduler: s",
    "custom: {a: 1}",
    "custom: {a: 2}",
    "gpus: 0.5",
  ];
  const list = keys.flatMap((key, i) => [
    `  - {name: a${i}, command: e, ${key}}`,
    `  - {name: b${i}, command: e, ${key}}`,
  ]);
  const shared =
    "slurm_schedulers: [{name: s}]\nfailure_handlers: [{name: h, rules: [{match_all_exit_codes: true}]}]\n";
  const { blocks } = load(shared + tasks(...list));
  expect(blocks.map(({ first, count }) => [first, count])).toEqual(keys.map((_, i) => [2 * i, 2]));
  const equal = load(
    tasks(
      "  - {name: a, command: e, retry_on: {oom: 1, exit: 2}, features: [a, b], custom: {x: 1, y: 2}}",
      "  - {name: b, command: e, custom: {y: 2, x: 1}, features: [b, a, b], retry_on: {exit: 2, oom: 1}}",
      "  - {name: c, command: e, custom: {y: 2, x: 1}, features: [b, a], retry_on: {exit: 2, oom: 1}, idempotent: false}",
    ),
  );
  expect(equal.blocks).toHaveLength(1);
});

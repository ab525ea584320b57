import { expect, test } from "bun:test";
import { createOomKills } from "./oom-kills.ts";

function machine(files: Record<string, string>): (path: string) => string | null {
  return (path) => files[path] ?? null;
}

test.each([
  ["version 2", "0::/user/a\n", "/sys/fs/cgroup/user/a/memory.events"],
  ["version 2 in a container", "0::/../x\n", "/sys/fs/cgroup/memory.events"],
  ["version 1", "4:cpu:/j\n3:memory,hugetlb:/j\n", "/sys/fs/cgroup/memory/j/memory.oom_control"],
])("each kill that the group counts explains one: %s", (_name, groups, path) => {
  const files: Record<string, string> = {
    "/proc/self/cgroup": groups,
    [path]: "low 0\noom 9\noom_kill 3\n",
  };
  const killed = createOomKills(machine(files));
  expect(killed()).toBe(false);
  files[path] = "oom 12\noom_kill 5\n";
  expect([killed(), killed(), killed()]).toEqual([true, true, false]);
});

test("without a counter nothing is explained", () => {
  expect(createOomKills(machine({}))()).toBe(false);
  expect(createOomKills(machine({ "/proc/self/cgroup": "0::/\n" }))()).toBe(false);
});

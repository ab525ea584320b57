import { expect, test } from "bun:test";
import { answerText, complete } from "./complete.ts";
import type { Records } from "./records.ts";

const asked: unknown[] = [];
const records: Records = {
  of: ({ path }) => ({
    workflows: () => Promise.resolve([{ id: 12, about: "sweep (running)" }]),
    tasks: (workflow, prefix) => {
      asked.push([path, workflow, prefix]);
      const names = ["sim_1", "sim_2"].filter((name) => name.startsWith(prefix));
      return Promise.resolve(names.map((name) => ({ name, about: "failed" })));
    },
  }),
};
const io = { cwd: "/here", env: {} };

async function values(...words: string[]): Promise<string[] | string> {
  const answer = await complete(words, io, records);
  return answer.kind === "words" ? answer.words.map(({ value }) => value) : answer.kind;
}

test("commands, and commands of commands", async () => {
  expect(await values("va")).toEqual(["validate"]);
  expect(await values("help", "va")).toEqual(["validate"]);
  expect(await values("hosts", "b")).toEqual(["block"]);
  expect(await values("nonsense", "")).toEqual([]);
  expect(await values("--v")).toEqual(["--version"]);
});

test("flags that are not given yet, and none of the hidden ones", async () => {
  expect(await values("plan", "--wo")).toEqual(["--workers"]);
  expect(await values("plan", "--workers", "2", "--wo")).toEqual([]);
  expect(await values("run", "--feature", "a", "--fea")).toEqual(["--feature"]);
  expect(await values("run", "--num-c")).toEqual([]);
  expect(await values("doctor", "")).toContain("--help");
});

test("values of flags, after a space and after =", async () => {
  expect(await values("graph", "w.yaml", "--format", "")).toEqual(["dot", "mermaid", "svg"]);
  expect(await values("graph", "--format=s")).toEqual(["--format=svg"]);
  expect(await values("tasks", "--state", "f")).toEqual(["failed"]);
  expect(await values("plan", "--workers", "")).toEqual([]);
  expect(await values("graph", "--out", "")).toBe("files");
  expect(await values("graph", "--cwd", "")).toBe("dirs");
});

test("documents, workflows and tasks", async () => {
  expect(await values("validate", "")).toBe("files");
  expect(await values("run", "work")).toBe("files");
  expect(await values("run", "1")).toEqual(["12"]);
  expect(await values("run", "--", "ec")).toBe("files");
  expect(await values("status", "")).toEqual(["12"]);
  expect(await values("slurm", "cancel", "")).toEqual([]);
  asked.length = 0;
  expect(await values("logs", "--state-dir", "d", "sim")).toEqual(["sim_1", "sim_2"]);
  expect(await values("logs", "12/sim_2")).toEqual(["12/sim_2"]);
  expect(await values("retry", "12", "s")).toEqual(["sim_1", "sim_2"]);
  expect(await values("retry", "")).toEqual(["12", "sim_1", "sim_2"]);
  expect(asked).toEqual([
    ["/here/d", "latest", "sim"],
    ["/here/.holdall", 12, "sim_2"],
    ["/here/.holdall", 12, "s"],
    ["/here/.holdall", "latest", ""],
  ]);
});

test("an answer is one proposal a line", () => {
  const words = [
    { value: "a b", about: "two\nlines" },
    { value: "c", about: "" },
  ];
  expect(answerText({ kind: "words", words })).toBe(":words\na b\ttwo lines\nc\n");
  expect(answerText({ kind: "files" })).toBe(":files\n");
});

import { describe, expect, test } from "bun:test";
import { HoldallError } from "../core/error.ts";
import { renderTemplate } from "../core/template.ts";
import { type ArrayBlock, DEFAULT_REQUIREMENT } from "../core/workflow.ts";
import { adhocWorkflow, type AdhocOptions } from "./adhoc.ts";
import { parseNeed } from "./requirements.ts";

const make = (options: Omit<AdhocOptions, "cwd">): ReturnType<typeof adhocWorkflow> =>
  adhocWorkflow({ cwd: "/w", ...options });

/** Name and command of every task. */
function rows(options: Omit<AdhocOptions, "cwd">): string[][] {
  const w = make(options);
  const block = w.blocks[0] as ArrayBlock;
  return Array.from({ length: w.taskCount }, (_, index) => {
    const { command } = block.body;
    const texts = command.kind === "argv" ? command.argv : [command.text];
    return [block.body.name, ...texts].map((text) => renderTemplate(text, block.parameters, index));
  });
}

function usage(options: Omit<AdhocOptions, "cwd">): string {
  try {
    make(options);
  } catch (error) {
    if (error instanceof HoldallError) return `${error.code}: ${error.message}`;
  }
  throw new Error("accepted");
}

describe("commands", () => {
  test("words are the argument list, one word with spaces is a command line", () => {
    expect(make({ command: ["/bin/true"] })).toMatchObject({
      name: "true",
      source: null,
      taskCount: 1,
      blocks: [
        {
          kind: "explicit",
          bodies: [{ name: "true", command: { kind: "argv", argv: ["/bin/true"] } }],
        },
      ],
    });
    expect(make({ command: ["a", "b c", "{i}"] }).blocks).toMatchObject([
      { bodies: [{ command: { kind: "argv", argv: ["a", "b c", "{i}"] } }] },
    ]);
    expect(make({ command: ["a | b"] }).blocks).toMatchObject([
      { bodies: [{ name: "a", command: { kind: "auto", text: "a | b" } }] },
    ]);
    expect(usage({ command: [] })).toContain("usage: there is no command");
  });
  test("needs, retries and names are those of every task", () => {
    const need = parseNeed("cpus=2,memory=1g,runtime=30m");
    expect(need).toEqual({
      ...DEFAULT_REQUIREMENT,
      cpus: 2,
      memoryBytes: 1024 ** 3,
      runtimeSeconds: 1800,
    });
    expect(make({ command: ["x"], name: "n", need, retries: 2 })).toMatchObject({
      name: "n",
      blocks: [{ requirement: need, retries: 2 }],
    });
    expect(() => parseNeed("cpu=2")).toThrow("there is no resource 'cpu'");
    expect(() => parseNeed("cpus")).toThrow("'cpus' is not KEY=AMOUNT");
    expect(() => parseNeed("memory=4 gb?")).toThrow("'4 gb?' is not an amount of memory");
  });
});

describe("many tasks", () => {
  test("--array", () => {
    expect(rows({ command: ["echo", "{i:02d}"], array: "8-12:2" })).toEqual([
      ["echo_8", "echo", "08"],
      ["echo_10", "echo", "10"],
      ["echo_12", "echo", "12"],
    ]);
    expect(make({ command: ["true"], array: "0-999999" }).taskCount).toBe(1_000_000);
    expect(usage({ command: ["x"], array: "5-1" })).toContain("the range 5-1 is empty");
    expect(usage({ command: ["x", "{j}"], array: "1-5" })).toContain("'j' is used but not given");
  });
  test("--each-line quotes values in command lines", () => {
    const read = (): string => "a b\r\n\n$(rm x)\n";
    expect(rows({ command: ["gzip", "{line}"], eachLine: "f", read })).toEqual([
      ["gzip_0", "gzip", "a b"],
      ["gzip_1", "gzip", "$(rm x)"],
    ]);
    expect(
      rows({ command: ["gzip -k {line} > {i}.gz"], eachLine: "f", read }).map((row) => row[1]),
    ).toEqual(["gzip -k 'a b' > 0.gz", "gzip -k '$(rm x)' > 1.gz"]);
    expect(rows({ command: ["sh {line:s}"], eachLine: "f", read })[0]?.[1]).toBe("sh a b");
    expect(usage({ command: ['x "{line}"'], eachLine: "f", read })).toContain(
      "stands inside quotes",
    );
    expect(usage({ command: ["x"], eachLine: "f", read: () => "\n" })).toContain("f has no line");
    expect(usage({ command: ["x"], eachLine: "/no/such/file" })).toContain(
      "not_found: --each-line: cannot read /no/such/file",
    );
  });
  test("--from-json", () => {
    const json = (value: unknown): Omit<AdhocOptions, "cwd"> => ({
      command: ["p", "{a}", "{b}"],
      fromJson: "f",
      read: () => JSON.stringify(value),
    });
    expect(
      rows(
        json([
          { a: 1, b: "x y" },
          { b: [1], a: 2.5 },
        ]),
      ),
    ).toEqual([
      ["p_0", "p", "1", "x y"],
      ["p_1", "p", "2.5", "[1]"],
    ]);
    expect(rows({ command: ["p", "{item}"], fromJson: "f", read: () => '["u", 3]' })).toEqual([
      ["p_0", "p", "u"],
      ["p_1", "p", "3"],
    ]);
    expect(usage(json([{ a: 1, b: 2 }, { a: 1 }]))).toContain("differ in the key 'b'");
    expect(usage(json({ a: 1 }))).toContain("holds no list");
    expect(usage(json([]))).toContain("is empty");
    expect(usage(json([1, { a: 2 }]))).toContain("mixes objects");
    expect(usage({ command: ["p"], fromJson: "f", read: () => "{" })).toContain("is not JSON");
    expect(usage({ command: ["p"], fromJson: "f", array: "1-2" })).toContain("exclude each other");
  });
});

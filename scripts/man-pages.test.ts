import { expect, test } from "bun:test";
import { commandsOf, examplesOf, helpOf, manPages } from "./man-pages.ts";

const all = commandsOf();
const single = all.filter(([, target]) => !("getAllEntries" in target));

test.each(single.map(([path]) => path.join(" ")))(
  "holdall %s --help has an example",
  async (path) => {
    const examples = examplesOf(await helpOf(path.split(" ")));
    expect(examples.length).toBeGreaterThan(0);
    for (const { line } of examples) expect(line).toStartWith(`holdall ${path}`);
  },
);

const pages = await manPages();

test("a page for every command, with every flag that help shows", async () => {
  const names = all.filter(([path]) => path.length === 1).map(([[name]]) => name!);
  expect(pages.map(({ file }) => file)).toEqual([
    "man/holdall.1",
    ...names.map((name) => `man/holdall-${name}.1`),
  ]);
  for (const [path] of single) {
    const page = pages.find(({ file }) => file === `man/holdall-${path[0]}.1`)!;
    for (const [, flag] of (await helpOf(path)).matchAll(/^ {5}\[?--([a-z-]+)/gm))
      expect(page.text).toContain(`\\-\\-${flag!.replaceAll("-", String.raw`\-`)}\\fR`);
  }
});

test("nothing of a text is read as a request, and the same comes out anywhere", () => {
  const known = /^\.(?:\\"|TH|SH|SS|TP|PP|br|B|BR|I)(?: |$)/;
  for (const { file, text } of pages) {
    for (const line of text.split("\n")) {
      if (line.startsWith(".")) expect(line).toMatch(known);
      expect(line).not.toStartWith("'");
    }
    expect({ file, found: text.includes(process.cwd()) }).toEqual({ file, found: false });
    expect(text).toMatch(/^\.SH NAME\nholdall\S* \\- \S/m);
  }
});

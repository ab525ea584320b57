import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MUTANTS } from "../test/simulation/mutants.ts";
import { missingTests, namedTests, titlesIn } from "./guarantees.ts";

const root = join(import.meta.dir, "..");
const document = await Bun.file(join(root, "docs/guarantees.md")).text();

test("every test that the guarantees name is there", async () => {
  const read = async (file: string): Promise<string | null> =>
    existsSync(join(root, file)) ? Bun.file(join(root, file)).text() : null;
  expect(await missingTests(document, read)).toEqual([]);
});

test("every sentence names a test", () => {
  const parts = document.split(/^## /m).filter((part) => /^\d\. /.test(part));
  expect(parts).toHaveLength(5);
  for (const part of parts) {
    const [promised] = part.split("### Limits");
    const sentences = promised!.split(/^\*\*/m).slice(1);
    expect(sentences.length).toBeGreaterThan(0);
    for (const sentence of sentences)
      expect([sentence.slice(0, 40), namedTests(sentence).length > 0]).toEqual([
        sentence.slice(0, 40),
        true,
      ]);
  }
});

// In the source their titles are made of names, which the patterns above take for anything.
test("every deliberate bug that the guarantees name is there, and their number", () => {
  const known = MUTANTS.map(({ name, about }) => `${name}: ${about}`);
  const named = namedTests(document)
    .filter(({ file, title }) => file.includes("/simulation/") && title.includes(": "))
    .map(({ title }) => title);
  expect(named.length).toBeGreaterThan(5);
  for (const title of named) expect(known).toContain(title);
  expect(/(\d+) deliberate bugs/.exec(document)?.[1]).toBe(String(known.length));
});

test("titles are read from every form of test", async () => {
  const source = `
    test("plain", () => {});
    test.each(["a", "b"])(
      "%s is \\"quoted\\" (%d)",
      async (which) => {},
    );
    test(\`made of \${name}, and more\`, async () => {});
    describe.skipIf(x)("a group", () => { test('single', async (done) => {}); });
    await until("no title", () => true);`;
  const all = titlesIn(source);
  const known = (title: string): boolean => all.some((each) => each.test(title));
  for (const title of ["plain", 'a is "quoted" (7)', "made of x, and more", "single"])
    expect([title, known(title)]).toEqual([title, true]);
  for (const title of ["plain ", "no title", "made of x", "other"])
    expect([title, known(title)]).toEqual([title, false]);
  const text = '- `a.test.ts` · "plain"\n- `a.test.ts` · "gone"\n- `b.test.ts` · "plain"';
  expect(await missingTests(text, async (file) => (file === "a.test.ts" ? source : null))).toEqual([
    '2: a.test.ts has no test "gone"',
    "3: there is no b.test.ts",
  ]);
});

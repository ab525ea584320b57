import { expect, test } from "bun:test";
import { replacePart } from "./generate.ts";

const text = "before\n<!-- generated: x (npm run gen) -->\n\nold\n\n<!-- end: x -->\nafter\n";

test("replaces what stands between the markers and nothing else", () => {
  const replaced = replacePart(text, "x", "new");
  expect(replaced).toBe(text.replace("old", "new"));
  expect(replacePart(replaced, "x", "new")).toBe(replaced);
});

test("missing markers are an error, not an unchanged file", () => {
  expect(() => replacePart(text, "y", "new")).toThrow("markers missing");
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { scratchDir } from "../../../test/support/scratch.ts";
import { openResultsFolder } from "./results-folder.ts";

const refusal = (path: string): unknown => {
  try {
    openResultsFolder(path);
  } catch (error) {
    return error;
  }
  return null;
};

test("a folder that cannot be, and one that has results, are named with what to do", () => {
  const folder = scratchDir();
  writeFileSync(join(folder, "file"), "");
  for (const path of ["/proc/none", join(folder, "file"), join(folder, "file", "x")])
    expect(refusal(path)).toMatchObject({
      code: "usage",
      message: expect.stringContaining(`cannot write results into ${path}: `),
      fix: "give a folder that can be written with --out",
    });
  openResultsFolder(join(folder, "new"));
  expect(refusal(join(folder, "new"))).toMatchObject({ code: "conflict" });
});

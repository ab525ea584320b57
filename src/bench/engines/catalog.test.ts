import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { bridgedIds, chooseEngines, engineEntry, engineIds } from "./catalog.ts";
import { ENGINES } from "./samples.ts";

const root = resolve(import.meta.dir, "../../..");
const nothing = { root: "/nowhere", which: () => null };

test("every engine has an entry, and its driver's sources are in the clone or named as missing", () => {
  for (const id of engineIds()) expect(engineEntry(id).id).toBe(id);
  expect(engineIds()).toEqual([...ENGINES, ...bridgedIds()]);
  for (const id of ["holdall", "ray", "parallel", "xargs", "floor"] as const) {
    const script = engineEntry(id)
      .argv(root)
      .find((word) => word.includes("/drivers/"));
    expect(existsSync(script!)).toBe(true);
  }
});

test("a name that no engine has", () => {
  expect(() => engineEntry("rai")).toThrow('there is no engine "rai"');
  expect(() => engineEntry("holdall+xargs")).toThrow('there is no engine "holdall+xargs"');
  expect(() => chooseEngines(["ray", "condor"], nothing)).toThrow('there is no engine "condor"');
});

test("what is missing is named with the way to get it", () => {
  const { chosen, missing } = chooseEngines(["parallel", "ray", "parallel"], nothing);
  expect(chosen).toEqual([]);
  expect(missing).toEqual({
    parallel:
      "/nowhere/drivers/parallel/parallel_driver.py is not there; to install it: sh scripts/setup --engines",
    ray: "/nowhere/drivers/ray/ray_driver.py is not there; to install it: sh scripts/setup --engines",
  });
  expect(chooseEngines(["xargs"], { root: "/", which: () => null }).missing["xargs"]).toStartWith(
    "drivers are in a clone of Holdall only",
  );
});

test("without names: all that are installed, and why the others are not", () => {
  const clone = mkdtempSync(join(tmpdir(), "holdall-catalog-"));
  try {
    for (const need of engineEntry("parallel").needs.filter((each) => each.includes("/"))) {
      mkdirSync(dirname(join(clone, need)), { recursive: true });
      writeFileSync(join(clone, need), "");
    }
    const has = (program: string) => (name: string) => (name === program ? `/bin/${name}` : null);
    const { chosen, missing } = chooseEngines(null, { root: clone, which: has("parallel") });
    expect(chosen.map(({ id }) => id)).toEqual(["parallel"]);
    expect(Object.keys(missing)).toEqual(ENGINES.filter((id) => id !== "parallel"));
    const without = chooseEngines(["parallel"], { root: clone, which: has("xargs") });
    expect(without.missing["parallel"]).toStartWith("parallel is not on the PATH");
  } finally {
    rmSync(clone, { recursive: true });
  }
});

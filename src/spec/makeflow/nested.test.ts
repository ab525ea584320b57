import { expect, test } from "bun:test";
import { edgesOf } from "../testing.ts";
import { bodiesOf, commandsOf, loadFiles, mistakesOf } from "./testing.ts";

test("rules of a nested workflow take the place of the rule, in its folder", () => {
  const definition = loadFiles({
    "w.mf":
      "export V=1\nraw:\n\te > raw\npart/out done: raw\n\tMAKEFLOW sub.mf part\nend: done\n\tf\n",
    "sub.mf": "mid:\n\techo $V\nout: mid\n\tg\n",
  });
  expect(commandsOf(definition)).toEqual({
    raw: "e > raw",
    "part/mid": "mkdir -p part && cd part || exit 1\necho 1",
    "part/out": "mkdir -p part && cd part || exit 1\ng",
    done: ":",
    end: "f",
  });
  expect(bodiesOf(definition)[1]).toMatchObject({ inputs: ["raw"], outputs: ["part/mid"] });
  expect(edgesOf(definition)).toEqual([
    "done → end",
    "part/mid → part/out",
    "part/out → done",
    "raw → done",
    "raw → part/mid",
  ]);
});

test("a nested workflow in JX gets its values from the rule", () => {
  const definition = loadFiles({
    "w.jx":
      '{"rules": [{"workflow": "sub.jx", "args": {"N": n}, "outputs": ["f" + n]} for n in [1, 2]]}',
    "sub.jx": '{"rules": [{"command": "e " + N, "outputs": ["f" + N]}]}',
  });
  expect(commandsOf(definition)).toEqual({ f1: "e 1", f2: "e 2" });
});

test("a file is found beside the one that names it", () => {
  const definition = loadFiles({
    "a/w.mf": "x:\n\tMAKEFLOW sub.mf\n",
    "a/sub.mf": "x:\n\te\n",
  });
  expect(commandsOf(definition)).toEqual({ x: "e" });
});

test("mistakes are told in the file where they stand", () => {
  expect(mistakesOf({ "w.makeflow": "x:\n\tMAKEFLOW sub.mf\n", "sub.mf": "x: *\n\te\n" })).toEqual([
    "sub.mf:1:4 '*': Makeflow has no wildcards [name every file, or put the rules together with JX: listdir() and a comprehension]",
  ]);
  expect(
    mistakesOf({ "w.makeflow": "x:\n\tMAKEFLOW sub.mf\ny: x\n\te\n", "sub.mf": "x: y\n\te\n" })[0],
  ).toStartWith("sub.mf:1:4 tasks wait for each other: x → y → x");
});

test("cycles, missing files and renamed files are refused", () => {
  const cycle = { "w.makeflow": "x:\n\tMAKEFLOW a.mf\n", "a.mf": "x:\n\tMAKEFLOW w.makeflow\n" };
  expect(mistakesOf(cycle)).toEqual([
    "a.mf:2:2 the workflow 'w.makeflow' is within itself: w.makeflow → a.mf → w.makeflow [take this rule out]",
  ]);
  expect(mistakesOf("x:\n\tMAKEFLOW no.mf\n")[0]).toStartWith("2:2 there is no workflow 'no.mf'");
  expect(mistakesOf("x->y:\n\tMAKEFLOW no.mf\n")[0]).toStartWith(
    "2:2 a workflow in a workflow cannot have its files renamed",
  );
});

test("a workflow that makes two of itself a hundred times over ends", () => {
  const files: Record<string, string> = {};
  for (let i = 0; i < 40; i++)
    files[i === 0 ? "w.makeflow" : `${i}.mf`] =
      `a${i}:\n\tMAKEFLOW ${i + 1}.mf l\nb${i}:\n\tMAKEFLOW ${i + 1}.mf r\n`;
  files["40.mf"] = "x:\n\te\n";
  expect(mistakesOf(files).length).toBeGreaterThan(0);
}, 60_000);

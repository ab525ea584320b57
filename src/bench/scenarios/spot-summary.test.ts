import { expect, test } from "bun:test";
import { madeUp } from "../report/testing/made-up.ts";
import { spotText } from "./spot-summary.ts";

const bag = { kind: "sleep", sleep_ms: 500, tasks: 24, workers: 4 } as const;

test("an exit code for each engine, and what each disturbance did", () => {
  const { run } = madeUp(1, ["workqueue", "ray"]);
  const calm = run("spot", bag, 1).map((sample) => ({ ...sample, wall_s: 3 }));
  const wild = run("spot", bag, 1, { warning_s: 0, by: "processes", kills: 2, lost: 0 }).map(
    (sample) => ({ ...sample, wall_s: 4.5, spot: { ...sample.spot!, reexecuted_s: 1 } }),
  );
  expect(
    spotText([...calm, ...wild], [])
      .split("\n")
      .slice(0, 3),
  ).toEqual([
    expect.stringMatching(/^(workqueue|ray)_exit=0$/),
    "  undisturbed: done=24 failed=0 wall_s=3.000 tasks_per_s=8.00",
    "  killed, no warning: done=24 failed=0 wall_s=4.500 tasks_per_s=5.33 kills=2 lost=0 reexecutions=4 reexecuted_s_per_kill=0.500 wall_ratio=1.500",
  ]);
});

test("a lost task, a failed one and a broken engine are 1", () => {
  const { run } = madeUp(1, ["workqueue"]);
  const [good] = run("spot", bag, 1);
  const spot = { warning_s: 0, by: "processes", kills: 1, lost: 1 } as const;
  const lost = run("spot", bag, 1, spot);
  expect(spotText(lost, [])).toStartWith("workqueue_exit=1\n");
  expect(spotText([{ ...good!, failed: 1 }], [])).toStartWith("workqueue_exit=1\n");
  const broken = spotText([good!], [{ engine: "slurm-array", error: { message: "gone\nmore" } }]);
  expect(broken).toContain("workqueue_exit=0\n");
  expect(broken).toContain("slurm_array_exit=1\n  broke: gone\n");
});

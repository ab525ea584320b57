// Work Queue and Ray under Holdall, in short; test/clusters has the rest, and the other engines.

import { describe, test } from "bun:test";
import { engineNamed, engineParts } from "../../src/worker/executors/engines.ts";
import {
  ENGINES_UNDER_TEST,
  interruptTwice,
  killInTheMiddle,
  runMixed,
} from "../support/engine-runs.ts";
import { requires } from "../support/requires.ts";

/** A Ray runtime takes seconds to start, on a busy machine many. */
const TEST_MS = 150_000;

for (const name of ["workqueue", "ray"] as const) {
  const engine = ENGINES_UNDER_TEST[name];
  const missing =
    requires(name, engineNamed(name).install, engineParts(name).found) ||
    engineNamed(name).programs.some((program) => requires(program, engineNamed(name).install));

  describe.skipIf(missing)(name, () => {
    test("a graph with retries, timeouts and failures", () => runMixed(engine), TEST_MS);
    test("Ctrl-C leaves no process behind", () => interruptTwice(engine), TEST_MS);
    test(
      "the engine dies in the middle: it is named, and its tasks are ready again",
      () => killInTheMiddle(engine, "engine"),
      TEST_MS,
    );
  });
}

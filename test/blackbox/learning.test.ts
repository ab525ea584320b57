// Categories that learn what their tasks need: what is measured, given, held to, and shown.

import { beforeEach, expect, test } from "bun:test";
import { linesOf, result, runReport, spec, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const MIB = 2 ** 20;

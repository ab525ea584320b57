/** Helpers of this room's tests. */
import { HoldallError } from "../core/error.ts";
import type { Block, WorkflowDefinition } from "../core/workflow.ts";
import { checkInputs } from "./check-inputs.ts";
import { loadSpec } from "./load.ts";

export const CWD = "/nowhere";

export function load(text: string | Uint8Array, file = "w.yaml"): WorkflowDefinition {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return loadSpec(file, { cwd: CWD, read: () => bytes });
}

/** Every mistake as "line:column message [fix]". Fails when there is none. */
export function mistakesOf(text: string | Uint8Array, check: "inputs" | "none" = "none"): string[] {
  try {
    const definition = load(text);
    if (check === "inputs") checkInputs(definition);
  } catch (error) {
    if (!(error instanceof HoldallError) || error.code !== "spec") throw error;
    return [error, ...error.others].map(
      ({ place, message, fix }) =>
        `${place?.file === "w.yaml" ? "" : "?"}${place?.line}:${place?.column} ${message} [${fix}]`,
    );
  }
  throw new Error("the document was accepted");
}

/** A document with these tasks, which start on line 3. */
export function tasks(...lines: readonly string[]): string {
  return `name: w\ntasks:\n${lines.join("\n")}\n`;
}

/** One task called x on lines 3 and 4; more keys from line 5. */
export function oneTask(...lines: readonly string[]): string {
  return tasks("  - name: x", "    command: e", ...lines.map((line) => `    ${line}`));
}

/** The block of `oneTask`. */
export function blockOf(text: string): Block {
  const [block] = load(text).blocks;
  if (!block) throw new Error("no block");
  return block;
}

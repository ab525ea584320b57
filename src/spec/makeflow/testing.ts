/** Helpers of the tests of Makeflow's languages. */
import { HoldallError } from "../../core/error.ts";
import type { TaskBody, WorkflowDefinition } from "../../core/workflow.ts";
import { loadSpec, specWarnings } from "../load.ts";

const CWD = "/nowhere";

/** `files`: the first is loaded; the others are what it can name. */
export function loadFiles(
  files: Readonly<Record<string, string>>,
  define?: readonly string[],
): WorkflowDefinition {
  return loadSpec(Object.keys(files)[0]!, {
    cwd: CWD,
    ...(define ? { define } : {}),
    read: (at) => {
      const text = files[at.slice(CWD.length + 1)];
      if (text === undefined) throw new Error("there is no such file");
      return new TextEncoder().encode(text);
    },
  });
}

export function load(text: string, file = "w.makeflow"): WorkflowDefinition {
  return loadFiles({ [file]: text });
}

export function bodiesOf(definition: WorkflowDefinition): TaskBody[] {
  return definition.blocks.flatMap((block) =>
    block.kind === "explicit" ? (block.bodies ?? []).filter((body) => body !== null) : [],
  );
}

/** Commands by name. */
export function commandsOf(definition: WorkflowDefinition): Record<string, string> {
  return Object.fromEntries(
    bodiesOf(definition).map(({ name, command }) => [
      name as string,
      command.kind === "shell" ? (command.text as string) : JSON.stringify(command),
    ]),
  );
}

/** The command of the only rule. */
export function commandOf(text: string, file?: string): string {
  return Object.values(commandsOf(load(text, file)))[0]!;
}

export function warningsOf(definition: WorkflowDefinition): string[] {
  return specWarnings(definition).map(({ message, place }) => `${place?.line}: ${message}`);
}

/** Every mistake as "file:line:column message [fix]". Fails when there is none. */
export function mistakesOf(
  files: Readonly<Record<string, string>> | string,
  name = "w.makeflow",
): string[] {
  try {
    loadFiles(typeof files === "string" ? { [name]: files } : files);
  } catch (error) {
    if (!(error instanceof HoldallError) || error.code !== "spec") throw error;
    return [error, ...error.others].map(({ place, message, fix }) => {
      const file = place?.file === name ? "" : `${place?.file}:`;
      return `${file}${place?.line}:${place?.column} ${message} [${fix}]`;
    });
  }
  throw new Error("the document was accepted");
}

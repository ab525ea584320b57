import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { Shell } from "../completion/scripts.ts";
import { usage } from "../usage.ts";

const SHELLS = ["bash", "zsh", "fish"] as const satisfies readonly Shell[];

export const completionCommand: Command<CliContext> = buildCommand<object, [Shell], CliContext>({
  async func(_, shell) {
    const { COMPLETION_SCRIPTS } = await import("../completion/scripts.ts");
    this.io.stdout.write(COMPLETION_SCRIPTS[shell]);
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: shellOf, placeholder: "SHELL", brief: "bash, zsh or fish" }],
    },
    flags: {},
  },
  docs: {
    brief: "commands, flags, workflows and tasks at the press of Tab",
    fullDescription: [
      "Prints what a shell loads to complete holdall's commands, flags, their values, workflow IDs and task names.",
      "It asks holdall itself, so it stays right when that is updated.",
      "The line below goes into the file that your shell reads at its start.",
    ].join("\n"),
    customUsage: [
      { input: "bash", brief: "~/.bashrc:  source <(holdall completion bash)" },
      { input: "zsh", brief: "~/.zshrc, after compinit:  source <(holdall completion zsh)" },
      { input: "fish", brief: "config.fish:  holdall completion fish | source" },
    ],
  },
});

function shellOf(input: string): Shell {
  const shell = SHELLS.find((name) => name === input);
  if (shell === undefined)
    throw usage(`there is no completion for '${input}'`, `one of ${SHELLS.join(", ")}`);
  return shell;
}

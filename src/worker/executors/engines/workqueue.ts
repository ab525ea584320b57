import { type Engine, SETUP_ENGINES } from "./engine.ts";

const BRIDGE = "build/bridges/holdall-workqueue";

export const workqueue: Engine<"wqPort" | "wqProject" | "wqPassword" | "wqStage"> = {
  title: "Work Queue",
  parts: [BRIDGE],
  programs: ["work_queue_worker"],
  install: SETUP_ENGINES,
  helloMs: 30_000, // a manager and its worker take 0.5 s
  flags: {
    wqPort: {
      kind: "port",
      placeholder: "PORT",
      brief: "Work Queue workers of yours connect here (0 = any port)",
      option: "--port",
      attaches: true,
    },
    wqProject: {
      kind: "text",
      placeholder: "NAME",
      brief: "Work Queue workers of yours find it by this project name",
      option: "--project",
      attaches: true,
    },
    wqPassword: {
      kind: "file",
      placeholder: "FILE",
      brief: "the password those Work Queue workers have",
      option: "--password",
      attaches: true,
    },
    wqStage: {
      kind: "text",
      placeholder: "on|off",
      brief: "declared files travel to workers and back (on for workers of yours)",
      option: "--stage",
      choices: ["on", "off"],
      attaches: false,
    },
  },
  argv: (root, attached) => [`${root}/${BRIDGE}`, ...(attached ? ["--attach"] : [])],
};

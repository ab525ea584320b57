import { type Engine, SETUP_ENGINES } from "./engine.ts";

const PYTHON = ".venv/parsl/bin/python";
const BRIDGE = "bridges/parsl/parsl_bridge.py";

export const parsl: Engine<"parslConfig"> = {
  title: "Parsl",
  parts: [PYTHON, BRIDGE],
  programs: [],
  install: SETUP_ENGINES,
  helloMs: 90_000, // an interchange, a manager and its workers take 3 s
  flags: {
    parslConfig: {
      kind: "file",
      placeholder: "FILE",
      brief: "Python file that defines the Parsl Config to use as `config`",
      option: "--config",
      attaches: true,
    },
  },
  argv: (root) => [`${root}/${PYTHON}`, "-u", `${root}/${BRIDGE}`],
};

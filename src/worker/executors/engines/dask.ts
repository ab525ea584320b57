import { type Engine, SETUP_ENGINES } from "./engine.ts";

const PYTHON = ".venv/dask/bin/python";
const BRIDGE = "bridges/dask/dask_bridge.py";

export const dask: Engine<"daskAddress"> = {
  title: "Dask",
  parts: [PYTHON, BRIDGE],
  programs: [],
  install: SETUP_ENGINES,
  helloMs: 90_000, // a scheduler and workers take 2 s
  flags: {
    daskAddress: {
      kind: "text",
      placeholder: "ADDR",
      brief: "the Dask scheduler to attach to, such as tcp://HOST:8786",
      option: "--address",
      attaches: true,
    },
  },
  argv: (root) => [`${root}/${PYTHON}`, "-u", `${root}/${BRIDGE}`],
};

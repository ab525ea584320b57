import { type Engine, SETUP_ENGINES } from "./engine.ts";

const PYTHON = ".venv/ray/bin/python";
const BRIDGE = "bridges/ray/ray_bridge.py";

export const ray: Engine<"rayAddress"> = {
  title: "Ray",
  parts: [PYTHON, BRIDGE],
  programs: [],
  install: SETUP_ENGINES,
  helloMs: 90_000, // a runtime takes 3 s
  flags: {
    rayAddress: {
      kind: "text",
      placeholder: "ADDR",
      brief: "the Ray cluster to attach to, such as HOST:6379",
      option: "--address",
      attaches: true,
    },
  },
  argv: (root) => [`${root}/${PYTHON}`, "-u", `${root}/${BRIDGE}`],
};

import { type Engine, SETUP_ENGINES } from "./engine.ts";

const BRIDGE = "bridges/slurm/slurm_bridge.py";

export const slurm: Engine<"slurmMode" | "slurmArgs"> = {
  title: "Slurm",
  parts: [BRIDGE],
  programs: ["srun", "sbatch", "squeue", "python3"],
  install: SETUP_ENGINES,
  helloMs: 24 * 3_600_000, // an allocation may wait in the queue; what is wrong it says by itself
  flags: {
    slurmMode: {
      kind: "text",
      placeholder: "MODE",
      brief: "steps of one allocation (default), array or job: a job for each attempt",
      choices: ["steps", "array", "job"],
      option: "--mode",
      attaches: false,
    },
    slurmArgs: {
      kind: "text",
      placeholder: "ARGS",
      brief: "further options of salloc or sbatch, as --slurm-args '-p short -A lab'",
      option: "--args",
      attaches: false,
    },
  },
  remote: true,
  takesTime: true,
  argv: (root) => ["python3", "-u", `${root}/${BRIDGE}`],
};

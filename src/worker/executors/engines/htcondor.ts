import { type Engine, SETUP_ENGINES } from "./engine.ts";

const BRIDGE = "bridges/htcondor/htcondor_bridge.py";
const OWN = "build/condor/bin/condor_submit";

/** A machine with HTCondor submits to the site's pool; on others there is the HTCondor in the clone, with a pool of this host. */
const hasSite = (): boolean => Bun.which("condor_submit") !== null;

export const htcondor: Engine<"condorSubmit"> = {
  title: "HTCondor",
  get parts() {
    return hasSite() ? [BRIDGE] : [OWN, BRIDGE];
  },
  programs: ["python3"],
  install: SETUP_ENGINES,
  helloMs: 90_000, // a pool takes 3 s
  reasonMs: 2000, // it kills what it holds or evicts before it says so
  flags: {
    condorSubmit: {
      kind: "file",
      placeholder: "FILE",
      brief: "HTCondor: lines for the submit description of every job",
      option: "--submit",
      attaches: false,
    },
  },
  get remote() {
    return hasSite();
  },
  argv: (root) => ["python3", "-u", `${root}/${BRIDGE}`],
};

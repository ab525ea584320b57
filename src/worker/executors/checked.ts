import { constants } from "node:os";
import type { Exit, Start } from "../executor.ts";

/** "NAME=value" of each variable. Throws TypeError for what no process can be given. */
export function environmentEntries(variables: Readonly<Record<string, string>>): string[] {
  return Object.entries(variables).map(([name, value]) => {
    if (name === "" || name.includes("=") || name.includes("\0") || value.includes("\0")) {
      throw new TypeError(`not an environment variable: ${JSON.stringify(name)}`);
    }
    return `${name}=${value}`;
  });
}

function hasNul(text: string): boolean {
  return text.includes("\0");
}

/** The exit of a command that the kernel cannot be given at all, or null. */
export function refusal(start: Start): Exit | null {
  if (hasNul(start.cwd)) return neverStarted(start, "EINVAL", "chdir");
  if (start.argv.some(hasNul) || start.extraEnv.some(hasNul)) {
    return neverStarted(start, "EINVAL", "execve");
  }
  if (start.argv.length === 0 || start.argv[0] === "") {
    return neverStarted(start, "ENOENT", "execve");
  }
  return null;
}

export function neverStarted(start: Start, errno: string, step: "chdir" | "execve"): Exit {
  return {
    ...blank(start.id),
    launchError: { errno, what: `${step} ${step === "chdir" ? start.cwd : (start.argv[0] ?? "")}` },
    startedMs: Date.now(),
  };
}

export function droppedExit(id: number): Exit {
  return { ...blank(id), dropped: true };
}

/** It may or may not have run: it is for somebody else to decide whether it runs again. */
export function lostExit(id: number, why: string): Exit {
  return { ...blank(id), lost: why, startedMs: Date.now() };
}

/** The exit of what this executor cannot do as asked, which is better than doing it otherwise. */
export function unsupported(start: Start, what: string): Exit {
  return {
    ...blank(start.id),
    launchError: { errno: "ENOTSUP", what },
    startedMs: Date.now(),
  };
}

export function brokenExit(id: number, what: string): Exit {
  return { ...blank(id), launchError: { errno: "EPROTO", what }, startedMs: Date.now() };
}

function blank(id: number): Exit {
  return {
    id,
    exitCode: null,
    signal: null,
    launchError: null,
    dropped: false,
    startedMs: 0,
    wallUs: 0,
    userUs: 0,
    systemUs: 0,
    peakBytes: null,
  };
}

export function signalNumber(name: keyof typeof constants.signals): number {
  return constants.signals[name];
}

/** Signals a process group (or, with `fallback`, the process when it leads none yet); false when it is gone. */
export function signalGroup(pid: number, signal: number | NodeJS.Signals): boolean {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return true;
    } catch {
      // No such group yet, or already gone.
    }
  }
  return false;
}

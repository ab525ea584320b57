/** Where and with what something was measured. */
import { existsSync, readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Environment } from "./samples.ts";

export interface EnvironmentRequest {
  /** as it was typed */
  command: string;
  root: string;
  /** the task's program, whose libraries are asked for their versions */
  compressTask: string;
  missing: Record<string, string>;
  now: number;
}

/** Engines are filled in as their drivers tell their versions. */
export function recordEnvironment(request: EnvironmentRequest): Environment {
  const { command, root, compressTask, missing, now } = request;
  const version = (codec: string): string | null => {
    const told = printed([compressTask, "--codec", codec, "--n", "1"]);
    return /"library_version":"([^"]+)"/.exec(told ?? "")?.[1] ?? null;
  };
  return {
    command,
    at: new Date(now).toISOString(),
    commit: commitOf(root),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memory_bytes: totalmem(),
    kernel: release(),
    os: osName(),
    compiler: compilerOf(compressTask),
    zfp: version("zfp"),
    zlib: version("zlib"),
    engines: {},
    missing: withoutRoot(missing, root),
    load_average: loadavg(),
  };
}

/** Results are shown to others: where this clone lies is nobody's business. */
export function withoutRoot(
  words: Readonly<Record<string, string>>,
  root: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(words).map(([name, text]) => [name, text.replaceAll(`${root}/`, "")]),
  );
}

/** With `-dirty` when the sources are not those of the commit. */
function commitOf(root: string): string | null {
  if (!existsSync(join(root, ".git"))) return null;
  const git = ["git", "-C", root, "-c", "safe.directory=*"];
  return printed([...git, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]);
}

function osName(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1] ?? "Linux";
  } catch {
    return "Linux";
  }
}

/** As the compiler wrote it into the program. */
function compilerOf(program: string): string | null {
  const comment = printed(["readelf", "-p", ".comment", program]);
  return /\]\s+(.*)/.exec(comment ?? "")?.[1]?.trim() ?? null;
}

function printed(argv: readonly string[]): string | null {
  try {
    const { stdout, success } = Bun.spawnSync([...argv], { stdin: "ignore", stderr: "ignore" });
    return success ? stdout.toString().trim() : null;
  } catch {
    return null;
  }
}

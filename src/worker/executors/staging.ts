/** Which files of an attempt an engine can bring to a folder of its own, where the attempt then runs, and back. */
import { existsSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import type { Start } from "../executor.ts";

export interface StagedFile {
  /** here */
  path: string;
  /** below the folder it runs in */
  name: string;
}

export interface StagedFiles {
  inputs: StagedFile[];
  outputs: StagedFile[];
  /** the first declared file that is used where it is, by its full path */
  inPlace: string | null;
}

/** Null: it declares no file below its working directory, so it runs there, and every file is used where it is. */
export function stagedFiles({ cwd, argv, inputs, outputs }: Start): StagedFiles | null {
  if (!inputs && !outputs) return null;
  let inPlace: string | null = null;
  const below = (paths: readonly string[] | null | undefined): Map<string, StagedFile> => {
    const found = new Map<string, StagedFile>();
    for (const path of paths ?? []) {
      const name = nameBelow(path, cwd);
      if (name === null) inPlace ??= path;
      else found.set(name, { path: resolve(cwd, name), name });
    }
    return found;
  };
  const read = below(inputs);
  const written = below(outputs);
  if (read.size === 0 && written.size === 0) return null;
  const program = programBelow(argv[0] ?? "", cwd);
  if (program !== null) read.set(program, { path: resolve(cwd, program), name: program });
  // What lies in a folder that is an input comes with it.
  const alone = (name: string): boolean => {
    for (let at = name.lastIndexOf("/"); at > 0; at = name.lastIndexOf("/", at - 1))
      if (read.has(name.slice(0, at))) return false;
    return true;
  };
  return {
    inputs: [...read.values()].filter(({ name }) => alone(name)),
    outputs: [...written.values()],
    inPlace,
  };
}

/** Null: it is elsewhere, or said by its full path, which is another one there. */
function nameBelow(path: string, cwd: string): string | null {
  if (isAbsolute(path)) return null;
  const name = relative(cwd, resolve(cwd, path));
  return name === "" || name === ".." || name.startsWith("../") ? null : name;
}

/** A program that is said as `./tool` comes along without being declared: without it nothing runs. */
function programBelow(word: string, cwd: string): string | null {
  if (!word.includes("/")) return null;
  const name = nameBelow(word, cwd);
  return name !== null && existsSync(resolve(cwd, name)) ? name : null;
}

/** The command as it has to be said there: a program outside the working directory by its full path. */
export function stagedCommand({ cwd, argv }: Start): readonly string[] {
  const word = argv[0] ?? "";
  if (!word.includes("/") || isAbsolute(word) || nameBelow(word, cwd) !== null) return argv;
  return [resolve(cwd, word), ...argv.slice(1)];
}

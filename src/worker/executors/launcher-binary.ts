import { accessSync, constants } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where files of a compiled binary seem to be; nothing can be executed there. */
const EMBEDDED = "/$bunfs/";

export interface LauncherBinary {
  path: string;
  /** call once it runs: removes a copy that was made for this process only */
  release(): Promise<void>;
}

/**
 * The launcher as a file that can be executed: the built one when running from source; in a compiled binary a
 * copy of the embedded one in `<stateDir>/bin`, or in a temporary folder where that file system is mounted
 * noexec. Null when there is none for this machine.
 */
export async function findLauncher(stateDir: string): Promise<LauncherBinary | null> {
  const source = await builtPath();
  if (source === null) return null;
  if (!source.startsWith(EMBEDDED)) {
    return isExecutable(source) ? { path: source, release: async () => {} } : null;
  }
  return unpackLauncher(new Uint8Array(await Bun.file(source).arrayBuffer()), stateDir);
}

/** Dynamic, so that a clone where it was not built (no C compiler) still runs. */
async function builtPath(): Promise<string | null> {
  try {
    const module = await import("../../../build/native/holdall-launcher", {
      with: { type: "file" },
    });
    return module.default;
  } catch {
    return null;
  }
}

/** Makes the launcher executable in `<stateDir>/bin` or else in a temporary folder; null when nowhere. */
export async function unpackLauncher(
  content: Uint8Array,
  stateDir: string,
): Promise<LauncherBinary | null> {
  const hash = new Bun.CryptoHasher("sha256").update(content).digest("hex").slice(0, 16);
  const name = `holdall-launcher-${hash}`;
  const kept = await place(join(stateDir, "bin"), name, content);
  if (kept !== null) return { path: kept, release: async () => {} };
  for (const parent of [tmpdir(), "/var/tmp", "/dev/shm"]) {
    try {
      const folder = await mkdtemp(join(parent, "holdall-"));
      const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
      const path = await place(folder, name, content);
      if (path !== null) return { path, release };
      await release();
    } catch {
      // Not there or not writable: the next one.
    }
  }
  return null;
}

async function place(folder: string, name: string, content: Uint8Array): Promise<string | null> {
  const path = join(folder, name);
  try {
    const present = await readFile(path).catch(() => null);
    if (present === null || Buffer.compare(present, content) !== 0) {
      await mkdir(folder, { recursive: true });
      // Renamed into place: another process may be starting it right now.
      const draft = `${path}.${process.pid}`;
      await writeFile(draft, content, { mode: 0o755 });
      await rename(draft, path);
    }
    if (!isExecutable(path)) await chmod(path, 0o755);
    return isExecutable(path) ? path : null;
  } catch {
    return null;
  }
}

/** False also on a file system mounted noexec. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** SHA-256 of files of any size, a piece at a time: at once, or between other work. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";

const PIECE_BYTES = 1024 * 1024;

/** One for all that is read at once: most files are small, and a new one for each costs more than they do. */
let shared: Uint8Array | null = null;

/** Hex; null when it cannot be read. */
export function hashFile(path: string): string | null {
  const hash = createHash("sha256");
  const piece = (shared ??= new Uint8Array(PIECE_BYTES));
  let file = -1;
  try {
    file = openSync(path, "r");
    for (;;) {
      const length = readSync(file, piece, 0, PIECE_BYTES, null);
      if (length === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, length));
    }
  } catch {
    return null;
  } finally {
    if (file !== -1) closeSync(file);
  }
}

/** The same, without holding up anything else; null also once it is not `wanted` any more. */
export async function hashFileLater(path: string, wanted: () => boolean): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    await using file = await open(path, "r");
    const piece = new Uint8Array(PIECE_BYTES);
    while (wanted()) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, null);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, bytesRead));
    }
    return null;
  } catch {
    return null;
  }
}

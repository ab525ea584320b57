/** One stream of one attempt: the first 64 KiB travel with the result; beyond that everything is sent ahead, up to the limit. */

export const INLINE_LIMIT_BYTES: number = 64 * 1024;
export const LOG_LIMIT_BYTES: number = 16 * 1024 * 1024;

export class OutputBuffer {
  #chunks: Uint8Array[] = [];
  #keptBytes = 0;
  #spilled = false;
  #spilledBytes = 0;
  /** bytes written in all */
  total = 0;

  /** Takes what was written; returns what has to be sent ahead now. */
  add(bytes: Uint8Array): Uint8Array[] {
    this.total += bytes.length;
    if (!this.#spilled && this.#keptBytes + bytes.length <= INLINE_LIMIT_BYTES) {
      // The executor's buffer is reused: keep a copy.
      this.#chunks.push(bytes.slice());
      this.#keptBytes += bytes.length;
      return [];
    }
    const ahead = this.#spilled ? [] : this.#chunks;
    this.#spilled = true;
    this.#chunks = [];
    ahead.push(bytes.slice());
    const allowed: Uint8Array[] = [];
    for (const chunk of ahead) {
      const room = LOG_LIMIT_BYTES - this.#spilledBytes;
      if (room <= 0) break;
      allowed.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
      this.#spilledBytes += Math.min(room, chunk.length);
    }
    return allowed;
  }

  /** What travels with the result; null when it was sent ahead or nothing was written. */
  kept(): Uint8Array | null {
    if (this.#spilled || this.#chunks.length === 0) return null;
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    const all = new Uint8Array(this.#keptBytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [all];
    return all;
  }
}

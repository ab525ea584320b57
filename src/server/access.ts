/**
 * STATE_DIR/access.json, {"url","token"}: how to reach the server of a state directory and the proof that one may. Kept when the server
 * ends: the next one takes the same port and token, so that whoever has the file finds it again.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { chmodSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { HoldallError } from "../core/error.ts";

export interface Access {
  url: string;
  token: string;
}

/** Null when there is no such file, or something else in it. */
export function readAccess(path: string): Access | null {
  try {
    const { url, token } = JSON.parse(readFileSync(path, "utf8")) as Partial<Access>;
    if (typeof url !== "string" || typeof token !== "string" || token === "") return null;
    return URL.canParse(url) ? { url, token } : null;
  } catch {
    return null;
  }
}

/** Whole or not at all, readable by its owner only. Throws `storage`. */
export function writeAccess(path: string, access: Access): void {
  // A restart on a full disk needs no space for what it finds as it left it.
  if (isWritten(path, access)) return;
  const made = `${path}.${process.pid}.new`;
  try {
    writeFileSync(made, `${JSON.stringify(access)}\n`, { mode: 0o600 });
    // The mode above counts for a file that is new only.
    chmodSync(made, 0o600);
    renameSync(made, path);
  } catch (cause) {
    rmSync(made, { force: true });
    throw new HoldallError("storage", `cannot write ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function isWritten(path: string, { url, token }: Access): boolean {
  const found = readAccess(path);
  if (found?.url !== url || found.token !== token) return false;
  return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) % 0o1000 === 0o600;
}

/** 256 random bits. */
export function newToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
}

/** Checks `Authorization: Bearer`; takes equally long whatever is wrong with it. */
export function createGuard(token: string): (request: Request) => boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const wanted = digest(`Bearer ${token}`);
  return (request) => timingSafeEqual(digest(request.headers.get("authorization") ?? ""), wanted);
}

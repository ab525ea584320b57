/**
 * The worker session over a WebSocket: where it is, how it is refused, how frames become messages.
 *
 *   GET /api/v1/session                                        the session: binary messages, see codec.ts; the first is `hello`
 *   GET /api/v1/session/beat?instance=&host=&pid=              heartbeats: each text message is answered with itself
 */
import { encodeFrames } from "./codec.ts";
import { SESSION_VERSION } from "./session.ts";

export const SESSION_PATH = "/api/v1/session";
export const BEAT_PATH = "/api/v1/session/beat";
export const MAX_MESSAGE_BYTES: number = 64 * 1024 * 1024;
/** Results and spills are cut into messages of about this size, so that no message comes near the limit. */
const SPLIT_BYTES: number = 16 * 1024 * 1024;

/** Why the server closed a session; anything else is a broken connection, and the worker tries again. */
export const CLOSE = {
  /** all is done: the worker was drained, or it said good-bye */
  done: 1000,
  /** the server cannot take anybody up at present (its disk is full) */
  later: 1013,
  /** not a message of ours, or a version this server does not speak; trying again does not help */
  refused: 4400,
  /** heartbeats of an instance that has said no hello here */
  unknown: 4404,
  /** declared lost; the worker may come back */
  lost: 4408,
  /** the same instance connected again */
  replaced: 4409,
} as const;

export function speaksVersion(version: number): boolean {
  return version === SESSION_VERSION || (version === SESSION_VERSION - 1 && version > 0);
}

/** Frames as messages below the limit. */
export function messagesOf(frames: readonly object[]): Uint8Array<ArrayBuffer>[] {
  const message = encodeFrames(frames);
  if (message.length <= SPLIT_BYTES || frames.length === 1) return [message];
  const middle = frames.length >>> 1;
  return [...messagesOf(frames.slice(0, middle)), ...messagesOf(frames.slice(middle))];
}

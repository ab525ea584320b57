import { expect, test } from "bun:test";
import { decodeFrames } from "./codec.ts";
import { SESSION_VERSION } from "./session.ts";
import { MAX_MESSAGE_BYTES, messagesOf, speaksVersion } from "./session-socket.ts";

test("many large frames become messages below the limit, in order", () => {
  const data = new Uint8Array(9 * 1024 * 1024);
  const frames = Array.from({ length: 8 }, (_, seq) => ({ type: "spill", seq, data }));
  const messages = messagesOf(frames);
  expect(messages.length).toBeGreaterThan(1);
  for (const message of messages) expect(message.length).toBeLessThan(MAX_MESSAGE_BYTES / 2);
  const back = messages.flatMap((message) => decodeFrames(message)) as { seq: number }[];
  expect(back.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("the current version of the session and the one before it", () => {
  expect(speaksVersion(SESSION_VERSION)).toBe(true);
  expect(speaksVersion(SESSION_VERSION - 1)).toBe(SESSION_VERSION > 1);
  for (const version of [SESSION_VERSION + 1, SESSION_VERSION - 2, 0, -1])
    expect(speaksVersion(version)).toBe(false);
});

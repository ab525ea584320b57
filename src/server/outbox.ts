import type { ToWorker } from "../protocol/session.ts";

/** One connected worker as the engine sees it. */
export interface Session {
  worker: number;
  send(frames: readonly ToWorker[]): void;
  templates: Set<string>;
}

/** All frames of a turn for one session travel together. */
export function sendAll(outbox: readonly { session: Session; frame: ToWorker }[]): void {
  const bySession = new Map<Session, ToWorker[]>();
  for (const { session, frame } of outbox) {
    const list = bySession.get(session);
    if (list) list.push(frame);
    else bySession.set(session, [frame]);
  }
  for (const [session, frames] of bySession) session.send(frames);
}

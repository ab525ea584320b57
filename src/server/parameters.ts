/** Query parameters of the API. */
import { HoldallError } from "../core/error.ts";
import { TASK_STATES, type TaskState } from "../core/states.ts";
import { STREAMS, type Stream } from "./output.ts";

/** `state=failed,skipped` or several of them; empty = all. */
export function statesOf(query: URLSearchParams): TaskState[] {
  const words = query.getAll("state").flatMap((text) => text.split(","));
  return words.map((word) => {
    const state = TASK_STATES.find((each) => each === word);
    if (state) return state;
    throw new HoldallError("usage", `there is no task state "${word}"`, {
      fix: `choose from ${TASK_STATES.join(", ")}`,
    });
  });
}

export function integerOf(
  query: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | null {
  const text = query.get(name);
  if (text === null) return null;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new HoldallError("usage", `${name}=${text} is not possible`, {
    fix: `give an integer ${range}`,
  });
}

export function streamOf(query: URLSearchParams): Stream {
  const word = query.get("stream") ?? "stdout";
  const stream = STREAMS.find((each) => each === word);
  if (stream) return stream;
  throw new HoldallError("usage", `there is no stream "${word}"`, { fix: "stdout or stderr" });
}

/**
 * Tasks written out come by the million, and nearly all of them look alike. Those that are plain are looked at and kept as they came;
 * only others go through the schema, which copies what it checks and says what is wrong. Both accept the same.
 */
import { z } from "zod";
import type { TaskBody } from "../core/workflow.ts";

export const TEXT_MAX = 1_000_000;

export function taskBodies(body: z.ZodType<TaskBody>): z.ZodType<readonly TaskBody[]> {
  const list = z.custom<unknown[]>((value) => Array.isArray(value), "is not a list of tasks");
  return list.transform((bodies, context) => {
    for (const [at, each] of bodies.entries()) {
      if (isPlainBody(each)) continue;
      const result = body.safeParse(each);
      if (result.success) {
        bodies[at] = result.data;
        continue;
      }
      for (const { message, path } of result.error.issues)
        context.addIssue({ code: "custom", message, path: [at, ...path] });
      return z.NEVER;
    }
    return bodies as TaskBody[];
  });
}

/** Without parameters, and surely what the schema accepts. */
export function isPlainBody(value: unknown): value is TaskBody {
  if (!isObject(value)) return false;
  for (const key in value) {
    const item = value[key];
    switch (key) {
      case "name":
        if (!isText(item)) return false;
        break;
      case "command":
        if (!isPlainCommand(item)) return false;
        break;
      case "inputs":
      case "outputs":
        if (!isTexts(item)) return false;
        break;
      case "env":
        if (!isPlainEnvironment(item)) return false;
        break;
      default:
        return false;
    }
  }
  return value["name"] !== undefined && value["command"] !== undefined;
}

function isPlainCommand(value: unknown): boolean {
  if (!isObject(value)) return false;
  const size = Object.keys(value).length;
  switch (value["kind"]) {
    case "argv":
      return size === 2 && isTexts(value["argv"]) && value["argv"].length > 0;
    case "auto":
    case "words":
      return size === 2 && isText(value["text"]);
    case "shell":
      return (
        size === 3 &&
        (value["shell"] === "sh" || value["shell"] === "bash") &&
        isText(value["text"])
      );
    default:
      return false;
  }
}

function isPlainEnvironment(value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const key in value) if (key === "__proto__" || !isText(value[key])) return false;
  return true;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_MAX && !value.includes("\0");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

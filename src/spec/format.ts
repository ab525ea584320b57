/** Which of the formats a document is in: by its name, else by what stands in it. */
import path from "node:path";
import type { Format } from "./document.ts";

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  ".yaml": "yaml",
  ".yml": "yaml",
  ".json": "json",
  ".json5": "json5",
  ".kdl": "kdl",
};

export function formatOf(file: string, text: string): Format {
  return BY_EXTENSION[path.extname(file).toLowerCase()] ?? formatByContent(text);
}

/** Lines looked at. */
const LOOKED_AT = 200;

function formatByContent(text: string): Format {
  const start = text.replace(/^\uFEFF/, "").trimStart();
  // JSON is YAML as well, but comments and bare keys are not
  if (/^[{[]/.test(start)) return isJson(text) ? "json" : "json5";
  if (/^\/[/*]/.test(start))
    return /^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*[{[]/.test(start) ? "json5" : "kdl";
  for (const line of start.split("\n", LOOKED_AT)) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    if (/^(?:---|%YAML|- |["']?[\w.-]+["']?\s*:(?:\s|$))/.test(line)) return "yaml";
    if (/^(?:\/-|[\w-]+(?:\s*["#{(\\]|\s+[\w+-]))/.test(line)) return "kdl";
    return "yaml";
  }
  return "yaml";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

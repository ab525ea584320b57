/** Resources of rules, as variables say them. */
import { amountOf, type Resource, RESOURCES, type Resources } from "./rules.ts";

export function isResource(name: string): name is Resource {
  return (RESOURCES as readonly string[]).includes(name);
}

export function unitOf(name: Resource): string {
  if (name === "WALL_TIME") return "in seconds";
  return name === "MEMORY" || name === "DISK" ? "in MB" : "such as 2";
}

export function resourcesOf(look: (name: string) => string | undefined): Resources {
  const resources: Resources = {};
  for (const name of RESOURCES) {
    const value = look(name);
    const amount = value === undefined ? null : amountOf(unquoted(value));
    if (amount !== null) resources[name] = amount;
  }
  return resources;
}

/** Without the quotes around the whole. */
export function unquoted(text: string): string {
  const trimmed = text.trim();
  const match = /^"([^"]*)"$|^'([^']*)'$/.exec(trimmed);
  return match ? (match[1] ?? match[2]!) : trimmed;
}

// The rooms of src/ and the doors between them. `core` decides and stays pure; a room that is not in
// another's list cannot be imported there, types included. Tests may import anything.

import { posix } from "node:path";
import { findImports } from "./imports.ts";

export interface Room {
  /** In a few words, for the table of doors in CONTRIBUTING.md. */
  readonly purpose: string;
  /** Rooms that may be imported. */
  readonly may: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly mayTypes?: readonly string[];
  /** Whether `bun`, `bun:*` and `node:*` may be used. */
  readonly builtIns: boolean;
  /** Whether npm packages may be used. */
  readonly packages: boolean;
}

const everything = { builtIns: true, packages: true } as const;

export const rooms: Readonly<Record<string, Room>> = {
  core: { purpose: "decides; pure", may: [], builtIns: false, packages: false },
  spec: { purpose: "reads documents into one Workflow", may: ["core"], ...everything },
  protocol: { purpose: "the wire", may: ["core"], ...everything },
  ledger: { purpose: "remembers", may: ["core"], ...everything },
  server: {
    purpose: "the shell around core and ledger",
    may: ["core", "ledger", "protocol"],
    ...everything,
  },
  worker: { purpose: "runs attempts", may: ["core", "protocol"], ...everything },
  providers: { purpose: "where workers come from", may: ["core", "protocol"], ...everything },
  client: {
    purpose: "the SDK for Node, Bun and browsers",
    may: [],
    mayTypes: ["protocol"],
    builtIns: false,
    packages: false,
  },
  dashboard: { purpose: "the web page", may: ["client"], builtIns: false, packages: true },
  bench: {
    purpose: "measures",
    may: ["core", "spec", "protocol", "ledger", "server", "worker", "providers", "client"],
    ...everything,
  },
  cli: {
    purpose: "the only room that sees all",
    may: [
      "core",
      "spec",
      "protocol",
      "ledger",
      "server",
      "worker",
      "providers",
      "client",
      "dashboard",
      "bench",
    ],
    ...everything,
  },
};

/** What lies outside src/ and may be embedded from there, except by rooms without built-ins. */
const embeddable = ["package.json", "build/native/", "schema/"];

/** Whether the doors do not apply: tests, suites shared by tests, declarations. */
export function isExempt(file: string): boolean {
  return /\.(test|testsuite|d)\.ts$/.test(file) || file.includes("/testing/");
}

/** The rule for a room in words, without the room itself. */
export function describeRoom(room: Room): string {
  const parts = [...room.may, ...(room.mayTypes ?? []).map((name) => `types of ${name}`)];
  if (room.builtIns) parts.push("built-ins");
  if (room.packages) parts.push("packages");
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

/**
 * The imports of one file that go through no door, as `file:line: message`.
 * `file` is relative to the repository, with slashes, below `src/`.
 */
export function checkDoors(file: string, source: string): string[] {
  const [, roomName = "", inside] = file.split("/");
  const room = rooms[roomName];
  if (room === undefined || inside === undefined) {
    return [`${file}:1: not in a room of src/ (there are: ${Object.keys(rooms).join(", ")})`];
  }
  const refused: string[] = [];
  for (const { specifier, line, typeOnly } of findImports(source)) {
    const what = refusal(file, roomName, room, specifier, typeOnly);
    if (what === undefined) continue;
    const allowed = describeRoom(room);
    refused.push(
      `${file}:${line}: room "${roomName}" may not import ${what} (allowed: ${allowed})`,
    );
  }
  return refused;
}

function refusal(
  file: string,
  roomName: string,
  room: Room,
  specifier: string | null,
  typeOnly: boolean,
): string | undefined {
  if (specifier === null) return "a computed name";
  if (/^(bun|node)(:|$)/.test(specifier)) return room.builtIns ? undefined : `"${specifier}"`;
  if (!/^[./]/.test(specifier)) {
    return room.packages ? undefined : `the package "${specifier}"`;
  }
  const target = posix.join(posix.dirname(file), specifier);
  if (!target.startsWith("src/")) {
    const embedded = room.builtIns && embeddable.some((start) => target.startsWith(start));
    return embedded ? undefined : `"${target}"`;
  }
  const other = target.split("/")[1] ?? "";
  if (other === roomName || room.may.includes(other)) return undefined;
  if (room.mayTypes?.includes(other) === true) {
    return typeOnly ? undefined : `more than types from "${other}"`;
  }
  return `"${other}"`;
}

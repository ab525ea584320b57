import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { Check, Importance } from "../doctor.ts";
import { EXIT } from "../exit.ts";
import { type Colors, colorsFor } from "../output/colors.ts";
import { printJson } from "../output/json.ts";
import { table } from "../output/table.ts";
import { stateDirOf } from "../state-dir.ts";
import { VERSION } from "../version.ts";
import { JSON_FLAG, STATE_DIR_FLAG } from "./shared.ts";

interface Flags {
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const doctorCommand: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    const [{ realDoctorDeps, runChecks }, { thisMachine }, { Database }] = await Promise.all([
      import("../doctor.ts"),
      import("../offer.ts"),
      import("bun:sqlite"),
    ]);
    const sqliteVersion = (): string => {
      using memory = new Database(":memory:");
      const row = memory.query<{ version: string }, []>("select sqlite_version() as version").get();
      return row?.version ?? "unknown";
    };
    const compiled = import.meta.dir.startsWith("/$bunfs");
    const deps = realDoctorDeps(thisMachine, sqliteVersion, compiled);
    const checks = runChecks(stateDirOf(io, flags.stateDir).path, deps);
    const ok = checks.every((check) => check.ok || check.importance !== "needed");
    if (flags.json === true) printJson(io, { version: VERSION, ok, checks });
    else io.stdout.write(doctorText(checks, colorsFor(io, io.stdout)));
    if (!ok) this.exitCode = EXIT.taskFailed;
  },
  parameters: { flags: { stateDir: STATE_DIR_FLAG, json: JSON_FLAG } },
  docs: {
    brief: "what is installed, what is missing, how to get it",
    fullDescription: "Exits 0 when everything is there that `holdall run` needs on this machine.",
    customUsage: [{ input: "", brief: "looks, changes nothing" }],
  },
});

const TITLES: Record<Importance, string> = {
  needed: "needed to run tasks here",
  useful: "useful: full speed, the examples",
  optional: "optional: other engines and devices",
};

export function doctorText(checks: readonly Check[], colors: Colors): string {
  const sections = [`holdall ${VERSION}\n`];
  for (const importance of ["needed", "useful", "optional"] as const) {
    const shown = checks.filter((check) => check.importance === importance);
    const rows = shown.map((check) => [
      check.ok ? "  ok" : importance === "optional" ? "  --" : "  MISSING",
      check.name,
      check.fix === null ? check.found : `${check.found}; get it: ${check.fix}`,
    ]);
    const paint = (cell: string, row: number, column: number): string => {
      if (column !== 0) return cell;
      if (shown[row]?.ok === true) return colors.green(cell);
      return importance === "needed" ? colors.red(cell) : colors.yellow(cell);
    };
    const columns = [{ title: "" }, { title: "" }, { title: "" }];
    sections.push(`${colors.bold(TITLES[importance])}\n${table(columns, rows, paint)}`);
  }
  return sections.join("\n");
}

// Part of `npm run check`: every import in src/ goes through a door of scripts/doors.ts.

import { checkDoors, isExempt } from "./doors.ts";

const refused: string[] = [];
for await (const file of new Bun.Glob("src/**/*.{ts,tsx}").scan()) {
  if (!isExempt(file)) refused.push(...checkDoors(file, await Bun.file(file).text()));
}
for (const message of refused.sort()) console.error(message);
process.exitCode = refused.length === 0 ? 0 : 1;

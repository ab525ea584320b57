// Part of `npm run check`: looks at every file that is, or could be, committed.

import { checkContents } from "./contents.ts";

async function committable(): Promise<string[]> {
  const listing = Bun.spawnSync(["git", "ls-files", "-z", "-co", "--exclude-standard"]);
  if (listing.exitCode === 0) {
    return listing.stdout.toString().split("\0").filter(Boolean);
  }
  // Not a clone, perhaps an unpacked archive.
  const ignored = /^(node_modules|build|dist|results|\.venv|\.holdall|\.cache)\//;
  const all = await Array.fromAsync(new Bun.Glob("**/*").scan({ dot: true }));
  return all.filter((file) => !ignored.test(file));
}

const found: string[] = [];
for (const file of new Set(await committable())) {
  const content = Bun.file(file);
  if (!(await content.exists())) continue; // deleted, not yet committed
  const text = await content.text();
  if (!text.includes("\0")) found.push(...checkContents(file, text));
}
for (const message of found.sort()) console.error(message);
process.exitCode = found.length === 0 ? 0 : 1;

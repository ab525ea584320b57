/** The program's entry. Does nothing but answer `--version` itself, so that this takes no other module. */
import { writeSync } from "node:fs";
import { VERSION } from "./version.ts";

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  console.log(`holdall ${VERSION}`);
} else {
  const [{ runCli }, { flush, realIo }] = await Promise.all([
    import("./app.ts"),
    import("./real-io.ts"),
  ]);
  // While this module awaits, Bun only prints an exception that nobody catches and goes on: a turn of the engine that
  // failed would leave a run that never ends. Nothing is lost: a turn is stored before anything of it is sent.
  process.on("uncaughtException", (error) => {
    writeSync(2, `error: a mistake in Holdall itself: ${error.stack ?? String(error)}\n`);
    process.exit(1);
  });
  const exitCode = await runCli(argv, realIo());
  const lost = await flush();
  if (lost === null) process.exit(exitCode);
  // A full disk under `holdall tasks --json > file` must not look like an answer.
  writeSync(2, `error: the result could not be written to stdout: ${lost.message}\n`);
  process.exit(exitCode === 0 ? 1 : exitCode);
}

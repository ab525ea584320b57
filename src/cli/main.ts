/** The program's entry. Does nothing but answer `--version` itself, so that this takes no other module. */
import { VERSION } from "./version.ts";

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  console.log(`holdall ${VERSION}`);
} else {
  const [{ runCli }, { flush, realIo }] = await Promise.all([
    import("./app.ts"),
    import("./real-io.ts"),
  ]);
  const exitCode = await runCli(argv, realIo());
  await flush();
  process.exit(exitCode);
}

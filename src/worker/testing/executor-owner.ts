/**
 * A process to be killed: opens the executor named in argv[2] and starts shell scripts (argv[3...]), each in a
 * pool of its own. Prints "PID of the attempt" lines, then what the attempts print.
 */
import { openExecutor, type ExecutorName } from "../executors/index.ts";
import { TEST_PATH } from "./recorder.ts";

const executor = await openExecutor(
  {
    started() {},
    output(_id, _stream, bytes) {
      process.stdout.write(bytes);
    },
    exited() {},
    failed(error) {
      console.error(error.message);
    },
  },
  { stateDir: "/nonexistent", name: process.argv[2] as ExecutorName },
);
const environment = executor.environment({ PATH: TEST_PATH });
executor.start(
  process.argv.slice(3).map((script, id) => ({
    id,
    pool: id,
    argv: ["/bin/sh", "-c", script],
    cwd: "/",
    environment,
    extraEnv: [],
    captureStdout: true,
    captureStderr: false,
  })),
);
setInterval(() => {}, 60_000);

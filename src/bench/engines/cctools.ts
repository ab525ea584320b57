/** A Work Queue that the user built: our driver is compiled against it, and its worker is the one that is started. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";

export interface CctoolsBuild {
  driver: string;
  worker: string;
}

const WARNINGS = ["-std=c++17", "-O2", "-pthread"];
const LIBRARIES = ["-lwork_queue", "-ldttools", "-lm", "-lssl", "-lcrypto", "-lz"];

/** Compiled once for each prefix and state of it. Throws `not_found` or `engine`. */
export function buildWithCctools(prefix: string, root: string): CctoolsBuild {
  const at = resolve(prefix);
  const worker = join(at, "bin/work_queue_worker");
  const library = join(at, "lib/libwork_queue.a");
  for (const need of [worker, library, join(at, "include/cctools/work_queue.h")])
    if (!existsSync(need))
      throw new HoldallError("not_found", `--cctools ${prefix}: ${need} is not there`, {
        fix: "give the folder that `make install` of cctools wrote to (./configure --prefix=...)",
      });
  const source = join(root, "drivers/workqueue/workqueue_driver.cpp");
  const ages = [source, library].map((file) => statSync(file).mtimeMs);
  const name = `holdall-workqueue-driver-${Bun.hash([at, ...ages].join("\n")).toString(36)}`;
  const driver = join(root, "build/drivers", name);
  if (existsSync(driver)) return { driver, worker };
  mkdirSync(join(root, "build/drivers"), { recursive: true });
  const compiler = ["c++", "g++", "clang++"].find((each) => Bun.which(each) !== null);
  if (compiler === undefined)
    throw new HoldallError("not_found", "there is no C++ compiler", {
      fix: "sudo apt-get install -y g++",
    });
  const paths = [`-I${join(at, "include")}`, `-L${join(at, "lib")}`];
  const built = Bun.spawnSync(
    [compiler, ...WARNINGS, "-o", driver, source, ...paths, ...LIBRARIES],
    { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  if (built.success) return { driver, worker };
  const words = built.stderr.toString().trim().split("\n").slice(0, 5).join("\n  ");
  throw new HoldallError("engine", `the Work Queue driver cannot be built with it:\n  ${words}`);
}

import { expect, test } from "bun:test";
import {
  commentOf,
  parseComment,
  type PilotRequest,
  pilotScript,
  sbatchArguments,
  splitWords,
} from "./pilot.ts";

const REQUEST: PilotRequest = {
  count: 1,
  holdall: ["/opt/it's here/holdall"],
  access: "/data/a b/access.json",
  logs: "/data/a b/pilots",
  scheduler: null,
  fields: {},
  drainSeconds: 60,
  idleSeconds: 300,
  extra: [],
};

/** sbatch takes the last of several. */
function lastOf(argv: readonly string[], option: string): string | undefined {
  return argv.findLast((each) => each.startsWith(`${option}=`))?.slice(option.length + 1);
}

test("the command line wins over the document, and what the user wrote out over both", () => {
  const argv = sbatchArguments({
    ...REQUEST,
    scheduler: "big one",
    fields: {
      account: "lab",
      partition: "short",
      walltime: "04:00:00",
      mem: "8G",
      nodes: 1,
      extra: "--qos='very high' -C avx512",
    },
    partition: "long",
    cpus: 3.5,
    memoryBytes: 1024 ** 3 + 1,
    extra: ["--mem=0", "--exclusive"],
  });
  expect(argv[0]).toBe("sbatch");
  expect(lastOf(argv, "--account")).toBe("lab");
  expect(lastOf(argv, "--partition")).toBe("long");
  expect(lastOf(argv, "--time")).toBe("04:00:00");
  expect(lastOf(argv, "--cpus-per-task")).toBe("4");
  expect(argv).toContain("--mem=1025M");
  expect(lastOf(argv, "--mem")).toBe("0");
  expect(argv).toContain("--qos=very high");
  expect(argv.slice(argv.indexOf("-C"), argv.indexOf("-C") + 2)).toEqual(["-C", "avx512"]);
  expect(lastOf(argv, "--job-name")).toBe("holdall-pilot-big_one");
  expect(lastOf(argv, "--signal")).toBe("B:TERM@60");
  expect(argv.some((each) => each.startsWith("--array"))).toBe(false);
});

test("several pilots are an array; with several nodes the workers are signaled, which are steps then", () => {
  const argv = sbatchArguments({ ...REQUEST, count: 3, nodes: 2 });
  expect(lastOf(argv, "--array")).toBe("0-2");
  expect(lastOf(argv, "--output")).toBe("/data/a b/pilots/%A_%a.log");
  expect(lastOf(argv, "--signal")).toBe("TERM@60");
  expect(lastOf(argv, "--ntasks-per-node")).toBe("1");
});

test("the script starts a worker with what Slurm gave", async () => {
  const script = pilotScript({ ...REQUEST, holdall: ["/usr/bin/printf", "%s|"], scheduler: "gpu" });
  const run = async (env: Record<string, string>): Promise<string[]> => {
    const child = Bun.spawn(["/bin/sh", "-c", script], {
      env: { PATH: "/usr/bin:/bin", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const words = (await child.stdout.text()).split("|").slice(0, -1);
    expect(await child.exited).toBe(0);
    return words;
  };
  const end = String(Math.floor(Date.now() / 1000) + 1000);
  const first = await run({
    SLURM_CPUS_ON_NODE: "4",
    SLURM_MEM_PER_CPU: "500",
    SLURM_GPUS_ON_NODE: "2",
    SLURM_JOB_END_TIME: end,
  });
  const limit = Number(first.pop()?.replace("s", ""));
  expect(limit).toBeGreaterThan(900);
  expect(limit).toBeLessThanOrEqual(995);
  expect(first).toEqual([
    ...["worker", "--access", "/data/a b/access.json", "--scheduler", "gpu"],
    ...["--idle-timeout", "300s", "--cpus", "4", "--gpus", "2", "--memory", "2000MiB"],
    "--time-limit",
  ]);
  const second = await run({ SLURM_MEM_PER_NODE: "700" });
  expect(second.slice(-6)).toEqual(["--cpus", "1", "--gpus", "0", "--memory", "700MiB"]);
});

test("comments say whose pilot it is", () => {
  for (const scheduler of [null, "gpu", "two words", "ä|-"])
    expect(parseComment(commentOf(scheduler, "/a b|c/access.json"))).toEqual({
      scheduler,
      access: "/a b|c/access.json",
    });
  for (const other of ["", "(null)", "holdall", "a comment of somebody's"])
    expect(parseComment(other)).toBeNull();
});

test("words are split as by a shell, without its expansions", () => {
  expect(splitWords(`-p short  --x='a b' "c \\" d" e\\ f $HOME *`)).toEqual([
    "-p",
    "short",
    "--x=a b",
    'c " d',
    "e f",
    "$HOME",
    "*",
  ]);
  expect(splitWords(" ")).toEqual([]);
});

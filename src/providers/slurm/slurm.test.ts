import { expect, test } from "bun:test";
import type { Ran } from "./command.ts";
import { parseQueue } from "./queue.ts";
import { slurmProvider } from "./slurm.ts";

const OK: Ran = { code: 0, stdout: "", stderr: "" };
const HERE = "/data/.holdall/access.json";
const QUEUE = [
  `12_0|RUNNING|None|short|1|4|n1|2026-11-20T15:00:00|2026-11-20T16:00:00|holdall-pilot|holdall - ${HERE}`,
  `12_1|PENDING|Resources|short|2|8||N/A|N/A|holdall-pilot-gpu|holdall gpu /else|where/access.json`,
  `13|RUNNING|None|short|1|4|n1|2026-11-20T15:00:00|2026-11-20T16:00:00|holdall-12-ab|(null)`,
  `14|RUNNING|None|short|1|4|n1|2026-11-20T15:00:00|NONE|simulation|holdall - ${HERE}`,
].join("\n");

test("squeue's lines: pilots are known by their name, servers by the comment", () => {
  const [first, second, ...rest] = parseQueue(`${QUEUE}\n`);
  expect(rest).toEqual([]);
  expect(first).toMatchObject({
    id: "12_0",
    state: "running",
    reason: null,
    cpus: 4,
    hosts: "n1",
    scheduler: null,
    access: HERE,
  });
  expect((first?.endsAtMs ?? 0) - (first?.startsAtMs ?? 0)).toBe(3_600_000);
  expect(second).toMatchObject({
    state: "pending",
    reason: "Resources",
    hosts: null,
    startsAtMs: null,
    scheduler: "gpu",
    access: "/else|where/access.json",
  });
});

test("what is canceled: waiting ones are withdrawn, workers are told first, nobody else's jobs are touched", async () => {
  const asked: string[] = [];
  let told = 0;
  const provider = slurmProvider(async (argv) => {
    if (argv[0] === "squeue") return { ...OK, stdout: told >= 2 ? "" : QUEUE };
    asked.push(argv.join(" "));
    if (argv.includes("--signal=TERM")) told++;
    return OK;
  });
  await provider.cancel(["12_0", "12_1", "14"], false);
  expect(asked).toEqual([
    "scancel --quiet 12_1",
    "scancel --quiet --batch --signal=TERM 12_0",
    "scancel --quiet --batch --signal=TERM 12_0",
  ]);
});

test("Slurm's refusals are told in its words, with what can be done", async () => {
  const failing = (stderr: string): Promise<unknown> =>
    slurmProvider(async () => ({ code: 1, stdout: "", stderr }))
      .list(null)
      .catch((error: unknown) => error);
  expect(await failing("sbatch: error: invalid partition specified: x\n")).toMatchObject({
    code: "engine",
    message: "Slurm refuses (squeue): invalid partition specified: x",
    fix: expect.stringContaining("sinfo -s"),
  });
  expect(
    await failing("slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
  ).toMatchObject({ code: "unreachable" });
});

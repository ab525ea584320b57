/** What a pilot is to Slurm: the options of its sbatch, and its script. */

export interface PilotRequest {
  count: number;
  /** argv that starts `holdall` on the nodes */
  holdall: readonly string[];
  /** absolute path of the server's access file, which the nodes have to be able to read */
  access: string;
  /** where the pilots' own output goes */
  logs: string;
  /** name of the scheduler whose tasks the workers take as well */
  scheduler: string | null;
  /** its fields in the document, as `walltime` */
  fields: Readonly<Record<string, unknown>>;
  partition?: string | undefined;
  account?: string | undefined;
  qos?: string | undefined;
  /** as Slurm writes it */
  time?: string | undefined;
  nodes?: number | undefined;
  /** of each node */
  cpus?: number | undefined;
  memoryBytes?: number | undefined;
  gpus?: number | undefined;
  /** tasks at a time on each worker, whatever they need; else by resources */
  maxParallel?: number | undefined;
  /** before its end a pilot starts nothing more */
  drainSeconds: number;
  /** a worker that holds nothing for so long ends; null = never */
  idleSeconds: number | null;
  /** further options for sbatch; they win over all others */
  extra: readonly string[];
}

export const PILOT_NAME = "holdall-pilot";
const MIB = 1024 * 1024;
/** What is left of an allocation at the very end goes to the last results. */
const LAST_SECONDS = 5;

/** Comments are what `list` knows pilots by; the path is last because it may hold anything. */
export function commentOf(scheduler: string | null, access: string): string {
  return `holdall ${scheduler === null ? "-" : encodeURIComponent(scheduler)} ${access}`;
}

export function parseComment(comment: string): { scheduler: string | null; access: string } | null {
  const found = /^holdall (\S+) (\/.*)$/.exec(comment.trim());
  if (found === null) return null;
  const [, name = "-", access = ""] = found;
  return { scheduler: name === "-" ? null : decodeURIComponent(name), access };
}

/** Fields of `slurm_schedulers` that are options of sbatch, under another name or the same. */
const OPTIONS: Readonly<Record<string, string>> = {
  account: "--account",
  gres: "--gres",
  mem: "--mem",
  nodes: "--nodes",
  ntasks_per_node: "--ntasks-per-node",
  partition: "--partition",
  qos: "--qos",
  tmp: "--tmp",
  walltime: "--time",
};

/** sbatch takes the last of several: the document's, then those of the command line, then what the user wrote out. */
export function sbatchArguments(request: PilotRequest): string[] {
  const { fields, scheduler } = request;
  const nodes = Number(request.nodes ?? fields["nodes"] ?? 1);
  const argv = [
    "sbatch",
    "--parsable",
    "--requeue",
    "--open-mode=append",
    `--job-name=${PILOT_NAME}${scheduler === null ? "" : `-${scheduler.replaceAll(/[^\w.-]/g, "_")}`}`,
    `--comment=${commentOf(scheduler, request.access)}`,
    `--output=${request.logs}/${request.count > 1 ? "%A_%a" : "%j"}.log`,
    // Workers get it, not only the shell: with several nodes they are steps.
    `--signal=${nodes > 1 ? "" : "B:"}TERM@${request.drainSeconds}`,
  ];
  if (request.count > 1) argv.push(`--array=0-${request.count - 1}`);
  for (const [field, option] of Object.entries(OPTIONS)) {
    const value = fields[field];
    if (typeof value === "string" || typeof value === "number") argv.push(`${option}=${value}`);
  }
  if (fields["ntasks_per_node"] === undefined) argv.push("--ntasks-per-node=1");
  const extra = fields["extra"];
  if (typeof extra === "string") argv.push(...splitWords(extra));
  const given: [string, string | number | undefined][] = [
    ["--partition", request.partition],
    ["--account", request.account],
    ["--qos", request.qos],
    ["--time", request.time],
    ["--nodes", request.nodes],
    ["--cpus-per-task", request.cpus === undefined ? undefined : Math.ceil(request.cpus)],
    ["--mem", request.memoryBytes === undefined ? undefined : mebibytes(request.memoryBytes)],
    ["--gres", request.gpus === undefined ? undefined : `gpu:${request.gpus}`],
  ];
  for (const [option, value] of given) if (value !== undefined) argv.push(`${option}=${value}`);
  return [...argv, ...request.extra];
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MIB)}M`;
}

/** Workers offer what Slurm gave them on their node, until the end that it set. */
export function pilotScript(request: PilotRequest): string {
  const worker = [...request.holdall, "worker", "--access", request.access];
  if (request.scheduler !== null) worker.push("--scheduler", request.scheduler);
  if (request.maxParallel !== undefined) worker.push("--max-parallel", `${request.maxParallel}`);
  if (request.idleSeconds !== null) worker.push("--idle-timeout", `${request.idleSeconds}s`);
  const onNode = [
    `set -- ${worker.map(quoted).join(" ")}`,
    "cpus=${SLURM_CPUS_ON_NODE:-1}",
    'set -- "$@" --cpus "$cpus" --gpus "${SLURM_GPUS_ON_NODE:-0}"',
    'if [ -n "${SLURM_MEM_PER_NODE-}" ]; then set -- "$@" --memory "${SLURM_MEM_PER_NODE}MiB"',
    'elif [ -n "${SLURM_MEM_PER_CPU-}" ]; then set -- "$@" --memory "$((SLURM_MEM_PER_CPU * cpus))MiB"; fi',
    '[ -z "$HOLDALL_END" ] || set -- "$@" --time-limit "$((HOLDALL_END - $(date +%s)))s"',
    "unset HOLDALL_END",
    'exec "$@"',
  ].join("\n");
  return [
    "#!/bin/sh",
    "# A pilot of Holdall: a worker on each of its nodes.",
    "end=${SLURM_JOB_END_TIME-}",
    'if [ -z "$end" ]; then',
    '  end=$(squeue --noheader --jobs="$SLURM_JOB_ID" --states=all --format=%e 2>/dev/null | head -n 1)',
    "  case $end in",
    '    [0-9]*) end=$(date -d "$end" +%s 2>/dev/null) || end= ;;',
    "    *) end= ;; # without a limit",
    "  esac",
    "fi",
    `[ -z "$end" ] || end=$((end - ${LAST_SECONDS}))`,
    "export HOLDALL_END=$end",
    `node=${quoted(onNode)}`,
    'if [ "${SLURM_JOB_NUM_NODES:-1}" -gt 1 ]; then',
    '  exec srun --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --kill-on-bad-exit=0 /bin/sh -c "$node"',
    "fi",
    'exec /bin/sh -c "$node"',
    "",
  ].join("\n");
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words as a shell splits them, without anything that a shell would expand. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/gs))
    words.push(
      word.replaceAll(/\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)"/gs, (_, escaped, single, double) =>
        String(escaped ?? single ?? String(double).replaceAll(/\\(["\\$`])/g, "$1")),
      ),
    );
  return words;
}

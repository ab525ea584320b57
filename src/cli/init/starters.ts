/** Documents to begin with. Each runs as it is. */
export const KINDS = ["bag", "array", "dag", "slurm"] as const;
export type Kind = (typeof KINDS)[number];

/** In YAML; the other spellings are made of it. */
export function starterOf(kind: Kind, name: string): string {
  return `# yaml-language-server: $schema=holdall.schema.json\n${HEADS[kind]}name: ${JSON.stringify(name)}\n${BODIES[kind]}`;
}

const HEADS: Readonly<Record<Kind, string>> = {
  bag: "# Tasks that do not wait for each other.\n",
  array: "# One task for each value of a parameter, and one that comes after all of them.\n",
  dag: "# Tasks that wait for each other, through their files and by name.\n",
  slurm: "# Tasks for nodes of a Slurm cluster. Here they run as well: --scheduler short\n",
};

const BODIES: Readonly<Record<Kind, string>> = {
  bag: `
tasks:
  - name: first
    # A list of words is executed as it stands; a text may use the shell.
    command: [echo, "hello from the first"]
  - name: second
    command: echo "hello from the second" && date
    # What it needs; 1 cpu unless something is said.
    cpus: 1
    memory: 100m
    # Further attempts after a failure, and the longest time for one.
    retries: 1
    timeout: 10m
`,
  array: `
tasks:
  # 1 to 10, both included; {i} is the value, {i:03d} the value with three digits.
  - name: "square_{i:03d}"
    parameters: { i: "1:10" }
    command: mkdir -p squares && echo $(({i} * {i})) > squares/{i:03d}.txt
    # Checked after the command has ended.
    outputs: ["squares/{i:03d}.txt"]
    memory: 50m
    retries: 1
  - name: sum
    command: cat squares/*.txt | awk '{ s += $1 } END { print s }' > sum.txt
    # The whole array, by its name as it is written above.
    depends_on: ["square_{i:03d}"]
    outputs: [sum.txt]
`,
  dag: `
resource_requirements:
  - { name: small, cpus: 1, memory: 100m, runtime: 1m }
tasks:
  - name: prepare
    command: mkdir -p work && seq 1 100 > work/numbers.txt
    outputs: [work/numbers.txt]
    resource_requirements: small
  # These two come after prepare, because they read what it writes.
  - name: head
    command: head -n 10 work/numbers.txt > work/head.txt
    inputs: [work/numbers.txt]
    outputs: [work/head.txt]
    resource_requirements: small
  - name: tail
    command: tail -n 10 work/numbers.txt > work/tail.txt
    inputs: [work/numbers.txt]
    outputs: [work/tail.txt]
    resource_requirements: small
  - name: report
    command: cat work/head.txt work/tail.txt > work/report.txt
    inputs: [work/head.txt, work/tail.txt]
    outputs: [work/report.txt]
  # Also when something before it has failed.
  - name: clean
    command: rm -f work/head.txt work/tail.txt
    depends_on: [report]
    on_upstream_failure: run
`,
  slurm: `
slurm_schedulers:
  # Replace the account by yours: sacctmgr show user $USER
  - name: short
    account: project
    walltime: 00:30:00
    nodes: 1
resource_requirements:
  - { name: small, cpus: 1, memory: 500m, runtime: 5m }
tasks:
  - name: "sim_{seed:02d}"
    parameters: { seed: "1:8" }
    command: mkdir -p out && echo "{seed} on $(hostname)" > out/{seed:02d}.txt
    outputs: ["out/{seed:02d}.txt"]
    resource_requirements: small
    scheduler: short
    retries: 1
  - name: collect
    command: cat out/*.txt > all.txt
    depends_on: ["sim_{seed:02d}"]
    outputs: [all.txt]
    scheduler: short
`,
};

/** The shortest driver, for tests: one command after the other. Its first option says what it does wrong. */
const [fault] = process.argv.slice(2);
const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

say({ type: "ready", version: "plain", startup_s: 0.01, manager_pid: process.pid });
let bags = 0;
for await (const line of console) {
  if (line === "") continue;
  const { type, tasks: path } = JSON.parse(line);
  if (type !== "run") continue;
  bags++;
  const tasks = (await Bun.file(path).text())
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text) as { argv: string[] });
  const started = performance.now();
  let done = 0;
  for (const { argv } of tasks) {
    if (fault === "die" && bags === 2) process.exit(7);
    const command =
      fault === "other-data" ? argv.map((word) => (word === "0.001" ? "0.1" : word)) : argv;
    if (fault === "skip" && done === 1) {
      done++;
      continue;
    }
    if (fault === "hang" && bags === 2) await new Promise(() => setInterval(() => {}, 1000));
    const { success } = Bun.spawnSync(command, {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    if (success) done++;
  }
  const wall_s = (performance.now() - started) / 1000;
  say({ type: "ran", done, failed: tasks.length - done, wall_s });
}

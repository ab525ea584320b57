import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { openLedger } from "./open.ts";
import { startOwner } from "./testing/child.ts";

let place: string;
let stateDir: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdall-open-"));
  stateDir = join(place, "state");
});
afterEach(() => rmSync(place, { recursive: true }));

function refusal(open: () => unknown): HoldallError {
  try {
    open();
  } catch (error) {
    if (error instanceof HoldallError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a state directory", () => {
  test("and its files belong to the user alone", () => {
    const ledger = openLedger(stateDir);
    const mode = (name: string): number => statSync(join(stateDir, name)).mode & 0o777;
    expect(mode("")).toBe(0o700);
    expect(mode("ledger.db")).toBe(0o600);
    expect(mode("ledger.db-wal")).toBe(0o600);
    expect(mode("owner.json")).toBe(0o600);
    expect(existsSync(join(stateDir, "ledger.db-shm"))).toBe(false);
    ledger.close();
    expect(existsSync(join(stateDir, "owner.json"))).toBe(false);
    expect(existsSync(join(stateDir, "ledger.db-wal"))).toBe(false);
  });

  test("whose parent is missing is named with the fix", () => {
    const error = refusal(() => openLedger(join(place, "no", "state")));
    expect(error.code).toBe("storage");
    expect(error.message).toContain(join(place, "no", "state"));
    expect(error.fix).toContain(`create ${join(place, "no")} first`);
  });

  test("that may not be created is named with the fix", () => {
    const error = refusal(() => openLedger("/sys/holdall-state"));
    expect(error.code).toBe("storage");
    expect(error.message).toContain("/sys/holdall-state");
    expect(error.fix).toContain("/sys");
  });

  test("in whose place, or above which, a file lies is a conflict", () => {
    writeFileSync(stateDir, "mine");
    const error = refusal(() => openLedger(stateDir));
    expect([error.code, error.message]).toEqual([
      "conflict",
      `${stateDir} exists and is no folder`,
    ]);
    expect(refusal(() => openLedger(join(stateDir, "below"))).code).toBe("conflict");
    expect(readFileSync(stateDir, "utf8")).toBe("mine");
  });

  test("in which ledger.db is a folder is a conflict", () => {
    mkdirSync(join(stateDir, "ledger.db"), { recursive: true });
    expect(refusal(() => openLedger(stateDir)).code).toBe("conflict");
  });

  test("that holds something else as ledger.db is refused and stays as it is", () => {
    const path = join(stateDir, "ledger.db");
    mkdirSync(stateDir);
    writeFileSync(path, "no database at all");
    expect(refusal(() => openLedger(stateDir)).code).toBe("ledger_damaged");
    expect(readFileSync(path, "utf8")).toBe("no database at all");
    rmSync(path);
    const other = new Database(path);
    other.run("CREATE TABLE theirs (a)");
    other.close(true);
    const bytes = readFileSync(path);
    expect(refusal(() => openLedger(stateDir)).message).toContain("another program");
    expect(readFileSync(path)).toEqual(bytes);
  });

  test("left by a process that died while creating it is created anew", () => {
    mkdirSync(stateDir);
    writeFileSync(join(stateDir, "ledger.db"), "");
    openLedger(stateDir).close();
    const fresh = new Database(join(place, "fresh.db"));
    fresh.run("PRAGMA journal_mode = WAL");
    fresh.close(true);
    writeFileSync(join(stateDir, "ledger.db"), readFileSync(join(place, "fresh.db")));
    const ledger = openLedger(stateDir);
    expect(ledger.workflows()).toEqual([]);
    ledger.close();
  });
});

/** A program that opens a ledger and keeps it until its stdin ends. */
const OPENER = `
  import { openLedger } from ${JSON.stringify(join(import.meta.dir, "open.ts"))};
  try { openLedger(process.argv[1]); console.log("got"); await Bun.stdin.text(); }
  catch (error) { console.log(error.code); }`;

describe("a second opener", () => {
  test("tries again before it believes that the lock is taken", () => {
    openLedger(stateDir).close();
    const passing = new Database(join(stateDir, "ledger.db"));
    passing.run("BEGIN EXCLUSIVE");
    const pause = spyOn(Bun, "sleepSync").mockImplementation(() => passing.close());
    try {
      openLedger(stateDir).close();
      expect(pause).toHaveBeenCalledTimes(1);
    } finally {
      pause.mockRestore();
    }
  });

  test("in this process is refused, also through another path, until the first has closed", () => {
    const ledger = openLedger(stateDir);
    for (const path of [stateDir, join(stateDir, "..", "state"), `/proc/self/root${stateDir}`]) {
      const error = refusal(() => openLedger(path));
      expect(error.code).toBe("conflict");
      expect(error.message).toContain(`process ${process.pid} on host ${hostname()}`);
    }
    expect(ledger.workflows()).toEqual([]);
    // The refused ones must not have cost this process its lock.
    expect(Bun.spawnSync([process.execPath, "-e", OPENER, stateDir]).stdout.toString()).toBe(
      "conflict\n",
    );
    ledger.close();
    openLedger(stateDir).close();
  });

  test("is refused by name while another process owns it, and let in when that has died", async () => {
    const owner = startOwner(stateDir, "step", 1);
    expect(await owner.line()).toBe("open");
    try {
      const error = refusal(() => openLedger(stateDir));
      expect(error.code).toBe("conflict");
      expect(error.message).toContain(stateDir);
      expect(error.message).toContain(`process ${owner.pid} on host ${hostname()}`);
      expect(error.fix).toContain(`kill ${owner.pid}`);
      expect(JSON.parse(readFileSync(join(stateDir, "owner.json"), "utf8"))).toMatchObject({
        pid: owner.pid,
        host: hostname(),
      });
      rmSync(join(stateDir, "owner.json")); // only the lock counts
      expect(refusal(() => openLedger(stateDir)).message).toContain("in use by another process");
    } finally {
      await owner.kill();
    }
    const ledger = openLedger(stateDir);
    expect(ledger.workflows()).toHaveLength(1);
    ledger.close();
  });

  test("that knows nothing of Holdall cannot even read", async () => {
    const owner = startOwner(stateDir, "step", 1);
    expect(await owner.line()).toBe("open");
    const other = new Database(join(stateDir, "ledger.db"));
    expect(() => other.prepare("SELECT count(*) FROM meta").values()).toThrow("locked");
    other.close();
    await owner.kill();
  });

  test("is not kept out by the owner.json of a process that died", () => {
    openLedger(stateDir).close();
    writeFileSync(join(stateDir, "owner.json"), JSON.stringify({ pid: 1, host: hostname() }));
    openLedger(stateDir).close();
    expect(existsSync(join(stateDir, "owner.json"))).toBe(false);
  });

  test("one of two that open at the same moment gets it", async () => {
    openLedger(stateDir).close();
    for (let round = 0; round < 3; round++) {
      const openers = [0, 1, 2].map(() =>
        Bun.spawn([process.execPath, "-e", OPENER, stateDir], { stdin: "pipe", stdout: "pipe" }),
      );
      const answers = await Promise.all(
        openers.map(async ({ stdout }) => {
          for await (const chunk of stdout) return new TextDecoder().decode(chunk).trim();
          return "";
        }),
      );
      expect(answers.toSorted()).toEqual(["conflict", "conflict", "got"]);
      for (const opener of openers) opener.kill("SIGKILL");
      await Promise.all(openers.map(({ exited }) => exited));
    }
  });
});

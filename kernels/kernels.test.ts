// The kernels as a user runs them: built by CMake, driven through their command lines.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inflateSync } from "node:zlib";

const root = resolve(import.meta.dir, "..");
// Kept between runs, and not the folder that the examples build into when run from here.
const buildDir = join(root, "build", "kernels-test");
const compressTask = join(buildDir, "compress_task");
const spawnFloor = join(buildDir, "spawn_floor");

type Result = { code: number | null; stdout: string; stderr: string };
type Stats = Record<string, unknown>;

let dir = "";

function exec(argv: readonly string[]): Result {
  const child = Bun.spawnSync([...argv], { cwd: dir || root, stdout: "pipe", stderr: "pipe" });
  return {
    code: child.exitCode,
    stdout: child.stdout.toString(),
    stderr: child.stderr.toString(),
  };
}

const compress = (...args: string[]): Result => exec([compressTask, ...args]);

/** Runs the kernel, which must succeed, and returns the stats that it printed as one line. */
function statsOf(...args: string[]): Stats {
  const { code, stdout, stderr } = compress(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
  return JSON.parse(stdout) as Stats;
}

/** The kernel must refuse with exit 2 and one line that contains each of `parts`. */
function expectRefusal(result: Result, ...parts: string[]): void {
  expect(result.stderr).toMatch(/^compress_task: [^\n]+\n$/);
  for (const part of parts) expect(result.stderr).toContain(part);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 2, stdout: "" });
}

const sha256 = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

function writeFloats(name: string, values: ArrayLike<number>): string {
  writeFileSync(join(dir, name), new Uint8Array(Float32Array.from(values).buffer));
  return name;
}

const smooth = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i / 20) + Math.cos(i / 7) / 8);

beforeAll(() => {
  for (const argv of [
    ["cmake", "-S", import.meta.dir, "-B", buildDir],
    ["cmake", "--build", buildDir, "--parallel", "2"],
  ]) {
    const { code, stdout, stderr } = exec(argv);
    if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  }
}, 120_000);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "kernels-"));
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

describe("generated input", () => {
  test("is fixed for a seed, bit for bit", () => {
    const values = statsOf("--n=200000", "--seed=0", "--hash-input");
    expect(values["input_sha256"]).toBe(
      "460aab4edb750893914fe7696047672ab29a657cc742106bbe727d1860340ae7",
    );
    const bytes = statsOf("--codec", "zlib", "--bytes", "100001", "--seed", "7", "--hash-input");
    expect(bytes["input_sha256"]).toBe(
      "db31a4c9a8ed241dc32f819414600ae99e5823bf4f6ad3b0aa5cbf99fd6d1286",
    );
  });

  test("is the same for both codecs, and another for another seed", () => {
    const hash = (...args: string[]): unknown => statsOf("--hash-input", ...args)["input_sha256"];
    expect(hash("--codec", "zlib", "--n", "5000")).toBe(hash("--n", "5000"));
    expect(hash("--n", "5000", "--seed", "1")).not.toBe(hash("--n", "5000"));
  });

  test("gives the same compressed bytes each time", () => {
    const first = statsOf("--seed", "3", "--out", "a");
    const second = statsOf("--seed", "3", "--out", "b");
    expect(second["sha256"]).toBe(first["sha256"]);
    expect(readFileSync(join(dir, "a")).equals(readFileSync(join(dir, "b")))).toBe(true);
  });
});

describe("stats", () => {
  test("have exactly the documented fields, and agree with the output", () => {
    const run = compress("--n", "1000", "--seed", "5", "--out", "o.zfp", "--stats", "s.json");
    expect(run).toEqual({ code: 0, stdout: "", stderr: "" });
    const stats = JSON.parse(readFileSync(join(dir, "s.json"), "utf8")) as Stats;
    expect(Object.keys(stats).join(" ")).toBe(
      "codec library_version seed n bytes_in bytes_out ratio " +
        "generate_ms compress_ms total_ms sha256 max_abs_error binary",
    );
    const output = readFileSync(join(dir, "o.zfp"));
    expect(stats).toMatchObject({ codec: "zfp", seed: 5, n: 1000, bytes_in: 4000 });
    expect(stats).toMatchObject({ bytes_out: output.length, sha256: sha256(output) });
    expect(stats["max_abs_error"]).toBeNull();
    expect(stats["library_version"]).toMatch(/^\d+\.\d+\.\d+$/);
    expect(stats["ratio"]).toBeCloseTo(4000 / output.length, 3);
    expect(Number(stats["total_ms"])).toBeGreaterThanOrEqual(Number(stats["compress_ms"]));
    expect(readdirSync(dir).sort()).toEqual(["o.zfp", "s.json"]);
  });

  test("hash right at every length of the last block", () => {
    for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128]) {
      const bytes = new Uint8Array(size).map((_, i) => i * 37);
      writeFileSync(join(dir, "f"), bytes);
      const stats = statsOf("--codec", "zlib", "--input", "f", "--hash-input");
      expect(stats["input_sha256"]).toBe(sha256(bytes));
    }
  });
});

describe("zfp", () => {
  const shapes = { "1-D": ["1000"], "2-D": ["40,25"], "3-D": ["10,20,5"], "as a whole": [] };
  for (const [name, dims] of Object.entries(shapes)) {
    test(`respects its mode on a file, ${name}`, () => {
      const input = writeFloats("f.raw", smooth(1000));
      const verify = (...mode: string[]): Stats =>
        statsOf("--input", input, ...dims.flatMap((d) => ["--dims", d]), "--verify", ...mode);
      for (const tolerance of [1e-1, 1e-3, 1e-6]) {
        const stats = verify("--tolerance", String(tolerance));
        expect(stats).toMatchObject({ n: 1000, bytes_in: 4000, seed: null });
        expect(Number(stats["max_abs_error"])).toBeGreaterThan(0);
        expect(Number(stats["max_abs_error"])).toBeLessThanOrEqual(tolerance);
      }
      expect(verify("--reversible")["max_abs_error"]).toBe(0);
      // A byte for each value of whole blocks, 4 along each side, and the header.
      const sides = (dims[0] ?? "1000").split(",").map(Number);
      const padded = sides.reduce((product, side) => product * Math.ceil(side / 4) * 4, 1);
      const bytesOut = Number(verify("--rate", "8")["bytes_out"]);
      expect(bytesOut).toBeGreaterThanOrEqual(padded);
      expect(bytesOut).toBeLessThan(padded + 32);
      const coarse = Number(verify("--precision", "8")["max_abs_error"]);
      expect(Number(verify("--precision", "24")["max_abs_error"])).toBeLessThan(coarse);
    });
  }

  test("keeps NaN, infinity and negative zero with --reversible, and refuses them otherwise", () => {
    writeFloats("f", [1, Number.NaN, Infinity, -Infinity, -0, 3e-45, 2, 3]);
    expect(statsOf("--input", "f", "--reversible", "--verify")["max_abs_error"]).toBe(0);
    expectRefusal(compress("--input", "f"), "value 1", "--reversible");
  });

  test("ends with 1 and leaves nothing if the tolerance cannot be kept", () => {
    writeFloats("f", [1e10, 1.234, -1e10, 0.1]);
    const args = ["--input", "f", "--tolerance", "1e-6", "--verify"];
    const run = compress(...args, "--out", "o", "--stats", "s");
    expect(run.stderr).toMatch(/^compress_task: --verify: value \d is off by [^\n]+\n$/);
    expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 1, stdout: "" });
    expect(readdirSync(dir)).toEqual(["f"]);
  });

  test("takes a single value", () => {
    expect(statsOf("--n", "1", "--verify")).toMatchObject({ n: 1, bytes_in: 4 });
  });
});

describe("zlib", () => {
  test("output is what zlib elsewhere inflates", () => {
    for (const file of [compressTask, join(import.meta.dir, "compress_task.cpp")]) {
      const stats = statsOf("--codec=zlib", `--input=${file}`, "--out=o", "--verify");
      const original = readFileSync(file);
      expect(inflateSync(readFileSync(join(dir, "o"))).equals(original)).toBe(true);
      expect(stats).toMatchObject({ codec: "zlib", n: original.length, seed: null });
      expect(stats["max_abs_error"]).toBe(0);
    }
  });

  test("compresses better at a higher level, not at all at 0", () => {
    const file = join(import.meta.dir, "compress_task.cpp");
    const size = (level: string): number =>
      Number(statsOf("--codec", "zlib", "--input", file, "--level", level)["bytes_out"]);
    expect(size("9")).toBeLessThan(size("1"));
    expect(size("0")).toBeGreaterThan(statSync(file).size);
  });

  test("takes an empty file and as many bytes as asked for", () => {
    writeFileSync(join(dir, "empty"), "");
    expect(statsOf("--codec", "zlib", "--input", "empty", "--verify")).toMatchObject({ n: 0 });
    expect(statsOf("--codec", "zlib", "--bytes", "13", "--verify")).toMatchObject({ bytes_in: 13 });
  });
});

describe("bad arguments", () => {
  const cases: [args: string, ...parts: string[]][] = [
    ["--tolerence 1e-3", "--tolerence", "did you mean --tolerance?"],
    ["--Codec zfp", "did you mean --codec?"],
    ["-n 5", "did you mean --n?"],
    ["--frobnicate-everything", "unknown option", "--help"],
    ["data.raw", "unexpected argument 'data.raw'"],
    ["--", "unknown option --"],
    ["--n", "--n needs a value"],
    ["--n --seed 1", "--n needs a value"],
    ["--out=", "--out needs a value"],
    ["--verify=yes", "--verify takes no value"],
    ["--seed 1 --seed 2", "--seed is given twice"],
    ["--codec lzma", "'lzma'", "zfp or zlib"],
    ["--n 0", "'0' is too small"],
    ["--n -5", "'-5' is negative"],
    ["--n ten", "'ten' is not a whole number"],
    ["--n 1e6", "'1e6' is not a whole number"],
    ["--n 0x10", "'0x10' is not a whole number"],
    ["--n 99999999999999999999999", "is too large"],
    ["--n 9223372036854775807", "is too large"],
    ["--n 2305843009213693951", "memory"],
    ["--codec zlib --bytes 0", "--bytes '0' is too small"],
    ["--seed -1", "--seed '-1' is negative"],
    ["--seed 9007199254740992", "--seed", "is too large"],
    ["--tolerance 0", "--reversible"],
    ["--tolerance -1e-3", "is negative"],
    ["--tolerance nan", "'nan' is not a number"],
    ["--tolerance inf", "'inf' is not a number"],
    ["--tolerance 1e-3x", "'1e-3x' is not a number"],
    ["--tolerance 1e999", "is too large"],
    ["--rate 33", "is too large"],
    ["--precision 8.5", "'8.5' is not a whole number"],
    ["--precision 33", "is too large"],
    ["--codec zlib --level 10", "--level '10' is too large"],
    ["--rate 8 --precision 9", "--rate and --precision exclude each other"],
    ["--tolerance 1 --reversible", "--tolerance and --reversible exclude each other"],
    ["--codec zlib --n 5 --bytes 5", "--n and --bytes exclude each other"],
    ["--input even.raw --n 5", "--n and --input exclude each other"],
    ["--input even.raw --seed 5", "--seed and --input exclude each other"],
    ["--codec zlib --tolerance 1", "--tolerance is for zfp"],
    ["--codec zlib --input even.raw --dims 2", "--dims is for zfp"],
    ["--level 6", "--level is for zlib"],
    ["--bytes 6", "--bytes is for zlib"],
    ["--dims 4", "--input"],
    ["--input even.raw --dims 2,", "--dims '' is not a whole number"],
    ["--input even.raw --dims 1,1,1,2", "more than 3"],
    ["--input even.raw --dims 0,2", "--dims '0' is too small"],
    ["--input even.raw --dims 4294967296,4294967296,4294967296", "--dims", "is too large"],
    ["--input even.raw --dims 3", "has 8 bytes", "asks for 12"],
    ["--input odd.raw", "odd.raw", "has 7 bytes", "float32"],
    ["--input empty.raw", "has 0 bytes"],
    ["--input absent.raw", "absent.raw", "No such file"],
    ["--input .", "not a regular file"],
    ["--input fifo", "not a regular file"],
    ["--input even.raw --out even.raw", "the same file"],
    ["--input even.raw --out ./even.raw", "the same file"],
    ["--input even.raw --stats hard.raw", "the same file"],
    ["--out x --stats ./x", "the same file"],
  ];
  for (const [args, ...parts] of cases) {
    test(`are refused: ${args}`, () => {
      writeFileSync(join(dir, "even.raw"), "12345678");
      linkSync(join(dir, "even.raw"), join(dir, "hard.raw"));
      writeFileSync(join(dir, "odd.raw"), "1234567");
      writeFileSync(join(dir, "empty.raw"), "");
      exec(["mkfifo", "fifo"]);
      const before = readdirSync(dir);
      expectRefusal(compress(...args.split(" ")), ...parts);
      expect(readdirSync(dir)).toEqual(before);
      expect(readFileSync(join(dir, "even.raw"), "utf8")).toBe("12345678");
    });
  }

  test("are reported on one line whatever they contain", () => {
    expectRefusal(compress("--input", "a\nb\u001b[2J"), "a?b?[2J");
  });
});

describe("outputs", () => {
  test("that cannot be written leave nothing", () => {
    mkdirSync(join(dir, "folder"));
    for (const option of ["--out", "--stats"]) {
      const other = option === "--out" ? "--stats" : "--out";
      for (const [path, why] of [
        ["absent/x", "No such file or directory"],
        ["folder", "Is a directory"],
        ["/dev/full", "No space left on device"],
        [`folder/${"x".repeat(256)}`, "File name too long"],
        ["/proc/x", ""],
      ] as const) {
        expectRefusal(compress("--n", "100", option, path, other, "y"), option, path, why);
        expect(readdirSync(dir)).toEqual(["folder"]);
        expect(readdirSync(join(dir, "folder"))).toEqual([]);
      }
    }
  });

  test("cut short by a limit leave nothing, and spare an earlier file", () => {
    writeFileSync(join(dir, "o"), "earlier");
    const script = `ulimit -f 1; exec "$0" --n 100000 --out o --stats s`;
    const run = exec(["sh", "-c", script, compressTask]);
    expectRefusal(run, "--out o", "File too large");
    expect(readdirSync(dir)).toEqual(["o"]);
    expect(readFileSync(join(dir, "o"), "utf8")).toBe("earlier");
  });

  test("that go to a full standard output are an error, and the file is not left", () => {
    const script = 'exec "$0" "$@" >/dev/full';
    expectRefusal(exec(["sh", "-c", script, compressTask, "--out", "o"]), "standard output");
    expectRefusal(exec(["sh", "-c", script, compressTask, "--help"]), "--help");
    expect(readdirSync(dir)).toEqual([]);
  });

  test("may both be /dev/null", () => {
    const run = compress("--n", "10", "--out", "/dev/null", "--stats", "/dev/null");
    expect(run).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test("replace an earlier file, through a link too, with the permissions of new files", () => {
    writeFileSync(join(dir, "real"), "earlier", { mode: 0o640 });
    symlinkSync("real", join(dir, "link"));
    const stats = statsOf("--n", "10", "--out", "link");
    expect(stats["sha256"]).toBe(sha256(readFileSync(join(dir, "real"))));
    expect(statSync(join(dir, "real")).mode & 0o777).toBe(0o640);
    statsOf("--n", "10", "--out", "new");
    expect(statSync(join(dir, "new")).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  test("leave nothing when the task is terminated", async () => {
    // Opening a FIFO that nobody reads blocks: the task hangs with its temporary file open.
    exec(["mkfifo", "fifo"]);
    const child = Bun.spawn([compressTask, "--n", "10", "--out", "o", "--stats", "fifo"], {
      cwd: dir,
    });
    const temporary = (): boolean => readdirSync(dir).some((name) => name.startsWith(".compress"));
    while (!temporary() && child.exitCode === null) await Bun.sleep(1);
    expect(temporary()).toBe(true);
    child.kill("SIGTERM");
    await child.exited;
    expect(child.signalCode).toBe("SIGTERM");
    expect(readdirSync(dir)).toEqual(["fifo"]);
  });
});

describe("help", () => {
  test("names every option, and --version the libraries", () => {
    const help = compress("--help");
    expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of ["codec", "n", "bytes", "seed", "input", "dims", "tolerance", "rate"]) {
      expect(help.stdout).toContain(`--${name} `);
    }
    expect(compress("-h").stdout).toBe(help.stdout);
    expect(compress("--version").stdout).toMatch(
      /^compress_task \d\S+ \(zfp \d\S+, zlib \d\S+\)\n$/,
    );
  });
});

describe("spawn_floor", () => {
  test("counts what it started", () => {
    const run = exec([spawnFloor, "50", "2"]);
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: "" });
    const line = JSON.parse(run.stdout) as Stats;
    expect(Object.keys(line)).toEqual(["tasks", "slots", "seconds", "per_second", "failed"]);
    expect(line).toMatchObject({ tasks: 50, slots: 2, failed: 0 });
    expect(Number(line["per_second"])).toBeCloseTo(50 / Number(line["seconds"]), -2);
  });

  test("runs the command that is given, as often as asked", () => {
    const append = 'echo "$1" >>log';
    expect(exec([spawnFloor, "7", "3", "--", "sh", "-c", append, "sh", "a b"]).code).toBe(0);
    expect(readFileSync(join(dir, "log"), "utf8")).toBe("a b\n".repeat(7));
  });

  test("ends with 1 if children fail or do not start", () => {
    const failing = exec([spawnFloor, "5", "2", "false"]);
    expect(failing.code).toBe(1);
    expect(JSON.parse(failing.stdout)).toMatchObject({ tasks: 5, failed: 5 });
    const absent = exec([spawnFloor, "5", "2", "no-such-command"]);
    expect(absent.code).toBe(1);
    expect(JSON.parse(absent.stdout)).toMatchObject({ failed: 5 });
    expect(absent.stderr).toMatch(/^spawn_floor: cannot start no-such-command: [^\n]+\n$/);
  });

  test("runs a bag of different commands, each with its own words", () => {
    const words = (...argv: string[]): string =>
      [String(argv.length), ...argv].map((word) => `${word}\0`).join("");
    const keep = ["sh", "-c", 'printf "%s|" "$@" >"$0"'];
    const bag = words(...keep, "one", "a b", "", "c") + words("false") + words(...keep, "two");
    writeFileSync(join(dir, "bag"), bag);
    const run = exec([spawnFloor, "--bag", "bag", "2"]);
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ tasks: 3, slots: 2, failed: 1 });
    expect(readFileSync(join(dir, "one"), "utf8")).toBe("a b||c|");
    expect(readFileSync(join(dir, "two"), "utf8")).toBe("|");
  });

  test("refuses a bag that is none", () => {
    const bags = ["", "2\0true\0", "x\0true\0", "1\0true", "0\0"];
    for (const bag of bags) {
      writeFileSync(join(dir, "bag"), bag);
      const run = exec([spawnFloor, "--bag", "bag", "2"]);
      expect({ bag, code: run.code, stdout: run.stdout }).toEqual({ bag, code: 2, stdout: "" });
      expect(run.stderr).toMatch(/^spawn_floor: [^\n]+\n$/);
    }
    expect(exec([spawnFloor, "--bag", "absent", "2"]).code).toBe(2);
  });

  test("refuses bad counts", () => {
    for (const args of [[], ["5"], ["0", "1"], ["5", "0"], ["-5", "1"], ["5x", "1"], ["5", ""]]) {
      const run = exec([spawnFloor, ...args]);
      expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 2, stdout: "" });
      expect(run.stderr).toMatch(/^spawn_floor: [^\n]+\n$/);
    }
  });
});

describe("sleep_task", () => {
  const sleepTask = join(buildDir, "sleep_task");

  test("takes its time, asleep or at work, and marks its beginning and its end", () => {
    for (const how of [[], ["--busy"]]) {
      const started = performance.now();
      expect(exec([sleepTask, "30", "--mark", "marks", ...how])).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
      expect(performance.now() - started).toBeGreaterThanOrEqual(30);
    }
    const lines = readFileSync(join(dir, "marks"), "utf8").trimEnd().split("\n");
    const marks = lines.map((line) => line.split(" "));
    expect(marks.map(([what]) => what)).toEqual(["s", "e", "s", "e"]);
    expect(marks[0]?.[1]).toBe(marks[1]?.[1]);
    expect(marks[2]?.[1]).not.toBe(marks[0]?.[1]);
    // The marks have the wall clock, which is not the one that waits or counts processor time.
    for (const [begin, end] of [marks.slice(0, 2), marks.slice(2)])
      expect(Number(end![2]) - Number(begin![2])).toBeGreaterThan(25);
  });

  test("one that is killed has no end", async () => {
    const child = Bun.spawn([sleepTask, "600000", "--mark", "marks"], { cwd: dir });
    const marks = join(dir, "marks");
    while (!existsSync(marks) || statSync(marks).size === 0) await Bun.sleep(5);
    child.kill("SIGKILL");
    await child.exited;
    expect(readFileSync(marks, "utf8")).toMatch(/^s \d+ \d+\.\d{3}\n$/);
  });

  test("refuses what is no time", () => {
    for (const args of [
      [],
      ["x"],
      ["-1"],
      ["1e10"],
      ["5", "--fast"],
      ["5", "--mark"],
      ["--busy"],
    ]) {
      const run = exec([sleepTask, ...args]);
      expect({ args, code: run.code, stdout: run.stdout }).toEqual({ args, code: 2, stdout: "" });
      expect(run.stderr).toMatch(/^sleep_task: [^\n]+\n$/);
    }
    expect(exec([sleepTask, "5", "--mark", "no/such/folder"]).code).toBe(2);
  });
});

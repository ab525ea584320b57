// What must not be in a committed file: addresses of package registries and paths of one machine.

interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
}

const registryWords = [
  "registry",
  "artifactory",
  "nexus",
  "verdaccio",
  "npmjs",
  "npmmirror",
  "pypi",
];

const bans: readonly Ban[] = [
  {
    what: "address of a package registry",
    pattern: new RegExp(`https?://[^/\\s"']*(?:${registryWords.join("|")})[^\\s"']*`, "i"),
  },
  {
    // Directories of people and of build machines. In examples use /data, /scratch or a relative path.
    what: "path of one machine",
    pattern: /(?<![\w.$}~/-])\/(?:home|Users|root|work|workspace|builds|__w)\/[\w.-]+/,
  },
];

/** What is wrong in one file, as `file:line: message`. */
export function checkContents(file: string, text: string): string[] {
  const found: string[] = [];
  text.split("\n").forEach((line, index) => {
    for (const { what, pattern } of bans) {
      const match = pattern.exec(line);
      if (match !== null) found.push(`${file}:${index + 1}: ${what}: ${match[0]}`);
    }
  });
  if (file === "package-lock.json" && text.includes('"resolved"')) {
    found.push(
      `${file}:1: holds addresses; write it with npm install --omit-lockfile-registry-resolved`,
    );
  }
  return found;
}

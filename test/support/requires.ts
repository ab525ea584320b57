// For tests that need something a machine may lack: they are skipped where it is missing, and say how to
// get it. With CI=true nothing may be missing, so there it is a failure.
//
//   test.skipIf(requires("faketime", "apt-get install faketime"))("a clock jump …", …);
//   describe.skipIf(requires("root", "run as root", process.getuid?.() === 0))("partitions", …);

const said = new Set<string>();

/**
 * Whether to skip. `what` is a command looked up on the PATH, unless `present` says whether it is there.
 * Throws where CI=true and it is missing.
 */
export function requires(what: string, howToGetIt: string, present?: boolean): boolean {
  if (present ?? isCommand(what)) return false;
  const message = `${what} is missing; to run this test: ${howToGetIt}`;
  if (process.env["CI"] === "true") throw new Error(message);
  if (!said.has(message)) console.warn(`skipped: ${message}`);
  said.add(message);
  return true;
}

/**
 * Whether to skip because this machine does not permit something, although all is installed: containers often forbid mounting and
 * network namespaces, also in continuous integration.
 */
export function forbidden(what: string, permitted: boolean): boolean {
  const message = `${what} is not permitted here`;
  if (!permitted && !said.has(message)) console.warn(`skipped: ${message}`);
  said.add(message);
  return !permitted;
}

/** Also in the folders for administrators, which are not on every user's PATH. */
function isCommand(name: string): boolean {
  const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  return Bun.which(name, { PATH }) !== null;
}

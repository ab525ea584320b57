import { signalGroup } from "./checked.ts";

/**
 * "+pid" and "-pid" a line; when the lines end, for whatever reason, the groups left are killed. So is what carries the
 * mark ("=mark") and was started in the moment before its line could be written.
 */
const SCRIPT = `
trap '' INT TERM HUP PIPE QUIT
left=' '
mark=
while read -r line; do
  pid=\${line#?}
  case $line in
    =*) mark=$pid ;;
    +*) left="$left$pid " ;;
    -*) case $left in *" $pid "*) left="\${left%%" $pid "*} \${left#*" $pid "}" ;; esac ;;
  esac
done
for pid in $left; do kill -9 "-$pid"; done
[ -n "$mark" ] || exit 0
for look in 1 2; do
  for file in $(grep -lsaF "\${mark}" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    kill -9 "\${pid%/environ}"
  done
done
`;

export interface Guard {
  add(pid: number): void;
  remove(pid: number): void;
  /** `NAME=value` in the environment of everything that must not be left */
  mark(entry: string): void;
  /** kills the groups it still knows and waits for the guard's end */
  close(): Promise<void>;
}

/** A process of its own that kills the given process groups once this one is gone, also by kill -9. */
export function startGuard(): Guard {
  const child = Bun.spawn(["/bin/sh", "-c", SCRIPT], {
    detached: true,
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    env: {},
    cwd: "/",
  });
  const known = new Set<number>();
  let closed = false;
  function tell(line: string): void {
    if (closed) return;
    void Promise.resolve(child.stdin.write(line)).catch(() => {});
    void Promise.resolve(child.stdin.flush()).catch(() => {});
  }
  return {
    add(pid) {
      known.add(pid);
      tell(`+${pid}\n`);
    },
    remove(pid) {
      if (known.delete(pid)) tell(`-${pid}\n`);
    },
    mark(entry) {
      tell(`=${entry}\n`);
    },
    async close() {
      closed = true;
      for (const pid of known) signalGroup(pid, "SIGKILL");
      await Promise.resolve(child.stdin.end()).catch(() => {});
      await child.exited;
    },
  };
}

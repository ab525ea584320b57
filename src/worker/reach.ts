/**
 * Whether a host answers at all: it takes a connection, or refuses it. Bun reports every failed connection as refused, also when
 * the network is down (ENETUNREACH) or the host is gone (EHOSTUNREACH); to a worker that is cut off this difference is
 * everything. So the connection is made with the C library itself.
 */
export type Reach = (hostname: string, port: number, answered: () => void) => void;

/** Runs inside a thread whose program is this function's text: it may use globals only. */
export function createReach(): Reach {
  const AF_INET = 2;
  const AF_INET6 = 10;
  const STREAM_NONBLOCK_CLOEXEC = 1 | 0x800 | 0x80000;
  const ECONNREFUSED = 111;
  const EINPROGRESS = 115;
  const SOL_SOCKET = 1;
  const SO_ERROR = 4;
  const POLLOUT = 4;
  const ERRNO = "__errno_location";
  /** SYN is sent again after 1, 3 and 7 s */
  const LIMIT_MS = 10_000;

  interface Native {
    /** descriptor, or null when it failed at once; then `answered` says how */
    begin(address: Uint8Array): { descriptor: number | null; answered: boolean };
    /** null = not known yet */
    state(descriptor: number): boolean | null;
    close(descriptor: number): void;
  }

  async function load(): Promise<Native | null> {
    if (process.platform !== "linux") return null;
    const { dlopen, ptr, read } = await import("bun:ffi");
    const library = {
      socket: { args: ["i32", "i32", "i32"], returns: "i32" },
      connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
      poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
      getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
      close: { args: ["i32"], returns: "i32" },
      [ERRNO]: { args: [], returns: "ptr" },
    } as const;
    const { symbols: c } = dlopen("libc.so.6", library);
    const errno = c[ERRNO]()!;
    const meant = (error: number): boolean => error === 0 || error === ECONNREFUSED;
    return {
      begin(address) {
        const family = address[0]!;
        const descriptor = c.socket(family, STREAM_NONBLOCK_CLOEXEC, 0);
        if (descriptor < 0) return { descriptor: null, answered: false };
        const failed = c.connect(descriptor, ptr(address), address.length) !== 0;
        const error = failed ? read.i32(errno, 0) : 0;
        if (error === EINPROGRESS) return { descriptor, answered: false };
        c.close(descriptor);
        return { descriptor: null, answered: meant(error) };
      },
      state(descriptor) {
        const asked = new Int32Array([descriptor, POLLOUT]);
        if (c.poll(ptr(asked), 1n, 0) === 0) return null;
        const error = new Int32Array(1);
        const length = new Uint32Array([4]);
        if (c.getsockopt(descriptor, SOL_SOCKET, SO_ERROR, ptr(error), ptr(length)) !== 0)
          return false;
        return meant(error[0]!);
      },
      close: (descriptor) => void c.close(descriptor),
    };
  }

  /** A struct sockaddr_in or sockaddr_in6. */
  function structOf(address: string, port: number): Uint8Array {
    const v6 = address.includes(":");
    const bytes = new Uint8Array(v6 ? 28 : 16);
    bytes[0] = v6 ? AF_INET6 : AF_INET;
    bytes[2] = port >> 8;
    bytes[3] = port & 255;
    if (!v6) {
      bytes.set(address.split(".").map(Number), 4);
      return bytes;
    }
    const [head, tail] = address
      .replace(/%.*/, "")
      .split("::")
      .map((part) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16))));
    const words =
      tail === undefined
        ? head!
        : [...head!, ...Array<number>(8 - head!.length - tail.length).fill(0), ...tail];
    words.forEach((word, i) => bytes.set([word >> 8, word & 255], 8 + 2 * i));
    return bytes;
  }

  /** Kept: what resolves names may be beyond the same cable. */
  const known = new Map<string, Promise<string[]>>();
  function addressesOf(hostname: string): Promise<string[]> {
    if (/^[\d.]+$/.test(hostname) || hostname.includes(":")) return Promise.resolve([hostname]);
    let found = known.get(hostname);
    if (found === undefined) {
      found = Bun.dns.lookup(hostname).then((all) => all.map(({ address }) => address));
      known.set(hostname, found);
      found.catch(() => known.delete(hostname));
    }
    return found;
  }

  function knock(native: Native, address: Uint8Array, answered: () => void): void {
    const { descriptor, answered: atOnce } = native.begin(address);
    if (descriptor === null) return atOnce ? answered() : undefined;
    const giveUpMs = performance.now() + LIMIT_MS;
    let pauseMs = 1;
    const look = (): void => {
      const state = native.state(descriptor);
      if (state === null && performance.now() < giveUpMs) {
        pauseMs = Math.min(pauseMs * 2, 50);
        setTimeout(look, pauseMs);
        return;
      }
      native.close(descriptor);
      if (state === true) answered();
    };
    look();
  }

  /** Where the C library cannot be had: takes every failure that Bun calls refused for an answer. */
  function knockWithBun(hostname: string, port: number, answered: () => void): void {
    Bun.connect({
      hostname,
      port,
      socket: {
        open(connection) {
          answered();
          connection.end();
        },
        data() {},
        error() {},
        connectError() {},
      },
    }).catch((error: { code?: string }) => {
      if (error.code === "ECONNREFUSED") answered();
    });
  }

  const loading = load().catch(() => null);
  return (hostname, port, answered) => {
    void loading
      .then(async (native) => {
        if (native === null) return knockWithBun(hostname, port, answered);
        for (const address of await addressesOf(hostname))
          knock(native, structOf(address, port), answered);
      })
      .catch(() => {
        // A name that cannot be resolved is no answer.
      });
  };
}

/** What a ledger keeps of hosts that were blocked. */
import { expect, test } from "bun:test";
import type { Bench } from "../ledger.testsuite.ts";

export function hostTests(bench: Bench): void {
  test("blocked hosts, until they are unblocked; the last word counts", () => {
    const block = { untilMs: null, reason: "bad disk", atMs: 5 };
    bench.ledger.commit([
      { kind: "host_blocked", host: "n2", ...block },
      { kind: "host_blocked", host: "n1", ...block },
      { kind: "host_blocked", host: "n2", untilMs: 99.6, reason: "", atMs: 7 },
      { kind: "host_unblocked", host: "n9" },
    ]);
    bench.lasting(() =>
      expect(bench.ledger.hostBlocks().map(({ host, reason }) => [host, reason])).toEqual([
        ["n1", "bad disk"],
        ["n2", ""],
      ]),
    );
    expect(bench.ledger.hostBlocks()[0]).toEqual({ host: "n1", ...block });
    bench.ledger.commit([{ kind: "host_unblocked", host: "n1" }]);
    bench.lasting(() => expect(bench.ledger.hostBlocks().map(({ host }) => host)).toEqual(["n2"]));
  });
}

/**
 * The conformance suite: what every ledger must do, whatever it is kept in. Each test checks twice, before and after the
 * ledger was closed and opened again.
 */
import { afterEach, beforeEach, describe } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ledger } from "./ledger.ts";
import { arrayWorkflow, OPTIONS } from "./testing/samples.ts";
import { actionTests } from "./testing/actions.testsuite.ts";
import { claimTests } from "./testing/claims.testsuite.ts";
import { hostTests } from "./testing/hosts.testsuite.ts";
import { recordTests } from "./testing/records.testsuite.ts";
import { replaceTests } from "./testing/replace.testsuite.ts";
import { workflowTests } from "./testing/workflows.testsuite.ts";

export interface LedgerUnderTest {
  name: string;
  /** opens the ledger of a place (an empty folder at first); again after `close` */
  open(place: string): Ledger;
}

/** What the tests of the suite work with: a ledger of its own for each. */
export interface Bench {
  readonly ledger: Ledger;
  open(place: string): Ledger;
  /** after a test has closed the ledger */
  reopen(): void;
  /** checks now and after the ledger was closed and opened again */
  lasting(check: () => void): void;
  /** stores a workflow of one task array; returns its id */
  array(count: number): number;
  historyOf(workflow: number): Record<string, unknown>;
}

export function testLedger(subject: LedgerUnderTest): void {
  describe(`${subject.name} ledger`, () => {
    let place: string;
    let ledger: Ledger;
    beforeEach(() => {
      place = mkdtempSync(join(tmpdir(), "holdall-ledger-"));
      ledger = subject.open(place);
    });
    afterEach(() => {
      ledger.close();
      rmSync(place, { recursive: true });
    });

    const bench: Bench = {
      get ledger() {
        return ledger;
      },
      open: (elsewhere) => subject.open(elsewhere),
      reopen() {
        ledger = subject.open(place);
      },
      lasting(check) {
        check();
        ledger.close();
        ledger = subject.open(place);
        check();
      },
      array: (count) => ledger.insertWorkflow(arrayWorkflow(count), "d", OPTIONS, 5).id,
      historyOf(workflow) {
        const { results, attempts, canceled, assigned } = ledger.history(workflow);
        return {
          results: [...results],
          attempts: [...attempts],
          canceled: [...canceled],
          assigned: [...assigned],
        };
      },
    };
    workflowTests(bench);
    recordTests(bench);
    replaceTests(bench);
    claimTests(bench);
    hostTests(bench);
    actionTests(bench);
  });
}

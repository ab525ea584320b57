/** What runners that poll ask of the server, and what it answers: the claims of the real server, without HTTP around them. */
import { HoldallError } from "../../src/core/error.ts";
import type { ClaimAnswer, ClaimState, JobModel } from "../../src/protocol/claims.ts";
import type { Completion } from "../../src/server/claim-results.ts";
import type { ClaimRequest, Claims } from "../../src/server/claims.ts";

export type Call =
  | { kind: "claim"; workflow: number; request: ClaimRequest }
  | { kind: "start"; job: number; claim: string }
  | { kind: "complete"; job: number; claim: string | null; completion: Completion }
  | { kind: "renew"; workflow: number; claim: string }
  | { kind: "release"; workflow: number; claim: string };

export type Said = ClaimAnswer | ClaimState | JobModel;

/** `refused`: the code of the error. */
export type Answer = { said: Said } | { refused: string };

export function perform(claims: Claims, call: Call): Said {
  switch (call.kind) {
    case "claim":
      return claims.claim(call.workflow, call.request);
    case "start":
      return claims.start(call.job, call.claim);
    case "complete":
      return claims.complete(call.job, call.completion, call.claim);
    case "renew":
      return claims.renew(call.claim, call.workflow, undefined);
    case "release":
      return claims.release(call.claim, call.workflow);
  }
}

/** A key counts for one thing to be done. */
export function pathOf(call: Call): string {
  switch (call.kind) {
    case "claim":
      return `/workflows/${call.workflow}/claim`;
    case "start":
    case "complete":
      return `/jobs/${call.job}/${call.kind}`;
    default:
      return `/workflows/${call.workflow}/claims/${call.claim}/${call.kind}`;
  }
}

/** Null: it is no error that a caller is told of. */
export function refusalOf(error: unknown): string | null {
  return error instanceof HoldallError && error.code !== "internal" ? error.code : null;
}

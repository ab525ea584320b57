/** Every error a user can meet, by its stable code: HTTP status, exit code. docs/errors.md lists the same table. */
export const ERROR_CODES = {
  usage: { status: 400, exitCode: 2, about: "a command line that cannot be understood" },
  spec: { status: 422, exitCode: 2, about: "a workflow document with a mistake" },
  too_large: { status: 422, exitCode: 2, about: "a task that needs more than is offered anywhere" },
  not_found: { status: 404, exitCode: 3, about: "a workflow, task or file that does not exist" },
  conflict: { status: 409, exitCode: 4, about: "something else owns or uses what was asked for" },
  ledger_newer: { status: 409, exitCode: 4, about: "a ledger written by a newer Holdall" },
  ledger_damaged: { status: 500, exitCode: 4, about: "a ledger that lost what was acknowledged" },
  storage: { status: 507, exitCode: 4, about: "the disk under the ledger is full or failing" },
  unreachable: { status: 503, exitCode: 5, about: "no server answers" },
  unauthorized: { status: 401, exitCode: 6, about: "a missing or wrong token" },
  timeout: { status: 504, exitCode: 7, about: "what was waited for did not happen in time" },
  engine: { status: 502, exitCode: 1, about: "another engine that did not do its part" },
  void: { status: 500, exitCode: 1, about: "measurements that may not be compared" },
  internal: { status: 500, exitCode: 1, about: "a mistake in Holdall itself" },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Where in a document a mistake stands; lines and columns count from 1. */
export interface Place {
  file: string;
  line: number;
  column: number;
}

export interface ErrorDetail {
  message: string;
  place?: Place | undefined;
  fix?: string | undefined;
}

/** The one error type: a stable code, a sentence, the place of the mistake and a fix the user can apply. */
export class HoldallError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;
  readonly place: Place | undefined;
  /** Further mistakes found in the same document, in document order; the first one is the error itself. */
  readonly others: readonly ErrorDetail[];

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      fix?: string | undefined;
      place?: Place | undefined;
      others?: readonly ErrorDetail[];
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HoldallError";
    this.code = code;
    this.fix = options.fix;
    this.place = options.place;
    this.others = options.others ?? [];
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exitCode;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** Any thrown value as a HoldallError; what is not ours becomes `internal`. */
export function toHoldallError(error: unknown): HoldallError {
  if (error instanceof HoldallError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HoldallError("internal", message, { cause: error });
}

/** The value that `--json` prints and the HTTP API answers. */
export interface ErrorJson {
  error: {
    code: ErrorCode;
    message: string;
    file: string | null;
    line: number | null;
    column: number | null;
    fix: string | null;
  };
}

export function errorJson(error: HoldallError): ErrorJson {
  return {
    error: {
      code: error.code,
      message: error.message,
      file: error.place?.file ?? null,
      line: error.place?.line ?? null,
      column: error.place?.column ?? null,
      fix: error.fix ?? null,
    },
  };
}

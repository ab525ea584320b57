/** What the server said went wrong, or `unreachable` when nothing answered. */
export class ClientError extends Error {
  /** the stable code of the answer's `{"error":{"code":…}}` */
  readonly code: string;
  /** HTTP status; 0 when there was no answer */
  readonly status: number;
  readonly fix: string | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;

  constructor(
    code: string,
    message: string,
    options: {
      status: number;
      fix?: string | null;
      file?: string | null;
      line?: number | null;
      column?: number | null;
      cause?: unknown;
    },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ClientError";
    this.code = code;
    this.status = options.status;
    this.fix = options.fix ?? null;
    this.file = options.file ?? null;
    this.line = options.line ?? null;
    this.column = options.column ?? null;
  }
}

/** Codes for answers that carry none: a proxy's page, an older server. */
const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: "usage",
  401: "unauthorized",
  403: "unauthorized",
  404: "not_found",
  409: "conflict",
  422: "spec",
  503: "unreachable",
  504: "timeout",
};

/** The error in an answer that is not 2xx. */
export async function errorOf(response: Response): Promise<ClientError> {
  const text = await response.text().catch(() => "");
  const { status } = response;
  const fallback = new ClientError(
    CODE_OF_STATUS[status] ?? "internal",
    text.trim() === "" || text.length > 500
      ? `the server answered ${status} ${response.statusText}`.trimEnd()
      : text.trim(),
    { status },
  );
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return fallback;
  }
  const error = field(body, "error");
  const code = field(error, "code");
  const message = field(error, "message");
  if (typeof code !== "string" || typeof message !== "string") return fallback;
  const textOf = (name: string): string | null => {
    const value = field(error, name);
    return typeof value === "string" ? value : null;
  };
  const numberOf = (name: string): number | null => {
    const value = field(error, name);
    return typeof value === "number" ? value : null;
  };
  return new ClientError(code, message, {
    status,
    fix: textOf("fix"),
    file: textOf("file"),
    line: numberOf("line"),
    column: numberOf("column"),
  });
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}

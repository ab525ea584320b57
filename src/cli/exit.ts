/** Exit codes that are no error's; those of errors are in core/error.ts. docs/errors.md lists all. */
export const EXIT = {
  ok: 0,
  /** a task failed, was skipped or canceled */
  taskFailed: 1,
  timeout: 7,
  /** SIGINT, with work left */
  interrupted: 130,
  /** SIGTERM or SIGHUP, with work left */
  terminated: 143,
} as const;

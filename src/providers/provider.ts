/**
 * Where workers come from. A provider submits pilots to a batch system, jobs that hold workers, and asks that system what
 * became of them: nothing is remembered here.
 */

export interface Pilots {
  /** the batch system's own id of what was submitted */
  job: string;
  /** one for each pilot */
  ids: readonly string[];
}

export interface Allocation {
  id: string;
  /** as the batch system calls it, in lower case: pending, running, completing, … */
  state: string;
  /** why it waits; null when it does not say, or the allocation runs */
  reason: string | null;
  partition: string | null;
  nodes: number;
  cpus: number;
  /** where it runs; null while it waits */
  hosts: string | null;
  startsAtMs: number | null;
  endsAtMs: number | null;
  /** of the workflow's, whose tasks its workers take */
  scheduler: string | null;
  /** access file of the server that its workers work for */
  access: string | null;
}

export interface Provider<Request> {
  submit(request: Request): Promise<Pilots>;
  /** those that wait or run; of one server, or of all */
  list(access: string | null): Promise<Allocation[]>;
  /** `drain`: those that run finish what they have. Otherwise they end, and their tasks run again elsewhere */
  cancel(ids: readonly string[], drain: boolean): Promise<void>;
}

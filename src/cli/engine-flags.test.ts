import { expect, test } from "bun:test";
import type { Offer } from "../protocol/session.ts";
import { type EngineFlags, engineOf } from "./engine-flags.ts";

const offer: Offer = {
  cpus: 3,
  memoryBytes: 1000,
  diskBytes: 0,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
};
const of = (flags: EngineFlags): ReturnType<typeof engineOf> =>
  engineOf(flags, offer, { cwd: "/" }, () => {});

test("processes by default; an engine gets what is offered", () => {
  expect(of({})).toBeUndefined();
  expect(of({ executor: "process" })).toBeUndefined();
  expect(of({ executor: "workqueue", wqPort: "0" })).toMatchObject({
    name: "workqueue",
    cpus: 3,
    memoryBytes: 1000,
    given: { wqPort: "0" },
  });
  expect(of({ executor: "ray", rayAddress: "h:1" })).toMatchObject({
    given: { rayAddress: "h:1" },
  });
});

test("what belongs to another engine is refused, with what to do", () => {
  expect(() => of({ wqPort: "1" })).toThrow(
    "--wq-port is for --executor workqueue, and the executor is process",
  );
  expect(() => of({ executor: "ray", wqProject: "p" })).toThrow("--wq-project is for");
  expect(() => of({ executor: "workqueue", rayAddress: "x:1" })).toThrow("--ray-address is for");
  for (const wqPort of ["70000", "-1", "x"])
    expect(() => of({ executor: "workqueue", wqPort })).toThrow(`${wqPort} is no port`);
  expect(() => of({ executor: "workqueue", wqPassword: "no/such" })).toThrow("/no/such");
  expect(() => of({ executor: "parsl", parslConfig: "no/such" })).toThrow("--parsl-config: there");
  expect(() => of({ executor: "parsl", daskAddress: "x:1" })).toThrow("--dask-address is for");
});

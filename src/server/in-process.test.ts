import { expect, test } from "bun:test";
import { HoldallError } from "../core/error.ts";
import { openInProcess } from "./in-process.ts";
import { openBench } from "./testing/bench.ts";

test("a state directory without an owner answers, and can be changed", async () => {
  const bench = openBench();
  const id = bench.submit(1);
  const worker = await bench.worker();
  await worker.finish(id, [0], { outcome: "exit", exit: 2, stdout: "said" });
  const refused: unknown = await openInProcess(bench.stateDir).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(HoldallError);
  expect((refused as HoldallError).code).toBe("conflict");
  bench.engine.close();
  bench.ledger.close();

  const ask = async (path: string, init?: RequestInit): Promise<Response> => {
    const inside = await openInProcess(bench.stateDir);
    const response = await inside.fetch(
      new Request(`http://localhost/api/v1/workflows${path}`, init),
    );
    const text = await response.text();
    await inside.close();
    return new Response(text);
  };
  expect(await (await ask("/latest")).json()).toMatchObject({ state: "failed" });
  const output = await ask("/latest/tasks/build/output?follow=1");
  expect(await output.text()).toBe("said");
  expect(await (await ask("/latest/retry", { method: "POST" })).json()).toEqual({ reset: 3 });
  // Nobody will ever start it here, so following does not wait.
  expect(await (await ask("/latest/tasks/sum/output?follow=1")).text()).toBe("");
  const status = await (await ask(`/${id}`)).json();
  expect(status).toMatchObject({ state: "interrupted", tasks: { ready: 1, blocked: 2 } });
  bench.reopen();
  bench.close();
});

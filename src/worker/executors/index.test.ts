import { afterEach, expect, test } from "bun:test";
import { HoldallError } from "../../core/error.ts";
import { openExecutor } from "./index.ts";

const events = { started() {}, output() {}, exited() {}, failed() {} };
const stateDir = "/nonexistent";
const before = process.env["HOLDALL_EXECUTOR"];

function setName(value: string | undefined): void {
  if (value === undefined) delete process.env["HOLDALL_EXECUTOR"];
  else process.env["HOLDALL_EXECUTOR"] = value;
}
afterEach(() => setName(before));

async function nameOf(value: string | undefined): Promise<string> {
  setName(value);
  const executor = await openExecutor(events, { stateDir });
  await executor.close();
  return executor.name;
}

test("the launcher where there is one, or what HOLDALL_EXECUTOR says", async () => {
  expect(await nameOf(undefined)).toBe("launcher");
  expect(await nameOf("")).toBe("launcher");
  expect(await nameOf("launcher")).toBe("launcher");
  expect(await nameOf("spawn")).toBe("spawn");
});

test("a name that is none is a usage error with the fix", async () => {
  const error = await nameOf("spwan").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HoldallError);
  expect(error).toMatchObject({ code: "usage", fix: expect.stringContaining("launcher or spawn") });
});

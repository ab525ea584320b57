import { expect, test } from "bun:test";
import { inheritedEnvironment } from "./environment.ts";

test("attempts inherit everything but our credentials", () => {
  const from = {
    PATH: "/bin",
    EMPTY: "",
    ABSENT: undefined,
    HOLDALL_TOKEN: "secret",
    HOLDALL_TOKEN_FILE: "/secret",
    HOLDALL_ACCESS: "/access.json",
    HOLDALL_STATE_DIR: "/s",
  };
  expect(inheritedEnvironment(from)).toEqual({ PATH: "/bin", EMPTY: "", HOLDALL_STATE_DIR: "/s" });
  expect(from.HOLDALL_TOKEN).toBe("secret");
});

import { expect, test } from "bun:test";
import { ClientError, createClient } from "./client.ts";

function recording(answer: () => Response) {
  const seen: { method: string; url: string; body: string; token: string | null }[] = [];
  const client = createClient({
    baseUrl: "http://host:1/",
    token: "secret",
    async fetch(request) {
      seen.push({
        method: request.method,
        url: request.url,
        body: await request.text(),
        token: request.headers.get("authorization"),
      });
      return answer();
    },
  });
  return { client, seen };
}

test("each method asks for its route; what is not given is not sent", async () => {
  const { client, seen } = recording(() => Response.json({ workflows: [], ok: true }));
  await client.healthy();
  await client.workflows();
  await client.workflow("latest");
  await client.workflow(3, { wait: 30 });
  await client.summary(3);
  await client.tasks(3, { state: "failed", name: undefined, limit: 10, cursor: "a=b&c" });
  await client.tasks("latest");
  await client.task(3, "a/b c?");
  await client.output(3, "a", { attempt: 2, stream: "stderr", offset: 7, follow: true });
  await client.output(3, "a", { follow: false });
  await client.cancel(3, { tasks: ["a"], reason: "r" });
  await client.retry("latest", { states: ["failed"] });
  const api = "http://host:1/api/v1/workflows";
  expect(seen.map(({ method, url, body }) => `${method} ${url} ${body}`.trim())).toEqual([
    "GET http://host:1/healthz",
    `GET ${api}`,
    `GET ${api}/latest`,
    `GET ${api}/3?wait=30`,
    `GET ${api}/3/summary`,
    `GET ${api}/3/tasks?state=failed&limit=10&cursor=a%3Db%26c`,
    `GET ${api}/latest/tasks`,
    `GET ${api}/3/tasks/a%2Fb%20c%3F`,
    `GET ${api}/3/tasks/a/output?attempt=2&stream=stderr&offset=7&follow=1`,
    `GET ${api}/3/tasks/a/output`,
    `POST ${api}/3/cancel {"tasks":["a"],"reason":"r"}`,
    `POST ${api}/latest/retry {"states":["failed"]}`,
  ]);
  expect(new Set(seen.map(({ token }) => token))).toEqual(new Set(["Bearer secret"]));
});

async function errorFrom(answer: () => Response): Promise<ClientError> {
  const { client } = recording(answer);
  const error = await client.workflow(1).catch((thrown: unknown) => thrown);
  if (!(error instanceof ClientError)) throw new Error("no ClientError");
  return error;
}

test("an error's body says what went wrong", async () => {
  const error = { code: "conflict", message: "in use", fix: "wait", file: "w", line: 3, column: 4 };
  expect(await errorFrom(() => Response.json({ error }, { status: 409 }))).toMatchObject({
    ...error,
    status: 409,
  });
});

test("an answer that is not ours still has a code", async () => {
  const page = () => new Response("<html>Not here</html>", { status: 404 });
  expect(await errorFrom(page)).toMatchObject({
    code: "not_found",
    message: "<html>Not here</html>",
    status: 404,
  });
  const empty = () => new Response("", { status: 500, statusText: "Oops" });
  expect(await errorFrom(empty)).toMatchObject({
    code: "internal",
    message: "the server answered 500 Oops",
  });
  const strange = () => Response.json({ error: "no" }, { status: 401 });
  expect((await errorFrom(strange)).code).toBe("unauthorized");
  const noJson = () => new Response("hello");
  expect((await errorFrom(noJson)).code).toBe("internal");
});

test("no answer is unreachable, and healthy() is false rather than an error", async () => {
  const client = createClient({
    fetch: () => Promise.reject(new Error("connection refused")),
  });
  expect(await client.healthy()).toBe(false);
  expect(await client.workflow(1).catch((thrown: unknown) => thrown)).toMatchObject({
    code: "unreachable",
    status: 0,
  });
});

test("output arrives as it is written", async () => {
  let send: ReadableStreamDefaultController<Uint8Array> | undefined;
  const { client } = recording(
    () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start(controller) {
            send = controller;
          },
        }),
      ),
  );
  const stream = await client.output(1, "a", { follow: true });
  const chunks: string[] = [];
  const reader = stream.getReader();
  for (const text of ["one", "two"]) {
    send?.enqueue(new TextEncoder().encode(text));
    const { value } = await reader.read();
    chunks.push(new TextDecoder().decode(value));
  }
  send?.close();
  expect((await reader.read()).done).toBe(true);
  expect(chunks).toEqual(["one", "two"]);
});

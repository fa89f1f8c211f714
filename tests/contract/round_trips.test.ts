import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

/** Passes requests on and counts them. */
async function startCounter(target: string) {
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    paths.push(`${request.method} ${request.url?.split("?")[0]}`);
    const body = await buffer(request);
    const { host: _, connection: __, "content-length": ___, ...headers } = request.headers;
    const answer = await fetch(target + request.url, {
      method: request.method ?? "GET",
      headers: headers as Record<string, string>,
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    response
      .writeHead(answer.status, {
        "content-type": answer.headers.get("content-type") ?? "text/plain",
        "content-length": bytes.length,
      })
      .end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take: () => paths.splice(0),
    close: () => server.close(),
  };
}

let rest: Awaited<ReturnType<typeof startCounter>>;
let redis: Awaited<ReturnType<typeof startCounter>>;
let another: Awaited<ReturnType<typeof startAnotherFunction>>;
let client: Client;
let id: string;

beforeAll(async () => {
  rest = await startCounter(stack().restUrl);
  redis = await startCounter(stack().upstashUrl);
  another = await startAnotherFunction({ REST_URL: rest.url, UPSTASH_REDIS_REST_URL: redis.url });
  const { key } = await createWorkspace();
  client = new Client(another.baseUrl, key);
  id = (await client.post("/contacts", { email: freshEmail() })).data.id;
});
afterAll(async () => {
  await another.stop();
  rest.close();
  redis.close();
});

test.each([
  ["a list with its total", () => client.get("/contacts?status=active")],
  ["a search", () => client.get("/contacts?search=test")],
  ["a read by id", () => client.get(`/contacts/${id}`)],
  ["a read with embedded records", () => client.get(`/contacts/${id}?include=owner`)],
  ["a create", () => client.post("/contacts", { email: freshEmail() }, { "idempotency-key": freshEmail() })],
  ["an update", () => client.patch(`/contacts/${id}`, { score: 7 })],
  [
    "a bulk create",
    () => client.post("/contacts/bulk", { records: [{ email: freshEmail() }, { email: freshEmail() }] }),
  ],
] as const)("in the steady state %s costs one Redis round trip and one PostgREST request", async (_, send) => {
  await client.get("/me"); // The key is known now.
  rest.take();
  redis.take();
  expect((await send()).status).toBeLessThan(300);
  expect({ rest: rest.take().length, redis: redis.take().length }).toEqual({ rest: 1, redis: 1 });
});

test("a key with a wrong checksum is refused with no I/O at all, and so is a missing one", async () => {
  rest.take();
  redis.take();
  const wrong = (client.key ?? "").slice(0, -1) + ((client.key ?? "").endsWith("A") ? "B" : "A");
  for (const key of [wrong, null]) expect((await new Client(another.baseUrl, key).get("/contacts")).status).toBe(401);
  expect({ rest: rest.take(), redis: redis.take() }).toEqual({ rest: [], redis: [] });
});

test("health needs no I/O", async () => {
  expect((await new Client(another.baseUrl, null).get("/health")).data).toEqual({ status: "ok" });
  expect({ rest: rest.take(), redis: redis.take() }).toEqual({ rest: [], redis: [] });
});

import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import { Client } from "../harness/client.ts";
import { type CountingProxy, startCountingProxy } from "../harness/counting_proxy.ts";
import { stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// What an answer costs in round trips, counted by proxies between a function of its own and its stores.

let rest: CountingProxy;
let redis: CountingProxy;
let another: Awaited<ReturnType<typeof startAnotherFunction>>;
let client: Client;
let id: string;
let tag: string;

beforeAll(async () => {
  rest = await startCountingProxy(stack().restUrl);
  redis = await startCountingProxy(stack().upstashUrl);
  another = await startAnotherFunction({ REST_URL: rest.url, UPSTASH_REDIS_REST_URL: redis.url });
  client = new Client(another.baseUrl, (await createWorkspace()).key);
});

afterAll(async () => {
  await another?.stop();
  await rest?.close();
  await redis?.close();
});

// The steady state: the key is known for the next 5 s, Redis knows the limiter's script.
beforeEach(async () => {
  const made = await client.post("/contacts", { email: freshEmail() });
  id = made.data.id;
  tag = made.headers.get("etag") ?? "";
  rest.requests.length = 0;
  redis.requests.length = 0;
});

/** Without the note, at most twice a minute and after the answer, that somebody was there. */
const seen = () => ({
  redis: redis.requests.length,
  rest: rest.requests.filter((request) => !request.includes("/rpc/note_use")).length,
});

describe("in the steady state one answer costs one Redis and one PostgREST round trip", () => {
  test.each<[string, () => Promise<{ status: number }>]>([
    ["a list with its total", () => client.get("/contacts")],
    ["a list with a counted total", () => client.get("/contacts?score[gte]=1&include=owner,company")],
    ["a text search", () => client.get("/contacts?search=test")],
    ["a filter tree", () => client.post("/contacts/search", { filter: { field: "score", op: "gt", value: 1 } })],
    ["a read by id", () => client.get(`/contacts/${id}`)],
    ["a read with embedded records", () => client.get(`/contacts/${id}?include=owner`)],
    ["a create", () => client.post("/contacts", { email: freshEmail() })],
    [
      "a create with a key",
      () => client.post("/contacts", { email: freshEmail() }, { "idempotency-key": randomUUID() }),
    ],
    ["an upsert", () => client.post("/contacts?on_conflict=update", { email: freshEmail() })],
    ["an update", () => client.patch(`/contacts/${id}`, { score: 7 })],
    ["a refused update", () => client.patch(`/contacts/${id}`, { score: 7 }, { "if-match": '"9"' })],
    ["a delete", () => client.delete(`/contacts/${id}`)],
    ["a bulk create", () => client.post("/contacts/bulk", { records: [{ email: freshEmail() }, { email: "bad" }] })],
  ])("%s", async (_name, call) => {
    expect((await call()).status).toBeLessThan(500);
    expect(seen()).toEqual({ redis: 1, rest: 1 });
  });
});

test("what can be refused without the database doesn't ask it", async () => {
  await client.post("/contacts", { emial: "x" });
  await client.get("/contacts?stauts=active");
  await client.get("/contacts/42");
  await client.get("/nothing");
  expect(seen()).toEqual({ redis: 4, rest: 0 });
});

test("health, preflight, http, no key and a wrong checksum cost no round trip at all", async () => {
  const keyless = new Client(another.baseUrl, null);
  const from = { "x-forwarded-for": randomUUID() };
  const { key } = generateApiKey("live");
  await keyless.get("/health", from);
  await keyless.call("/contacts", { method: "OPTIONS", headers: from });
  await keyless.get("/contacts", { ...from, "x-forwarded-proto": "http" });
  expect((await keyless.get("/contacts", from)).status).toBe(401);
  const wrong = `Bearer ${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
  expect((await keyless.get("/contacts", { ...from, authorization: wrong })).status).toBe(401);
  expect(seen()).toEqual({ redis: 0, rest: 0 });
});

test("a 304 gives its request back in two further Redis round trips: whether it may, and that it does", async () => {
  expect((await client.get(`/contacts/${id}`, { "if-none-match": tag })).status).toBe(304);
  expect(seen()).toEqual({ redis: 3, rest: 1 });
});

test("that a key is used is noted once for many requests, and again for a scope that is new", async () => {
  const newcomer = new Client(another.baseUrl, (await createWorkspace()).key);
  const notes = () => rest.requests.filter((request) => request.includes("/rpc/note_use")).length;
  for (let at = 0; at < 5; at++) await newcomer.get("/contacts");
  await expect.poll(notes).toBe(1);
  await newcomer.get("/deals");
  await newcomer.get("/deals");
  await expect.poll(notes).toBe(2);
});

test("a good key is looked up once, not once per request", async () => {
  const newcomer = new Client(another.baseUrl, (await createWorkspace()).key);
  await Promise.all(Array.from({ length: 20 }, () => newcomer.get("/me")));
  expect(rest.requests).toEqual(["POST /rpc/find_api_key"]);
});

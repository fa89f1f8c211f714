import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, Client } from "../harness/client.ts";
import { stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";
import { type FaultProxy, startFaultProxy } from "../limits/harness/fault_proxy.ts";

/** The function gives up on a database call after 15 s. */
const HUNG_LIMIT_MS = 17_000;

let proxy: FaultProxy;
let api: Awaited<ReturnType<typeof startAnotherFunction>>;

beforeAll(async () => {
  proxy = await startFaultProxy(stack().restUrl);
  api = await startAnotherFunction({ REST_URL: proxy.url });
});

afterAll(async () => {
  await api?.stop();
  await proxy?.close();
});

function expectUnavailable({ status, error, headers }: Answer): void {
  expect(status).toBe(503);
  expect(error.code).toBe("service_unavailable");
  expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
}

test.each(["refused", "bad_gateway"] as const)(
  "PostgREST %s: 503 with Retry-After in under 2 s for known and unknown keys, health is 200, then it works again",
  { retry: 2 },
  async (fault) => {
    await proxy.set("none");
    const known = new Client(api.baseUrl, (await createWorkspace()).key);
    const unknown = new Client(api.baseUrl, (await createWorkspace()).key);
    const { data } = await known.post("/contacts", { email: freshEmail() });

    await proxy.set(fault);
    const startedAt = performance.now();
    const answers = await Promise.all([
      known.get("/contacts"),
      known.get(`/contacts/${data.id}`),
      known.post("/contacts", { email: freshEmail() }),
      known.patch(`/contacts/${data.id}`, { score: 1 }),
      known.post("/contacts/bulk", { records: [{ email: freshEmail() }] }),
      unknown.get("/contacts"),
      unknown.get("/me"),
    ]);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    answers.forEach(expectUnavailable);
    expect((await new Client(api.baseUrl, null).get("/health")).status).toBe(200);

    await proxy.set("none");
    expect((await known.get(`/contacts/${data.id}`)).status).toBe(200);
    expect((await unknown.get("/contacts")).status).toBe(200);
  },
);

test("PostgREST hung: 503 with Retry-After within 17 s, and health answers at once", {
  retry: 2,
  timeout: 40_000,
}, async () => {
  await proxy.set("none");
  const { key } = await createWorkspace();
  const client = new Client(api.baseUrl, key);
  expect((await client.get("/contacts")).status).toBe(200);

  await proxy.set("hung");
  const startedAt = performance.now();
  const waiting = Promise.all([client.get("/contacts"), client.post("/contacts", { email: freshEmail() })]);
  const healthAt = performance.now();
  expect((await new Client(api.baseUrl, null).get("/health")).status).toBe(200);
  expect(performance.now() - healthAt).toBeLessThan(500);
  (await waiting).forEach(expectUnavailable);
  expect(performance.now() - startedAt).toBeLessThan(HUNG_LIMIT_MS);

  await proxy.set("none");
  expect((await client.get("/contacts")).status).toBe(200);
});

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

let live: TestKey & { userId: string };
let sandbox: TestKey;
beforeAll(async () => {
  live = await createWorkspace({ plan: "professional" });
  sandbox = await createWorkspace({ plan: "professional", parentId: live.workspaceId });
});

const as = (scenario: string) => ({ "x-test-scenario": scenario });
const SCENARIOS = [
  ["rate_limited", 429, "rate_limit_exceeded"],
  ["service_unavailable", 503, "service_unavailable"],
  ["internal_error", 500, "internal_error"],
] as const;

const contacts = async ({ client }: TestKey) => (await client.get("/contacts")).meta.total;

describe.each(SCENARIOS)("%s", (scenario, status, code) => {
  test.each(["GET", "POST", "PATCH", "DELETE"])(
    `answers a %s with ${status}, and what is written is nothing`,
    async (method) => {
      const { data } = await sandbox.client.post("/contacts", { email: freshEmail(), first_name: "Before" });
      const before = await contacts(sandbox);
      const path = method === "GET" || method === "POST" ? "/contacts" : `/contacts/${data.id}`;
      const body = method === "POST" || method === "PATCH" ? { email: freshEmail() } : undefined;
      const answer = await sandbox.client.call(path, { method, headers: as(scenario), ...(body && { body }) });
      expect({ status: answer.status, code: answer.error.code }).toEqual({ status, code });
      expect(await contacts(sandbox)).toBe(before);
      expect((await sandbox.client.get(`/contacts/${data.id}`)).data).toMatchObject(data);
    },
  );

  test("answers a HEAD with the headers of the GET, and without a body", async () => {
    const {
      status: answered,
      headers,
      body,
    } = await sandbox.client.call("/contacts", { method: "HEAD", headers: as(scenario) });
    expect({ answered, body }).toEqual({ answered: status, body: null });
    expect(Number(headers.get("content-length"))).toBeGreaterThan(0);
    expect(headers.has("retry-after")).toBe(code !== "internal_error");
  });

  test("leaves an Idempotency-Key unused, so that a retry is the first", async () => {
    const key = { "idempotency-key": randomUUID() };
    const body = { email: freshEmail() };
    expect((await sandbox.client.post("/contacts", body, { ...key, ...as(scenario) })).status).toBe(status);
    const retried = await sandbox.client.post("/contacts", body, key);
    expect({ status: retried.status, replayed: retried.headers.get("idempotent-replayed") }).toEqual({
      status: 201,
      replayed: null,
    });
  });

  test("is for a user in the sandbox too", async () => {
    await database()`
      insert into crm.members (workspace_id, user_id, role, name, email)
      values (${sandbox.workspaceId}, ${live.userId}, 'member', 'Member', 'member@test.example') on conflict do nothing`;
    const user = new Client(stack().functionUrl, await sessionToken(live.userId));
    const answer = await user.get("/contacts", { ...as(scenario), "x-workspace-id": sandbox.workspaceId });
    expect(answer.error.code).toBe(code);
    expect((await user.get("/contacts", as(scenario))).error.code).toBe("test_only");
  });
});

test.each([
  ["standard", '"default";r=0;t='],
  ["enterprise", '"sustained";r=0;t='],
] as const)("the 429 of plan %s is in every way the real one", async (plan, policy) => {
  const { client } = await createWorkspace({ plan, parentId: (await createWorkspace({ plan })).workspaceId });
  const { error, headers, body } = await client.get("/me", as("rate_limited"));
  const limit = plan === "standard" ? 100 : 500;
  expect(error.details).toEqual({
    limit,
    remaining: 0,
    reset: Number(headers.get("x-ratelimit-reset")),
    retry_after: Number(headers.get("retry-after")),
  });
  expect(error.details.retry_after).toBeGreaterThan(0);
  expect(headers.get("x-ratelimit-limit")).toBe(String(limit));
  expect(headers.get("x-ratelimit-remaining")).toBe("0");
  expect(headers.get("ratelimit")).toContain(`${policy}${error.details.retry_after}`);
  expect(headers.get("ratelimit")).not.toMatch(/r=[1-9]/);
  if (plan !== "standard") return;

  const real = (await Promise.all(Array.from({ length: 110 }, () => client.get("/me")))).find(
    ({ status }) => status === 429,
  );
  expect(Object.keys(real?.error.details)).toEqual(Object.keys(error.details));
  expect(real?.error.message).toBe(error.message);
  expect(Object.keys(real?.body)).toEqual(Object.keys(body));
  expect([...(real?.headers.keys() ?? [])]).toEqual([...headers.keys()]);
});

test("the 503 says when to try again", async () => {
  const { headers, error } = await sandbox.client.get("/me", as("service_unavailable"));
  expect(headers.get("retry-after")).toBe("2");
  expect(error.details).toEqual({});
});

describe("slow", () => {
  test("is the real answer, later; of a client who has left by then nothing is done", async () => {
    const { client, key } = await createWorkspace({ parentId: live.workspaceId });
    const leaves = fetch(`${stack().functionUrl}/v1/contacts`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...as("slow") },
      body: JSON.stringify({ email: freshEmail() }),
      signal: AbortSignal.timeout(1_000),
    });
    await expect(leaves).rejects.toThrow();
    const email = freshEmail();
    const later = client.post("/contacts", { email }, as("slow"));
    expect((await client.get("/contacts")).meta.total).toBe(0);
    expect(await later).toMatchObject({ status: 201, data: { email } });
    expect((await client.get("/contacts")).data).toMatchObject([{ email }]);
  });

  test("waits for ten of a workspace at once, and for others when their clients have left", async () => {
    const { key } = await createWorkspace({ parentId: live.workspaceId });
    const waits = (signal: AbortSignal) =>
      fetch(`${stack().functionUrl}/v1/me`, {
        headers: { authorization: `Bearer ${key}`, ...as("slow") },
        signal,
      }).then(
        async (response) => (await response.json()).error.code,
        () => "left",
      );
    const leave = new AbortController();
    const all = Array.from({ length: 11 }, () => waits(leave.signal));
    expect(await Promise.race(all)).toBe("too_many_concurrent_requests");
    leave.abort();
    expect((await Promise.all(all)).filter((how) => how === "left")).toHaveLength(10);
    await expect.poll(() => waits(AbortSignal.timeout(500)), { timeout: 5_000 }).toBe("left");
  });
});

test.each(["rate_limited", "slow", "nonsense"])("with a live key %s is 400 test_only", async (scenario) => {
  const { status, error } = await live.client.post("/contacts", { email: freshEmail() }, as(scenario));
  expect({ status, code: error.code }).toEqual({ status: 400, code: "test_only" });
  expect(error.details).toEqual({ "X-Test-Scenario": [error.message] });
  expect(await contacts(live)).toBe(0);
});

test.each([
  ["rate_limted", /Did you mean rate_limited\?/],
  ["SLOW", /Did you mean slow\?/],
  ["429", /Allowed: rate_limited, service_unavailable, internal_error, slow\./],
  ["", /^The empty scenario does not exist\./],
])("a scenario %j that there is not is 400 with those that there are", async (scenario, hint) => {
  const { status, error } = await sandbox.client.get("/contacts", as(scenario));
  expect({ status, code: error.code }).toEqual({ status: 400, code: "validation_error" });
  expect(error.details).toEqual({ "X-Test-Scenario": [expect.stringMatching(hint)] });
});

test("the scope comes first, and so does the path", async () => {
  const { client } = await createKey({ workspaceId: sandbox.workspaceId, scope: "read_only" });
  expect((await client.post("/contacts", {}, as("internal_error"))).error.code).toBe("insufficient_scope");
  expect((await client.get("/nothing", as("internal_error"))).error.code).toBe("not_found");
});

test("routes that need no key know nothing of it", async () => {
  for (const client of [new Client(stack().functionUrl, null), sandbox.client, live.client])
    expect((await client.get("/health", as("internal_error"))).status).toBe(200);
});

test("a browser may send the header", async () => {
  const { headers } = await sandbox.client.call("/contacts", {
    method: "OPTIONS",
    headers: { "access-control-request-headers": "authorization,x-test-scenario" },
  });
  expect(headers.get("access-control-allow-headers")).toContain("x-test-scenario");
});

import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { stack } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

// Each test breaks two neighbouring checks at once and sees the earlier one answer.

let standard: TestKey;
const exhausted = `198.51.100.7-${randomUUID()}`;
const keyless = () => new Client(stack().functionUrl, null);

beforeAll(async () => {
  standard = await createWorkspace({ plan: "standard" });
  for (let i = 0; i < 60; i++) await keyless().get("/contacts", { "x-forwarded-for": exhausted });
});

test("https comes before the preflight and everything else", async () => {
  for (const method of ["GET", "OPTIONS", "POST"]) {
    const { status, headers } = await keyless().call("/contacts?a=b%20c", {
      method,
      headers: { "x-forwarded-proto": "http", "x-forwarded-for": exhausted },
    });
    expect(status).toBe(301);
    expect(headers.get("location")).toBe(`${stack().apiUrl.replace("http:", "https:")}/v1/contacts?a=b%20c`);
    expect(headers.get("strict-transport-security")).toBeNull();
  }
  expect(
    (await keyless().get("/health", { "x-forwarded-proto": "https" })).headers.get("strict-transport-security"),
  ).toMatch(/max-age=\d{8}/);
});

test("the preflight comes before the address limit", async () => {
  expect(
    (await keyless().call("/contacts", { method: "OPTIONS", headers: { "x-forwarded-for": exhausted } })).status,
  ).toBe(204);
});

test("the address limit comes before the key", async () => {
  const { status, error, headers } = await keyless().get("/contacts", { "x-forwarded-for": exhausted });
  expect({ status, code: error.code, limit: headers.get("x-ratelimit-limit") }).toEqual({
    status: 429,
    code: "rate_limit_exceeded",
    limit: "60",
  });
});

test("a good key passes whatever its address did before", async () => {
  const fresh = await createWorkspace();
  expect((await fresh.client.get("/me", { "x-forwarded-for": exhausted })).status).toBe(200);
});

test("the key comes before the route: who may not ask is not told what exists", async () => {
  expect((await keyless().get("/nothing", { "x-forwarded-for": randomUUID() })).error.code).toBe("missing_api_key");
});

test("the plan's limit comes before scope, validation and route; a denied request isn't counted", async () => {
  // A window that ends in between makes room for one more.
  const secondsLeft = 60 - ((Date.now() / 1000) % 60);
  if (secondsLeft < 5) await new Promise((resolve) => setTimeout(resolve, (secondsLeft + 0.5) * 1000));
  const readOnly = await createKey({ workspaceId: standard.workspaceId, scope: "read_only" });
  await Promise.all(Array.from({ length: 110 }, () => readOnly.client.get("/me")));
  for (const [path, options] of [
    ["/contacts", { method: "POST", body: "{" }],
    ["/nothing", {}],
    ["/contacts?x=1", {}],
  ] as const) {
    const { status, error, headers } = await readOnly.client.call(path, options);
    expect({ status, code: error.code }).toEqual({ status: 429, code: "rate_limit_exceeded" });
    expect(error.details).toEqual({
      limit: 100,
      remaining: 0,
      reset: Number(headers.get("x-ratelimit-reset")),
      retry_after: Number(headers.get("retry-after")),
    });
  }
});

test("the scope comes before validation, validation before the handler", async () => {
  const readOnly = await createKey({ workspaceId: standard.workspaceId, scope: "read_only" });
  expect((await readOnly.client.post("/contacts", "{")).error.code).toBe("insufficient_scope");
  const email = freshEmail();
  await standard.client.post("/contacts", { email });
  expect((await standard.client.post("/contacts", { email, scroe: 1 })).error.code).toBe("unknown_field");
});

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { routes } from "../../functions/api/routes.ts";
import { resources } from "../../shared/resources/all.ts";
import { Client } from "../harness/client.ts";
import { stack } from "../harness/stack.ts";
import { createKey, createWorkspace, type TestKey } from "../harness/workspace.ts";

let mine: TestKey;
let nothing: TestKey;
let expired: TestKey;
let revoked: TestKey;

beforeAll(async () => {
  mine = await createWorkspace();
  // A custom key for something that no route needs yet.
  nothing = await createKey({ workspaceId: mine.workspaceId, scope: "custom", permissions: { custom_fields: "read" } });
  expired = await createKey({ workspaceId: mine.workspaceId, expiresAt: new Date(0) });
  revoked = await createKey({ workspaceId: mine.workspaceId, revokedAt: new Date() });
});

test("each operation and each method of a path stands once in the map", () => {
  expect(new Set(routes.map(({ operation }) => operation)).size).toBe(routes.length);
  expect(new Set(routes.map(({ method, path }) => `${method} ${path}`)).size).toBe(routes.length);
});

test("each route needs a scope that exists", () => {
  const scopes = ["public", "any", ...resources.flatMap(({ scope }) => [`${scope}:read`, `${scope}:write`])];
  for (const route of routes) expect(scopes, route.operation).toContain(route.scope);
});

describe.each(routes.map((route) => ({ ...route, url: route.path.replace(/\{\w+\}/g, randomUUID()) })))(
  "$method $path",
  ({ method, url, scope, maxBodyBytes }) => {
    const options = { method, ...(maxBodyBytes !== undefined && { body: {} }) };

    test.skipIf(scope === "public")(
      "is closed without a key, with a bad one, an expired one and a revoked one",
      async () => {
        const from = { "x-forwarded-for": `203.0.113.${Math.floor(Math.random() * 250)}:${randomUUID()}` };
        const keyless = new Client(stack().functionUrl, null);
        expect((await keyless.call(url, { ...options, headers: from })).error.code).toBe("missing_api_key");
        expect(
          (await keyless.call(url, { ...options, headers: { ...from, authorization: "Bearer anx_live_nonsense" } }))
            .error.code,
        ).toBe("invalid_api_key");
        expect((await expired.client.call(url, { ...options, headers: from })).error.code).toBe("expired_api_key");
        expect((await revoked.client.call(url, { ...options, headers: from })).error.code).toBe("invalid_api_key");
      },
    );

    test.skipIf(scope === "public" || scope === "any")("is closed to a key without its scope", async () => {
      const { status, error } = await nothing.client.call(url, options);
      expect({ status, required: error?.details.required_scope }).toEqual({ status: 403, required: scope });
    });

    test("answers the CORS preflight without a key", async () => {
      const preflight = await new Client(stack().functionUrl, null).call(url, {
        method: "OPTIONS",
        headers: { origin: "https://x.example", "access-control-request-method": method },
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get("access-control-allow-methods")).toContain(method);
    });

    test.runIf(method === "GET")("answers HEAD as GET, without the body", async () => {
      const get = await mine.client.call(url);
      const head = await mine.client.call(url, { method: "HEAD" });
      expect({ status: head.status, body: head.body, tag: head.headers.get("etag") }).toEqual({
        status: get.status,
        body: null,
        tag: get.headers.get("etag"),
      });
    });

    test("is the same without the version", async () => {
      const versioned = await mine.client.call(url, options);
      const plain = await mine.client.call(`~${url}`, options);
      expect({ status: plain.status, code: plain.error?.code }).toEqual({
        status: versioned.status,
        code: versioned.error?.code,
      });
    });
  },
);

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Route } from "../../shared/http/route.ts";
import { DEFAULT_VERSION } from "../../shared/http/versions.ts";
import { resources } from "../../shared/resources/all.ts";
import { scopeNames } from "../../shared/resources/api_keys.ts";
import { type Access, mayAccess, RIGHTS, ROLES } from "../../shared/rights.ts";
import { testIf } from "../harness/cases.ts";
import type { Client } from "../harness/client.ts";
import { Records, type Workspace } from "../harness/records.ts";
import { pathParameters } from "../harness/route_paths.ts";
import { database } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { clientOf, useVersion, versionCases } from "../harness/versions.ts";
import { createKey, createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

/** A path about nothing that there is; what a caller does to itself is only tried. */
const urlOf = ({ path, operation }: Route) =>
  path.replace(/\{\w+\}/g, randomUUID()) + (operation === "api_keys.revokeCurrent" ? "?dry_run=true" : "");

const REFUSALS = ["invalid_session", "insufficient_scope", "insufficient_role", "user_required", "workspace_not_found"];

describe.each(versionCases)("$name", ({ version, routes }) => {
  useVersion(version);

  let mine: Workspace;
  let readers: TestKey[];
  const outsiders: Record<string, TestKey> = {};
  /** A key and the owner of another workspace, and of a sandbox of mine. */
  let sandboxId: string;
  let strangers: { key: Client; owner: Client; workspaceId: string }[];
  const scopes = scopeNames(resources);
  /** A record of mine of each resource, by plural; `merges` and `imports` too. */
  const known = new Map<string, string>();
  /** Signed in as somebody of each role of my workspace, and as somebody who is in another one only. */
  const users: Record<string, Client> = {};
  let expired: TestKey;
  let revoked: TestKey;

  beforeAll(async () => {
    mine = await createWorkspace();
    const permissions = Object.fromEntries(scopes.map((scope) => [scope, "read"] as const));
    readers = [
      await createKey({ workspaceId: mine.workspaceId, scope: "read_only" }),
      await createKey({ workspaceId: mine.workspaceId, scope: "custom", permissions }),
    ];
    for (const scope of scopes) {
      const others = Object.fromEntries(
        scopes.filter((other) => other !== scope).map((other) => [other, "write"] as const),
      );
      outsiders[scope] = await createKey({ workspaceId: mine.workspaceId, scope: "custom", permissions: others });
    }
    expired = await createKey({ workspaceId: mine.workspaceId, expiresAt: new Date(0) });
    revoked = await createKey({ workspaceId: mine.workspaceId, revokedAt: new Date() });
    const apart = [await createWorkspace(), await createWorkspace({ parentId: mine.workspaceId })];
    sandboxId = apart[1]?.workspaceId ?? "";
    known.set("sandboxes", sandboxId);
    strangers = await Promise.all(
      apart.map(async ({ client, userId, workspaceId }) => ({
        key: client,
        owner: clientOf(await sessionToken(userId)),
        workspaceId,
      })),
    );
    for (const role of ["owner", "admin", "member", "stranger"]) {
      const { userId, workspaceId } = await createWorkspace();
      users[role] = clientOf(await sessionToken(userId));
      if (role === "stranger") continue;
      await database()`
        update crm.members set workspace_id = ${mine.workspaceId}, role = ${role} where workspace_id = ${workspaceId}`;
    }
    const records = new Records(mine);
    for (const resource of version.resources) {
      const id = resource.parent ? String((await records.make(resource))["id"]) : await records.oneOf(resource.plural);
      known.set(resource.plural, id);
      if (resource.parent) known.set(resource.parent.resource().plural, await records.parentOf(resource.plural));
    }
    const [loser = ""] = (await records.some("contacts")).slice(1);
    known.set(
      "merges",
      (await mine.client.post(`/contacts/${known.get("contacts")}/merge`, { ids: [loser] })).meta.merge_id,
    );
    const [job] = await database()`
    insert into crm.jobs (workspace_id, kind, scope, arguments) values (${mine.workspaceId}, 'merge', 'contacts', '{"merge": null}') returning id`;
    known.set("jobs", job?.["id"]);
    known.set("api_keys", mine.id);
    known.set("members", mine.ownerId);
    const [invitation] = await database()`
      insert into crm.invitations (workspace_id, email, role) values (${mine.workspaceId}, ${freshEmail()}, 'admin') returning id`;
    known.set("invitations", invitation?.["id"]);
    const [entry] = await database()`
      insert into crm.audit_log (workspace_id, actor, action, targets, context)
      values (${mine.workspaceId}, '{"type": "system", "id": null, "name": null}', 'api_key.created', '[]',
        '{"ip": null, "user_agent": null, "request_id": null}') returning id`;
    known.set("audit_log", entry?.["id"]);
    const webhook = await mine.client.post("/webhooks", { url: "http://127.0.0.1:45671/", events: ["*"] });
    known.set("webhooks", webhook.data.id);
    const [delivery] = await database()`
      insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, type, lane)
      values (${mine.workspaceId}, ${webhook.data.id}, gen_random_uuid(), 'deal.won', 'test') returning id`;
    known.set("webhook_deliveries", delivery?.["id"]);
    known.set("imports", (await mine.client.post("/imports", { resource: "contacts", format: "csv" })).data.id);
  });

  /** Bodies that get as far as looking for what the path names. */
  const BODIES: Record<string, unknown> = {
    merge: { ids: [randomUUID()] },
    move: { stage_id: randomUUID() },
    create: { name: "x" },
    bulkCreate: { records: [{ name: "x" }] },
    bulkUpdate: { records: [{ id: randomUUID() }] },
    bulkDelete: { ids: [randomUUID()] },
    "members.update": { role: "member" },
    addPart: { part: 0, content: "email" },
  };

  test("each operation and each method of a path stands once in the map", () => {
    expect(new Set(routes.map(({ operation }) => operation)).size).toBe(routes.length);
    expect(new Set(routes.map(({ method, path }) => `${method} ${path}`)).size).toBe(routes.length);
  });

  test("each route needs a scope that exists", () => {
    const areas = [...scopes, ...Object.keys(RIGHTS)];
    const known = ["public", "any", "session", "api_keys:revoke"].concat(
      areas.flatMap((scope) => [`${scope}:read`, `${scope}:write`]),
    );
    for (const route of routes) expect(known, route.operation).toContain(route.scope);
  });

  describe.each(routes.map((route) => ({ ...route, url: urlOf(route) })))(
    "$method $path",
    ({ method, path, operation, url, scope, body: declaredBody }) => {
      const options = { method, ...(declaredBody !== null && { body: {} }) };

      testIf(!(scope === "public"))(
        "is closed without a key, with a bad one, an expired one and a revoked one",
        async () => {
          const from = { "x-forwarded-for": `203.0.113.${Math.floor(Math.random() * 250)}:${randomUUID()}` };
          const keyless = clientOf(null);
          expect((await keyless.call(url, { ...options, headers: from })).error.code).toBe("missing_api_key");
          expect(
            (await keyless.call(url, { ...options, headers: { ...from, authorization: "Bearer anx_live_nonsense" } }))
              .error.code,
          ).toBe("invalid_api_key");
          expect((await expired.client.call(url, { ...options, headers: from })).error.code).toBe("expired_api_key");
          expect((await revoked.client.call(url, { ...options, headers: from })).error.code).toBe("invalid_api_key");
        },
      );

      const [named = "", access = "read"] = scope.split(":") as [string, Access?];

      testIf(scope !== "public" && scope !== "session")(
        "is open to the roles that it is for, and to no stranger",
        async () => {
          const headers = { "x-workspace-id": mine.workspaceId, "x-forwarded-for": randomUUID() };
          const refusalOf = async (client: Client) => {
            const { error } = await client.call(url, { ...options, headers });
            return REFUSALS.find((code) => code === error?.code);
          };
          for (const role of ROLES) {
            const isAllowed = mayAccess(role, named, access) ?? true;
            expect(await refusalOf(users[role] as Client), role).toBe(isAllowed ? undefined : "insufficient_role");
          }
          expect(await refusalOf(users["stranger"] as Client)).toBe("workspace_not_found");
        },
      );

      testIf(scope === "session" || mayAccess("key", named, access) === false)("is closed to every key", async () => {
        for (const client of [mine.client, ...readers.map((reader) => reader.client)])
          expect((await client.call(url, options)).error.code).toBe("user_required");
      });

      testIf(scopes.includes(named))("is closed to a key that may do all but this", async () => {
        const { status, error } = await (outsiders[named] ?? mine).client.call(url, options);
        expect({ status, required: error?.details.required_scope }).toEqual({ status: 403, required: scope });
      });

      testIf(scopes.includes(named) && access === "write")("is closed to keys that may read everything", async () => {
        for (const { client } of readers) {
          const { status, error } = await client.call(url, options);
          expect({ status, required: error?.details.required_scope }).toEqual({ status: 403, required: scope });
        }
      });

      testIf(path.includes("{"))("knows no record of another workspace, nor a sandbox one of its parent", async () => {
        const [prefix = ""] = operation.split(".");
        const parameters = pathParameters({ path, operation });
        const theirs = parameters.reduce(
          (at, [name, plural = prefix]) => at.replace(`{${name}}`, known.get(plural) ?? `no ${plural} known`),
          path,
        );
        expect(theirs).not.toContain("known");
        const body = BODIES[operation] ?? BODIES[operation.split(".").at(-1) ?? ""] ?? {};
        const sent = { method, ...(declaredBody !== null && { body }) };
        for (const { key, owner, workspaceId } of strangers) {
          const { status, error } = await (Object.hasOwn(RIGHTS, named) ? owner : key).call(theirs, {
            ...sent,
            headers: { "x-workspace-id": workspaceId },
          });
          // A sandbox has no people and no sandboxes of its own, so it is told where they are.
          const isForLive = workspaceId === sandboxId && /^(members|invitations|sandboxes):write$/.test(scope);
          const code = isForLive ? "live_workspace_required" : "not_found";
          expect({ status, error }).toEqual({
            status: isForLive ? 422 : 404,
            error: { code, message: expect.any(String), details: {} },
          });
        }
      });

      test("answers the CORS preflight without a key", async () => {
        const preflight = await clientOf(null).call(url, {
          method: "OPTIONS",
          headers: { origin: "https://x.example", "access-control-request-method": method },
        });
        expect(preflight.status).toBe(204);
        expect(preflight.headers.get("access-control-allow-methods")).toContain(method);
      });

      testIf(method === "GET")("answers HEAD as GET, without the body", async () => {
        const get = await mine.client.call(url);
        const head = await mine.client.call(url, { method: "HEAD" });
        expect({ status: head.status, body: head.body, tag: head.headers.get("etag") }).toEqual({
          status: get.status,
          body: null,
          tag: get.headers.get("etag"),
        });
      });

      testIf(version.name === DEFAULT_VERSION)("is the same without the version", async () => {
        const versioned = await mine.client.call(url, options);
        const plain = await mine.client.call(`~${url}`, options);
        expect({ status: plain.status, code: plain.error?.code }).toEqual({
          status: versioned.status,
          code: versioned.error?.code,
        });
      });
    },
  );
});

import { beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

type Workspace = Awaited<ReturnType<typeof createWorkspace>>;

let mine: Workspace;
/** Its owner, signed in. */
let owner: Client;
let others: Workspace;

const clientOf = (key: string) => new Client(stack().apiUrl, key);
/** Past the gateway, which is the hop that is trusted: so a test says where it comes from. */
const directly = (key: string) => new Client(stack().functionUrl, key);

/** A workspace of its own with somebody signed in who owns it: keys are counted. */
async function freshWorkspace(): Promise<{ workspace: Workspace; owner: Client }> {
  const workspace = await createWorkspace();
  return { workspace, owner: clientOf(await sessionToken(workspace.userId)) };
}

beforeAll(async () => {
  ({ workspace: mine, owner } = await freshWorkspace());
  others = await createWorkspace();
});

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
const made = async (given: Record<string, unknown> = {}) => {
  const answer = await owner.post("/api_keys", { name: "Zapier", scope: "full_access", ...given });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer;
};

describe("creation", () => {
  test("answers the key once, which works at once, and is never shown again", async () => {
    const { data, headers } = await made();
    expect(data).toMatchObject({
      name: "Zapier",
      prefix: "anx_live",
      last_four: data.key.slice(-4),
      scope: "full_access",
      permissions: null,
      allowed_ips: [],
      state: "active",
      expires_at: null,
      created_by: { type: "user", id: mine.userId },
      revoked_at: null,
      rolled_to: null,
    });
    expect(headers.get("location")).toBe(`${stack().apiUrl}/v1/api_keys/${data.id}`);
    expect(headers.get("cache-control")).toBe("no-store");
    expect((await clientOf(data.key).get("/contacts")).status).toBe(200);
    for (const path of [`/api_keys/${data.id}`, "/api_keys", "/audit_log"])
      expect(JSON.stringify((await owner.get(path)).body)).not.toContain(data.key);
  });

  test.each([
    ["read_only", undefined, { contacts: 200, create: 403 }],
    ["custom", { contacts: "write" }, { contacts: 200, create: 201 }],
    ["custom", { contacts: "read", webhooks: "write", deals: "none" }, { contacts: 200, create: 403 }],
    ["custom", { deals: "write" }, { contacts: 403, create: 403 }],
  ])("makes a key of scope %s with %j", async (scope, permissions, expected) => {
    const { data } = await made({ scope, permissions });
    expect(data.permissions).toEqual(permissions ?? null);
    const client = clientOf(data.key);
    expect((await client.get("/contacts")).status).toBe(expected.contacts);
    expect((await client.post("/contacts", { email: freshEmail() })).status).toBe(expected.create);
    expect((await client.get("/me")).data).toMatchObject({ scope, permissions: permissions ?? null });
  });

  test.each([
    [{ scope: "full_access" }, "name"],
    [{ name: "x" }, "scope"],
    [{ name: "", scope: "full_access" }, "name"],
    [{ name: "x".repeat(101), scope: "full_access" }, "name"],
    [{ name: "x", scope: "admin" }, "scope"],
    [{ name: "x", scope: "custom" }, "permissions"],
    [{ name: "x", scope: "custom", permissions: {} }, "permissions"],
    [{ name: "x", scope: "custom", permissions: { contacts: "all" } }, "permissions.contacts"],
    [{ name: "x", scope: "custom", permissions: { contact: "read" } }, "permissions.contact"],
    [{ name: "x", scope: "read_only", permissions: { contacts: "read" } }, "permissions"],
    [{ name: "x", scope: "read_only", expires_at: "soon" }, "expires_at"],
    [{ name: "x", scope: "read_only", allowed_ips: ["1.2.3"] }, "allowed_ips.0"],
    [{ name: "x", scope: "read_only", allowed_ips: Array(51).fill("192.0.2.1") }, "allowed_ips"],
    [{ name: "x", scope: "read_only", key: "anx_live_mine" }, "key"],
  ])("refuses %j for its %s", async (body, field) => {
    const { status, error } = await owner.post("/api_keys", body);
    expect({ status, fields: Object.keys(error.details) }).toEqual({ status: 400, fields: [field] });
  });

  test("refuses an expiry that has passed", async () => {
    const { status, error } = await owner.post("/api_keys", {
      name: "x",
      scope: "full_access",
      expires_at: inDays(-1),
    });
    expect({ status, code: error.code }).toEqual({ status: 422, code: "expiry_in_past" });
  });

  test("repeated with its Idempotency-Key names the first key, and makes no other", async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    const body = { name: "Once", scope: "read_only" };
    const first = await owner.post("/api_keys", body, headers);
    const again = await owner.post("/api_keys", body, headers);
    expect(again).toMatchObject({
      status: 409,
      error: { code: "idempotency_key_used", details: { id: first.data.id } },
    });
    expect(JSON.stringify(again.body)).not.toContain("anx_live");
    const [stored] = await database()`
      select count(*)::integer, max(answer::text) as answer from crm.api_keys
      join crm.idempotency_keys using (workspace_id) where name = 'Once' and workspace_id = ${mine.workspaceId}`;
    expect(stored?.["count"]).toBe(1);
    expect(stored?.["answer"]).not.toContain(first.data.key);
    const reused = await owner.post("/api_keys", { ...body, name: "Other" }, headers);
    expect(reused.error.code).toBe("idempotency_key_reused");
  });

  test("is only tried by a dry run", async () => {
    const before = (await owner.get("/api_keys")).meta.total;
    const { status, data, meta } = await owner.post("/api_keys?dry_run=true", { name: "x", scope: "read_only" });
    expect({ status, key: data.key, dry: meta.dry_run }).toEqual({ status: 201, key: undefined, dry: true });
    expect((await owner.get("/api_keys")).meta.total).toBe(before);
  });

  test("ends at a hundred live keys, however many ask at once", async () => {
    const { owner: busy } = await freshWorkspace(); // One key is there.
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const statuses: number[] = [];
        for (let at = 0; at < 13; at++)
          statuses.push((await busy.post("/api_keys", { name: `k${n}-${at}`, scope: "read_only" })).status);
        return statuses;
      }),
    );
    const count = (wanted: number) => answers.flat().filter((status) => status === wanted).length;
    expect({ made: count(201), refused: count(409) }).toEqual({ made: 99, refused: 5 });
    expect((await busy.post("/api_keys", { name: "x", scope: "read_only" })).error).toMatchObject({
      code: "api_key_limit_reached",
      details: { max_live: 100 },
    });
    const { data } = await busy.get("/api_keys?limit=1&sort=name");
    expect((await busy.post(`/api_keys/${data[0].id}/roll`)).status).toBe(201);
    const withGrace = await busy.post(`/api_keys/${data[0].id}/roll`, { grace_period_seconds: 60 });
    expect(withGrace.error.code).toBe("api_key_rolled");
  });
});

describe("a list", () => {
  test("has expired and revoked keys too, by state, scope and in order", async () => {
    const { workspace, owner: signedIn } = await freshWorkspace();
    const { workspaceId } = workspace;
    await createKey({ workspaceId, expiresAt: new Date(0) });
    await createKey({ workspaceId, revokedAt: new Date(), scope: "read_only" });
    await createKey({ workspaceId, expiresAt: new Date(Date.now() + 86_400_000) });
    const states = async (query: string) =>
      (await signedIn.get(`/api_keys?${query}`)).data.map(({ state }: { state: string }) => state);
    expect(await states("sort=created_at")).toEqual(["active", "expired", "revoked", "expiring"]);
    expect(await states("state=expired,expiring&sort=created_at")).toEqual(["expired", "expiring"]);
    expect(await states("scope=read_only")).toEqual(["revoked"]);
    expect(await states("sort=-last_used_at,name&limit=1")).toHaveLength(1);
    const all = await signedIn.all("/api_keys?limit=1&sort=-last_used_at");
    expect(new Set(all.map(({ id }) => id)).size).toBe(4);
    expect((await signedIn.get("/api_keys?stat=x")).error.code).toBe("unknown_parameter");
  });

  test("of a key is itself, and no other is told", async () => {
    const { data } = await mine.client.get("/api_keys");
    expect(data.map(({ id }: { id: string }) => id)).toEqual([mine.id]);
    expect((await mine.client.get(`/api_keys/${mine.id}`)).data.id).toBe(mine.id);
    expect((await mine.client.get("/api_keys/current?fields=id,state")).data).toEqual({ id: mine.id, state: "active" });
    const another = await createKey({ workspaceId: mine.workspaceId });
    for (const id of [another.id, others.id, crypto.randomUUID()])
      expect((await mine.client.get(`/api_keys/${id}`)).error.code).toBe("user_required");
  });

  test("knows no key of another workspace", async () => {
    expect((await owner.get(`/api_keys/${others.id}`)).status).toBe(404);
    expect((await owner.get("/api_keys/current")).status).toBe(404);
    expect((await owner.get("/api_keys/nonsense")).status).toBe(404);
  });
});

describe("a change", () => {
  test("of the name and the addresses is free, and may be sent as it is", async () => {
    const { data } = await made({ expires_at: inDays(30) });
    const { id, name, scope, expires_at } = data;
    expect((await owner.patch(`/api_keys/${id}`, { name, scope, expires_at, allowed_ips: [] })).status).toBe(200);
    const changed = await owner.patch(`/api_keys/${id}`, {
      name: "Make",
      allowed_ips: ["192.0.2.7/24", "2001:DB8::1"],
    });
    expect(changed.data).toMatchObject({ name: "Make", allowed_ips: ["192.0.2.0/24", "2001:db8::1"], expires_at });
  });

  test.each([
    ["full_access", null, { scope: "read_only" }, 200],
    ["full_access", null, { scope: "custom", permissions: { contacts: "write" } }, 200],
    ["read_only", null, { scope: "full_access" }, 422],
    ["read_only", null, { scope: "custom", permissions: { contacts: "read" } }, 200],
    ["read_only", null, { scope: "custom", permissions: { contacts: "write" } }, 422],
    ["custom", { contacts: "write" }, { scope: "read_only" }, 422],
    ["custom", { contacts: "write" }, { scope: "full_access" }, 422],
    ["custom", { contacts: "write", deals: "read" }, { permissions: { contacts: "read" } }, 200],
    ["custom", { contacts: "write" }, { permissions: { contacts: "none" } }, 200],
    ["custom", { contacts: "read" }, { permissions: { contacts: "write" } }, 422],
    ["custom", { contacts: "none" }, { permissions: { contacts: "read" } }, 422],
    ["custom", { contacts: "read" }, { permissions: { deals: "read" } }, 422],
  ])("of %s %j to %j is %s", async (scope, permissions, change, expected) => {
    const { data } = await made({ scope, ...(permissions && { permissions }) });
    const { status, error, data: changed } = await owner.patch(`/api_keys/${data.id}`, change);
    expect({ status, code: error?.code }).toEqual({
      status: expected,
      code: expected === 200 ? undefined : "scope_cannot_widen",
    });
    if (expected === 200) expect(changed).toMatchObject(change);
  });

  test.each([
    [inDays(10), inDays(5), undefined],
    [null, inDays(5), undefined],
    [inDays(10), inDays(11), "expiry_cannot_extend"],
    [inDays(10), null, "expiry_cannot_extend"],
    [inDays(10), inDays(-1), "expiry_in_past"],
  ])("of the expiry from %s to %s", async (from, to, code) => {
    const { data } = await made({ expires_at: from });
    expect((await owner.patch(`/api_keys/${data.id}`, { expires_at: to })).error?.code).toBe(code);
  });

  test("of permissions is only for a custom key", async () => {
    const { data } = await made();
    const { status, error } = await owner.patch(`/api_keys/${data.id}`, { permissions: { contacts: "read" } });
    expect({ status, fields: Object.keys(error.details) }).toEqual({ status: 400, fields: ["permissions"] });
  });
});

test("a key is of one workspace, whichever it names", async () => {
  const at = (id: string) => mine.client.get("/contacts", { "x-workspace-id": id });
  expect((await at(mine.workspaceId.toUpperCase())).status).toBe(200);
  for (const id of [others.workspaceId, crypto.randomUUID(), "abc"])
    expect((await at(id)).error.code).toBe("workspace_not_found");
});

describe("rolling", () => {
  test("makes a key of the same name and rights, and ends the old one", async () => {
    const given = {
      name: "Rolled",
      scope: "custom",
      permissions: { contacts: "read" },
      allowed_ips: ["0.0.0.0/0", "::/0"],
    };
    const { data: old } = await made({ ...given, expires_at: inDays(100) });
    const { status, data } = await owner.post(`/api_keys/${old.id}/roll`);
    expect(status).toBe(201);
    expect(data).toMatchObject({ ...given, expires_at: old.expires_at, state: "active" });
    expect(data.key).not.toBe(old.key);
    expect((await clientOf(data.key).get("/contacts")).status).toBe(200);
    expect((await clientOf(old.key).get("/contacts")).status).toBe(401);
    expect((await owner.get(`/api_keys/${old.id}`)).data).toMatchObject({ state: "expired", rolled_to: data.id });
    expect((await owner.post(`/api_keys/${old.id}/roll`)).error).toMatchObject({
      code: "api_key_rolled",
      details: { rolled_to: data.id },
    });
  });

  test("leaves the old one its grace, but never longer than it had", async () => {
    const { data: old } = await made();
    await owner.post(`/api_keys/${old.id}/roll`, { grace_period_seconds: 3600 });
    const { data } = await owner.get(`/api_keys/${old.id}`);
    expect(data.state).toBe("expiring");
    expect(Date.parse(data.expires_at) - Date.now()).toBeGreaterThan(3_500_000);
    expect((await clientOf(old.key).get("/contacts")).status).toBe(200);

    const soon = new Date(Date.now() + 600_000).toISOString();
    const { data: short } = await made({ expires_at: soon });
    await owner.post(`/api_keys/${short.id}/roll`, { grace_period_seconds: 86_400 });
    expect(Date.parse((await owner.get(`/api_keys/${short.id}`)).data.expires_at)).toBe(Date.parse(soon));
  });

  test("takes a grace from 0 to a day", async () => {
    const { data } = await made();
    for (const grace_period_seconds of [-1, 86_401, 1.5, "60"])
      expect((await owner.post(`/api_keys/${data.id}/roll`, { grace_period_seconds })).status).toBe(400);
  });

  test("beside a revocation makes no key that nobody has revoked", async () => {
    for (let round = 0; round < 5; round++) {
      const { data } = await made();
      const [rolled, revoked] = await Promise.all([
        owner.post(`/api_keys/${data.id}/roll`, { grace_period_seconds: 60 }),
        owner.delete(`/api_keys/${data.id}`),
      ]);
      expect(revoked.status).toBe(200);
      expect([201, 409]).toContain(rolled.status);
      const now = (await owner.get(`/api_keys/${data.id}`)).data;
      expect({ state: now.state, rolled: now.rolled_to !== null }).toEqual({
        state: "revoked",
        rolled: rolled.status === 201,
      });
    }
  });

  test("two at once roll once", async () => {
    const { data } = await made();
    const answers = await Promise.all([1, 2, 3].map(() => owner.post(`/api_keys/${data.id}/roll`)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });
});

test("a key that has expired is not rolled, nor is its expiry changed", async () => {
  const { id } = await createKey({ workspaceId: mine.workspaceId, expiresAt: new Date(Date.now() - 1000) });
  expect((await owner.post(`/api_keys/${id}/roll`)).error.code).toBe("api_key_expired");
  expect((await owner.patch(`/api_keys/${id}`, { expires_at: inDays(1) })).error.code).toBe("expiry_cannot_extend");
  expect((await owner.delete(`/api_keys/${id}`)).status).toBe(200);
});

describe("revocation", () => {
  test("ends a key at once, and a second time is a conflict", async () => {
    const { data } = await made();
    const client = clientOf(data.key);
    expect((await client.get("/contacts")).status).toBe(200);
    expect(await owner.delete(`/api_keys/${data.id}`)).toMatchObject({ status: 200, data: { id: data.id } });
    expect((await client.get("/contacts")).error.code).toBe("invalid_api_key");
    expect((await owner.delete(`/api_keys/${data.id}`)).error.code).toBe("api_key_revoked");
    for (const change of ["patch", "roll"]) {
      const answer =
        change === "patch"
          ? owner.patch(`/api_keys/${data.id}`, { name: "x" })
          : owner.post(`/api_keys/${data.id}/roll`);
      expect((await answer).error.code).toBe("api_key_revoked");
    }
    expect((await owner.get(`/api_keys/${data.id}`)).data).toMatchObject({
      state: "revoked",
      revoked_by: { type: "user", id: mine.userId },
    });
  });

  test.each(["full_access", "read_only", "custom"])(
    "is what a %s key may do to itself, and to no other",
    async (scope) => {
      const { data } = await made({ scope, ...(scope === "custom" && { permissions: { contacts: "read" } }) });
      const client = clientOf(data.key);
      const { data: another } = await made();
      expect((await client.delete(`/api_keys/${another.id}`)).error.code).toBe("user_required");
      expect((await client.post(`/api_keys/${data.id}/roll`)).error.code).toBe("user_required");
      expect((await client.patch(`/api_keys/${data.id}`, { name: "x" })).error.code).toBe("user_required");
      expect((await client.post("/api_keys", { name: "x", scope: "read_only" })).error.code).toBe("user_required");
      expect((await client.post("/api_keys/current/revoke")).data).toEqual({ id: data.id });
      expect((await client.get("/me")).status).toBe(401);
      expect((await owner.get(`/api_keys/${data.id}`)).data.revoked_by).toEqual({ type: "api_key", id: data.id });
    },
  );

  test("by its id works for the key itself", async () => {
    const { data } = await made({ scope: "read_only" });
    expect((await clientOf(data.key).delete(`/api_keys/${data.id}`)).status).toBe(200);
  });
});

describe("addresses", () => {
  const from = (address: string) => ({ "x-forwarded-for": address });

  test.each([
    [["192.0.2.0/24"], "192.0.2.200", 200],
    [["192.0.2.0/24"], "192.0.3.1", 403],
    [["192.0.2.0/24"], "::ffff:192.0.2.9", 200],
    [["2001:db8::/32"], "2001:db8:1::9", 200],
    [["2001:db8::/32"], "2001:db9::1", 403],
    [["198.51.100.7"], "198.51.100.7", 200],
    [["198.51.100.7"], "198.51.100.8", 403],
    [["198.51.100.7", "2001:db8::1"], "2001:db8::1", 200],
    [["0.0.0.0/0"], "2001:db8::1", 403],
    [["198.51.100.7"], "not an address", 403],
  ])("%j lets %s in: %s", async (allowed_ips, address, expected) => {
    const { data } = await made({ allowed_ips });
    const { status, error } = await directly(data.key).get("/contacts", from(address));
    expect({ status, code: error?.code }).toEqual({
      status: expected,
      code: expected === 200 ? undefined : "ip_not_allowed",
    });
  });

  test("of the trusted hop count, not those that a client writes before it", async () => {
    const { data } = await made({ allowed_ips: ["198.51.100.7"] });
    expect((await directly(data.key).get("/contacts", from("198.51.100.7, 203.0.113.66"))).error.code).toBe(
      "ip_not_allowed",
    );
    expect((await directly(data.key).get("/contacts", from("203.0.113.66, 198.51.100.7"))).status).toBe(200);
  });

  test("don't keep whoever has found a key from ending it", async () => {
    const { data } = await made({ allowed_ips: ["198.51.100.7"] });
    const client = directly(data.key);
    expect((await client.get("/api_keys/current", from("203.0.113.9"))).error.code).toBe("ip_not_allowed");
    expect((await client.post("/api_keys/current/revoke", {}, from("203.0.113.9"))).status).toBe(200);
  });

  test("that are not allowed spend nothing of the key's limit", async () => {
    const { data } = await made({ allowed_ips: ["198.51.100.7"] });
    const client = directly(data.key);
    for (let at = 0; at < 5; at++) await client.get("/contacts", from("203.0.113.99"));
    const { headers } = await client.get("/contacts", from("198.51.100.7"));
    expect(Number(headers.get("x-ratelimit-limit")) - Number(headers.get("x-ratelimit-remaining"))).toBe(1);
  });
});

describe("use", () => {
  test("is told with its time and address within a minute", async () => {
    const { data } = await made();
    expect((await owner.get(`/api_keys/${data.id}`)).data).toMatchObject({ last_used_at: null, last_used_ip: null });
    const before = Date.now();
    await directly(data.key).get("/contacts", { "x-forwarded-for": "198.51.100.77" });
    await expect
      .poll(async () => (await owner.get(`/api_keys/${data.id}`)).data.last_used_ip, { timeout: 20_000 })
      .toBe("198.51.100.77");
    const { last_used_at } = (await owner.get(`/api_keys/${data.id}`)).data;
    expect(Date.parse(last_used_at)).toBeGreaterThanOrEqual(before - 5_000);
  });

  test("becomes a custom scope that would do for it", async () => {
    const { data } = await made();
    const client = clientOf(data.key);
    const { data: nothing } = await owner.get(`/api_keys/${data.id}/used_permissions`);
    expect(new Set(Object.values(nothing.permissions))).toEqual(new Set(["none"]));
    expect((await clientOf((await made(nothing)).data.key).get("/contacts")).status).toBe(403);
    await client.get("/contacts?include=company");
    await client.post("/deals/search", {});
    await client.post("/tasks?dry_run=true", { title: "x" });
    await client.get("/tasks");
    const expected = { companies: "read", contacts: "read", deals: "read", tasks: "write" };
    await expect
      .poll(async () => (await owner.get(`/api_keys/${data.id}/used_permissions?days=1`)).data.permissions, {
        timeout: 20_000,
      })
      .toEqual(expected);
    const { data: advice } = await owner.get(`/api_keys/${data.id}/used_permissions`);
    const narrow = clientOf((await made(advice)).data.key);
    expect((await narrow.get("/contacts?include=company")).status).toBe(200);
    expect((await narrow.post("/contacts", { email: freshEmail() })).status).toBe(403);
    expect((await client.get(`/api_keys/${data.id}/used_permissions`)).data.scope).toBe("custom");
    expect((await mine.client.get(`/api_keys/${data.id}/used_permissions`)).error.code).toBe("user_required");
    for (const days of ["0", "366", "x"])
      expect((await owner.get(`/api_keys/${data.id}/used_permissions?days=${days}`)).status).toBe(400);
  });
});

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { webhookSecret } from "../../shared/webhooks/secret.ts";
import { v2 } from "../fixtures/v2/v2.ts";
import { Client } from "../harness/client.ts";
import { createTeam, join, type Team } from "../harness/people.ts";
import { database, stack } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { clientOf, serveAllVersions } from "../harness/versions.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

// Nobody listens there: what is sent is for other suites.
const url = "http://127.0.0.1:45671/hook";

let team: Team;
beforeAll(async () => {
  team = await createTeam();
});

const make = async (client: Client, given: Record<string, unknown> = {}) => {
  const answer = await client.post("/webhooks", { url, events: ["*"], ...given });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer;
};
const newest = async (client: Client) => (await client.get("/events?limit=1")).meta.position as number;
const masterKey = () => stack().functionEnv["MASTER_KEY"] ?? "";
const actionsOn = async (id: string, owner = team.owner.client) => {
  const entries = await owner.all("/audit_log?limit=100&sort=occurred_at");
  return entries.filter(({ targets }) => (targets as { id: string }[])[0]?.id === id);
};

describe("creation", () => {
  test("answers what was made with its secret, which nothing else shows, and which no column has", async () => {
    await team.key.post("/contacts", { email: freshEmail() });
    const { data, headers } = await make(team.key, {
      events: ["deal.won", "deal.*", "deal.won"],
      description: "Billing",
      filter: { and: [{ field: "amount", op: "gte", value: "100" }, { changed: ["stage_id"] }] },
      mode: "thin",
      ordering: "record",
      ignore_own: true,
    });
    expect(data).toEqual({
      id: expect.any(String),
      url,
      description: "Billing",
      events: ["deal.won", "deal.*"],
      filter: { and: [{ field: "amount", op: "gte", value: "100" }, { changed: ["stage_id"] }] },
      mode: "thin",
      ordering: "record",
      ignore_own: true,
      state: "active",
      paused_reason: null,
      position: expect.any(Number),
      lag: 0,
      failing_since: null,
      api_version: "v1",
      version: 1,
      readable: null,
      old_secret_until: null,
      created_by: { type: "api_key", id: expect.any(String) },
      created_at: expect.any(String),
      updated_at: expect.any(String),
      secret: webhookSecret(masterKey(), data.id, 1),
    });
    expect(data.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(data.position).toBeGreaterThan(0);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("location")).toBe(`${stack().apiUrl}/v1/webhooks/${data.id}`);
    const { secret: _secret, ...shown } = data;
    const { data: read } = await team.key.get(`/webhooks/${data.id}`);
    expect({ ...read, lag: 0 }).toEqual(shown);
    for (const path of ["/webhooks", "/audit_log", "/events?limit=1000"])
      expect(JSON.stringify((await team.owner.client.get(path)).body)).not.toContain(data.secret.slice(6));
    const [row] = await database()`
      select to_jsonb(webhook)::text as text from crm.webhooks as webhook where id = ${data.id}`;
    expect(row?.["text"]).not.toContain(data.secret.slice(6));
  });

  test("takes what is left out for full, none and false, and begins with what is written from then on", async () => {
    await team.key.post("/contacts", { email: freshEmail() });
    const { data } = await make(team.owner.client);
    expect(data).toMatchObject({ description: null, filter: null, mode: "full", ordering: "none", ignore_own: false });
    expect(data.created_by).toEqual({ type: "user", id: team.owner.userId });
    // Its own creation is no news to it.
    expect((await team.key.get(`/events?after=${data.position - 1}`)).data).toMatchObject([
      { type: "webhook.created", record_id: data.id, data: { id: data.id, url, created_at: data.created_at } },
    ]);
    expect((await team.key.get(`/webhooks/${data.id}`)).data.lag).toBe(0);
  });

  test.each([
    [{ events: ["*"] }, "url", /required/],
    [{ url }, "events", /required/],
    [{ url, events: [] }, "events", /1 to 50/],
    [{ url, events: Array(51).fill("*") }, "events", /more than 50/],
    [{ url, events: ["deal.wno"] }, "events.0", /Did you mean deal\.won\?/],
    [{ url, events: ["deals.*"] }, "events.0", /Did you mean deal\.\*\?/],
    [{ url, events: ["contact.created", 5] }, "events.1", /text/],
    [{ url, events: ["*"], mode: "fat" }, "mode", /one of: full, thin, doorbell/],
    [{ url, events: ["*"], ordering: "strict" }, "ordering", /none, record/],
    [{ url, events: ["*"], description: "x".repeat(1001) }, "description", /1000/],
    [{ url, events: ["*"], ignore_own: "yes" }, "ignore_own", /true or false/],
    [{ url, events: ["*"], state: "paused" }, "state", /read-only/],
    [{ url, events: ["*"], secret: "whsec_x" }, "secret", /does not exist/],
    [{ url, events: ["deal.*"], filter: "won" }, "filter", /object/],
    [{ url, events: ["*"], filter: { changed: ["name"] } }, "filter", /one resource's records/],
    [{ url, events: ["deal.won", "task.*"], filter: { changed: ["name"] } }, "filter", /one resource's records/],
    [{ url, events: ["deal.*"], filter: { changed: ["nmae"] } }, "filter.changed.0", /Did you mean name\?/],
    [{ url, events: ["deal.*"], filter: { field: "company.name", op: "eq", value: "x" } }, "filter", /does not exist/],
    [{ url, events: ["deal.*"], filter: { field: "amount", op: "gt", value: "x" } }, "filter", /decimal/],
    [{ url, events: ["deal.*"], filter: { field: "custom_fields.none", op: "eq", value: 1 } }, "filter", /not exist/],
  ])("refuses %j for its %s", async (body, field, sentence) => {
    const { status, error } = await team.key.post("/webhooks", body);
    expect({ status, details: error.details }).toEqual({
      status: 400,
      details: { [field]: [expect.stringMatching(sentence)] },
    });
  });

  test("tells of many events that there are not the names that there are once", async () => {
    const events = Array.from({ length: 30 }, (_, n) => `deal.wno${n}`);
    const { error } = await team.key.post("/webhooks", { url, events });
    expect(Object.keys(error.details)).toEqual([...Array.from({ length: 20 }, (_, n) => `events.${n}`), "_more"]);
    expect(JSON.stringify(error.details).match(/Allowed:/g)).toHaveLength(1);
  });

  test.each([
    "ftp://hooks.example.com/x",
    "https://10.0.0.1/x",
    "https://localhost/x",
    "https://user:secret@hooks.example.com/",
    "https://[::ffff:169.254.169.254]/",
    "hooks.example.com",
  ])("and %s is nowhere that events may be sent to", async (bad) => {
    const made = await team.key.post("/webhooks", { url: bad, events: ["*"] });
    expect({ status: made.status, code: made.error.code }).toEqual({ status: 422, code: "url_not_allowed" });
    expect(made.error.details).toEqual({ url: [made.error.message] });
    const { data } = await make(team.key);
    expect((await team.key.patch(`/webhooks/${data.id}`, { url: bad })).error.code).toBe("url_not_allowed");
  });

  test("may ask for a custom field", async () => {
    await team.key.post("/custom_fields", { resource: "deals", key: "size", label: "Size", type: "number" });
    const filter = { field: "custom_fields.size", op: "gt", value: 5 };
    expect((await make(team.key, { events: ["deal.*"], filter })).data.filter).toEqual(filter);
  });

  test("repeated with its Idempotency-Key shows the first endpoint with its secret, and makes no other", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const body = { url, events: ["task.*"] };
    const first = await team.key.post("/webhooks", body, headers);
    await team.key.post(`/webhooks/${first.data.id}/rotate_secret`);
    const again = await team.key.post("/webhooks", body, headers);
    expect({ status: again.status, data: again.data }).toEqual({ status: 201, data: first.data });
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.headers.get("cache-control")).toBe("no-store");
    const [kept] = await database()`
      select max(answer::text) as answer from crm.idempotency_keys where workspace_id = ${team.workspaceId} and key = ${headers["idempotency-key"]}`;
    expect(kept?.["answer"]).not.toContain(first.data.secret.slice(6));
  });

  test("is only tried by a dry run, which has no secret", async () => {
    const before = (await team.key.get("/webhooks")).meta.total;
    const { status, data, meta } = await team.key.post("/webhooks?dry_run=true", { url, events: ["*"] });
    expect({ status, secret: data.secret, dry: meta.dry_run }).toEqual({ status: 201, secret: undefined, dry: true });
    expect((await team.key.get("/webhooks")).meta.total).toBe(before);
  });

  test("ends at fifty, however many ask at once; one that is deleted makes room", async () => {
    const { client } = await createWorkspace();
    const statuses: number[] = [];
    const ask = async () => void statuses.push((await client.post("/webhooks", { url, events: ["*"] })).status);
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let n = 0; n < 13; n++) await ask();
      }),
    );
    expect(statuses.filter((status) => status === 201)).toHaveLength(50);
    const refused = await client.post("/webhooks", { url, events: ["*"] });
    expect(refused).toMatchObject({
      status: 409,
      error: { code: "webhook_limit_reached", details: { max_webhooks: 50 } },
    });
    const [some] = (await client.get("/webhooks?limit=1")).data;
    await client.delete(`/webhooks/${some.id}`);
    await make(client);
  });
});

describe("who may", () => {
  test("is an owner, an admin and a key that may write; a member and a key that may read see them", async () => {
    const { data } = await make(team.admin.client);
    const { workspaceId } = team;
    const reading = await createKey({ workspaceId, scope: "custom", permissions: { webhooks: "read" } });
    const none = await createKey({ workspaceId, scope: "custom", permissions: { contacts: "write" } });
    expect((await reading.client.get(`/webhooks/${data.id}`)).status).toBe(200);
    expect((await team.member.client.get("/webhooks")).status).toBe(200);
    expect((await none.client.get("/webhooks")).error.code).toBe("insufficient_scope");
    for (const [client, code] of [
      [team.member.client, "insufficient_role"],
      [reading.client, "insufficient_scope"],
    ] as const) {
      expect((await client.post("/webhooks", { url, events: ["*"] })).error.code).toBe(code);
      for (const act of ["pause", "resume", "rotate_secret"])
        expect((await client.post(`/webhooks/${data.id}/${act}`)).error.code).toBe(code);
      expect((await client.patch(`/webhooks/${data.id}`, { mode: "thin" })).error.code).toBe(code);
      expect((await client.delete(`/webhooks/${data.id}`)).error.code).toBe(code);
    }
  });

  test("of one workspace sees none of another, nor of its sandbox", async () => {
    const { data } = await make(team.key);
    const other = await createWorkspace();
    const sandbox = await createWorkspace({ parentId: team.workspaceId });
    for (const { client } of [other, sandbox]) {
      expect((await client.get("/webhooks")).meta.total).toBe(0);
      expect((await client.get(`/webhooks/${data.id}`)).status).toBe(404);
      expect((await client.get(`/webhooks/${data.id}/deliveries`)).status).toBe(404);
      expect((await client.post(`/webhooks/${data.id}/pause`)).status).toBe(404);
    }
  });

  test("has what a custom key made get what that key may read, and lets no such key have more sent elsewhere", async () => {
    const { workspaceId } = team;
    const permissions = { webhooks: "write", deals: "read", contacts: "none" } as const;
    const custom = await createKey({ workspaceId, scope: "custom", permissions });
    const own = (await make(custom.client)).data;
    expect([...own.readable].sort()).toEqual(["deals", "webhooks"]);
    const whole = (await make(team.key)).data;
    const elsewhere = { url: "http://127.0.0.1:45672/other" };
    expect((await custom.client.patch(`/webhooks/${own.id}`, elsewhere)).status).toBe(200);
    expect((await custom.client.patch(`/webhooks/${whole.id}`, { description: "Fine" })).status).toBe(200);
    expect((await custom.client.patch(`/webhooks/${whole.id}`, elsewhere)).error).toMatchObject({
      code: "insufficient_scope",
      details: { required_scope: "full_access" },
    });
    const less = await createKey({ workspaceId, scope: "custom", permissions: { webhooks: "write" } });
    expect((await less.client.patch(`/webhooks/${own.id}`, { url })).error).toMatchObject({
      code: "insufficient_scope",
      details: { required_scope: "deals:read" },
    });
  });
});

describe("lists", () => {
  test("are filtered by state, mode and time, and sorted by time", async () => {
    const { client } = await createWorkspace();
    const [full, thin] = [(await make(client)).data, (await make(client, { mode: "thin" })).data];
    await client.post(`/webhooks/${thin.id}/pause`);
    const ids = async (query: string) =>
      (await client.get(`/webhooks?${query}`)).data.map(({ id }: { id: string }) => id);
    expect(await ids("")).toEqual([thin.id, full.id]);
    expect(await ids("sort=created_at")).toEqual([full.id, thin.id]);
    expect(await ids("state=paused")).toEqual([thin.id]);
    expect(await ids("mode=full")).toEqual([full.id]);
    expect(await ids(`created_at[gt]=${full.created_at}`)).toEqual([thin.id]);
    expect((await client.get("/webhooks?limit=1&fields=id,state")).data).toEqual([{ id: thin.id, state: "paused" }]);
  });
});

describe("a change", () => {
  test("is refused where somebody has changed the endpoint since, and so is its deletion", async () => {
    const { data, headers } = await make(team.key);
    const path = `/webhooks/${data.id}`;
    const seen = (await team.key.get(path)).headers.get("etag") ?? "";
    const first = await team.key.patch(path, { description: "First" }, { "if-match": seen });
    expect([data.version, first.status, first.data.version]).toEqual([1, 200, 2]);
    expect(headers.get("etag")).toMatch(/^"1\./);
    expect(first.headers.get("etag")).toMatch(/^"2\./);
    for (const late of [
      await team.key.patch(path, { description: "Late" }, { "if-match": seen }),
      await team.key.delete(path, { "if-match": '"1"' }),
    ])
      expect(late).toMatchObject({ status: 412, error: { code: "precondition_failed", details: { version: 2 } } });
    expect((await team.key.post(`${path}/pause`)).data.version).toBe(3);
    expect((await team.key.delete(path, { "if-match": '"3"' })).status).toBe(200);
  });

  test("is of what is sent, is noted, and leaves the endpoint where it is", async () => {
    const { data } = await make(team.key, { events: ["deal.*"], filter: { changed: ["name"] }, description: "Old" });
    const { status, data: after } = await team.key.patch(`/webhooks/${data.id}`, {
      url: `${url}/new`,
      description: null,
      mode: "doorbell",
    });
    const { secret: _secret, ...before } = data;
    expect({ status, after: { ...after, lag: 0 } }).toEqual({
      status: 200,
      after: {
        ...before,
        url: `${url}/new`,
        description: null,
        mode: "doorbell",
        version: 2,
        updated_at: expect.any(String),
      },
    });
    expect(after.updated_at > before.updated_at).toBe(true);
    expect((await team.key.patch(`/webhooks/${data.id}`, { mode: "doorbell" })).data.updated_at).toBe(after.updated_at);
    const entries = await actionsOn(data.id);
    expect(entries.map(({ action }) => action)).toEqual(["webhook.created", "webhook.updated"]);
    expect(entries[1]?.["changes"]).toEqual({
      url: { from: url, to: `${url}/new` },
      description: { from: "Old", to: null },
      mode: { from: "full", to: "doorbell" },
    });
  });

  test("of events or filter keeps the two together", async () => {
    const { data } = await make(team.key, { events: ["deal.*"], filter: { changed: ["name"] } });
    const patch = (body: Record<string, unknown>) => team.key.patch(`/webhooks/${data.id}`, body);
    expect((await patch({ events: ["*"] })).error.details).toHaveProperty("filter");
    expect((await patch({ filter: { changed: ["title"] } })).error.code).toBe("invalid_filter");
    expect((await patch({ events: ["task.*"], filter: { changed: ["title"] } })).status).toBe(200);
    expect((await patch({ events: ["*"], filter: null })).data).toMatchObject({ events: ["*"], filter: null });
    const [row] = await database()`select matcher from crm.webhooks where id = ${data.id}`;
    expect(row?.["matcher"]).toBeNull();
  });

  test("to the order of records walks one lane from the place that both have passed", async () => {
    const { data } = await make(team.key);
    await team.key.post(`/webhooks/${data.id}/pause`);
    await database()`update crm.webhooks set cursor = 5, bulk_cursor = 3 where id = ${data.id}`;
    expect((await team.key.patch(`/webhooks/${data.id}`, { ordering: "record" })).data.position).toBe(3);
    expect(await database()`select cursor, bulk_cursor from crm.webhooks where id = ${data.id}`).toEqual([
      { cursor: "3", bulk_cursor: "3" },
    ]);
  });

  test("of what is deleted is none: it is gone from everywhere, and its deliveries with it", async () => {
    const { data } = await make(team.key);
    expect((await team.key.delete(`/webhooks/${data.id}?dry_run=true`)).data).toEqual({ id: data.id });
    const { status, data: gone } = await team.key.delete(`/webhooks/${data.id}`);
    expect({ status, gone }).toEqual({ status: 200, gone: { id: data.id } });
    for (const answer of [
      await team.key.get(`/webhooks/${data.id}`),
      await team.key.patch(`/webhooks/${data.id}`, { mode: "thin" }),
      await team.key.post(`/webhooks/${data.id}/resume`),
      await team.key.delete(`/webhooks/${data.id}`),
      await team.key.get(`/webhooks/${data.id}/deliveries`),
    ])
      expect(answer.status).toBe(404);
    expect((await actionsOn(data.id)).map(({ action }) => action)).toEqual(["webhook.created", "webhook.deleted"]);
  });
});

describe("the secret", () => {
  test("is replaced, and the one before holds for the grace", async () => {
    const { data } = await make(team.key);
    const rotate = (body: unknown) => team.key.post(`/webhooks/${data.id}/rotate_secret`, body);
    const { status, data: rotated, headers } = await rotate({ grace_period_seconds: 600 });
    expect({ status, secret: rotated.secret }).toEqual({ status: 200, secret: webhookSecret(masterKey(), data.id, 2) });
    expect(headers.get("cache-control")).toBe("no-store");
    const left = (Date.parse(rotated.old_secret_until) - Date.now()) / 1000;
    expect(left).toBeGreaterThan(500);
    expect(left).toBeLessThanOrEqual(601);
    const day = (Date.parse((await rotate({})).data.old_secret_until) - Date.now()) / 3_600_000;
    expect(Math.round(day)).toBe(24);
    expect((await rotate({ grace_period_seconds: 604_801 })).error.details).toHaveProperty("grace_period_seconds");
    expect((await team.key.post(`/webhooks/${data.id}/rotate_secret?dry_run=true`)).data.secret).toBeUndefined();
    expect((await team.key.get(`/webhooks/${data.id}`)).data).not.toHaveProperty("secret");
    const entries = await actionsOn(data.id);
    expect(entries.map(({ action }) => action).slice(1)).toEqual(["webhook.secret_rotated", "webhook.secret_rotated"]);
    expect(JSON.stringify(entries)).not.toContain("whsec_");
  });
});

describe("a pause", () => {
  test("ends where the endpoint stopped", async () => {
    const { data } = await make(team.key);
    const paused = await team.key.post(`/webhooks/${data.id}/pause`);
    expect(paused.data).toMatchObject({ state: "paused", paused_reason: "by_user", position: data.position });
    await team.key.post("/contacts", { email: freshEmail() });
    expect((await team.key.post(`/webhooks/${data.id}/pause`)).data.updated_at).toBe(paused.data.updated_at);
    await newest(team.key);
    const resumed = await team.key.post(`/webhooks/${data.id}/resume`);
    expect(resumed.data).toMatchObject({ state: "active", paused_reason: null, position: data.position });
    expect(resumed.data.lag).toBeGreaterThan(1);
    expect((await team.key.post(`/webhooks/${data.id}/resume`, { from: "last" })).status).toBe(200);
    expect((await actionsOn(data.id)).map(({ action }) => action)).toEqual([
      "webhook.created",
      "webhook.paused",
      "webhook.resumed",
    ]);
  });

  test("ends with what is written from then on, or with the event of a position", async () => {
    const { data } = await make(team.key);
    const resume = (from: unknown) => team.key.post(`/webhooks/${data.id}/resume`, { from });
    expect((await resume("now")).error.code).toBe("webhook_not_paused");
    await team.key.post(`/webhooks/${data.id}/pause`);
    const last = await newest(team.key);
    expect((await resume("now")).data).toMatchObject({ position: last });
    await team.key.post(`/webhooks/${data.id}/pause`);
    expect((await resume(1)).data.position).toBe(0);
    await team.key.post(`/webhooks/${data.id}/pause`);
    const ahead = await resume(last + 1_000);
    expect(ahead).toMatchObject({ status: 422, error: { code: "position_not_reached" } });
    expect(ahead.error.details.newest).toBe(await newest(team.key));
    expect((await resume((await newest(team.key)) + 1)).data.lag).toBe(0);
    await team.key.post(`/webhooks/${data.id}/pause`);
    for (const bad of ["soon", -1, 1.5, null, "5"])
      expect((await resume(bad)).error.details).toEqual({ from: [expect.stringMatching(/last, now or a position/)] });
  });

  test("that was longer than events are kept says so, and what is the first that is there", async () => {
    const { client, workspaceId } = await createWorkspace();
    const { data: made } = await make(client);
    const { data } = await client.post(`/webhooks/${made.id}/pause`);
    for (let n = 0; n < 3; n++) await client.post("/contacts", { email: freshEmail() });
    await newest(client);
    await database()`update crm.feeds set oldest = ${data.position + 3} where workspace_id = ${workspaceId}`;
    for (const from of ["last", data.position + 2])
      expect(await client.post(`/webhooks/${data.id}/resume`, { from })).toMatchObject({
        status: 410,
        error: { code: "events_expired", details: { oldest: data.position + 3 } },
      });
    const { data: resumed } = await client.post(`/webhooks/${data.id}/resume`, { from: data.position + 3 });
    expect(resumed).toMatchObject({ state: "active", position: data.position + 2 });
  });

  test("leaves what failed to be tried again, or gives it up where it goes on further ahead", async () => {
    const { data } = await make(team.key, { events: ["changelog.published"] });
    const wait = async () => {
      await team.key.post(`/webhooks/${data.id}/pause`);
      await database()`delete from crm.webhook_deliveries where webhook_id = ${data.id}`;
      await database()`
        insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, position, type, lane, next_attempt_at)
        values (${team.workspaceId}, ${data.id}, gen_random_uuid(), 1, 'deal.won', 'live', now() + interval '1 day')`;
    };
    await database()`update crm.webhooks set failures = 9, failing_since = now(), told = 1 where id = ${data.id}`;
    await wait();
    const { data: resumed } = await team.key.post(`/webhooks/${data.id}/resume`);
    expect(resumed.failing_since).toBeNull();
    await vi.waitFor(async () => {
      const [tried] = (await team.key.get(`/webhooks/${data.id}/deliveries`)).data;
      expect(tried.attempt_count).toBeGreaterThan(0);
    }, 5_000);
    await wait();
    await team.key.post(`/webhooks/${data.id}/resume`, { from: "now" });
    expect((await team.key.get(`/webhooks/${data.id}/deliveries`)).data).toMatchObject([
      { state: "failed", next_attempt_at: null, finished_at: expect.any(String) },
    ]);
  });
});

describe("whose creator is gone", () => {
  const gone = { state: "paused", paused_reason: "creator_gone" };
  const read = async (id: string, client = team.owner.client) => (await client.get(`/webhooks/${id}`)).data;

  test("pauses with the key that made it, and goes on when an owner or admin resumes it as their own", async () => {
    const { workspaceId } = team;
    const permissions = { webhooks: "write", deals: "read" } as const;
    const key = await createKey({ workspaceId, scope: "custom", permissions });
    const active = (await make(key.client)).data;
    const paused = (await make(key.client)).data;
    await key.client.post(`/webhooks/${paused.id}/pause`);
    const others = (await make(team.key)).data;
    await team.owner.client.delete(`/api_keys/${key.id}`);
    expect(await read(active.id)).toMatchObject({ ...gone, created_by: { type: "api_key", id: key.id } });
    expect(await read(paused.id)).toMatchObject(gone);
    expect(await read(others.id)).toMatchObject({ state: "active" });
    const { position } = await read(active.id);
    const entries = await actionsOn(active.id);
    expect(entries.at(-1)).toMatchObject({ action: "webhook.paused", actor: { type: "system", id: null, name: null } });

    expect((await team.key.post(`/webhooks/${active.id}/resume`)).error.code).toBe("user_required");
    expect((await team.member.client.post(`/webhooks/${active.id}/resume`)).error.code).toBe("insufficient_role");
    expect((await team.admin.client.post(`/webhooks/${active.id}/resume`)).data).toMatchObject({
      state: "active",
      created_by: { type: "user", id: team.admin.userId },
      readable: null,
      position,
    });
  });

  test("pauses with the member who made it, in sandboxes too", async () => {
    const leaving = await join(team.workspaceId, "admin");
    const { data: sandbox } = await team.owner.client.post("/sandboxes", { name: randomUUID(), start_from: "empty" });
    const inside = { "x-workspace-id": sandbox.id };
    const here = (await make(leaving.client)).data;
    const there = await leaving.client.post("/webhooks", { url, events: ["*"] }, inside);
    expect(there.status).toBe(201);
    await team.owner.client.delete(`/members/${leaving.memberId}`);
    expect(await read(here.id)).toMatchObject(gone);
    expect((await team.owner.client.get(`/webhooks/${there.data.id}`, inside)).data).toMatchObject(gone);
  });

  test("pauses with the person who is deleted in Auth", async () => {
    const leaving = await join(team.workspaceId, "admin");
    const { data } = await make(leaving.client);
    await database()`delete from auth.users where id = ${leaving.userId}`;
    expect(await read(data.id)).toMatchObject(gone);
  });

  test("is paused too where it is made while its creator goes", async () => {
    const { workspaceId } = team;
    const leave = async (index: number) => {
      const key = await createKey({ workspaceId });
      const person = await join(workspaceId, "admin");
      const made = await Promise.all([
        key.client.post("/webhooks", { url, events: ["*"] }),
        person.client.post("/webhooks", { url, events: ["*"] }),
        // At about the time that it takes to be made.
        new Promise((resolve) => setTimeout(resolve, index)).then(() =>
          Promise.all([
            team.owner.client.delete(`/api_keys/${key.id}`),
            team.owner.client.delete(`/members/${person.memberId}`),
          ]),
        ),
      ]);
      expect(made[2].map(({ status }) => status)).toEqual([200, 200]);
    };
    for (let index = 0; index < 12; index++) await leave(index);
    const orphans = await database()`
      select webhook.id from crm.webhooks as webhook
      where workspace_id = ${workspaceId} and paused_reason is distinct from 'creator_gone' and deleted_at is null
        and (exists (select from crm.api_keys as key where key.id::text = created_by ->> 'id' and key.revoked_at is not null)
          or exists (select from crm.members as member where member.user_id::text = created_by ->> 'id'
            and member.workspace_id = webhook.workspace_id and member.deleted_at is not null))`;
    expect(orphans).toEqual([]);
    for (const { id } of await team.owner.client.all("/webhooks?fields=id"))
      await team.owner.client.delete(`/webhooks/${id}`);
  });

  test("follows a key that is rolled, and stays with one that expires", async () => {
    const { workspaceId } = team;
    const key = await createKey({ workspaceId });
    const { data } = await make(key.client);
    const { data: rolled } = await team.owner.client.post(`/api_keys/${key.id}/roll`, { grace_period_seconds: 0 });
    expect(await read(data.id)).toMatchObject({ state: "active", created_by: { type: "api_key", id: rolled.id } });
    await team.owner.client.delete(`/api_keys/${rolled.id}`);
    expect(await read(data.id)).toMatchObject(gone);
    const short = await createKey({ workspaceId });
    const kept = (await make(short.client)).data;
    await database()`update crm.api_keys set expires_at = now() where id = ${short.id}`;
    expect(await read(kept.id)).toMatchObject({ state: "active" });
  });
});

describe("in a sandbox", () => {
  test("endpoints stay when it is reset, deliveries go, and the place in the feed holds", async () => {
    const { data: sandbox } = await team.owner.client.post("/sandboxes", { name: randomUUID(), start_from: "empty" });
    const inside = { "x-workspace-id": sandbox.id };
    const owner = team.owner.client;
    const { data } = await owner.post("/webhooks", { url, events: ["changelog.published"] }, inside);
    await database()`
      insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, type, lane)
      values (${sandbox.id}, ${data.id}, gen_random_uuid(), 'deal.won', 'test')`;
    expect((await owner.get(`/webhooks/${data.id}/deliveries`, inside)).meta.total).toBe(1);
    expect((await owner.post(`/sandboxes/${sandbox.id}/reset`)).status).toBe(200);
    const after = (await owner.get(`/webhooks/${data.id}`, inside)).data;
    expect(after["state"]).toBe("active");
    expect(after["position"]).toBeGreaterThanOrEqual(data.position);
    expect((await owner.get(`/webhooks/${data.id}/deliveries`, inside)).meta.total).toBe(0);
    expect((await owner.delete(`/sandboxes/${sandbox.id}`)).status).toBe(200);
    expect(await database()`select from crm.webhooks where id = ${data.id}`).toHaveLength(0);
  });
});

describe("deliveries", () => {
  test("are listed newest first, and by their id have every attempt", async () => {
    const { data } = await make(team.key);
    const attempts = [
      { at: "2026-03-21T10:30:00.000000Z", status: 500, duration_ms: 12, error: null, response: "no" },
      { at: "2026-03-21T10:30:05.000000Z", status: null, duration_ms: 15_000, error: "timeout", response: null },
    ];
    const insert = async (state: string, type: string, tried: typeof attempts) => {
      const [row] = await database()`
        insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, position, type, resource, lane, state, attempts)
        values (${team.workspaceId}, ${data.id}, gen_random_uuid(), 7, ${type}, 'deals', 'live', ${state}, ${database().json(tried)})
        returning id`;
      return row?.["id"] as string;
    };
    const first = await insert("succeeded", "deal.won", attempts.slice(0, 1));
    const second = await insert("pending", "deal.created", attempts);
    const path = `/webhooks/${data.id}/deliveries`;
    const listed = (await team.member.client.get(path)).data;
    expect(listed).toMatchObject([
      {
        id: second,
        attempt_count: 2,
        last_status: null,
        state: "pending",
        position: 7,
        lane: "live",
        webhook_id: data.id,
      },
      { id: first, attempt_count: 1, last_status: 500, state: "succeeded" },
    ]);
    expect(listed[0]).not.toHaveProperty("attempts");
    const ids = async (query: string) =>
      (await team.key.get(`${path}?${query}`)).data.map(({ id }: { id: string }) => id);
    expect(await ids("state=pending,failed")).toEqual([second]);
    expect(await ids("type=deal.won")).toEqual([first]);
    expect(await ids(`created_at[gte]=${listed[0].created_at}`)).toEqual([second]);
    expect((await team.key.get(`${path}?type=deal.wno`)).error.code).toBe("invalid_filter");
    expect((await team.key.get(`${path}/${second}`)).data).toEqual({ ...listed[0], attempts });
    const other = (await make(team.key)).data;
    expect((await team.key.get(`/webhooks/${other.id}/deliveries/${second}`)).status).toBe(404);
    expect((await team.key.get(`${path}/${randomUUID()}`)).status).toBe(404);
  });

  test("that wait for an earlier one of their record have no time, and are tried when nothing is before them", async () => {
    const { data } = await make(team.key, { ordering: "record", events: ["changelog.published"] });
    const record = randomUUID();
    const fill = async () => {
      await database()`delete from crm.webhook_deliveries where webhook_id = ${data.id}`;
      await database()`
        insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, position, type, record_id, lane, next_attempt_at)
        select ${team.workspaceId}, ${data.id}, gen_random_uuid(), 1000000 + n, 'deal.updated', ${record}, 'live',
          case n when 1 then now() + interval '1 hour' else 'infinity' end
        from generate_series(1, 2) as n`;
    };
    const path = `/webhooks/${data.id}`;
    const times = async () => {
      const { data: listed } = await team.key.get(`${path}/deliveries`);
      const byPosition = listed.sort((a: { position: number }, b: { position: number }) => a.position - b.position);
      return byPosition.map(({ next_attempt_at: at }: { next_attempt_at: string | null }) =>
        at === null ? "none" : Date.parse(at) <= Date.now() + 1000 ? "now" : "later",
      );
    };
    const areTried = async () => {
      const { data: listed } = await team.key.get(`${path}/deliveries?state=pending`);
      expect(listed).toEqual([]); // There are no such events any more, so nothing is left to try.
    };
    await fill();
    expect(await times()).toEqual(["later", "none"]);
    await team.key.post(`${path}/pause`);
    await team.key.post(`${path}/resume`);
    await vi.waitFor(areTried, 5_000);
    await fill();
    await team.key.patch(path, { ordering: "none" });
    await vi.waitFor(areTried, 5_000);
  });

  test("and what was delivered to deleted endpoints go in time", async () => {
    const kept = (await make(team.key, { events: ["changelog.published"] })).data;
    const gone = (await make(team.key, { events: ["changelog.published"] })).data;
    for (const [id, age] of [
      [kept.id, "31 days"],
      [kept.id, "1 day"],
      [gone.id, "1 day"],
    ])
      await database()`
        insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, type, lane, created_at)
        values (${team.workspaceId}, ${id}, gen_random_uuid(), 'deal.won', 'live', now() - ${age}::interval)`;
    await team.key.delete(`/webhooks/${gone.id}`);
    let purged = 1;
    while (purged > 0) purged = (await database()`select crm.purge_webhooks(1) as purged`)[0]?.["purged"];
    expect((await team.key.get(`/webhooks/${kept.id}/deliveries`)).meta.total).toBe(1);
    expect(await database()`select from crm.webhooks where id = ${gone.id}`).toHaveLength(0);
  });

  test("come from addresses that are said, where they are always the same", async () => {
    const { status, data } = await team.key.get("/webhooks/source_ips");
    expect({ status, data }).toEqual({ status: 200, data: { static: false, addresses: [], connection: "pinned" } });
  });
});

test("an endpoint has the names of the version that made it, whichever version changes it", async () => {
  const base = await serveAllVersions();
  const { key, workspaceId } = await createWorkspace();
  const [first, second] = [new Client(base, key), new Client(base, key, v2)];
  const filter = { and: [{ field: "value", op: "gte", value: "10" }, { changed: ["step_id"] }] };
  const { data } = await make(second, { events: ["deal.*"], filter });
  expect(data.api_version).toBe("v2");
  expect((await first.patch(`/webhooks/${data.id}`, { filter: { changed: ["stage_id"] } })).error.code).toBe(
    "invalid_filter",
  );
  const { data: changed } = await first.patch(`/webhooks/${data.id}`, { filter: { changed: ["value"] } });
  expect(changed.filter).toEqual({ changed: ["value"] });
  const [row] = await database()`select matcher from crm.webhooks where workspace_id = ${workspaceId}`;
  expect(row?.["matcher"]).toEqual({ changed: ["value"] });
  expect((await make(first, { events: ["deal.*"], filter: { changed: ["amount"] } })).data.api_version).toBe("v1");
});

test("two who change an endpoint at once each have their change, and each is noted", async () => {
  const { data } = await make(team.key);
  const owner = clientOf(await sessionToken(team.owner.userId));
  const answers = await Promise.all([
    owner.patch(`/webhooks/${data.id}`, { mode: "thin" }, { "x-workspace-id": team.workspaceId }),
    team.key.patch(`/webhooks/${data.id}`, { description: "Other" }),
    team.key.post(`/webhooks/${data.id}/pause`),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect((await team.key.get(`/webhooks/${data.id}`)).data).toMatchObject({
    mode: "thin",
    description: "Other",
    state: "paused",
  });
  expect(await actionsOn(data.id)).toHaveLength(4);
});

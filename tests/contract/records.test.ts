import { beforeAll, describe, expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

let mine: Awaited<ReturnType<typeof createWorkspace>>;
beforeAll(async () => {
  mine = await createWorkspace();
});

const create = async (fields: Record<string, unknown> = {}) =>
  (await mine.client.post("/contacts", { email: freshEmail(), ...fields })).data;

describe("create", () => {
  test("answers 201 with Location, ETag, defaults and everything that was given", async () => {
    const given = {
      external_id: "crm-1",
      email: freshEmail(),
      first_name: "Zoë",
      last_name: "Ångström",
      job_title: "CEO",
      department: "Board",
      status: "inactive",
      lifecycle_stage: "customer",
      lead_source: "fair",
      linkedin_url: "https://linkedin.com/in/x",
      website: "https://x.example",
      timezone: "Europe/Berlin",
      locale: "de-DE",
      birthday: "1990-02-28",
      do_not_contact: true,
      score: 0,
      tags: ["a", "b,c"],
      address: { city: "Köln", country: "DE" },
      owner_id: mine.ownerId,
    };
    const { status, data, headers } = await mine.client.post("/contacts", given);
    expect(status).toBe(201);
    expect(data).toMatchObject(given);
    expect(headers.get("location")).toMatch(new RegExp(`/functions/v1/api/v1/contacts/${data.id}$`));
    expect(headers.get("etag")).toMatch(/^"1\./);
    const actor = { type: "api_key", id: mine.id };
    expect(data).toMatchObject({
      version: 1,
      source: "api",
      custom_fields: {},
      created_by: actor,
      updated_by: actor,
      last_activity_at: null,
    });
    expect(data.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    expect(data.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(await create()).toMatchObject({ status: "active", tags: [], do_not_contact: false, score: null });
  });

  test("keeps a phone as given, and in E.164 where it parses", async () => {
    expect(await create({ phone: "+49 (221) 123-4567" })).toMatchObject({
      phone: "+49 (221) 123-4567",
      phone_e164: "+492211234567",
    });
    expect(await create({ phone: "0221 1234567", address: { country: "DE" } })).toMatchObject({
      phone_e164: "+492211234567",
    });
    expect(await create({ phone: "ask for Ann" })).toMatchObject({ phone: "ask for Ann", phone_e164: null });
  });

  test("with on_conflict=return gives back the live holder, unchanged, with 200", async () => {
    const held = await create({ score: 1 });
    const { status, data } = await mine.client.post("/contacts?on_conflict=return", {
      email: held.email.toUpperCase(),
      score: 2,
    });
    expect({ status, data }).toEqual({ status: 200, data: held });
  });

  test("with on_conflict=update changes only what is sent, with 200; a new one is 201", async () => {
    const held = await create({ score: 1, status: "bounced" });
    const updated = await mine.client.post("/contacts?on_conflict=update", { email: held.email, first_name: "New" });
    expect(updated.status).toBe(200);
    expect(updated.data).toMatchObject({ id: held.id, score: 1, status: "bounced", first_name: "New", version: 2 });
    expect((await mine.client.post("/contacts?on_conflict=update", { email: freshEmail() })).status).toBe(201);
    const byExternalId = await create({ external_id: "ext-7" });
    expect(
      (
        await mine.client.post("/contacts?on_conflict=update", {
          email: byExternalId.email,
          external_id: "ext-7",
          score: 3,
        })
      ).data,
    ).toMatchObject({ id: byExternalId.id, score: 3 });
  });

  test("ten at once with one email make one contact", async () => {
    const email = freshEmail();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        mine.client.post("/contacts", { email: i % 2 ? email : email.toUpperCase() }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
    const upserts = await Promise.all(
      Array.from({ length: 10 }, () =>
        mine.client.post("/contacts?on_conflict=update", { email: `up-${email}`, score: 1 }),
      ),
    );
    expect(new Set(upserts.map(({ data }) => data.id)).size).toBe(1);
  });
});

describe("read", () => {
  test("shows the fields asked for, with the id, and embeds related records", async () => {
    const sql = database();
    const [company] =
      await sql`insert into crm.companies (workspace_id, name, industry) values (${mine.workspaceId}, 'Acme', 'Tools') returning id`;
    const { id, email } = await create({ owner_id: mine.ownerId, company_id: company?.["id"] });
    expect((await mine.client.get(`/contacts/${id}?fields=email`)).data).toEqual({ id, email });
    const { data } = await mine.client.get(`/contacts/${id}?fields=email&include=company,owner`);
    expect(data).toEqual({
      id,
      email,
      company: { id: company?.["id"], name: "Acme", domain: null, website: null, industry: "Tools" },
      owner: { id: mine.ownerId, name: "Olive Owner", email: "owner@test.example", role: "owner" },
    });
    await sql`update crm.companies set deleted_at = now() where id = ${company?.["id"]}`;
    expect((await mine.client.get(`/contacts/${id}?include=company`)).data.company).toBeNull();
    expect((await mine.client.patch(`/contacts/${id}`, { company_id: company?.["id"], score: 1 })).status).toBe(200);
    expect((await mine.client.post("/contacts", { email: freshEmail(), company_id: company?.["id"] })).error.code).toBe(
      "reference_not_found",
    );
  });

  test("takes an id in any case, and no other spelling that Postgres would take", async () => {
    const { id } = await create();
    expect((await mine.client.get(`/contacts/${id.toUpperCase()}`)).status).toBe(200);
    for (const alias of [id.replaceAll("-", ""), `{${id}}`])
      expect((await mine.client.get(`/contacts/${alias}`)).status).toBe(404);
  });

  test("answers 304 to If-None-Match, which costs nothing", async () => {
    const standard = await createWorkspace({ plan: "standard" });
    const { data, headers: made } = await standard.client.post("/contacts", { email: freshEmail() });
    const { headers } = await standard.client.get(`/contacts/${data.id}`);
    expect(headers.get("etag")).toBe(made.get("etag"));
    const tag = headers.get("etag") ?? "";
    for (const condition of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      const {
        status,
        body,
        headers: unchanged,
      } = await standard.client.get(`/contacts/${data.id}`, { "if-none-match": condition });
      expect({ status, body, tag: unchanged.get("etag") }).toEqual({ status: 304, body: null, tag });
      expect(unchanged.get("x-ratelimit-remaining")).toBe("98");
    }
    await standard.client.patch(`/contacts/${data.id}`, { score: 1 });
    expect((await standard.client.get(`/contacts/${data.id}`, { "if-none-match": tag })).status).toBe(200);
  });
});

describe("update", () => {
  test("changes only what is sent; null clears; members of an object change one by one", async () => {
    const before = await create({
      first_name: "A",
      last_name: "B",
      address: { city: "X", street: "Y" },
      phone: "+12125550100",
    });
    const { status, data } = await mine.client.patch(`/contacts/${before.id}`, {
      first_name: null,
      phone: null,
      address: { city: "Z", state: "S" },
    });
    expect(status).toBe(200);
    expect(data).toMatchObject({
      first_name: null,
      last_name: "B",
      phone: null,
      phone_e164: null,
      address: { city: "Z", street: "Y", state: "S" },
      version: 2,
      created_at: before.created_at,
    });
    expect(data.updated_at > before.updated_at).toBe(true);
    expect((await mine.client.patch(`/contacts/${before.id}`, { address: { street: null } })).data.address).toEqual({
      city: "Z",
      state: "S",
    });
    expect((await mine.client.patch(`/contacts/${before.id}`, { address: null })).data.address).toBeNull();
  });

  test("that changes nothing keeps the version and the time", async () => {
    const before = await create({ score: 5, tags: ["x"], address: { city: "X" } });
    for (const same of [{}, { score: 5 }, { tags: ["x"] }, { address: { city: "X" } }]) {
      expect((await mine.client.patch(`/contacts/${before.id}`, same)).data).toEqual(before);
    }
  });

  test("with a stale If-Match is 412 and changes nothing, with a current one goes through", async () => {
    const { id } = await create();
    const { headers } = await mine.client.get(`/contacts/${id}`);
    const tag = headers.get("etag") ?? "";
    const { headers: after } = await mine.client.patch(`/contacts/${id}`, { score: 1 }, { "if-match": tag });
    const stale = await mine.client.patch(`/contacts/${id}`, { score: 2 }, { "if-match": tag });
    expect({ status: stale.status, code: stale.error.code }).toEqual({ status: 412, code: "precondition_failed" });
    expect((await mine.client.delete(`/contacts/${id}`, { "if-match": tag })).status).toBe(412);
    expect((await mine.client.patch(`/contacts/${id}`, { score: 2 }, { "if-match": '"nonsense"' })).status).toBe(412);
    expect((await mine.client.get(`/contacts/${id}`)).data.score).toBe(1);
    expect(
      (await mine.client.patch(`/contacts/${id}`, { score: 2 }, { "if-match": `"7", ${after.get("etag")}` })).status,
    ).toBe(200);
    expect((await mine.client.patch(`/contacts/${id}`, { score: 3 }, { "if-match": "*" })).status).toBe(200);
  });

  test("of twenty at once with the same If-Match, one wins", async () => {
    const { id } = await create();
    const tag = (await mine.client.get(`/contacts/${id}`)).headers.get("etag") ?? "";
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, score) =>
        mine.client.patch(`/contacts/${id}`, { score: score + 1 }, { "if-match": tag }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19);
  });
});

describe("delete and restore", () => {
  test("a deleted contact is gone from reads, lists, search and totals, its email is free at once, and it comes back", async () => {
    const { client } = await createWorkspace();
    const email = freshEmail();
    const { data } = await client.post("/contacts", { email });
    const deleted = await client.delete(`/contacts/${data.id}`);
    expect({ status: deleted.status, data: deleted.data }).toEqual({ status: 200, data: { id: data.id } });
    expect((await client.get(`/contacts/${data.id}`)).status).toBe(404);
    for (const query of ["", `?search=${email}`, `?email=${email}`])
      expect((await client.get(`/contacts${query}`)).meta.total).toBe(0);
    expect((await client.delete(`/contacts/${data.id}`)).status).toBe(404);

    const second = await client.post("/contacts", { email });
    expect(second.status).toBe(201);
    const refused = await client.post(`/contacts/${data.id}/restore`);
    expect({ status: refused.status, code: refused.error.code, holder: refused.error.details.existing_id }).toEqual({
      status: 409,
      code: "duplicate_email",
      holder: second.data.id,
    });
    await client.delete(`/contacts/${second.data.id}`);
    const restored = await client.post(`/contacts/${data.id}/restore`);
    expect({ status: restored.status, email: restored.data.email }).toEqual({ status: 200, email });
    expect((await client.get("/contacts")).meta.total).toBe(1);
    expect((await client.post(`/contacts/${data.id}/restore`)).status).toBe(200);
  });

  test("after 90 days there is nothing to restore", async () => {
    const { id } = await create();
    await mine.client.delete(`/contacts/${id}`);
    await database()`update crm.contacts set deleted_at = now() - interval '91 days' where id = ${id}`;
    expect((await mine.client.post(`/contacts/${id}/restore`)).status).toBe(404);
    await database()`select crm.purge()`;
    expect(await database()`select from crm.contacts where id = ${id}`).toHaveLength(0);
  });
});

test("a dry run answers what would be and changes nothing", async () => {
  const { client } = await createWorkspace();
  const { data } = await client.post("/contacts", { email: freshEmail() });
  const made = await client.post("/contacts?dry_run=true", { email: freshEmail() });
  expect({ status: made.status, dry: made.meta.dry_run, location: made.headers.get("location") }).toEqual({
    status: 201,
    dry: true,
    location: null,
  });
  expect(
    (await client.call(`/contacts/${data.id}?dry_run=true`, { method: "PATCH", body: { score: 9 } })).data.score,
  ).toBe(9);
  expect((await client.call(`/contacts/${data.id}?dry_run=true`, { method: "DELETE" })).status).toBe(200);
  expect((await client.post("/contacts?dry_run=true", { email: data.email })).status).toBe(409);
  expect(
    (await client.post("/contacts/bulk?dry_run=true", { records: [{ email: freshEmail() }, { email: data.email }] }))
      .status,
  ).toBe(207);
  const { data: all, meta } = await client.get("/contacts");
  expect({ all, total: meta.total }).toEqual({ all: [data], total: 1 });
});

test("GET /me says what the key is", async () => {
  const sandbox = await createWorkspace({ parentId: mine.workspaceId });
  expect((await mine.client.get("/me")).data).toMatchObject({
    type: "api_key",
    id: mine.id,
    prefix: "anx_live",
    last_four: mine.key.slice(-4),
    scope: "full_access",
    permissions: null,
    expires_at: null,
    environment: "live",
    workspace: { id: mine.workspaceId, plan: "benchmark" },
  });
  expect((await sandbox.client.get("/me")).data).toMatchObject({
    prefix: "anx_test",
    environment: "sandbox",
    workspace: { plan: "benchmark" },
  });
  const custom = await createKey({
    workspaceId: mine.workspaceId,
    scope: "custom",
    permissions: { contacts: "read" },
    expiresAt: new Date("2099-01-01T00:00:00Z"),
  });
  expect((await custom.client.get("/me")).data).toMatchObject({
    scope: "custom",
    permissions: { contacts: "read" },
    expires_at: "2099-01-01T00:00:00Z",
  });
});

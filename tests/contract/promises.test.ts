import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import { ERRORS } from "../../shared/errors.ts";
import { Client } from "../harness/client.ts";
import { database, stack } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

// Sentences of the contract that no other suite of this folder is about.

let mine: Awaited<ReturnType<typeof createWorkspace>>;
beforeAll(async () => {
  mine = await createWorkspace();
});

const create = async (fields: Record<string, unknown> = {}) =>
  (await mine.client.post("/contacts", { email: freshEmail(), ...fields })).data;

async function company(workspaceId: string, fields: Record<string, unknown> = {}): Promise<string> {
  const sql = database();
  const [row] =
    await sql`insert into crm.companies ${sql({ workspace_id: workspaceId, name: "Acme", ...fields })} returning id`;
  return row?.["id"];
}

describe("§2 keys", () => {
  test("a revoked key's requests are counted against the address, never against another key's quota", async () => {
    const standard = await createWorkspace({ plan: "standard" });
    const revoked = await createKey({ workspaceId: standard.workspaceId, revokedAt: new Date() });
    const from = { "x-forwarded-for": randomUUID() };
    for (let left = 59; left > 54; left--) {
      const { headers } = await revoked.client.get("/contacts", from);
      expect([headers.get("x-ratelimit-limit"), headers.get("x-ratelimit-remaining")]).toEqual(["60", String(left)]);
    }
    expect((await standard.client.get("/me", from)).headers.get("x-ratelimit-remaining")).toBe("99");
  });

  test("an address has exactly 60 requests a minute without a good key, whatever is wrong with each", async () => {
    const from = { "x-forwarded-for": randomUUID() };
    const keyless = new Client(stack().functionUrl, null);
    const attempts = Array.from({ length: 90 }, (_, i) =>
      keyless.get("/contacts", i % 2 ? from : { ...from, authorization: "Basic x" }),
    );
    const answers = await Promise.all(attempts);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(60);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(30);
  });

  test("an address that guesses well-formed keys is stopped, and a good key at work behind it is not", async () => {
    expect((await mine.client.get("/me")).status).toBe(200);
    const from = { "x-forwarded-for": randomUUID() };
    const guess = () => new Client(stack().functionUrl, generateApiKey("live").key).get("/contacts", from);
    for (let i = 0; i < 120; i += 20) await Promise.all(Array.from({ length: 20 }, guess));
    const last = await guess();
    expect({ status: last.status, retry: Number(last.headers.get("retry-after")) > 0 }).toEqual({
      status: 429,
      retry: true,
    });
    expect((await mine.client.get("/me", from)).status).toBe(200);
  });

  test("an IPv6 customer is their /64", async () => {
    const keyless = new Client(stack().functionUrl, null);
    const network = `2001:db8:${Math.floor(Math.random() * 65535).toString(16)}:1`;
    await keyless.get("/contacts", { "x-forwarded-for": `${network}::1` });
    const { headers } = await keyless.get("/contacts", { "x-forwarded-for": `${network}:ffff::2` });
    expect(headers.get("x-ratelimit-remaining")).toBe("58");
  });

  test("a sandbox's records and its parent's never meet", async () => {
    const sandbox = await createWorkspace({ parentId: mine.workspaceId });
    const { id, email } = await create();
    expect((await sandbox.client.get(`/contacts/${id}`)).status).toBe(404);
    expect((await sandbox.client.post("/contacts", { email })).status).toBe(201);
    expect((await sandbox.client.get("/contacts")).meta.total).toBe(1);
  });
});

describe("§4 answers", () => {
  test("every 2xx and 4xx of one client has a request id of its own", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => mine.client.get("/contacts?limit=1")));
    expect(new Set(answers.map(({ meta }) => meta.request_id)).size).toBe(50);
  });

  test("the table of errors has one status per code and a sentence without jargon", () => {
    for (const [code, [status, message]] of Object.entries(ERRORS)) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(message, code).toMatch(/^[A-Z].+\.$/);
    }
  });

  test("a trailing slash and a doubled one lead where the path leads, or nowhere, never to a 5xx", async () => {
    for (const path of ["~/v1/contacts/", "~/v1//contacts", "~/v1", "~", "~/"]) {
      const { status } = await mine.client.get(path);
      expect([200, 404], path).toContain(status);
    }
  });
});

describe("§6 lists", () => {
  test("a list embeds what each record names, null where it names none, and never another workspace's", async () => {
    const { client, workspaceId, ownerId } = await createWorkspace();
    const company_id = await company(workspaceId);
    await client.post("/contacts", { email: freshEmail(), company_id, owner_id: ownerId });
    await client.post("/contacts", { email: freshEmail() });
    const { data } = await client.get("/contacts?include=owner,company&fields=id&sort=created_at");
    expect(
      data.map((one: Record<string, { id: string } | null>) => [
        one["owner"]?.id,
        one["company"]?.id,
        Object.keys(one),
      ]),
    ).toEqual([
      [ownerId, company_id, ["id", "owner", "company"]],
      [undefined, undefined, ["id", "owner", "company"]],
    ]);
    const foreign = await mine.client.post("/contacts", { email: freshEmail(), company_id });
    expect(foreign.error).toMatchObject({ code: "reference_not_found", details: { company_id: [expect.any(String)] } });
  });

  test("a total read anywhere in a walk is the same number, and carries on after deletes", async () => {
    const { client } = await createWorkspace();
    const records = Array.from({ length: 9 }, (_, score) => ({ email: freshEmail(), score }));
    const { data: made } = await client.post("/contacts/bulk", { records });
    const first = await client.get("/contacts?limit=2&score[gte]=1");
    const second = await client.get(`/contacts?limit=2&score[gte]=1&cursor=${first.meta.next_cursor}`);
    expect([first.meta.total, second.meta.total]).toEqual([8, 8]);
    const ids = made.slice(0, 4).map((one: { data: { id: string } }) => one.data.id);
    await client.call("/contacts/bulk", { method: "DELETE", body: { ids } });
    for (const query of ["", "?score[gte]=0", "?status=active"])
      expect((await client.get(`/contacts${query}`)).meta.total).toBe(5);
    await client.post(`/contacts/${ids[0]}/restore`);
    for (const query of ["", "?score[gte]=0", "?status=active"])
      expect((await client.get(`/contacts${query}`)).meta.total).toBe(6);
  });

  test("a cursor works in the list and in the search alike", async () => {
    const { client } = await createWorkspace();
    await client.post("/contacts/bulk", { records: Array.from({ length: 3 }, () => ({ email: freshEmail() })) });
    const { meta } = await client.get("/contacts?limit=2");
    const { status, data } = await client.post("/contacts/search", { limit: 2, cursor: meta.next_cursor });
    expect({ status, rows: data?.length }).toEqual({ status: 200, rows: 1 });
  });

  test("a cursor still leads on when the record it stands on is gone or changed", async () => {
    const { client } = await createWorkspace();
    const records = [1, 2, 3, 4].map((score) => ({ email: freshEmail(), score }));
    await client.post("/contacts/bulk", { records });
    const { data, meta } = await client.get("/contacts?limit=2&sort=score&fields=score");
    await client.delete(`/contacts/${data[1].id}`);
    const next = await client.get(`/contacts?limit=2&sort=score&fields=score&cursor=${meta.next_cursor}`);
    expect(next.data.map((record: { score: number }) => record.score)).toEqual([3, 4]);
  });
});

describe("§7 writes", () => {
  test("every write that shows a record has its ETag, and it is the one a read has", async () => {
    const { id } = await create();
    const updated = await mine.client.patch(`/contacts/${id}`, { score: 3 });
    expect(updated.headers.get("etag")).toBe((await mine.client.get(`/contacts/${id}`)).headers.get("etag"));
    await mine.client.delete(`/contacts/${id}`);
    const restored = await mine.client.post(`/contacts/${id}/restore`);
    expect(restored.headers.get("etag")).toBe((await mine.client.get(`/contacts/${id}`)).headers.get("etag"));
    expect(restored.data.version).toBe(4);
  });

  test("PATCH into a taken email or external_id is 409 and names the holder; into one's own it is not", async () => {
    const held = await create({ external_id: randomUUID() });
    const other = await create();
    for (const [field, code] of [
      ["email", "duplicate_email"],
      ["external_id", "duplicate_external_id"],
    ] as const) {
      const { status, error } = await mine.client.patch(`/contacts/${other.id}`, { [field]: held[field] });
      expect({ status, code: error.code, holder: error.details.existing_id }).toEqual({
        status: 409,
        code,
        holder: held.id,
      });
    }
    expect((await mine.client.patch(`/contacts/${held.id}`, { email: held.email.toUpperCase() })).data.email).toBe(
      held.email.toUpperCase(),
    );
  });

  test("an external_id is free again after null or delete", async () => {
    const external_id = randomUUID();
    const first = await create({ external_id });
    await mine.client.patch(`/contacts/${first.id}`, { external_id: null });
    const second = await create({ external_id });
    await mine.client.delete(`/contacts/${second.id}`);
    expect((await create({ external_id })).external_id).toBe(external_id);
  });

  test("null clears tags to none, and can't clear what must have a value", async () => {
    const { id } = await create({ tags: ["a"] });
    expect((await mine.client.patch(`/contacts/${id}`, { tags: null })).data.tags).toEqual([]);
    const must = ["email", "status", "do_not_contact"];
    const { error } = await mine.client.patch(
      `/contacts/${id}`,
      Object.fromEntries([...must, "score"].map((field) => [field, null])),
    );
    expect(error.details).toEqual(
      Object.fromEntries(must.map((field) => [field, [`The ${field} field may not be null.`]])),
    );
  });

  test("a dry run of a restore, an atomic bulk and an upsert changes nothing either", async () => {
    const { client } = await createWorkspace();
    const { data } = await client.post("/contacts", { email: freshEmail(), score: 1 });
    const upsert = await client.post("/contacts?on_conflict=update&dry_run=true", { email: data.email, score: 2 });
    expect({ status: upsert.status, score: upsert.data.score }).toEqual({ status: 200, score: 2 });
    const records = [{ email: freshEmail() }, { email: freshEmail() }];
    expect((await client.post("/contacts/bulk?atomic=true&dry_run=true", { records })).status).toBe(201);
    expect((await client.get("/contacts")).data).toEqual([data]);
    await client.delete(`/contacts/${data.id}`);
    expect((await client.post(`/contacts/${data.id}/restore?dry_run=true`)).data.id).toBe(data.id);
    expect((await client.get("/contacts")).meta.total).toBe(0);
  });

  test("bulk PATCH and DELETE are all or nothing too with atomic=true", async () => {
    const { client } = await createWorkspace();
    const { data } = await client.post("/contacts", { email: freshEmail(), score: 1 });
    const patch = await client.patch("/contacts/bulk?atomic=true", {
      records: [
        { id: data.id, score: 2 },
        { id: randomUUID(), score: 2 },
      ],
    });
    expect({ status: patch.status, code: patch.error.code }).toEqual({ status: 404, code: "not_found" });
    const remove = await client.call("/contacts/bulk?atomic=true", {
      method: "DELETE",
      body: { ids: [data.id, randomUUID()] },
    });
    expect(remove.status).toBe(404);
    expect((await client.get(`/contacts/${data.id}`)).data).toEqual(data);
  });

  test("bulk create with on_conflict=return gives back the holders, and repeats within the request too", async () => {
    const { client } = await createWorkspace();
    const { data: held } = await client.post("/contacts", { email: freshEmail(), score: 1 });
    const fresh = { email: freshEmail() };
    const { status, data } = await client.post("/contacts/bulk?on_conflict=return", {
      records: [{ email: held.email, score: 9 }, fresh, fresh],
    });
    expect(status).toBe(200);
    expect(data[0].data).toEqual(held);
    expect(data[2].data.id).toBe(data[1].data.id);
  });

  test("an Idempotency-Key on a bulk DELETE and a restore replays too", async () => {
    const { id } = await create();
    const remove = () =>
      mine.client.call("/contacts/bulk", {
        method: "DELETE",
        body: { ids: [id] },
        headers: { "idempotency-key": `d-${id}` },
      });
    const restore = () => mine.client.post(`/contacts/${id}/restore`, {}, { "idempotency-key": `r-${id}` });
    for (const call of [remove, restore]) {
      const [first, again] = [await call(), await call()];
      expect({ status: first.status, replayed: again.headers.get("idempotent-replayed"), body: again.body }).toEqual({
        status: 200,
        replayed: "true",
        body: first.body,
      });
    }
  });
});

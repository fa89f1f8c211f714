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
      // That https is elsewhere is no error of the client's.
      expect(status, code).toBeGreaterThanOrEqual(code === "https_required" ? 301 : 400);
      expect(message, code).toMatch(/^[A-Z].+\.$/);
    }
  });

  test("a time in an error is written as the record shows it", async () => {
    const { data } = await mine.client.post("/tasks", { title: "Call", status: "completed" });
    // Of a microsecond that ends in zeros, the zeros are not shown.
    await database()`update crm.tasks set completed_at = '2026-03-21T10:30:00.120Z' where id = ${data.id}`;
    const { completed_at } = (await mine.client.get(`/tasks/${data.id}`)).data;
    expect((await mine.client.post(`/tasks/${data.id}/complete`)).error.details).toEqual({ completed_at });
  });

  test("a trailing slash and a doubled one lead where the path leads, or nowhere, never to a 5xx", async () => {
    for (const path of ["~/v1/contacts/", "~/v1//contacts", "~/v1", "~", "~/"]) {
      const { status } = await mine.client.get(path);
      expect([200, 404], path).toContain(status);
    }
  });
});

describe("§6 lists", () => {
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

  test("a cursor still leads on when the record it stands on is gone or changed", async () => {
    const { client } = await createWorkspace();
    const records = [1, 2, 3, 4].map((score) => ({ email: freshEmail(), score }));
    await client.post("/contacts/bulk", { records });
    const { data, meta } = await client.get("/contacts?limit=2&sort=score&fields=score");
    await client.delete(`/contacts/${data[1].id}`);
    const next = await client.get(`/contacts?limit=2&sort=score&fields=score&cursor=${meta.next_cursor}`);
    expect(next.data.map((record: { score: number }) => record.score)).toEqual([3, 4]);
  });

  test("contacts are filtered by company.industry, and found by their company's name", async () => {
    const { client, workspaceId } = await createWorkspace();
    const { data: farm } = await client.post("/companies", { name: "Green Acres", industry: "Agriculture" });
    const { data: ann } = await client.post("/contacts", { email: freshEmail(), company_id: farm.id });
    await client.post("/contacts", { email: freshEmail() });
    const filter = { field: "company.industry", op: "eq", value: "Agriculture" };
    const answers = [
      await client.get("/contacts?company.industry=Agriculture"),
      await client.post("/contacts/search", { filter }),
      await client.get("/contacts?search=green+acres"),
    ];
    for (const { data, meta } of answers) expect({ data, total: meta.total }).toEqual({ data: [ann], total: 1 });
    const permissions = { contacts: "read" } as const;
    const narrow = (await createKey({ workspaceId, scope: "custom", permissions })).client;
    expect((await narrow.get("/contacts?search=green+acres")).meta.total).toBe(0);
    expect((await narrow.post("/contacts/search", { filter })).error.code).toBe("insufficient_scope");
  });
});

describe("§6 what a client may rely on in lists", () => {
  test("who only follows Link: rel=next comes to every record once, and to an end", async () => {
    const { client } = await createWorkspace();
    const emails = Array.from({ length: 7 }, freshEmail);
    await client.post("/contacts/bulk", { records: emails.map((email) => ({ email })) });
    const found: string[] = [];
    let next: string | undefined = "/contacts?limit=3&sort=email&fields=email";
    for (let pages = 0; next !== undefined && pages < 5; pages++) {
      const { headers, data, meta } = await client.get(next);
      found.push(...data.map(({ email }: { email: string }) => email));
      const [, url] = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "") ?? [];
      expect(url !== undefined).toBe(meta.has_more);
      next = url?.split("/v1").at(-1);
    }
    expect(found).toEqual(emails.toSorted());
  });

  test("deleted=only and include show what was deleted, when, and into what it was merged; else it is not there", async () => {
    const { client } = await createWorkspace();
    const made = await Promise.all(
      [1, 2, 3, 4].map(async () => (await client.post("/contacts", { email: freshEmail() })).data.id),
    );
    const [kept, deleted, loser, winner] = made;
    await client.delete(`/contacts/${deleted}`);
    await client.post(`/contacts/${winner}/merge`, { ids: [loser] });
    const ids = async (query: string) =>
      (await client.get(`/contacts?${query}`)).data.map(({ id }: { id: string }) => id);
    expect((await ids("sort=id")).toSorted()).toEqual([kept, winner].toSorted());
    expect((await ids("deleted=include")).toSorted()).toEqual(made.toSorted());
    expect(await ids("deleted=only&sort=deleted_at")).toEqual([deleted, loser]);
    const { data } = await client.get("/contacts?deleted=only&sort=-deleted_at");
    expect(data).toMatchObject([
      { id: loser, merged_into: winner },
      { id: deleted, merged_into: null },
    ]);
    expect(await ids(`deleted=only&deleted_at[gte]=${data[0].deleted_at}`)).toEqual([loser]);
  });

  test("an empty array is an empty object, an export marks what an import would cut, a URL's + is no blank", async () => {
    const { client } = await createWorkspace();
    const made = await client.post("/contacts", {
      email: freshEmail(),
      first_name: "''=x",
      address: [],
      custom_fields: [],
    });
    expect([made.status, made.data?.address]).toEqual([201, {}]);
    expect((await client.post("/pipelines?dry_run=true", { name: "P", rules: [] })).status).toBe(201);
    expect((await client.post("/pipelines?dry_run=true", { name: "P", rules: [1] })).status).toBe(400);
    const [row] = await database()`select crm.without_formula(${made.data.first_name}) as cell`;
    expect(row?.["cell"]).toBe("'''=x");
    const url = "https://x.example/a+b";
    await client.post("/custom_fields", { resource: "contacts", key: "page", label: "Page", type: "url" });
    await client.patch(`/contacts/${made.data.id}`, { custom_fields: { page: url } });
    expect((await client.get(`/contacts?custom_fields.page=${url}`)).meta.total).toBe(1);
  });

  test.each(["imports", "jobs", "users"])("%s keep nothing that was deleted, and say so", async (plural) => {
    const { client } = await createWorkspace();
    for (const deleted of ["only", "include"])
      expect((await client.get(`/${plural}?deleted=${deleted}`)).error?.details).toEqual({
        deleted: [`The ${plural} keep nothing that was deleted.`],
      });
  });

  test("total=false leaves the total out; one that was counted says as of when, the same on each page", async () => {
    const { client } = await createWorkspace();
    await client.post("/contacts/bulk", {
      records: Array.from({ length: 3 }, () => ({ email: freshEmail(), first_name: "Grace" })),
    });
    expect((await client.get("/contacts?total=false")).meta.total).toBeNull();
    const path = "/contacts?first_name=Grace&limit=1";
    const first = await client.get(path);
    await client.post("/contacts", { email: freshEmail(), first_name: "Grace" });
    const second = await client.get(`${path}&cursor=${first.meta.next_cursor}`);
    expect([first.meta.total, second.meta.total]).toEqual([3, 3]);
    expect(Date.parse(second.meta.total_as_of)).toBeLessThanOrEqual(Date.parse(first.meta.timestamp) + 1000);
    expect((await client.get("/contacts?status=active")).meta.total).toBe(4);
  });
});

test("§7 an Idempotency-Key is free again after 24 hours, whether or not its answer has been deleted by then", async () => {
  const key = { "idempotency-key": randomUUID() };
  const send = (email: string) => mine.client.post("/contacts", { email }, key);
  await send(freshEmail());
  expect((await send(freshEmail())).error.code).toBe("idempotency_key_reused");
  await database()`
    update crm.idempotency_keys set created_at = now() - interval '24 hours 1 second'
    where workspace_id = ${mine.workspaceId} and key = ${key["idempotency-key"]}`;
  const again = await send(freshEmail());
  expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([201, null]);
});

import { expect, test } from "vitest";
import { LARGE_CHANGES } from "../harness/large_changes.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

test("a URL that is too long is 414, whatever it asks", async () => {
  const { client } = await createWorkspace();
  const { status, error } = await client.get(`/contacts?search=${"a".repeat(17 * 1024)}`);
  expect([status, error.code]).toEqual([414, "uri_too_long"]);
});

test("a filter tree has an end in all, also of letters that fold to eighteen", async () => {
  const { client } = await createWorkspace();
  const ask = (value: string) =>
    client.post("/contacts/search", {
      filter: { or: Array.from({ length: 50 }, () => ({ field: "first_name", op: "contains", value })) },
    });
  const { status, error } = await ask("ﷺ".repeat(1000));
  expect({ status, code: error.code, message: error.message }).toEqual({
    status: 400,
    code: "invalid_filter",
    message: "The filter's values may not take more than 256 kB together.",
  });
  expect((await ask("é".repeat(1000))).status).toBe(200);
});

test("a body of bad fields is told twenty of them, and how many more there are", async () => {
  const { client } = await createWorkspace();
  const body = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`field_${n}`, n]));
  const { status, error } = await client.post("/contacts", body);
  expect([status, error.code]).toEqual([400, "validation_error"]);
  expect(Object.keys(error.details).length).toBeLessThanOrEqual(22);
  expect(error.details).toHaveProperty("_more");
  expect(JSON.stringify(error).length).toBeLessThan(32 * 1024);
});

test("a workspace whose places are all taken is asked to wait; another is served meanwhile", async () => {
  const { client, workspaceId } = await createWorkspace();
  const other = await createWorkspace();
  await client.get("/contacts");
  await database().begin(async (transaction) => {
    for (const place of [1, 2, 3, 4])
      await transaction`select pg_advisory_xact_lock(hashtextextended(${`${workspaceId}:call:${place}`}, 1))`;
    const refused = client.get("/contacts");
    expect((await other.client.get("/contacts")).status).toBe(200);
    const { status, error, headers } = await refused;
    expect([status, error.code, headers.get("retry-after")]).toEqual([429, "too_many_concurrent_requests", "1"]);
  });
  expect((await client.get("/contacts")).status).toBe(200);
});

test("a question that takes too long is ended, and says what to do", async () => {
  const { client } = await createWorkspace();
  await database().begin(async (transaction) => {
    await transaction`lock table crm.merges in access exclusive mode`;
    const { status, error } = await client.get("/merges/00000000-0000-4000-8000-000000000000");
    expect([status, error.code]).toEqual([422, "query_too_expensive"]);
  });
});

test("a workspace has twenty jobs under way, no more", async () => {
  const workspace = await createWorkspace();
  const { client, workspaceId } = workspace;
  const change = await LARGE_CHANGES["a tag is renamed"]?.(workspace);
  await database()`
    insert into crm.jobs (workspace_id, kind, scope, arguments, state, created_by, lease, lease_until)
    select ${workspaceId}, 'replace_tags', 'tags', '{}', 'running', '{}', gen_random_uuid(), now() + interval '1 hour' from generate_series(1, 20)`;
  const refused = await change?.request(client);
  expect(refused?.error).toMatchObject({ code: "too_many_jobs", details: { max_unfinished: 20 } });
  expect((await change?.count())?.after).toBe(0);
  await database()`delete from crm.jobs where workspace_id = ${workspaceId}`;
});

test("two contacts with more than fifty tags together are not merged", async () => {
  const { client } = await createWorkspace();
  const tagsFrom = (first: number) => Array.from({ length: 30 }, (_, n) => `tag ${first + n}`);
  const [one, two] = await Promise.all(
    [0, 30].map((first) => client.post("/contacts", { email: freshEmail(), tags: tagsFrom(first) })),
  );
  const { status, error } = await client.post(`/contacts/${one?.data.id}/merge`, { ids: [two?.data.id] });
  expect([status, error.code]).toEqual([422, "too_many_tags"]);
  expect((await client.get(`/contacts/${two?.data.id}`)).status).toBe(200);
});

test("what is kept of answers with an Idempotency-Key has an end, and nothing is written beyond it", async () => {
  const { client, workspaceId } = await createWorkspace();
  await database()`
    insert into crm.idempotency_keys (workspace_id, key, fingerprint, answer)
    select ${workspaceId}, 'old ' || n, '', json_build_object('results', '[]'::json, 'text', repeat('x', 27 * 1024 * 1024))
    from generate_series(1, 10) as n`;
  const email = freshEmail();
  const refused = await client.post("/contacts", { email }, { "idempotency-key": "new" });
  expect([refused.status, refused.error.code]).toEqual([429, "idempotency_storage_full"]);
  expect((await client.get(`/contacts?email=${email}`)).data).toEqual([]);
  expect((await client.post("/contacts", { email })).status).toBe(201);
  await database()`delete from crm.idempotency_keys where workspace_id = ${workspaceId}`;
});

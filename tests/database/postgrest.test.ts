import { beforeAll, describe, expect, test } from "vitest";
import { resourceNamed, resources } from "../../shared/resources/all.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { RIGHTS } from "../../shared/rights.ts";
import { Records, type Workspace } from "../harness/records.ts";
import { database, stack } from "../harness/stack.ts";
import { functionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

// What the function's own tokens can do when they reach PostgREST without the function in between.

let mine: Workspace;
let sandbox: Workspace;
let other: Workspace;

beforeAll(async () => {
  mine = await createWorkspace();
  sandbox = await createWorkspace({ parentId: mine.workspaceId });
  other = await createWorkspace();
  for (const workspace of [mine, sandbox, other]) {
    const records = new Records(workspace);
    for (const resource of resources) await records.make(resource);
    await records.create(contacts, { first_name: "Secret", tags: ["secret"] });
  }
});

/** Calls PostgREST with a token of these claims. */
async function call(claims: Record<string, unknown>, path: string, body?: unknown, schema = "api") {
  const token = await functionToken(claims);
  const response = await fetch(`${stack().restUrl}/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "accept-profile": schema,
      "content-profile": schema,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

const claimsOf = (key: { id: string }, workspaceId: string) => ({
  role: "crm_api",
  key_id: key.id,
  workspace_id: workspaceId,
});

const readPlan = (search: boolean) => ({
  shape: {
    resource: "contacts",
    columns: ["id", "email"],
    include: [],
    segments: [
      {
        where: search ? { op: "text", value: 3 } : { column: "first_name", op: "eq", value: 3 },
        order: [["id", "asc"]],
      },
    ],
    ...(search && { search: true }),
    total: {},
  },
  values: ["100", search ? "%secret%" : "Secret"],
});

/** The ids of a workspace's live rows, from the table itself. */
async function liveIds({ table, operations }: Resource, workspaceId: string): Promise<string[]> {
  const sql = database();
  // What can be read one by one can be deleted, if only in the dashboard.
  const isSoft = operations.includes("get");
  const live = isSoft ? sql`and deleted_at is null` : sql``;
  const rows = await sql`select id from ${sql(`crm.${table}`)} where workspace_id = ${workspaceId} ${live} order by id`;
  return rows.map((row) => row["id"]);
}

const ADMINISTERED = Object.keys(RIGHTS);

describe("reads see the key's own workspace and nothing else", () => {
  const plan = ({ table }: Resource, search: boolean) => ({
    shape: {
      resource: table,
      columns: ["id"],
      include: [],
      segments: [{ where: { column: "id", op: "not_null" }, order: [["id", "asc"]] }],
      total: {},
      ...(search && { search }),
    },
    values: ["100"],
  });

  test.each(resources.map((resource) => [resource.plural, resource] as const))(
    "%s, read by a plan and by a search past the policies",
    async (_plural, resource) => {
      for (const owner of [mine, sandbox, other]) {
        const ids = await liveIds(resource, owner.workspaceId);
        expect(ids.length).toBeGreaterThan(0);
        for (const search of [false, true]) {
          const { body } = await call(claimsOf(owner, owner.workspaceId), "rpc/read_records", plan(resource, search));
          const seen = body.rows.map(({ id }: { id: string }) => id);
          expect({ seen, total: body.total }).toEqual({ seen: ids, total: ids.length });
        }
      }
    },
  );

  test("each view, from the catalog", async () => {
    const views = await database()`
      select relname from pg_class where relnamespace = 'api'::regnamespace and relkind = 'v'
        and relname <> all (${["merges", "jobs", "webhook_deliveries", ...ADMINISTERED]})`;
    expect(views.length).toBeGreaterThan(5);
    for (const { relname } of views) {
      const resource = resourceNamed(relname);
      for (const owner of [mine, sandbox, other]) {
        const { body } = await call(claimsOf(owner, owner.workspaceId), `${relname}?select=id&order=id`);
        const seen = body.map(({ id }: { id: string }) => id);
        expect(seen, relname).toEqual(await liveIds(resource, owner.workspaceId));
      }
    }
  });

  test("each view of what people administer: a key its workspace's people, itself, and no more", async () => {
    for (const owner of [mine, sandbox, other]) {
      const claims = claimsOf(owner, owner.workspaceId);
      const seen = async (view: string) =>
        (await call(claims, `${view}?select=id`)).body.map(({ id }: { id: string }) => id);
      expect(await seen("api_keys")).toEqual([owner.id]);
      expect((await seen("members")).sort()).toEqual(await liveIds(resourceNamed("users"), owner.workspaceId));
      for (const view of ADMINISTERED.filter((name) => !["api_keys", "members", "webhooks"].includes(name)))
        expect(await seen(view), view).toEqual([]);
    }
  });

  test("endpoints and what was delivered to them: those of the key's workspace", async () => {
    const owners = [mine, sandbox, other];
    const made = owners.map(async ({ client, workspaceId }) => {
      const webhook = (await client.post("/webhooks", { url: "http://127.0.0.1:45671/", events: ["*"] })).data.id;
      const [delivery] = await database()`
        insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, type, lane)
        values (${workspaceId}, ${webhook}, gen_random_uuid(), 'deal.won', 'test') returning id`;
      return { webhooks: [{ id: webhook }], webhook_deliveries: [{ id: delivery?.["id"] }] };
    });
    for (const [index, expected] of (await Promise.all(made)).entries()) {
      const owner = owners[index] as Workspace;
      for (const [view, rows] of Object.entries(expected))
        expect((await call(claimsOf(owner, owner.workspaceId), `${view}?select=id`)).body).toEqual(rows);
    }
  });

  test("a key that names another workspace, its sandbox or its parent gets nothing", async () => {
    for (const [key, workspace] of [
      [mine, other],
      [mine, sandbox],
      [sandbox, mine],
    ] as const) {
      const claims = claimsOf(key, workspace.workspaceId);
      for (const { plural } of resources.filter(({ operations }) => operations.includes("get")))
        expect((await call(claims, plural)).body, plural).toEqual([]);
      for (const search of [false, true])
        expect((await call(claims, "rpc/read_records", readPlan(search))).body.message).toMatch(
          /insufficient_scope|invalid_api_key/,
        );
    }
  });
});

describe("a token of the function is worth what its key is worth now", () => {
  const write = (id: string) => ({
    resource: "contacts",
    operation: "delete",
    records: [{ id }],
    on_conflict: "error",
    atomic: false,
    dry_run: false,
  });

  test.each([
    ["revoked", "invalid_api_key", "invalid_api_key"],
    ["expired", "expired_api_key", "expired_api_key"],
    ["read_only", undefined, "insufficient_scope"],
    ["for deals", "insufficient_scope", "insufficient_scope"],
  ])("%s", async (state, readAnswer, writeAnswer) => {
    const { workspaceId } = mine;
    const key = await createKey({
      workspaceId,
      ...(state === "revoked" && { revokedAt: new Date() }),
      ...(state === "expired" && { expiresAt: new Date(Date.now() - 1000) }),
      ...(state === "read_only" && { scope: "read_only" }),
      ...(state === "for deals" && { scope: "custom", permissions: { deals: "write" } }),
    });
    const claims = claimsOf(key, workspaceId);
    for (const search of [false, true])
      expect((await call(claims, "rpc/read_records", readPlan(search))).body.message).toBe(readAnswer);
    const rows = (await call(claims, "contacts")).body;
    expect(rows.length > 0).toBe(readAnswer === undefined);
    const [row] = await database()`select id from crm.contacts where workspace_id = ${workspaceId} limit 1`;
    expect((await call(claims, "rpc/write_records", write(row?.["id"]))).body.message).toBe(writeAnswer);
    expect(await database()`select from crm.contacts where id = ${row?.["id"]} and deleted_at is null`).toHaveLength(1);
  });
});

test("a write names ids of another workspace in vain", async () => {
  const [theirs] = await database()`select id from crm.contacts where workspace_id = ${other.workspaceId}`;
  for (const operation of ["update", "delete", "restore"]) {
    const { body } = await call(claimsOf(mine, mine.workspaceId), "rpc/write_records", {
      resource: "contacts",
      operation,
      records: [{ id: theirs?.["id"], ...(operation === "update" && { email: "stolen@test.example" }) }],
      on_conflict: "error",
      atomic: false,
      dry_run: false,
    });
    expect(body.results, operation).toEqual([{ status: "failed", code: "not_found", details: {} }]);
  }
});

test.each<[string, Record<string, unknown>, string]>([
  ["an update of a column that nobody may give", { operation: "update", record: { deleted_at: null } }, "records"],
  ["an upsert of one", { on_conflict: "update", record: { created_at: "2020-01-01T00:00:00Z" } }, "records"],
  ["a create that does something else when it meets a record", { on_conflict: "x" }, "on_conflict"],
  ["an action with more than it takes", { resource: "deals", operation: "move", record: { version: 9 } }, "records"],
  ["a delete that brings fields", { operation: "delete", record: { email: "a@test.example" } }, "records"],
  ["an action that the resource doesn't have", { operation: "win" }, "operation"],
  ["no operation", { operation: null }, "operation"],
  [
    "a move of what can't be moved",
    { operation: "delete", move_to: "0198c0de-0000-7000-8000-000000000000" },
    "move_to",
  ],
  ["a table that is no resource", { resource: "api_keys" }, "resource"],
  ["a resource that nobody writes", { resource: "members" }, "resource"],
])("the database itself refuses %s", async (_what, { record, ...given }, part) => {
  const { body } = await call(claimsOf(mine, mine.workspaceId), "rpc/write_records", {
    resource: "contacts",
    operation: "create",
    records: [{ id: crypto.randomUUID(), ...(record as object) }],
    on_conflict: "error",
    atomic: false,
    dry_run: true,
    ...given,
  });
  expect(body).toMatchObject({ code: "22023", message: "malformed plan", details: part });
});

test("the schema crm is not exposed, the views are read-only, and the key look-up sees no data", async () => {
  const claims = claimsOf(mine, mine.workspaceId);
  for (const path of ["contacts", "api_keys", "rpc/run_search"])
    expect((await call(claims, path, undefined, "crm")).status, path).toBe(406);
  expect((await call(claims, "contacts", { email: freshEmail() })).status).toBe(403);
  for (const path of ["contacts", "companies"]) expect((await call({ role: "crm_auth" }, path)).status).toBe(403);
  expect((await call({ role: "crm_auth" }, "rpc/read_records", readPlan(false))).status).toBe(403);
  expect((await call(claims, "rpc/find_api_key", { key_hash: "00" })).status).toBe(403);
  for (const role of ["postgres", "service_role", "supabase_admin", "authenticator"])
    expect((await call({ ...claims, role }, "contacts")).status, role).not.toBe(200);
});

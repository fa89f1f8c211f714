import { importJWK, SignJWT } from "jose";
import type postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { newSigningKey } from "../../scripts/stack/secrets.ts";
import { resources } from "../../shared/resources/all.ts";
import { scopeNames } from "../../shared/resources/api_keys.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { mayAccess, ROLES } from "../../shared/rights.ts";

import { Records, type Workspace } from "../harness/records.ts";
import { freshValue } from "../harness/samples.ts";
import { database, stack } from "../harness/stack.ts";
import { functionKey, functionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, type KeyOptions } from "../harness/workspace.ts";

/** A person or program that reaches the database below the API: a role, and the claims of its JWT. */
interface Actor {
  role: string;
  claims: Record<string, unknown>;
}

const VERBS = ["select", "insert", "update", "delete"] as const;
type Verb = (typeof VERBS)[number];

/** The tables that hold customers' data, from the catalog: a new one is tested the day it appears. */
let tables: string[] = [];
const actors: Record<string, Actor> = {};
let touched: Record<string, Touched> = {};
const scopes = scopeNames(resources);
let mine: Workspace;

beforeAll(async () => {
  const sql = database();
  tables = (
    await sql`select relname from pg_class where relnamespace = 'crm'::regnamespace and relkind in ('r', 'p') and not relispartition
        and relname not in ('resources', 'acts')`
  ).map((row) => row["relname"]);
  mine = await createWorkspace();
  const sandbox = await createWorkspace({ parentId: mine.workspaceId });
  const other = await createWorkspace();
  for (const owner of [mine, sandbox, other]) await fill(owner);

  const keyActor = (key: { id: string }, workspaceId: string): Actor => ({
    role: "crm_api",
    claims: { role: "crm_api", key_id: key.id, workspace_id: workspaceId },
  });
  const userActor = (userId: string): Actor => ({
    role: "crm_api",
    claims: { role: "crm_api", user_id: userId, workspace_id: mine.workspaceId },
  });
  const { workspaceId } = mine;
  const minted = async (options: Partial<KeyOptions>) =>
    keyActor(await createKey({ workspaceId, ...options }), workspaceId);
  actors["its own key"] = keyActor(mine, workspaceId);
  actors["its own owner"] = userActor(mine.userId);
  for (const role of ["admin", "member"]) {
    const { userId, workspaceId: former } = await createWorkspace();
    await sql`update crm.members set workspace_id = ${mine.workspaceId}, role = ${role} where workspace_id = ${former}`;
    actors[`its own ${role}`] = userActor(userId);
  }
  actors["another workspace's key"] = keyActor(other, other.workspaceId);
  actors["another workspace's key that claims this workspace"] = keyActor(other, workspaceId);
  actors["another workspace's user"] = userActor(other.userId);
  actors["its sandbox's key"] = keyActor(sandbox, sandbox.workspaceId);
  actors["an expired key"] = await minted({ expiresAt: new Date(Date.now() - 1000) });
  actors["a revoked key"] = await minted({ revokedAt: new Date() });
  actors["a read-only key"] = await minted({ scope: "read_only" });
  for (const scope of scopes) {
    for (const right of ["read", "write"] as const)
      actors[`a key for ${scope}:${right}`] = await minted({ scope: "custom", permissions: { [scope]: right } });
  }
  actors["no claims"] = { role: "crm_api", claims: {} };
  actors["the key look-up"] = { role: "crm_auth", claims: { role: "crm_auth" } };
  actors["the worker"] = { role: "crm_worker", claims: { role: "crm_worker" } };
  actors["a stranger"] = { role: "anon", claims: { role: "anon" } };
  actors["a signed-in user"] = { role: "authenticated", claims: { role: "authenticated", sub: mine.userId } };
  touched = await attemptAll();
}, 180_000);

/** A row for a workspace in every table. */
async function fill(workspace: Workspace): Promise<void> {
  const records = new Records(workspace);
  for (const resource of resources) await records.make(resource);
  const sized = await records.samples(contacts, "custom_fields");
  await records.create(contacts, { tags: ["vip"], custom_fields: sized[0] });
  for (const resource of resources.filter(({ mergeable }) => mergeable)) {
    const [winner, loser] = await records.createMany(resource, 2);
    const merged = await workspace.client.post(`${resource.path}/${winner?.id}/merge`, { ids: [loser?.id] });
    expect(merged.status, JSON.stringify(merged.body)).toBe(200);
  }
  const { workspaceId } = workspace;
  const { data } = await workspace.client.post("/imports", { resource: "contacts", format: "csv" });
  await workspace.client.post(`/imports/${data.id}/parts`, { part: 0, content: "email" });
  await database()`insert into crm.import_rows (import_id, workspace_id, row, status) values (${data.id}, ${workspaceId}, 1, 'created')`;
  await database()`insert into crm.mails (workspace_id, template, recipient, details) values (${workspaceId}, 'test', 'a@test.example', '{}')`;
  await database()`insert into crm.jobs (workspace_id, kind, scope, arguments) values (${workspaceId}, 'merge', 'contacts', '{}')`;
  await database()`
    insert into crm.merge_moves (merge_id, workspace_id, source, field, record_id, was, became)
    select id, workspace_id, 'deals', 'company_id', id, '1', '2' from crm.merges where workspace_id = ${workspaceId} limit 1`;
  await database()`insert into crm.invitations (workspace_id, email, role) values (${workspaceId}, 'ann@test.example', 'member')`;
  await database()`insert into crm.api_key_uses (workspace_id, api_key_id, scope) values (${workspaceId}, ${workspace.id}, 'x:read') on conflict do nothing`;
  await database()`insert into crm.sign_ins (workspace_id, session_id) values (${workspaceId}, gen_random_uuid())`;
  await database()`select crm.note_act(${workspaceId}, 'user.signed_in', '[]')`;
  await database()`select crm.send_mail(${workspaceId}, 'invitation', 'ann@test.example', '{}')`;
  const webhook = await workspace.client.post("/webhooks", { url: "http://127.0.0.1:45671/", events: ["*"] });
  await database()`
    insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, type, lane)
    values (${workspaceId}, ${webhook.data.id}, gen_random_uuid(), 'deal.won', 'test')`;
  await database()`select crm.publish(${workspaceId})`;
  await database()`insert into crm.idempotency_keys (workspace_id, key, fingerprint, answer) values (${workspaceId}, 'k', 'f', '{}')`;
}

const keyOf = (table: string) => (table === "workspaces" ? "id" : "workspace_id");

type Touched = Record<string, number | "refused">;

/**
 * What each actor can do to the rows of my workspace, table by table: how many it touches, or that it is
 * refused. All in one transaction, of which nothing stays.
 */
async function attemptAll(): Promise<Record<string, Touched>> {
  const touched: Record<string, Touched> = {};
  await database()
    .begin(async (transaction) => {
      // Seen by nobody who would publish it.
      await transaction`select crm.emit(${mine.workspaceId}, '{import.failed}', 'imports', 'contacts', ${mine.id}, '{}')`;
      const columns: Record<string, string> = {};
      for (const table of tables) columns[table] = await prepareCopy(transaction, table);
      for (const [name, { role, claims }] of Object.entries(actors)) {
        const counts: Touched = {};
        await transaction`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
        await transaction.unsafe(`set local role ${role}`);
        for (const table of tables) {
          for (const [verb, statement] of Object.entries(statementsOn(table, columns[table] ?? "")))
            counts[`${verb} on ${table}`] = await undone(transaction, statement);
        }
        await transaction`reset role`;
        touched[name] = counts;
      }
      throw new Error("undo");
    })
    .catch((error: Error) => {
      if (error.message !== "undo") throw error;
    });
  return touched;
}

function statementsOn(table: string, columns: string): Record<Verb, string> {
  const key = keyOf(table);
  const where = `where ${key} = '${mine.workspaceId}'`;
  return {
    select: `select from crm.${table} ${where}`,
    insert: `insert into crm.${table} (${columns}) select ${columns} from copy_${table}`,
    update: `update crm.${table} set ${key} = ${key} ${where}`,
    delete: `delete from crm.${table} ${where}`,
  };
}

/** How many rows a statement touches, or that it is refused; its effect is undone at once. */
async function undone(transaction: postgres.TransactionSql, statement: string): Promise<number | "refused"> {
  let touched: number | "refused" = "refused";
  await transaction
    .savepoint(async (savepoint) => {
      touched = (await savepoint.unsafe(statement)).count;
      throw new Error("undo");
    })
    .catch((error: Error | postgres.PostgresError) => {
      if (error.message === "undo") return;
      if (!("code" in error) || !["42501", "428C9", "55000"].includes(error.code)) throw error;
    });
  return touched;
}

/** A row of mine under a new identity, ready to be inserted by whoever may. Answers its columns. */
async function prepareCopy(transaction: postgres.TransactionSql, table: string): Promise<string> {
  const columns = await transaction`
    select attname from pg_attribute
    where attrelid = ${`crm.${table}`}::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = ''`;
  const names = columns.map((column) => String(column["attname"]));
  const list = names.map((name) => `"${name}"`).join(", ");
  if (TEMPLATES.includes(table)) {
    await transaction.unsafe(`
      create temp table copy_${table} (like crm.${table} including defaults) on commit drop;
      insert into copy_${table} (workspace_id) values ('${mine.workspaceId}')`);
  } else {
    const where = `where ${keyOf(table)} = '${mine.workspaceId}'`;
    const { count } = await transaction.unsafe(
      `create temp table copy_${table} on commit drop as select ${list} from crm.${table} ${where} limit 1`,
    );
    expect(count, `rows of mine in ${table}`).toBe(1);
  }
  const identity = Object.entries({
    id: "gen_random_uuid()",
    user_id: "gen_random_uuid()",
    part: "1",
    row: "2",
    key: "'another'",
    key_hash: "sha256('another')",
    ...freshNames(table),
  }).filter(([name]) => names.includes(name));
  const changes = identity.map(([name, value]) => `"${name}" = ${value}`).join(", ");
  if (changes !== "") await transaction.unsafe(`update copy_${table} set ${changes}`);
  await transaction.unsafe(`grant select on copy_${table} to public`);
  return list;
}

/** New values for the fields that may not be held twice. */
function freshNames(table: string): Record<string, string> {
  const shown = resources.filter((resource) => resource.table === table);
  const unique = shown.flatMap(({ fields }) => Object.entries(fields).filter(([, field]) => field.unique));
  return Object.fromEntries(
    unique.map(([name, field]) => [name, `case when "${name}" is not null then '${freshValue(field)}' end`]),
  );
}

const idsOf = (records: { id: string }[]) => records.map(({ id }) => id);

/** Tables that hold no rows: others are made like them. */
const TEMPLATES = ["stamped", "record"];

/** Tables beside the resources' own, by the scopes each of which opens them to reading. */
const READABLE: Record<string, readonly string[]> = {
  workspaces: ["users"],
  tag_counts: ["tags"],
  merges: ["contacts", "companies"],
  // The import that fill() makes is one of contacts.
  imports: ["contacts"],
  import_parts: ["contacts"],
  import_rows: ["contacts"],
  // As is the job.
  jobs: ["contacts"],
  events: ["webhooks"],
  webhooks: ["webhooks"],
  webhook_deliveries: ["webhooks"],
  // Companies show how many contacts and open deals they have.
  contacts_by_company_id: ["contacts", "companies"],
  deals_by_company_id_status: ["deals", "companies"],
};

/** Scopes each of which opens a table; none for what no request sees. */
function scopesOf(table: string): readonly string[] {
  const known = READABLE[table];
  if (known !== undefined) return known;
  const shown = resources.find((resource) => resource.table === table);
  const tallied = resources.find((resource) => table.startsWith(`${resource.table}_by_`));
  const scope = shown?.scope ?? tallied?.scope;
  return scope === undefined ? [] : [scope];
}

/** Tables beside the resources' own that requests write to, and how. */
const WRITTEN: Record<string, readonly Verb[]> = {
  imports: ["insert", "update"],
  import_parts: ["insert", "update"],
  import_rows: ["insert"],
};

const isWritten = (table: string, verb: Verb) =>
  WRITTEN[table]?.includes(verb) ??
  resources.some((resource) => resource.table === table && resource.operations.includes("create"));

/** What may be touched at all; everything else must be refused or touch nothing. */
function isAllowed(actor: string, table: string, verb: Verb): boolean {
  const [, scope, right] = /^a key for (\w+):(\w+)$/.exec(actor) ?? [];
  const isWhole = actor.startsWith("its own ");
  const opens =
    isWhole || actor === "a read-only key" ? scopesOf(table).length > 0 : scopesOf(table).some((one) => one === scope);
  const mayWrite = isWhole || right === "write";
  // Roles decide of what people administer, which nobody writes but by an act.
  if (table === "api_keys" || table === "invitations" || table === "audit_log") {
    const role = ROLES.find((known) => actor === `its own ${known}`);
    const isKey = actor === "its own key" || actor === "a read-only key" || scope !== undefined;
    return verb === "select" && (role !== undefined || isKey) && mayAccess(role ?? "key", table, "read") === true;
  }
  // Answers of writes are kept for every key that writes.
  if (table === "idempotency_keys") return mayWrite && verb !== "delete";
  if (verb === "select") return opens && (mayWrite || table !== "import_parts");
  return opens && mayWrite && isWritten(table, verb) && verb !== "delete";
}

describe("below the API, my workspace's rows", () => {
  test.each([
    "its own key",
    "its own owner",
    "its own admin",
    "its own member",
    "another workspace's key",
    "another workspace's key that claims this workspace",
    "another workspace's user",
    "its sandbox's key",
    "an expired key",
    "a revoked key",
    "a read-only key",
    ...scopes.flatMap((scope) => [`a key for ${scope}:read`, `a key for ${scope}:write`]),
    "no claims",
    "the key look-up",
    "the worker",
    "a stranger",
    "a signed-in user",
  ])("%s touches what it may, and nothing else", (name) => {
    expect(tables.length).toBeGreaterThan(resources.length);
    const expected = tables.flatMap((table) =>
      VERBS.map((verb) => [`${verb} on ${table}`, isAllowed(name, table, verb)]),
    );
    const seen = Object.entries(touched[name] ?? {}).map(([what, count]) => [what, count !== "refused" && count > 0]);
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(expected));
  });
});

test("every table has row-level security enabled and forced", async () => {
  const unprotected = await database()`
    select relname from pg_class
    where relnamespace = 'crm'::regnamespace and relkind = 'r' and not (relrowsecurity and relforcerowsecurity)`;
  expect(unprotected).toEqual([]);
});

test("nothing in crm or api is granted to anon, authenticated, service_role or everybody", async () => {
  const sql = database();
  const outsiders = ["anon", "authenticated", "service_role"];
  const schemas = await sql`
    select nspname, role from pg_namespace, unnest(${outsiders}::text[]) as role
    where nspname in ('crm', 'api') and (has_schema_privilege(role, oid, 'usage') or has_schema_privilege(role, oid, 'create'))`;
  const relations = await sql`
    select relname, privilege.grantee::regrole::text from pg_class, aclexplode(relacl) as privilege
    where relnamespace in ('crm'::regnamespace, 'api'::regnamespace) and privilege.grantee::regrole::text = any (${["-", ...outsiders]})`;
  const functions = await sql`
    select proname, role from pg_proc, unnest(${outsiders}::text[]) as role
    where pronamespace in ('crm'::regnamespace, 'api'::regnamespace) and has_function_privilege(role, pg_proc.oid, 'execute')`;
  expect([...schemas, ...relations, ...functions]).toEqual([]);
});

test("each exposed function can be called by exactly one role", async () => {
  const rows = await database()`
    select proname,
           array(select role from unnest(array['crm_api', 'crm_auth', 'crm_worker']) as role where has_function_privilege(role, pg_proc.oid, 'execute')) as callers
    from pg_proc where pronamespace = 'api'::regnamespace order by proname`;
  expect(Object.fromEntries(rows.map((row) => [row["proname"], row["callers"]]))).toEqual({
    advance_import: ["crm_api"],
    advance_job: ["crm_worker"],
    cancel_job: ["crm_api"],
    claim_job: ["crm_worker"],
    fail_job: ["crm_worker"],
    claim_mail: ["crm_worker"],
    finish_mail: ["crm_worker"],
    release_mail: ["crm_worker"],
    fail_mail: ["crm_worker"],
    claim_webhook: ["crm_worker"],
    settle_webhook: ["crm_worker"],
    read_events: ["crm_api"],
    read_phones: ["crm_api"],
    release_job: ["crm_worker"],
    require_live_key: ["crm_api"],
    cancel_import: ["crm_api"],
    claim_import: ["crm_worker"],
    create_import: ["crm_api"],
    custom_fields_of: ["crm_api"],
    deal_transitions: ["crm_api"],
    export_records: ["crm_api"],
    fail_import: ["crm_worker"],
    find_api_key: ["crm_auth"],
    find_memberships: ["crm_auth"],
    note_use: ["crm_auth"],
    accept_invitation: ["crm_auth"],
    act: ["crm_api"],
    used_permissions: ["crm_api"],
    report_leaked_keys: ["crm_auth"],
    merged_into: ["crm_api"],
    missing_import_part: ["crm_api"],
    put_import_part: ["crm_api"],
    read_import: ["crm_api"],
    read_import_rows: ["crm_api"],
    read_import_text: ["crm_api"],
    read_records: ["crm_api"],
    read_timeline: ["crm_api"],
    release_import: ["crm_worker"],
    search_everything: ["crm_api"],
    start_import: ["crm_api"],
    summarize_deals: ["crm_api"],
    write_records: ["crm_api"],
  });
});

describe("the search that runs past the policies never leaves the workspace, whatever is asked of it", () => {
  const searchable = resources.filter(
    ({ operations, fields }) => operations.includes("create") && Object.values(fields).some((field) => field.searched),
  );

  test.each(searchable.map((resource) => [resource.plural, resource] as const))("%s", async (_plural, resource) => {
    const [here, there] = [new Records(mine), new Records(await createWorkspace())];
    const isTagged = Object.hasOwn(resource.fields, "tags");
    const [name = ""] = Object.keys(resource.fields).filter((field) => resource.fields[field]?.searched);
    const word = String(freshValue(resource.fields[name] ?? { schema: z.string() }));
    await there.create(resource, { [name]: word, ...(isTagged && { tags: ["secret"] }) });
    const [ours, theirs] = [await here.path(resource), await there.path(resource)];
    const queries = [
      `search=${word}`,
      `${name}[contains]=${word.slice(0, 20)}`,
      `${name}[starts_with]=${word.slice(0, 20)}`,
    ];
    if (isTagged) queries.push("tags=secret");
    for (const query of queries) {
      expect((await there.client.get(`${theirs}?${query}`)).meta.total, query).toBe(1);
      const { data, meta } = await mine.client.get(`${ours}?${query}`);
      expect({ data, total: meta.total }, query).toEqual({ data: [], total: 0 });
    }
    const is = { field: name, op: "contains", value: word };
    const everything = await mine.client.post(`${ours}/search`, { filter: { or: [is, { not: is }] }, limit: 100 });
    const all = await mine.client.get(`${ours}?limit=100&fields=id`);
    expect({ ids: idsOf(everything.data), total: everything.meta.total }).toEqual({
      ids: idsOf(all.data),
      total: all.meta.total,
    });
  });

  test("everything at once", async () => {
    const other = new Records(await createWorkspace());
    const word = String(freshValue({ schema: z.string() }));
    await other.create(contacts, { first_name: word });
    expect((await other.client.get(`/search?q=${word}`)).meta.total).toBe(1);
    expect((await mine.client.get(`/search?q=${word}`)).meta.total).toBe(0);
  });
});

test("PostgREST refuses a JWT that was not signed with the project's key, and one without our role", async () => {
  const claims = { role: "crm_api", key_id: mine.id, workspace_id: mine.workspaceId };
  const read = async (token: string) => {
    const response = await fetch(`${stack().restUrl}/contacts`, { headers: { authorization: `Bearer ${token}` } });
    return { status: response.status, rows: await response.json() };
  };
  const { kid, x, y } = functionKey();
  const forge = (alg: string) => new SignJWT(claims).setProtectedHeader({ alg, kid }).setExpirationTime("1m");
  expect((await read(await functionToken(claims))).rows).not.toHaveLength(0);
  expect((await read(await forge("ES256").sign(await importJWK(newSigningKey())))).status).toBe(401);
  expect((await read(await forge("HS256").sign(Buffer.from(`${x}${y}`)))).status).toBe(401);
  expect((await read(await functionToken(claims, -60))).status).toBe(401);
  for (const role of ["anon", "authenticated", "service_role"])
    expect([401, 403]).toContain((await read(await functionToken({ ...claims, role }))).status);
});

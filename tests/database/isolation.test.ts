import { sign } from "hono/jwt";
import type postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { database, stack } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

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
let mine: Awaited<ReturnType<typeof createWorkspace>>;

beforeAll(async () => {
  const sql = database();
  tables = (await sql`select relname from pg_class where relnamespace = 'crm'::regnamespace and relkind = 'r'`).map(
    (row) => row["relname"],
  );
  mine = await createWorkspace();
  const sandbox = await createWorkspace({ parentId: mine.workspaceId });
  const other = await createWorkspace();
  for (const owner of [mine, sandbox, other]) await fill(owner.workspaceId, owner.ownerId);

  const keyActor = (key: { id: string }, workspaceId: string): Actor => ({
    role: "crm_api",
    claims: { role: "crm_api", key_id: key.id, workspace_id: workspaceId },
  });
  const { workspaceId } = mine;
  actors["its own key"] = keyActor(mine, workspaceId);
  actors["its own user"] = {
    role: "crm_api",
    claims: { role: "crm_api", user_id: mine.userId, workspace_id: workspaceId },
  };
  actors["another workspace's key"] = keyActor(other, other.workspaceId);
  actors["another workspace's key that claims this workspace"] = keyActor(other, workspaceId);
  actors["another workspace's user"] = {
    role: "crm_api",
    claims: { role: "crm_api", user_id: other.userId, workspace_id: workspaceId },
  };
  actors["its sandbox's key"] = keyActor(sandbox, sandbox.workspaceId);
  actors["an expired key"] = keyActor(
    await createKey({ workspaceId, expiresAt: new Date(Date.now() - 1000) }),
    workspaceId,
  );
  actors["a revoked key"] = keyActor(await createKey({ workspaceId, revokedAt: new Date() }), workspaceId);
  actors["a read-only key"] = keyActor(await createKey({ workspaceId, scope: "read_only" }), workspaceId);
  actors["a key for deals only"] = keyActor(
    await createKey({ workspaceId, scope: "custom", permissions: { deals: "write" } }),
    workspaceId,
  );
  actors["no claims"] = { role: "crm_api", claims: {} };
  actors["the key look-up"] = { role: "crm_auth", claims: { role: "crm_auth" } };
  actors["a stranger"] = { role: "anon", claims: { role: "anon" } };
  actors["a signed-in user"] = { role: "authenticated", claims: { role: "authenticated", sub: mine.userId } };
});

async function fill(workspaceId: string, ownerId: string): Promise<void> {
  const sql = database();
  const [company] =
    await sql`insert into crm.companies (workspace_id, name) values (${workspaceId}, 'Acme') returning id`;
  await sql`insert into crm.contacts (workspace_id, owner_id, company_id, email) values (${workspaceId}, ${ownerId}, ${company?.["id"]}, ${freshEmail()})`;
  await sql`insert into crm.idempotency_keys (workspace_id, key, fingerprint, answer) values (${workspaceId}, 'k', 'f', '{}')`;
}

/** What an actor can do to the rows of my workspace: how many it touches, or that it is refused. Nothing stays. */
async function attempt(actor: Actor, table: string, verb: Verb): Promise<number | "refused"> {
  const sql = database();
  const key = table === "workspaces" ? "id" : "workspace_id";
  const statements: Record<Verb, string> = {
    select: `select * from crm.${table} where ${key} = '${mine.workspaceId}'`,
    insert: "",
    update: `update crm.${table} set ${key} = ${key} where ${key} = '${mine.workspaceId}'`,
    delete: `delete from crm.${table} where ${key} = '${mine.workspaceId}'`,
  };
  let touched: number | "refused" = "refused";
  await sql
    .begin(async (transaction) => {
      if (verb === "insert") {
        const columns = await prepareCopy(transaction, table, key);
        statements.insert = `insert into crm.${table} (${columns}) select ${columns} from copy`;
      }
      await transaction`select set_config('request.jwt.claims', ${JSON.stringify(actor.claims)}, true)`;
      await transaction.unsafe(`set local role ${actor.role}`);
      touched = await transaction
        .savepoint((savepoint) => savepoint.unsafe(statements[verb]))
        .then((rows) => rows.count)
        .catch((error: postgres.PostgresError) => {
          if (!["42501", "428C9", "55000"].includes(error.code)) throw error;
          return "refused" as const;
        });
      throw new Error("undo");
    })
    .catch((error: Error) => {
      if (error.message !== "undo") throw error;
    });
  return touched;
}

/** A row of mine under a new identity, ready to be inserted by whoever may. Answers its columns. */
async function prepareCopy(transaction: postgres.TransactionSql, table: string, key: string): Promise<string> {
  const columns = await transaction`
    select attname, attidentity <> '' as identity from pg_attribute
    where attrelid = ${`crm.${table}`}::regclass and attnum > 0 and not attisdropped and attgenerated = ''`;
  const names = columns.filter((column) => !column["identity"]).map((column) => `"${column["attname"]}"`);
  await transaction.unsafe(
    `create temp table copy on commit drop as select * from crm.${table} where ${key} = '${mine.workspaceId}' limit 1`,
  );
  for (const [column, value] of [
    ["id", "gen_random_uuid()"],
    ["key", "'another'"],
    ["key_hash", "sha256('another')"],
    ["email", "'copy@test.example'"],
    ["user_id", "gen_random_uuid()"],
  ]) {
    if (names.includes(`"${column}"`)) await transaction.unsafe(`update copy set ${column} = ${value}`).catch(() => {});
  }
  await transaction.unsafe("grant select on copy to public");
  return names.join(", ");
}

const RECORD_TABLES = ["contacts", "companies"];
const WHOLE_WORKSPACE = [...RECORD_TABLES, "workspaces", "members", "idempotency_keys"];

/** What may be touched at all; everything else must be refused or touch nothing. */
function allowed(actor: string, table: string, verb: Verb): boolean {
  const isTally = table.includes("_by_");
  switch (actor) {
    case "its own key":
    case "its own user":
      if (verb === "select") return isTally || WHOLE_WORKSPACE.includes(table);
      return (verb === "insert" || verb === "update") && [...RECORD_TABLES, "idempotency_keys"].includes(table);
    case "a read-only key":
      return verb === "select" && table !== "idempotency_keys" && (isTally || WHOLE_WORKSPACE.includes(table));
    case "a key for deals only":
      return table === "idempotency_keys" && verb !== "delete";
    default:
      return false;
  }
}

describe("below the API, my workspace's rows", () => {
  test.each([
    "its own key",
    "its own user",
    "another workspace's key",
    "another workspace's key that claims this workspace",
    "another workspace's user",
    "its sandbox's key",
    "an expired key",
    "a revoked key",
    "a read-only key",
    "a key for deals only",
    "no claims",
    "the key look-up",
    "a stranger",
    "a signed-in user",
  ])("%s touches what it may, and nothing else", async (name) => {
    const actor = actors[name];
    if (actor === undefined) throw new Error(`no actor ${name}`);
    expect(tables.length).toBeGreaterThan(6);
    for (const table of tables) {
      for (const verb of VERBS) {
        const touched = await attempt(actor, table, verb);
        const what = `${name}: ${verb} on ${table}`;
        if (allowed(name, table, verb)) expect(touched, what).toBeGreaterThan(0);
        else expect([0, "refused"], what).toContain(touched);
      }
    }
  });
});

test("every table has row-level security enabled and forced", async () => {
  const unprotected = await database()`
    select relname from pg_class
    where relnamespace = 'crm'::regnamespace and relkind = 'r' and not (relrowsecurity and relforcerowsecurity)`;
  expect(unprotected).toEqual([]);
});

test("nothing in crm or api is granted to anon, authenticated or everybody", async () => {
  const sql = database();
  const relations = await sql`
    select relname, privilege.grantee::regrole::text from pg_class, aclexplode(relacl) as privilege
    where relnamespace in ('crm'::regnamespace, 'api'::regnamespace) and privilege.grantee::regrole::text in ('-', 'anon', 'authenticated')`;
  const functions = await sql`
    select proname from pg_proc
    where pronamespace in ('crm'::regnamespace, 'api'::regnamespace)
      and (has_function_privilege('anon', oid, 'execute') or has_function_privilege('authenticated', oid, 'execute'))`;
  expect([...relations, ...functions]).toEqual([]);
});

test("each exposed function can be called by exactly one role", async () => {
  const rows = await database()`
    select proname, has_function_privilege('crm_api', oid, 'execute') as api, has_function_privilege('crm_auth', oid, 'execute') as auth
    from pg_proc where pronamespace = 'api'::regnamespace order by proname`;
  expect(rows.map((row) => [row["proname"], row["api"], row["auth"]])).toEqual([
    ["find_api_key", false, true],
    ["find_memberships", false, true],
    ["read_records", true, false],
    ["write_records", true, false],
  ]);
});

test("the search that runs past the policies never leaves the workspace, whatever is asked of it", async () => {
  const other = await createWorkspace();
  const email = freshEmail();
  await other.client.post("/contacts", { email, tags: ["secret"] });
  for (const query of [
    `search=${email}`,
    "tags=secret",
    `email[contains]=${email.slice(0, 20)}`,
    `email[starts_with]=${email.slice(0, 20)}`,
  ]) {
    expect((await other.client.get(`/contacts?${query}`)).meta.total, query).toBe(1);
    const { data, meta } = await mine.client.get(`/contacts?${query}`);
    expect({ data, total: meta.total }, query).toEqual({ data: [], total: 0 });
  }
  const everything = await mine.client.post("/contacts/search", {
    filter: {
      or: [{ field: "tags", op: "eq", value: "secret" }, { not: { field: "tags", op: "eq", value: "secret" } }],
    },
  });
  expect(everything.meta.total).toBe(1);
});

test("PostgREST refuses a JWT that was not signed with the project's key, and one without our role", async () => {
  const { restUrl, functionEnv } = stack();
  const secret = Buffer.from(JSON.parse(functionEnv["JWT_SIGNING_KEY"] ?? "").k, "base64url").toString();
  const claims = {
    role: "crm_api",
    key_id: mine.id,
    workspace_id: mine.workspaceId,
    exp: Math.floor(Date.now() / 1000) + 60,
  };
  const read = async (token: string) => {
    const response = await fetch(`${restUrl}/contacts`, { headers: { authorization: `Bearer ${token}` } });
    return { status: response.status, rows: await response.json() };
  };
  expect((await read(await sign(claims, secret, "HS256"))).rows).toHaveLength(1);
  expect((await read(await sign(claims, `${secret}x`, "HS256"))).status).toBe(401);
  expect((await read(await sign({ ...claims, exp: 1 }, secret, "HS256"))).status).toBe(401);
  expect([401, 403]).toContain((await read(await sign({ ...claims, role: "authenticated" }, secret, "HS256"))).status);
  expect([401, 403]).toContain((await read(functionEnv["SUPABASE_ANON_KEY"] ?? "")).status);
});

// npm run keys:create: a workspace's first key, or a further one, in any database that has our migrations.
import process from "node:process";
import postgres from "postgres";
import { createApiKey } from "./api_keys.ts";
import { argumentsOrHelp, type Usage } from "./arguments.ts";
import { databaseUrl } from "./database_url.ts";

const PLANS = ["standard", "professional", "enterprise"];
const SCOPES = ["full_access", "read_only"] as const;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const USAGE: Usage = {
  summary:
    "Makes an API key, and its workspace when that is new, in the database of DATABASE_URL\n(that of the stack in .local without one). Prints the key: it is shown only here.",
  example: 'npm run keys:create -- --workspace "Acme" --plan standard',
  options: {
    "--workspace": { value: "NAME", help: "a new workspace of that name, or the id of one that exists" },
    "--plan": { value: "PLAN", help: `of a new workspace: ${PLANS.join(", ")}` },
    "--owner": { value: "EMAIL", help: "a user who has signed up and is to own the new workspace; nobody when absent" },
    "--name": { value: "NAME", help: "what the key is called; First key when absent" },
    "--scope": { value: "SCOPE", help: `${SCOPES.join(" or ")}; full_access when absent` },
  },
};

const given = argumentsOrHelp(USAGE) as Record<string, string | undefined>;
try {
  const { key, workspaceId } = await createKey(databaseUrl());
  console.error(`A key of workspace ${workspaceId}. It is stored as a hash: copy it now.`);
  console.log(key);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function createKey(url: string): Promise<{ key: string; workspaceId: string }> {
  const { "--workspace": workspace, "--name": name = "First key", "--scope": scopeGiven = "full_access" } = given;
  if (workspace === undefined) throw new Error(`Say which workspace the key is for: ${USAGE.example}`);
  const scope = SCOPES.find((known) => known === scopeGiven);
  if (scope === undefined) throw new Error(`--scope is ${SCOPES.join(" or ")}, not "${scopeGiven}".`);
  // Supabase's pooler has no prepared statements, and asks for TLS; a database on this machine has none.
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname);
  const sql = postgres(url, {
    max: 1,
    prepare: false,
    connect_timeout: 10,
    ...(!isLocal && { ssl: "require" }),
    onnotice: () => {},
  });
  try {
    return await sql.begin(async (transaction) => {
      const workspaceId = UUID.test(workspace) ? existing(workspace) : await createWorkspace(transaction, workspace);
      const { key } = await createApiKey(transaction, { workspaceId, name, scope });
      return { workspaceId, key };
    });
  } finally {
    await sql.end({ timeout: 2 });
  }
}

function existing(id: string): string {
  for (const name of ["--plan", "--owner"])
    if (given[name] !== undefined) throw new Error(`${name} is for a new workspace, and ${id} exists already.`);
  return id;
}

async function createWorkspace(sql: postgres.TransactionSql, name: string): Promise<string> {
  const plan = given["--plan"];
  if (plan === undefined || !PLANS.includes(plan))
    throw new Error(`A new workspace needs --plan ${PLANS.join(" or ")}.`);
  const [same] = await sql`select id from crm.workspaces where name = ${name} and environment = 'live'`;
  if (same !== undefined)
    throw new Error(`There is already a workspace "${name}". For a further key of it: --workspace ${same["id"]}`);
  const [workspace] = await sql`insert into crm.workspaces (name, plan) values (${name}, ${plan}) returning id`;
  const id = workspace?.["id"];
  if (given["--owner"] !== undefined) await addOwner(sql, id, given["--owner"]);
  return id;
}

async function addOwner(sql: postgres.TransactionSql, workspaceId: string, email: string): Promise<void> {
  const [member] = await sql`
    insert into crm.members (workspace_id, user_id, role, name, email)
    select ${workspaceId}, id, 'owner', split_part(email, '@', 1), email from auth.users where lower(email) = lower(${email})
    returning id`;
  if (member === undefined) throw new Error(`No user has signed up as ${email}. Sign up first, or leave --owner out.`);
}

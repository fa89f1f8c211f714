import process from "node:process";
import postgres from "postgres";
import { createApiKey, type NewKey } from "./api_keys.ts";
import { argumentsOrHelp, type Usage } from "./arguments.ts";
import { databaseUrl } from "./database_url.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_NAME_LENGTH = 100;

/** The option that `findWorkspace` takes. */
export const WORKSPACE_OPTION = { value: "WORKSPACE", help: "its id or its name" };

/** What an operator has given, by the option's name. */
export interface Options {
  /** @throws when it was not given */
  required(name: string): string;
  /** A name as the database keeps it. @throws when it was not given, or is too long */
  name(option: string): string;
  /** One of a few values; `fallback` when it was not given. @throws when it is none of them, or is missing without a fallback */
  oneOf<const Value extends string>(name: string, values: readonly Value[], fallback?: Value): Value;
}

/** What was done, and the key that it made. */
export interface Outcome {
  said: string;
  key?: string;
}

/**
 * Runs an operator's script: one transaction in the database of DATABASE_URL, else of the stack in `.local`. Says on stderr
 * what was done, prints a key alone on stdout; what it refuses it says in a sentence, changes nothing and ends with 1.
 */
export async function operate(
  usage: Usage,
  work: (transaction: postgres.TransactionSql, options: Options) => Promise<Outcome>,
): Promise<void> {
  const options = read(usage);
  try {
    const sql = connect(databaseUrl());
    const { said, key } = await sql
      .begin((transaction) => work(transaction, options))
      .finally(() => sql.end({ timeout: 2 }));
    console.error(said);
    if (key === undefined) return;
    console.error("The key is stored as a hash: copy it now.");
    console.log(key);
  } catch (error) {
    console.error(error instanceof Error ? error.message || error.name : error);
    process.exit(1);
  }
}

function read(usage: Usage): Options {
  const given = argumentsOrHelp(usage);
  const required = (name: string) => {
    const value = given[name];
    if (typeof value === "string") return value;
    throw new Error(`${name} is missing (${usage.options[name]?.help}). For example: ${usage.example}`);
  };
  return {
    required,
    name(option) {
      const name = required(option).trim();
      if (name.length >= 1 && name.length <= MAX_NAME_LENGTH) return name;
      throw new Error(`${option} takes 1 to ${MAX_NAME_LENGTH} characters.`);
    },
    oneOf(name, values, fallback) {
      if (given[name] === undefined && fallback !== undefined) return fallback;
      const value = required(name);
      const found = values.find((known) => known === value);
      if (found === undefined) throw new Error(`${name} is ${values.join(" or ")}, not "${value}".`);
      return found;
    },
  };
}

function connect(url: string): postgres.Sql {
  const { hostname } = URL.parse(url) ?? {};
  // Not shown, as it has a password, whose special characters are what is mostly wrong with it.
  if (hostname === undefined) throw new Error("DATABASE_URL is no URL. Write % and other special characters as %25 ….");
  // Supabase's pooler has no prepared statements, and asks for TLS; a database on this machine has none.
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  return postgres(url, {
    max: 1,
    prepare: false,
    connect_timeout: 10,
    ...(!isLocal && { ssl: "require" }),
    onnotice: () => {},
  });
}

/** A workspace or a sandbox, of which nobody else changes anything until the transaction ends. */
export interface Workspace {
  id: string;
  name: string;
  plan: string;
  parentWorkspaceId: string | null;
}

/** The workspace of that id or name. @throws when there is none, or more than one of that name */
export async function findWorkspace(sql: postgres.TransactionSql, wanted: string): Promise<Workspace> {
  const found = await sql<Workspace[]>`
    select id, name, plan, parent_workspace_id as "parentWorkspaceId" from crm.workspaces
    where ${UUID.test(wanted) ? sql`id = ${wanted}` : sql`name = ${wanted}`} order by id for no key update`;
  const [workspace, ...others] = found;
  if (workspace === undefined) throw new Error(`There is no workspace ${wanted}.`);
  if (others.length === 0) return workspace;
  throw new Error(
    `${found.length} workspaces are called ${wanted}. Give an id: ${found.map(({ id }) => id).join(", ")}`,
  );
}

/** Tells the audit log of a workspace what an operator has done. */
export async function noteAct(
  sql: postgres.TransactionSql,
  workspaceId: string,
  action: string,
  target: { type: string; id: string; name: string },
  changes: Record<string, { from: string; to: string }> | null = null,
): Promise<void> {
  await sql`select crm.note_act(${workspaceId}, ${action}, ${sql.json([target])}, ${changes && sql.json(changes)})`;
}

/** A key that an operator makes, and tells the audit log of. Answers its plaintext. */
export async function makeKey(sql: postgres.TransactionSql, options: NewKey): Promise<string> {
  const { id, key } = await createApiKey(sql, options);
  await noteAct(sql, options.workspaceId, "api_key.created", { type: "api_key", id, name: options.name });
  return key;
}

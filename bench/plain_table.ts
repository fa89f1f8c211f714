import type postgres from "postgres";
import type { StackInfo } from "../scripts/stack/stack_info.ts";
import { restHeaders } from "./scenarios.ts";
import type { BenchWorkspace } from "./workspace.ts";

/** What PostgREST calls the plain table. */
export const PLAIN_TABLE = "plain_contacts";

/**
 * The table that somebody would make of contacts who promises nothing of what we promise: their columns and
 * foreign keys, three indexes, one policy, no trigger, no checks, nothing derived. Only the bench has it.
 */
export async function makePlainTable(sql: postgres.Sql, info: StackInfo, { id, jwt }: BenchWorkspace): Promise<void> {
  const table = `api.${PLAIN_TABLE}`;
  await sql.unsafe(`
    create table ${table} (like crm.contacts including defaults, primary key (id));
    alter table ${table} alter id set default gen_random_uuid(), alter source set default 'api',
      drop email_key, drop search_text, drop filter_text;
    create index on ${table} (workspace_id, created_at);
    create unique index on ${table} (workspace_id, lower(email));
    alter table ${table} enable row level security;
    create policy "requests use the rows of their workspace" on ${table} to crm_api
      using (workspace_id = (select (current_setting('request.jwt.claims')::json ->> 'workspace_id')::uuid));
    grant select, insert, update on ${table} to crm_api;`);
  const foreignKeys = await sql`
    select pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = 'crm.contacts'::regclass and contype = 'f'`;
  for (const { definition } of foreignKeys) await sql.unsafe(`alter table ${table} add ${definition}`);
  const columns = await sql`
    select string_agg(quote_ident(attname), ', ') as names from pg_attribute
    where attrelid = ${table}::regclass and attnum > 0 and not attisdropped`;
  const names = columns[0]?.["names"];
  await sql.unsafe(`insert into ${table} (${names}) select ${names} from crm.contacts where workspace_id = $1`, [id]);
  await sql.unsafe(`vacuum analyze ${table}`);
  await sql`notify pgrst, 'reload schema'`;
  for (let tries = 0; ; tries++) {
    const response = await fetch(`${info.restUrl}/${PLAIN_TABLE}?limit=1`, { headers: restHeaders(jwt) });
    const text = await response.text();
    if (response.ok) return;
    if (tries > 100) throw new Error(`PostgREST does not show the plain table: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

import { expect, test } from "vitest";
import { database, useOwnStack } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

// What it deletes would keep the purges of other suites busy.
useOwnStack();

test("the purge of many rows ends, and goes in batches, each a transaction of its own", async () => {
  const { workspaceId } = await createWorkspace();
  const sql = database();
  const [company] = await sql`
    insert into crm.companies (workspace_id, name) values (${workspaceId}, 'Gone') returning id`;
  await sql`
    insert into crm.contacts (workspace_id, email, company_id, deleted_at)
    select ${workspaceId}, 'purged' || n || '@test.example', ${company?.["id"]}, now() - interval '91 days'
    from generate_series(1, 25000) as n`;
  await sql`
    insert into crm.contacts (workspace_id, email, company_id)
    select ${workspaceId}, 'kept' || n || '@test.example', ${company?.["id"]} from generate_series(1, 1200) as n`;
  await sql`update crm.companies set deleted_at = now() - interval '91 days' where id = ${company?.["id"]}`;
  const [{ id: importId } = {}] = await sql`
    insert into crm.imports (workspace_id, resource, format, status, dry_run, on_conflict, mapping, completed_at)
    values (${workspaceId}, 'contacts', 'csv', 'completed', false, 'error', '{}', now() - interval '31 days') returning id`;
  await sql`
    insert into crm.import_rows (import_id, workspace_id, row, status)
    select ${importId}, ${workspaceId}, n, 'created' from generate_series(1, 1200) as n`;
  await sql.unsafe(`
    create table crm.batches (transaction xid8, rows bigint);
    create function crm.note_step() returns trigger language plpgsql security definer as
      'begin insert into crm.batches select pg_current_xact_id(), count(*) from old_rows; return null; end';
    create trigger note_deleted after delete on crm.contacts
      referencing old table as old_rows for each statement execute function crm.note_step();
    create trigger note_cleared after update on crm.contacts
      referencing old table as old_rows for each statement execute function crm.note_step();
    create trigger note_rows after delete on crm.import_rows
      referencing old table as old_rows for each statement execute function crm.note_step();
  `);
  try {
    await sql`call crm.purge_all()`;
    const batches = await sql`
      select sum(rows)::integer as rows from crm.batches where rows > 0 group by transaction order by 1 desc`;
    expect(batches[0]?.["rows"]).toBe(250);
    expect(batches.length).toBeGreaterThanOrEqual(100);
  } finally {
    await sql.unsafe(`
      drop trigger note_deleted on crm.contacts;
      drop trigger note_cleared on crm.contacts;
      drop trigger note_rows on crm.import_rows;
      drop function crm.note_step();
      drop table crm.batches;
    `);
  }
  const left = await sql`
    select count(*)::integer as contacts, count(company_id)::integer as named from crm.contacts where workspace_id = ${workspaceId}`;
  expect(left).toEqual([{ contacts: 1200, named: 0 }]);
  expect(await sql`select from crm.companies where workspace_id = ${workspaceId}`).toHaveLength(0);
  expect(await sql`select from crm.import_rows where import_id = ${importId}`).toHaveLength(0);
  expect(await sql`select from crm.imports where id = ${importId}`).toHaveLength(0);
}, 180_000);

import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";

/** Why rows of a workspace are not deleted table by table when a sandbox is emptied. */
const OTHERS: Record<string, string> = {
  audit_log: "stays",
  import_parts: "goes first, by import",
  import_rows: "goes first, by import",
  record: "is a template, always empty",
  stamped: "is a template, always empty",
};

test("each table with rows of a workspace is emptied with a sandbox, what refers to another one before that", async () => {
  const tables = await database()`
    select relname from pg_class join pg_attribute on attrelid = pg_class.oid and attname = 'workspace_id'
    where relnamespace = 'crm'::regnamespace and relkind = 'r' order by relname`;
  const emptied = (await database()`select crm.tables_of_workspaces() as name`).map(({ name }) => name);
  expect([...emptied, ...Object.keys(OTHERS)].sort()).toEqual(tables.map(({ relname }) => relname).sort());

  const references = await database()`
    select source.relname as source, target.relname as target
    from pg_constraint join pg_class as source on source.oid = conrelid join pg_class as target on target.oid = confrelid
    where contype = 'f' and connamespace = 'crm'::regnamespace and conrelid <> confrelid`;
  const inOrder = references.filter(({ source, target }) => emptied.includes(source) && emptied.includes(target));
  expect(inOrder.length).toBeGreaterThan(20);
  for (const { source, target } of inOrder)
    expect(emptied.indexOf(source), `${source} before ${target}`).toBeLessThan(emptied.indexOf(target));
});

import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrate } from "../../../scripts/stack/migrations.ts";
import { ROOT } from "../../../scripts/stack/settings.ts";
import { database, stack } from "../../harness/stack.ts";

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "crm-cli-"));
  cpSync(join(ROOT, "supabase"), join(copy, "supabase"), { recursive: true });
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** What the CLI prints about the stack's database. */
async function supabase(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(
    join(ROOT, "node_modules/.bin/supabase"),
    ["--workdir", copy, "--agent", "no", ...args, `--remote=${stack().databaseUrl}`],
    { cwd: copy, env: { PATH: process.env["PATH"], HOME: copy, SUPABASE_TELEMETRY_DISABLED: "1" }, timeout: 50_000 },
  );
  return stdout + stderr;
}

test("a migration that was changed after it was applied stops the start, while the CLI finds all up to date", async () => {
  const start = (sql: postgres.Sql | postgres.TransactionSql) => migrate(sql, stack());
  expect(await start(database())).toBe(0);
  const changed = database().begin(async (sql) => {
    await sql`update supabase_migrations.schema_migrations set statements = '{"select 1"}' where name = 'contacts'`;
    return await start(sql);
  });
  await expect(changed).rejects.toThrow(/_contacts\.sql was changed after it was applied.*npm run reset/);
  expect(await supabase("db", "push", "--dry-run")).toContain("up to date");
});

test("Supabase's advisors warn of nothing but functions that run once per row, or are inlined, and name everything in full", async () => {
  const output = await supabase("db", "advisors", "--level", "warn");
  const start = output.indexOf("[\n");
  const findings: { name: string; detail: string }[] =
    start === -1 ? [] : JSON.parse(output.slice(start, output.lastIndexOf("]") + 1));
  expect(findings.map(({ detail }) => detail).sort()).toEqual([
    "Function `crm.actor` has a role mutable search_path",
    "Function `crm.claims` has a role mutable search_path",
    "Function `crm.filterable` has a role mutable search_path",
    "Function `crm.fold` has a role mutable search_path",
    "Function `crm.folded` has a role mutable search_path", // An aggregate has none.
    "Function `crm.is_as_checked` has a role mutable search_path",
    "Function `crm.is_asked_for` has a role mutable search_path",
    "Function `crm.is_sent` has a role mutable search_path",
    "Function `crm.max_failures` has a role mutable search_path",
    "Function `crm.minor_units` has a role mutable search_path",
    "Function `crm.purge_all` has a role mutable search_path", // It commits, which no routine with a setting may.
    "Function `crm.rights` has a role mutable search_path",
    "Function `crm.search_score` has a role mutable search_path",
    "Function `crm.searchable` has a role mutable search_path",
    "Function `crm.show_time` has a role mutable search_path",
    "Function `crm.shown_domain` has a role mutable search_path",
    "Function `crm.suffices` has a role mutable search_path",
    "Function `crm.uuid_v7` has a role mutable search_path",
    "Function `crm.without_formula` has a role mutable search_path",
    "Function `crm.words_of` has a role mutable search_path",
    "Function `gate.lock_of` has a role mutable search_path",
    "Function `gate.places` has a role mutable search_path",
  ]);
});

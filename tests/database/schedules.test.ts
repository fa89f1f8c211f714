import { readFileSync } from "node:fs";
import { join } from "node:path";
import type postgres from "postgres";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/stack/settings.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const MIGRATION = readFileSync(join(ROOT, "supabase/migrations/20261124000025_schedules.sql"), "utf8");

const BLOCKS: string[] = MIGRATION.match(/^do \$\$\n.*?^\$\$;/gms) ?? [];
const blockWith = (text: string) => BLOCKS.find((block) => block.includes(text)) ?? "";

/** What a hosted project has beside Postgres, as far as the migration uses it. None of it stays. */
async function hosted(work: (sql: postgres.TransactionSql) => Promise<void>): Promise<void> {
  const rollback = new Error("The stack of the tests stays as it is.");
  const done = database().begin(async (sql) => {
    await sql.unsafe(`
      create schema cron;
      create table cron.job (jobname text primary key, schedule text, command text);
      create table cron.job_run_details (end_time timestamptz);
      create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
        'insert into cron.job values ($1, $2, $3) on conflict (jobname) do update set schedule = $2, command = $3; select 1::bigint';
      create schema net;
      create table net.calls (url text, headers jsonb);
      create function net.http_post(url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 1000)
        returns bigint language sql as 'insert into net.calls values ($1, $4); select 1::bigint';
      create schema vault;
      create table vault.decrypted_secrets (name text, decrypted_secret text);
    `);
    for (let i = 0; i < 2; i++) await sql`select crm.schedule()`;
    await work(sql);
    throw rollback;
  });
  await expect(done).rejects.toBe(rollback);
}

test("on a hosted project the migration schedules the purge and the jobs' worker, whose commands run", async () => {
  await hosted(async (sql) => {
    const jobs = await sql`select * from cron.job order by jobname`;
    expect(jobs.map(({ jobname, schedule }) => [jobname, schedule])).toEqual([
      ["drain", "10 seconds"],
      ["forget_runs", "17 3 * * *"],
      ["purge", "*/5 * * * *"],
    ]);
    await sql`insert into vault.decrypted_secrets values ('public_api_url', 'https://crm.example/functions/v1/api'), ('cron_secret', 's3cret')`;
    // A procedure that commits is called outside of any transaction, as pg_cron does.
    for (const { jobname, command } of jobs) await (jobname === "purge" ? database() : sql).unsafe(command);
    expect(await sql`select * from net.calls`).toEqual([
      { url: "https://crm.example/functions/v1/api/internal/drain", headers: { "X-Cron-Secret": "s3cret" } },
    ]);
  });
});

test("while the Vault is empty nobody is called", async () => {
  await hosted(async (sql) => {
    await sql`select crm.call_drain()`;
    expect(await sql`select * from net.calls`).toHaveLength(0);
  });
});

test("config.toml puts in the Vault what the timer and the seed read there", () => {
  const section =
    /^\[db\.vault\]\n(.*?)\n\n/ms.exec(readFileSync(join(ROOT, "supabase/config.toml"), "utf8"))?.[1] ?? "";
  const stored = [...section.matchAll(/^(\w+) = "env\(\w+\)"$/gm)].map(([, name]) => name);
  const seed = readFileSync(join(ROOT, "supabase/seed.sql"), "utf8");
  const read = [...(MIGRATION + seed).matchAll(/decrypted_secrets where name = '(\w+)'/g)].map(([, name]) => name);
  expect(stored.sort()).toEqual(read.sort());
});

test("who may not make Postgres terse, as on a hosted project, keeps errors of requests out of its log", async () => {
  await hosted(async (sql) => {
    await sql.unsafe(`
      alter role authenticator reset log_error_verbosity;
      create role owner_of_hosted createrole;
      grant authenticator to owner_of_hosted with admin option;
      grant set on parameter log_min_messages to owner_of_hosted;
      set local role owner_of_hosted;
    `);
    await sql.unsafe(blockWith("log_error_verbosity"));
    await sql`reset role`;
    const [{ rolconfig = [] } = {}] = await sql`select rolconfig from pg_roles where rolname = 'authenticator'`;
    expect(rolconfig).toContain("log_min_messages=log");
    expect(rolconfig).not.toContain("log_error_verbosity=terse");
  });
});

test("the purge deletes what has outlived its promise, and nothing else", async () => {
  const { client, workspaceId } = await createWorkspace();
  const keep = (key: string) => client.post("/contacts", { email: `${key}@test.example` }, { "idempotency-key": key });
  await keep("old");
  await keep("new");
  await database()`
    update crm.idempotency_keys set created_at = now() - interval '25 hours' where workspace_id = ${workspaceId} and key = 'old'`;
  await database()`call crm.purge_all()`;
  const left = await database()`select key from crm.idempotency_keys where workspace_id = ${workspaceId}`;
  expect(left.map(({ key }) => key)).toEqual(["new"]);
});

import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../../../scripts/stack/settings.ts";
import { generateApiKey } from "../../../shared/auth/key_format.ts";
import { database, stack } from "../../harness/stack.ts";

// A database beside that of the stack, with what a hosted project has before its first migration.

const NAME = `preview_${process.pid}`;
const URL_OF_BRANCH = stack().databaseUrl.replace(/\/postgres$/, `/${NAME}`);
const SEED = readFileSync(join(ROOT, "supabase/seed.sql"), "utf8");
const PASSWORD = "a preview's password";
const { key: KEY, hashHex } = generateApiKey("test");

let copy: string;
let branch: postgres.Sql;
let notices: string[] = [];

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), "crm-preview-"));
  cpSync(join(ROOT, "supabase"), join(copy, "supabase"), { recursive: true });
  writeFileSync(join(copy, ".env"), `PREVIEW_PASSWORD="${PASSWORD}"\nPREVIEW_API_KEY="${KEY}"\n`);
  await database().unsafe(`create database ${NAME}`);
  await database().unsafe(`alter database ${NAME} set search_path = "$user", public, extensions`);
  branch = postgres(URL_OF_BRANCH, { max: 1, onnotice: ({ message = "" }) => notices.push(message) });
  await branch.unsafe(`
    create schema extensions;
    create extension pgcrypto schema extensions;

    create schema vault;
    create table vault.secrets (id uuid primary key default gen_random_uuid(), name text unique, secret text);
    create view vault.decrypted_secrets as select id, name, secret as decrypted_secret from vault.secrets;
    create function vault.create_secret(new_secret text, new_name text) returns uuid language sql as
      'insert into vault.secrets (name, secret) values ($2, $1) returning id';

    create schema cron;
    create table cron.job (jobname text primary key, command text);
    create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as
      'insert into cron.job values ($1, $3) on conflict (jobname) do update set command = $3; select 1::bigint';
    create schema net;

    create schema auth;
    create function auth.jwt() returns jsonb language sql as $$ select null::jsonb $$;
    create function auth.uid() returns uuid language sql as $$ select null::uuid $$;
    create table auth.users (
      instance_id uuid, id uuid primary key, aud text, role text, email text, encrypted_password text, email_confirmed_at timestamptz,
      confirmation_token text, recovery_token text, email_change_token_new text, email_change text, last_sign_in_at timestamptz,
      raw_app_meta_data jsonb, raw_user_meta_data jsonb, created_at timestamptz, updated_at timestamptz,
      email_change_token_current text default '', reauthentication_token text default '', phone_change text default '', phone_change_token text default '',
      confirmed_at timestamptz generated always as (email_confirmed_at) stored, banned_until timestamptz, deleted_at timestamptz
    );
    create table auth.identities (
      id uuid primary key default gen_random_uuid(), provider_id text not null, user_id uuid not null references auth.users, identity_data jsonb not null,
      provider text not null, last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
      email text generated always as (lower(identity_data ->> 'email')) stored
    );`);
  await promisify(execFile)(
    join(ROOT, "node_modules/.bin/supabase"),
    ["--workdir", copy, "--agent", "no", "--yes", "db", "push", "--include-seed", `--remote=${URL_OF_BRANCH}`],
    {
      cwd: copy,
      env: { PATH: process.env["PATH"], HOME: copy, PGSSLMODE: "disable", SUPABASE_TELEMETRY_DISABLED: "1" },
      timeout: 50_000,
    },
  );
});

afterAll(async () => {
  await branch?.end({ timeout: 1 });
  await database().unsafe(`drop database if exists ${NAME} with (force)`);
  rmSync(copy, { recursive: true, force: true });
});

/** What the seed leaves in a clone of the branch: all of it but rows, with these secrets in the Vault. */
async function seedClone(secrets: Record<string, string>): Promise<void> {
  await branch.unsafe(`
    do $$
    begin
      alter table crm.audit_log disable trigger user;
      execute (
        select 'truncate ' || string_agg(format('%I.%I', schemaname, tablename), ', ')
        from pg_tables where schemaname in ('crm', 'auth', 'vault', 'cron'));
      alter table crm.audit_log enable trigger user;
    end;
    $$`);
  for (const [name, secret] of Object.entries(secrets)) await branch`select vault.create_secret(${secret}, ${name})`;
  notices = [];
  await branch.unsafe(SEED);
}

async function keyFound(): Promise<unknown> {
  const [row] = await branch`select api.find_api_key(${hashHex}) as found`;
  return row?.["found"];
}

const opens = async () =>
  (
    await branch`select email from auth.users where encrypted_password = extensions.crypt(${PASSWORD}, encrypted_password)`
  ).length;

test("the seed of a new branch makes users who sign in with the password, and the sandbox's key, of the environment", async () => {
  expect(await keyFound()).toMatchObject({
    environment: "sandbox",
    workspace_name: "Standard Demo (sandbox)",
    scope: "full_access",
    prefix: "anx_test",
    last_four: KEY.slice(-4),
    revoked: false,
  });
  expect(await opens()).toBe(5);
});

test("each user has what hosted Auth reads of one, and an identity", async () => {
  const users = await branch`select * from auth.users`;
  for (const { encrypted_password: _, last_sign_in_at, banned_until, deleted_at, ...user } of users) {
    expect(Object.entries(user).filter(([, value]) => value === null)).toEqual([]);
    expect(user).toMatchObject({
      instance_id: "00000000-0000-0000-0000-000000000000",
      aud: "authenticated",
      role: "authenticated",
    });
    expect([last_sign_in_at, banned_until, deleted_at]).toEqual([null, null, null]);
  }
  const identities = await branch`
    select 1 from auth.identities join auth.users on users.id = user_id
    where provider = 'email' and provider_id = users.id::text and identity_data ->> 'sub' = provider_id
      and identities.email = users.email and identities.created_at is not null and identities.updated_at is not null`;
  expect(identities).toHaveLength(users.length);
});

test("a branch that is a clone without rows gets back what its migrations have made", async () => {
  const made = async () => ({
    resources: await branch`select * from crm.resources order by name`,
    acts: await branch`select * from crm.acts order by name`,
    jobs: await branch`select * from cron.job order by jobname`,
  });
  const before = await made();
  expect(before.resources.length).toBeGreaterThan(20);
  expect(before.jobs).toHaveLength(3);
  await seedClone({ preview_password: PASSWORD, preview_api_key: KEY });
  expect(await made()).toEqual(before);
  expect(await keyFound()).toMatchObject({ environment: "sandbox" });
});

test("without secrets the seed says what to set; users have no password then, and there is no key", async () => {
  await seedClone({});
  expect(notices.join()).toContain("PREVIEW_PASSWORD and PREVIEW_API_KEY are not both set");
  expect(await branch`select from auth.users where encrypted_password is not null`).toHaveLength(0);
  expect(await branch`select from crm.api_keys`).toHaveLength(0);
  expect(await branch`select from crm.workspaces`).toHaveLength(4);
});

test("a key that is not a sandbox's is refused without being told", async () => {
  const { key } = generateApiKey("live");
  const seeded = seedClone({ preview_password: PASSWORD, preview_api_key: key });
  await expect(seeded).rejects.toThrow(/^PREVIEW_API_KEY is not a key of a sandbox/);
  await expect(seeded).rejects.not.toThrow(key);
});

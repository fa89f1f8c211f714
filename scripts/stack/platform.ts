import type postgres from "postgres";
import type { Secrets } from "./secrets.ts";

/**
 * Makes what a hosted Supabase project has before its first migration, as open as there: what the
 * migrations do not close themselves stays open, and a test can see it.
 */
export async function preparePlatform(
  sql: postgres.TransactionSql,
  { authenticatorPassword, authPassword }: Pick<Secrets, "authenticatorPassword" | "authPassword">,
): Promise<void> {
  await sql.unsafe(`
    create role anon nologin noinherit;
    create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit password '${authenticatorPassword}';
    grant anon, authenticated, service_role to authenticator;
    alter role anon set statement_timeout = '3s';
    alter role authenticated set statement_timeout = '8s';
    alter role authenticator set statement_timeout = '8s';
    alter role authenticator set lock_timeout = '8s';

    grant usage on schema public to anon, authenticated, service_role;
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
    alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;

    create schema extensions;
    grant usage on schema extensions to anon, authenticated, service_role;
    create extension pgcrypto schema extensions;
    create extension "uuid-ossp" schema extensions;
    alter database postgres set search_path = "$user", public, extensions;

    create role supabase_auth_admin login noinherit password '${authPassword}';
    create schema auth authorization supabase_auth_admin;
    grant usage on schema auth to anon, authenticated, service_role;
    create function auth.jwt() returns jsonb language sql stable
      as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
    create function auth.uid() returns uuid language sql stable
      as $$ select (auth.jwt() ->> 'sub')::uuid $$;
    create function auth.role() returns text language sql stable
      as $$ select auth.jwt() ->> 'role' $$;
  `);
}

import type postgres from "postgres";

/** Makes what a hosted Supabase project has before its first migration: roles, schemas, `auth.users`. */
export async function preparePlatform(sql: postgres.TransactionSql, authenticatorPassword: string): Promise<void> {
  await sql.unsafe(`
    create role anon nologin noinherit;
    create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit password '${authenticatorPassword}';
    grant anon, authenticated, service_role to authenticator;

    create schema extensions;
    create schema auth;
    grant usage on schema auth to anon, authenticated, service_role;
    create table auth.users (id uuid primary key, email text);
    create function auth.jwt() returns jsonb language sql stable
      as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
    create function auth.uid() returns uuid language sql stable
      as $$ select (auth.jwt() ->> 'sub')::uuid $$;
  `);
}

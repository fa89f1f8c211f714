-- The ground everything stands on: two schemas, two roles, and nothing granted that a later
-- migration does not grant by name.
--
--   crm   tables, triggers and helpers; not exposed over HTTP
--   api   the functions (and read-only views) that PostgREST exposes
--
--   crm_api    what a request becomes after its key was checked; row-level security applies to it
--   crm_auth   may look a credential up by its hash, and nothing else

create schema crm;
create schema api;

alter default privileges revoke execute on functions from public;

create role crm_api nologin noinherit;
create role crm_auth nologin noinherit;
grant crm_api, crm_auth to authenticator;

grant usage on schema api to crm_api, crm_auth;
grant usage on schema crm to crm_api;

create extension if not exists pg_trgm with schema extensions;
create extension if not exists btree_gin with schema extensions;

-- RFC 9562 version 7: 48 bits of milliseconds, 12 bits of the millisecond's fraction (method 3),
-- 62 random bits. The last eight bytes of gen_random_uuid() carry the variant already; 28672 is 0x7000.
create function crm.uuid_v7(at timestamptz default clock_timestamp()) returns uuid
language sql volatile parallel safe
set search_path = ''
as $$
  with parts as (
    select floor(microseconds / 1000)::bigint as milliseconds,
           ((microseconds % 1000) * 4096 / 1000)::bigint as fraction
    from (select (extract(epoch from at) * 1000000)::bigint as microseconds) as clock
  )
  select encode(
    substring(int8send(milliseconds) from 3 for 6)
      || substring(int8send(fraction | 28672) from 7 for 2)
      || substring(uuid_send(gen_random_uuid()) from 9 for 8),
    'hex')::uuid
  from parts;
$$;

-- A rule that a handler cannot check without a race is broken by raising it here. The API knows the
-- SQLSTATE AN001 as "message is one of our error codes, detail is its details as JSON".
create function crm.fail(code text, details jsonb default '{}') returns void
language plpgsql
set search_path = ''
as $$
begin
  raise exception using errcode = 'AN001', message = code, detail = details::text;
end;
$$;

-- The verified claims of the request's JWT; null outside a request.
create function crm.claims() returns jsonb
language sql stable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb;
$$;

-- Lower case without accents and ligatures, so that "jose" finds "José" and "lodz" "Łódź". ASCII takes the short way.
create function crm.fold(value text) returns text
language sql immutable parallel safe
set search_path = ''
as $$
  select case
    when octet_length(value) = length(value) then lower(value)
    else translate(replace(replace(replace(replace(
      lower(regexp_replace(normalize(value, nfkd), '[\u0300-\u036f]', '', 'g')),
      'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'łøđðħıŧ', 'loddhit')
  end;
$$;

grant execute on function crm.uuid_v7(timestamptz), crm.fail(text, jsonb), crm.claims(), crm.fold(text) to crm_api;

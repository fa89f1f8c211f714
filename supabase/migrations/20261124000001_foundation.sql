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

-- Search --------------------------------------------------------------------------------------
-- What is searched and filtered by its letters is folded when it is written, never when it is read. These
-- functions name everything in full instead of setting a search path, which would double what they cost.

-- What is alike to a person becomes the same text: case, accents, points, widths, ligatures, apostrophes and
-- dashes don't count, nor does what nobody sees. shared/query/fold.ts says the same. ASCII takes the short way.
create function crm.fold(value text) returns text
language plpgsql immutable strict parallel safe
as $$
begin
  if pg_catalog.octet_length(value) = pg_catalog.length(value) then
    return pg_catalog.replace(pg_catalog.lower(value collate pg_catalog.pg_c_utf8), '`', '''');
  end if;
  return normalize(pg_catalog.translate(
    pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
      pg_catalog.lower(pg_catalog.regexp_replace(
        pg_catalog.replace(normalize(value, nfkd), U&'\0345', 'ι') collate pg_catalog.pg_c_utf8, -- the iota that capitals write out
        -- marks that are left out as often as they are written, and invisible characters
        '[\u00AD\u0300-\u036F\u0483-\u0487\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u061C\u0640\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u0730-\u074A\u08D3-\u08E1\u08E3-\u08FF\u180B-\u180F\u1AB0-\u1AFF\u1DC0-\u1DFF\u200B-\u200F\u202A-\u202E\u2060-\u206F\u20D0-\u20FF\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF\U000E0000-\U000E0FFF]',
        '', 'g') collate pg_catalog.pg_c_utf8),
      'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
    'łøđðħıŧςᲀᲁᲂᲃᲄᲅᲆᲇᲈیىکۀە٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९‘’‛ʹʻʼʽʾʿˈ`´′ꞌ“”„‟«»‹›″ʺ‐‑‒–—―−⁃',
    'loddhitσвдосттъѣꙋييكهه012345678901234567890123456789''''''''''''''''''''''''''''""""""""""--------'), nfc);
end;
$$;

-- The words of a text with a blank between them. Scripts that write none have one around each character, so that any
-- part of what is written is words too. Apostrophes join.
create function crm.words_of(value text) returns text
language plpgsql immutable strict parallel safe
as $$
declare
  folded text := pg_catalog.replace(crm.fold(value), '''', '');
begin
  if pg_catalog.octet_length(folded) > pg_catalog.length(folded) then
    folded := pg_catalog.regexp_replace(folded collate pg_catalog.pg_c_utf8,
      '([\u0E01-\u0E2E\u0E30-\u0E4E\u0E80-\u0EFF\u1000-\u109F\u1100-\u11FF\u1780-\u17FF\u3005-\u3007\u3041-\u3096\u3099\u309A\u309D-\u309F\u30A1-\u30FA\u30FC-\u30FF\u3105-\u312F\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uA960-\uA97F\uAC00-\uD7FF\uF900-\uFAFF\U00020000-\U0003FFFF])',
      ' \1 ', 'g');
  end if;
  return pg_catalog.btrim(pg_catalog.regexp_replace(folded collate pg_catalog.pg_c_utf8,
    '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u060C\u061B\u061E\u061F\u066A-\u066D\u06D4\u0964\u0965\u0970\u0E2F\u0E4F\u0E5A\u0E5B\u1680\u2000-\u206F\u2E00-\u2E7F\u3000-\u3003\u3008-\u3020\u3030\u303D\u30A0\u30FB]+',
    ' ', 'g'));
end;
$$;

-- What a record is found by: the words of its title, of the rest, and all digits as one, for numbers that are typed
-- with other blanks. '#', which is in no word, ends the title.
create function crm.searchable(title text, rest text default '') returns text
language plpgsql immutable parallel safe
as $$
declare
  words constant text := ' ' || coalesce(crm.words_of(title), '') || ' # ' || coalesce(crm.words_of(rest), '') || ' ';
  digits constant text := pg_catalog.regexp_replace(words collate pg_catalog.pg_c_utf8, '[^0-9]', '', 'g');
begin
  return words || case when pg_catalog.length(digits) >= 5 then digits || ' ' else '' end;
end;
$$;

-- A domain in its own letters: each label that is Punycode (RFC 3492) decoded.
create function crm.shown_domain(domain text) returns text
language plpgsql immutable strict parallel safe
as $$
declare
  label text;
  shown text[] := '{}';
begin
  if pg_catalog.strpos(domain, 'xn--') = 0 then
    return domain;
  end if;
  foreach label in array pg_catalog.string_to_array(domain, '.') loop
    shown := shown || case when pg_catalog.starts_with(label, 'xn--') then crm.decode_punycode(pg_catalog.substr(label, 5)) else label end;
  end loop;
  return pg_catalog.array_to_string(shown, '.');
end;
$$;

create function crm.decode_punycode(encoded text) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
  delimiter constant integer := pg_catalog.length(encoded) - pg_catalog.strpos(pg_catalog.reverse(encoded), '-');
  output integer[] := '{}';
  rest text := encoded;
  code_point integer := 128;
  bias integer := 72;
  place integer := 0;
  before integer;
  weight integer;
  step integer;
  digit integer;
  threshold integer;
  delta integer;
  count integer;
begin
  if pg_catalog.strpos(encoded, '-') > 0 then
    output := array(select pg_catalog.ascii(letter) from pg_catalog.regexp_split_to_table(pg_catalog.substr(encoded, 1, delimiter), '') as letter where letter <> '');
    rest := pg_catalog.substr(encoded, delimiter + 2);
  end if;
  while rest <> '' loop
    before := place;
    weight := 1;
    step := 36;
    loop
      digit := pg_catalog.strpos('abcdefghijklmnopqrstuvwxyz0123456789', pg_catalog.substr(rest, 1, 1)) - 1;
      if digit < 0 then
        return 'xn--' || encoded;
      end if;
      rest := pg_catalog.substr(rest, 2);
      place := place + digit * weight;
      threshold := greatest(1, least(26, step - bias));
      exit when digit < threshold;
      weight := weight * (36 - threshold);
      step := step + 36;
    end loop;
    count := pg_catalog.cardinality(output) + 1;
    delta := (place - before) / case when before = 0 then 700 else 2 end;
    delta := delta + delta / count;
    bias := 0;
    while delta > 455 loop
      delta := delta / 35;
      bias := bias + 36;
    end loop;
    bias := bias + 36 * delta / (delta + 38);
    code_point := code_point + place / count;
    place := place % count;
    output := output[1:place] || code_point || output[place + 1:];
    place := place + 1;
  end loop;
  return (select pg_catalog.string_agg(pg_catalog.chr(point), '' order by nth) from unnest(output) with ordinality as points (point, nth));
exception when data_exception then
  return 'xn--' || encoded; -- what no name is made of
end;
$$;

grant execute on function crm.uuid_v7(timestamptz), crm.fail(text, jsonb), crm.claims(), crm.fold(text), crm.words_of(text), crm.searchable(text, text), crm.shown_domain(text),
  crm.decode_punycode(text) to crm_api;

-- The ground everything stands on: two schemas, three roles, and nothing granted that a later
-- migration does not grant by name.
--
--   crm   tables, triggers and helpers; not exposed over HTTP
--   api   the functions (and read-only views) that PostgREST exposes
--
--   crm_api    what a request becomes after its key was checked; row-level security applies to it
--   crm_auth   what the function is before it knows a workspace: may look credentials up, note their use, and what needs none
--   crm_worker may see that there is work and take it; the work itself is done with the rights of whoever asked for it

create schema crm;
create schema api;

alter default privileges revoke execute on functions from public;

-- Roles are the cluster's: they outlive a reset of the database.
do $$
begin
  if to_regrole('crm_api') is null then
    create role crm_api nologin noinherit;
    create role crm_auth nologin noinherit;
    create role crm_worker nologin noinherit;
  end if;
end;
$$;
grant crm_api, crm_auth, crm_worker to authenticator;

grant usage on schema api to crm_api, crm_auth, crm_worker;
grant usage on schema crm to crm_api;

create extension if not exists pg_trgm with schema extensions;
create extension if not exists btree_gin with schema extensions;

-- RFC 9562 version 7: 48 bits of milliseconds, 12 bits of the millisecond's fraction (method 3),
-- 62 random bits. The last eight bytes of gen_random_uuid() carry the variant already; 28672 is 0x7000.
create function crm.uuid_v7(at timestamptz default clock_timestamp()) returns uuid
language plpgsql volatile parallel safe -- each row has one: as a query it took three times as long, and so would a "set search_path"
as $$
declare
  microseconds constant bigint := extract(epoch from at) * 1000000;
begin
  return pg_catalog.encode(
    pg_catalog.substring(pg_catalog.int8send(microseconds / 1000), 3, 6)
      || pg_catalog.substring(pg_catalog.int8send((microseconds % 1000) * 4096 / 1000 | 28672), 7, 2)
      || pg_catalog.substring(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()), 9, 8),
    'hex');
end;
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

-- Undoes the transaction, which callWithRetry then tries again: what was to be locked has changed while locks were waited
-- for, and to lock the rest now would be out of order.
create function crm.start_over() returns void
language plpgsql
set search_path = ''
as $$
begin
  raise exception using errcode = 'serialization_failure', message = 'start over';
end;
$$;

-- As crm.fail, for what a trigger finds wrong with one row. While a batch is on trial (crm.refused_of) it is noted, so that
-- one attempt tells all rows that can't be written, and the trigger returns null: it goes on with the next row.
create function crm.refuse(record_id uuid, code text, details jsonb default '{}') returns void
language plpgsql
set search_path = ''
as $$
begin
  if current_setting('crm.on_trial', true) is distinct from 'on' then
    perform crm.fail(code, details);
  end if;
  -- A line for each: json has none of its own, and parsing what was noted for every row would be quadratic.
  perform set_config('crm.refusals', concat(current_setting('crm.refusals', true), E'\n',
    jsonb_build_object('id', record_id, 'answer', jsonb_build_object('status', 'failed', 'code', code, 'details', details))), true);
end;
$$;

-- The results of a statement that wrote records, with what the trial has noted for those that it did not write. An update
-- has a result for each record, an insert only for those that it made.
create function crm.with_refusals(records json, results json) returns json
language plpgsql stable
set search_path = ''
as $$
declare
  noted jsonb;
begin
  if coalesce(current_setting('crm.refusals', true), '') = '' then
    return results;
  end if;
  select jsonb_object_agg(line::jsonb ->> 'id', line::jsonb -> 'answer') into noted
  from unnest(string_to_array(current_setting('crm.refusals'), E'\n')) as line
  where line <> '';
  return (
    select json_agg(coalesce((noted -> given.id)::json, written.result) order by given.place)
    from (
      select id, place, case when json_array_length(results) = json_array_length(records) then place
        else count(*) filter (where not noted ? id) over (order by place) end as nth
      from (select record ->> 'id' as id, place from json_array_elements(records) with ordinality as listed (record, place)) as identified
    ) as given
    left join json_array_elements(results) with ordinality as written (result, nth) on written.nth = given.nth
  );
end;
$$;

-- The verified claims of the request's JWT; null outside a request.
create function crm.claims() returns jsonb
language sql stable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb;
$$;

-- Who acts: an API key, a signed-in user, or the system itself.
create function crm.actor(claims jsonb default crm.claims()) returns jsonb
language sql stable -- no "set search_path": a setting would keep it from being inlined
as $$
  select case
    when claims ->> 'key_id' is not null then jsonb_build_object('type', 'api_key', 'id', claims ->> 'key_id')
    when claims ->> 'user_id' is not null then jsonb_build_object('type', 'user', 'id', claims ->> 'user_id')
    else jsonb_build_object('type', 'system', 'id', null)
  end;
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
        pg_catalog.replace(normalize(pg_catalog.replace(value, '´', ''''), nfkd), U&'\0345', 'ι') collate pg_catalog.pg_c_utf8, -- the iota that capitals write out
        -- marks that are left out as often as they are written, and invisible characters
        '[\u00AD\u0300-\u036F\u0483-\u0487\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u061C\u0640\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u0730-\u074A\u08D3-\u08E1\u08E3-\u08FF\u180B-\u180F\u1AB0-\u1AFF\u1DC0-\u1DFF\u200B-\u200F\u202A-\u202E\u2060-\u206F\u20D0-\u20FF\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF\U000E0000-\U000E0FFF]',
        '', 'g') collate pg_catalog.pg_c_utf8),
      'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
    'łøđðħıŧςᲀᲁᲂᲃᲄᲅᲆᲇᲈیىکۀە٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९‘’‛ʹʻʼʽʾʿˈ`′ꞌ׳“”„‟«»‹›″ʺ״‐‑‒–—―−⁃',
    'loddhitσвдосттъѣꙋييكهه012345678901234567890123456789''''''''''''''''''''''''''''"""""""""""--------'), nfc);
end;
$$;

-- The words of a text with a blank between them. Scripts that write none have one around each character, so that any
-- part of what is written is words too. Apostrophes join; whatever else is no letter, mark or number separates
-- (shared/standards/word_separators.ts).
create function crm.words_of(value text) returns text
language plpgsql immutable strict parallel safe
as $$
declare
  folded constant text := pg_catalog.replace(crm.fold(value), '''', '');
begin
  if pg_catalog.octet_length(folded) = pg_catalog.length(folded) then
    return pg_catalog.btrim(pg_catalog.regexp_replace(folded collate pg_catalog.pg_c_utf8, '[^0-9a-z]+', ' ', 'g'));
  end if;
  return pg_catalog.btrim(pg_catalog.regexp_replace(
    pg_catalog.regexp_replace(folded collate pg_catalog.pg_c_utf8,
      '([\u0E01-\u0E2E\u0E30-\u0E4E\u0E80-\u0EFF\u1000-\u109F\u1100-\u11FF\u1780-\u17FF\u3005-\u3007\u3041-\u3096\u3099\u309A\u309D-\u309F\u30A1-\u30FA\u30FC-\u30FF\u3105-\u312F\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uA960-\uA97F\uAC00-\uD7FF\uF900-\uFAFF\U00020000-\U0003FFFF])',
      ' \1 ', 'g') collate pg_catalog.pg_c_utf8,
    '[\u0001-\u002F\u003A-\u005F\u007B-\u00F7\u02C2-\u02C5\u02D2-\u02EB\u02ED\u02EF-\u02FF\u0375\u03F6\u0482\u055A-\u055F\u0589-\u05C6\u0600-\u061F\u066A-\u066D\u06D4-\u06DE\u06E9\u06FD-\u06FE\u0700-\u070F\u07F6-\u07F9\u07FE-\u07FF\u0830-\u083E\u085E\u0888\u0890-\u0891\u08E2\u0964-\u0970\u09F2-\u09F3\u09FA-\u09FB\u09FD\u0A76\u0AF0-\u0AF1\u0B70\u0BF3-\u0BFA\u0C77\u0C7F\u0C84\u0D4F\u0D79\u0DF4\u0E3F\u0E4F\u0E5A-\u0E5B\u0F01-\u0F17\u0F1A-\u0F1F\u0F34\u0F36\u0F38\u0F3A-\u0F3D\u0F85\u0FBE-\u0FC5\u0FC7-\u0FDA\u104A-\u104F\u109E-\u109F\u10FB\u1360-\u1368\u1390-\u1399\u1400\u166D-\u166E\u1680\u169B-\u169C\u16EB-\u16ED\u1735-\u1736\u17D4-\u17D6\u17D8-\u17DB\u1800-\u180A\u1940-\u1945\u19DE-\u19FF\u1A1E-\u1A1F\u1AA0-\u1AA6\u1AA8-\u1AAD\u1B4E-\u1B4F\u1B5A-\u1B6A\u1B74-\u1B7F\u1BFC-\u1BFF\u1C3B-\u1C3F\u1C7E-\u1C7F\u1CC0-\u1CC7\u1CD3\u2016-\u214D\u214F\u218A-\u244A\u2500-\u2775\u2794-\u2BFF\u2CE5-\u2CEA\u2CF9-\u2CFC\u2CFE-\u2CFF\u2D70\u2E00-\u2E2E\u2E30-\u3004\u3008-\u3020\u3030\u3037\u303D-\u303F\u30A0\u30FB\u3190-\u3191\u31C0-\u31EF\u327F\u4DC0-\u4DFF\uA490-\uA4C6\uA4FE-\uA4FF\uA60D-\uA60F\uA673\uA67E\uA6F2-\uA716\uA720-\uA721\uA789-\uA78A\uA828-\uA82B\uA836-\uA839\uA874-\uA877\uA8CE-\uA8CF\uA8F8-\uA8FA\uA8FC\uA92E-\uA92F\uA95F\uA9C1-\uA9CD\uA9DE-\uA9DF\uAA5C-\uAA5F\uAA77-\uAA79\uAADE-\uAADF\uAAF0-\uAAF1\uAB5B\uAB6A-\uAB6B\uABEB\uE000-\uF8FF\uFBB2-\uFE46\uFFF9-\uFFFD\U00010100-\U00010102\U00010137-\U0001013F\U00010179-\U00010189\U0001018C-\U000101FC\U0001039F\U000103D0\U0001056F\U00010857\U00010877-\U00010878\U0001091F\U0001093F\U00010A50-\U00010A58\U00010A7F\U00010AC8\U00010AF0-\U00010AF6\U00010B39-\U00010B3F\U00010B99-\U00010B9C\U00010D6E\U00010D8E-\U00010D8F\U00010EAD\U00010ED0-\U00010ED8\U00010F55-\U00010F59\U00010F86-\U00010F89\U00011047-\U0001104D\U000110BB-\U000110C1\U000110CD\U00011140-\U00011143\U00011174-\U00011175\U000111C5-\U000111C8\U000111CD\U000111DB\U000111DD-\U000111DF\U00011238-\U0001123D\U000112A9\U000113D4-\U000113D8\U0001144B-\U0001144F\U0001145A-\U0001145D\U000114C6\U000115C1-\U000115D7\U00011641-\U00011643\U00011660-\U0001166C\U000116B9\U0001173C-\U0001173F\U0001183B\U00011944-\U00011946\U000119E2\U00011A3F-\U00011A46\U00011A9A-\U00011A9C\U00011A9E-\U00011AA2\U00011B00-\U00011B09\U00011BE1\U00011C41-\U00011C45\U00011C70-\U00011C71\U00011EF7-\U00011EF8\U00011F43-\U00011F4F\U00011FD5-\U00011FFF\U00012470-\U00012474\U00012FF1-\U00012FF2\U00013430-\U0001343F\U00016A6E-\U00016A6F\U00016AF5\U00016B37-\U00016B3F\U00016B44-\U00016B45\U00016D6D-\U00016D6F\U00016E97-\U00016E9A\U00016FE2\U0001BC9C\U0001BC9F-\U0001CCEF\U0001CCFA-\U0001CEF0\U0001CF50-\U0001D15D\U0001D16A-\U0001D16C\U0001D173-\U0001D17A\U0001D183-\U0001D184\U0001D18C-\U0001D1A9\U0001D1AE-\U0001D241\U0001D245\U0001D300-\U0001D356\U0001D800-\U0001D9FF\U0001DA37-\U0001DA3A\U0001DA6D-\U0001DA74\U0001DA76-\U0001DA83\U0001DA85-\U0001DA8B\U0001E14F\U0001E2FF\U0001E5FF\U0001E95E-\U0001E95F\U0001ECAC\U0001ECB0\U0001ED2E\U0001EEF0-\U0001F0F5\U0001F10D-\U0001FBFA\U000F0000-\U0010FFFD]+',
    ' ', 'g'));
end;
$$;

-- What a record is found by: the words of its title, of the rest, and all digits as one, for numbers that are typed
-- with other blanks. '#', which is in no word, ends the title. A title without any word is found by its symbols.
create function crm.searchable(title text, rest text default '') returns text
language plpgsql immutable parallel safe
as $$
declare
  words constant text := ' ' || coalesce(nullif(crm.words_of(title), ''), pg_catalog.translate(crm.fold(title), e' \t\n\r', ''), '')
    || ' # ' || coalesce(crm.words_of(rest), '') || ' ';
  digits constant text := pg_catalog.regexp_replace(words collate pg_catalog.pg_c_utf8, '[^0-9]', '', 'g');
  -- A number is also written with the 0 that is dialled at home: +49 (0) 711.
  dialled constant text := case when pg_catalog.strpos(words, ' 0 ') > 0
    then pg_catalog.regexp_replace(words collate pg_catalog.pg_c_utf8, ' 0 |[^0-9]', '', 'g') else digits end;
begin
  return words || case when pg_catalog.length(digits) >= 5 then digits || ' ' else '' end
    || case when dialled <> digits and pg_catalog.length(dialled) >= 5 then dialled || ' ' else '' end;
end;
$$;

-- What filters look a part of a text up in: each field's folded text behind its name. `fields` are names and values
-- in turn; the character that separates them is none of a value's.
create function crm.filterable(variadic fields text[]) returns text
language plpgsql immutable parallel safe
as $$
declare
  found text := '';
begin
  for place in 1 .. pg_catalog.cardinality(fields) by 2 loop
    if fields[place + 1] is not null then
      found := found || e'\x02' || fields[place] || '=' || pg_catalog.replace(fields[place + 1], e'\x02', ' ');
    end if;
  end loop;
  return crm.fold(found);
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

grant execute on function crm.uuid_v7(timestamptz), crm.fail(text, jsonb), crm.refuse(uuid, text, jsonb), crm.with_refusals(json, json), crm.claims(), crm.actor(jsonb), crm.fold(text), crm.words_of(text), crm.searchable(text, text), crm.filterable(text[]), crm.shown_domain(text),
  crm.decode_punycode(text) to crm_api;

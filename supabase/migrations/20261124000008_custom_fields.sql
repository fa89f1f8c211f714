-- Custom fields: what a workspace adds to a resource. Values live in the record, where they are read; a
-- row per value in crm.custom_values is what they are filtered and sorted by.

create table crm.custom_fields (
  like crm.stamped including all,
  resource text not null check (resource <> ''),
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  label text collate "und-x-icu" not null check (length(label) between 1 and 100),
  type text not null check (
    type in ('text', 'number', 'boolean', 'date', 'datetime', 'select', 'multi_select', 'url', 'email')
  ),
  options text[] not null default '{}' check (cardinality(options) <= 200),
  required boolean not null default false,
  search_text text not null generated always as (crm.searchable(label, key)) stored,
  filter_text text not null generated always as (crm.filterable('key', key, 'label', label)) stored
);
comment on table crm.custom_fields is 'Definitions. The key and the type never change; the label is only shown.';

create unique index custom_fields_key_live on crm.custom_fields (workspace_id, resource, key) where deleted_at is null;
create index custom_fields_required on crm.custom_fields (workspace_id, resource) where deleted_at is null and required;

create table crm.custom_values (
  field_id uuid not null references crm.custom_fields (id) on delete cascade,
  record_id uuid not null,
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  text_value text collate "und-x-icu",
  -- Folded, for contains and starts_with.
  fold_value text generated always as (crm.fold(text_value)) stored,
  number_value numeric,
  time_value timestamptz
);
comment on table crm.custom_values is
  'The values of live records, for filters and sorts; kept by triggers. No role is granted it: crm.run_search reads it.';

create index custom_values_text on crm.custom_values (field_id, text_value, record_id);
create index custom_values_fold on crm.custom_values (field_id, fold_value, record_id) where fold_value is not null;
create index custom_values_number on crm.custom_values (field_id, number_value, record_id) where number_value is not null;
create index custom_values_time on crm.custom_values (field_id, time_value, record_id) where time_value is not null;
create index custom_values_record on crm.custom_values (record_id, field_id);
create index custom_values_workspace_id on crm.custom_values (workspace_id);
alter table crm.custom_values enable row level security;
alter table crm.custom_values force row level security;

-- Values ---------------------------------------------------------------------------------------
-- What a custom field's value may be is known here alone; the same rules as the function has for declared fields
-- (shared/resources), which tests/database/values.test.ts compares.

-- Text as it is kept: in normal form C, without blanks or invisible characters at either end, as `plainText`.
create function crm.plain_text(value text) returns text
language sql immutable strict parallel safe
set search_path = ''
as $$
  select case
    when text ~ '^[\s\u0001-\u001F\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u180B-\u180F\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFE00-\uFE0F\uFEFF\uFFA0]*$' then ''
    else text
  end
  from regexp_replace(normalize(value, nfc) collate pg_catalog.pg_c_utf8,
    '^[\s\u0001-\u001F\u007F-\u00A0\u00AD\u061C\u115F\u1160\u1680\u180E\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFEFF\uFFA0]+|[\s\u0001-\u001F\u007F-\u00A0\u00AD\u061C\u115F\u1160\u1680\u180E\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFEFF\uFFA0]+$',
    '', 'g') as text;
$$;

-- RFC 5321 and 6531, as `isMailbox`.
create function crm.is_mailbox(value text) returns boolean
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
  domain constant text := substring(value from '@([^@]*)$');
  name constant text := left(value, length(value) - length(domain) - 1);
begin
  return domain is not null and length(value) <= 254 and octet_length(name) between 1 and 64
    and (name ~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\U0010FFFF-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u00A1-\U0010FFFF-]+)*$'
      or name ~ '^"([\u0020\u0021\u0023-\u005B\u005D-\u007E\u00A1-\U0010FFFF]|\\[\u0020-\u007E])+"$')
    and domain ~ '^([A-Za-z0-9\u00A1-\U0010FFFF]([A-Za-z0-9\u00A1-\U0010FFFF-]{0,61}[A-Za-z0-9\u00A1-\U0010FFFF])?\.)+[A-Za-z0-9\u00A1-\U0010FFFF]([A-Za-z0-9\u00A1-\U0010FFFF-]{0,61}[A-Za-z0-9\u00A1-\U0010FFFF])?$'
    and length(domain) <= 253 and domain !~ '\.[0-9]+$|[\u3002\uFF0E\uFF61]';
end;
$$;

-- An absolute http or https URL that no reader has to repair.
create function crm.is_url(value text) returns boolean
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
  authority constant text := substring(value from '^[Hh][Tt][Tt][Pp][Ss]?://([^/?#]+)');
  host constant text := regexp_replace(regexp_replace(authority, '^.*@', ''), ':[0-9]*$', '');
  port constant text := substring(regexp_replace(authority, '^.*@', '') from ':([0-9]+)$');
begin
  if authority is null or value ~ '[\s\u0001-\u0020\u007F-\u00A0\\|{}"^`<>]' or port::numeric > 65535 then
    return false;
  elsif host ~ '^\[[0-9A-Fa-f:.]+\]$' then
    return family(btrim(host, '[]')::inet) = 6;
  elsif host ~ '(^|\.)[0-9]+\.?$' then
    return host ~ '^[0-9]+(\.[0-9]+){3}$' and family(host::inet) = 4;
  end if;
  return host ~ '^[^:%@\[\]]+$' and host !~ '\.\.|^\.';
exception when data_exception then
  return false;
end;
$$;

-- A time of RFC 3339 in the one form that is kept and shown, as `readTime`; null for what is none.
create function crm.read_time(value text) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
  at timestamptz;
begin
  if value !~* '^\d{4}-\d\d-\d\dt([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,40})?(z|[+-](0\d|1[0-5]):?[0-5]\d)$' or left(value, 4) = '0000' then
    return null;
  end if;
  at := replace(upper(value), 'T', ' ')::timestamptz;
  if substring(value from 18 for 2) = '60' and to_char(at at time zone 'UTC', 'HH24:MI:SS') <> '00:00:00' then
    return null;
  end if;
  return case when at at time zone 'UTC' between '0001-01-01' and '9999-12-31 23:59:59.999999' then crm.show_time(at) end;
exception when data_exception then
  return null;
end;
$$;

-- A value as it is kept: texts plain, times in one form. What can't be read so stays, to be refused.
create function crm.kept_value(field crm.custom_fields, value jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(value) = 'array' and field.type = 'multi_select' then (
      select coalesce(jsonb_agg(case when jsonb_typeof(member) = 'string' then to_jsonb(crm.plain_text(member #>> '{}')) else member end order by place), '[]')
      from jsonb_array_elements(value) with ordinality as listed (member, place)
    )
    when jsonb_typeof(value) <> 'string' then value
    when field.type = 'datetime' then to_jsonb(coalesce(crm.read_time(crm.plain_text(value #>> '{}')), value #>> '{}'))
    else to_jsonb(crm.plain_text(value #>> '{}'))
  end;
$$;

-- What is wrong with a value, as the end of a sentence; null when nothing is.
create function crm.custom_value_problem(field crm.custom_fields, value jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  content constant text := value #>> '{}';
  kind constant text := jsonb_typeof(value);
  choices constant text := array_to_string(field.options[1:20], ', ')
    || case when cardinality(field.options) > 20 then format(' and %s more', cardinality(field.options) - 20) else '' end;
begin
  case field.type
    when 'number' then
      return case when kind <> 'number' then 'must be a number' end;
    when 'boolean' then
      return case when kind <> 'boolean' then 'must be true or false' end;
    when 'multi_select' then
      if kind <> 'array' or jsonb_array_length(value) > 200 or exists (
        select from jsonb_array_elements(value) as member
        where jsonb_typeof(member) <> 'string' or member #>> '{}' <> all (field.options)
      ) then
        return 'must be a list of: ' || choices;
      elsif (select count(*) <> count(distinct member) from jsonb_array_elements(value) as member) then
        return 'must not repeat an entry';
      end if;
      return null;
    when 'select' then
      return case when kind <> 'string' or content <> all (field.options) then 'must be one of: ' || choices end;
    else
      if kind <> 'string' then
        return 'must be text';
      elsif length(content) not between 1 and 500 then
        return 'must have 1 to 500 characters';
      end if;
  end case;

  case field.type
    when 'url' then
      return case when not crm.is_url(content) then 'must be a URL such as https://example.com' end;
    when 'email' then
      return case when not crm.is_mailbox(content) then 'must be a valid email address' end;
    when 'date' then
      if content !~ '^\d{4}-\d\d-\d\d$' or content < '0001' then
        return 'must be a date such as 2026-03-21';
      end if;
      perform content::date;
    when 'datetime' then
      return case when crm.read_time(content) is null then 'must be a timestamp such as 2026-03-21T10:30:00Z' end;
    else
  end case;
  return null;
exception when data_exception then
  return 'must be a date such as 2026-03-21';
end;
$$;

-- The keys of a resource's fields nearest to an unknown one, at most fifty: what a refusal tells.
create function crm.known_keys(workspace uuid, resource text, unknown text) returns jsonb
language sql stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(key), '[]')
  from (
    select definition.key from crm.custom_fields as definition
    where definition.workspace_id = workspace and definition.resource = known_keys.resource and definition.deleted_at is null
    order by extensions.similarity(definition.key, left(unknown, 64)) desc, definition.key limit 50
  ) as nearest;
$$;

-- Before a record is written: its custom fields are defined, of their type, and complete. The share lock
-- on a definition holds off its deletion until commit. Nulls clear a value. A record that is restored
-- leaves behind what is not defined any more.
create function crm.check_custom_fields() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  -- What an update leaves alone was right when it was written.
  before constant jsonb := case when tg_op = 'UPDATE' then old.custom_fields else '{}' end;
  asked constant text := new.workspace_id || tg_argv[0];
  field crm.custom_fields;
  name text;
  value jsonb;
  problem text;
  problems jsonb := '{}';
  unknown text[] := '{}';
  unknown_count integer := 0;
begin
  if tg_op = 'UPDATE' and old.deleted_at is not null and new.deleted_at is null then
    select coalesce(jsonb_object_agg(given.key, given.value), '{}') into new.custom_fields
    from jsonb_each(new.custom_fields) as given
    join (
      select * from crm.custom_fields as definition
      where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0] and definition.deleted_at is null
      for share
    ) as defined on defined.key = given.key
    where crm.custom_value_problem(defined::crm.custom_fields, given.value) is null;
    return new;
  elsif tg_op = 'UPDATE' and new.custom_fields = before then
    return new;
  elsif new.custom_fields = '{}' then -- the common case, for each row of a bulk write: looked up once in a transaction
    if current_setting('crm.requires_none', true) = asked then
      return new;
    elsif not exists (
      select from crm.custom_fields as definition
      where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0]
        and definition.deleted_at is null and definition.required
    ) then
      perform set_config('crm.requires_none', asked, true);
      return new;
    end if;
  end if;
  for name, value in select * from jsonb_each(new.custom_fields) loop
    continue when value = before -> name;
    select * into field from crm.custom_fields as definition
    where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0]
      and definition.key = name and definition.deleted_at is null
    for share;
    if not found then
      unknown_count := unknown_count + 1;
      if unknown_count <= 20 then
        unknown := unknown || name;
      end if;
      continue;
    end if;
    value := crm.kept_value(field, value);
    new.custom_fields := new.custom_fields || jsonb_build_object(name, value);
    problem := crm.custom_value_problem(field, value);
    if problem is not null then
      problems := problems || jsonb_build_object('custom_fields.' || name,
        jsonb_build_array(format('The custom_fields.%s field %s.', name, problem)));
    end if;
  end loop;
  for name in
    select definition.key from crm.custom_fields as definition
    where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0]
      and definition.deleted_at is null and definition.required
      and definition.id::text is distinct from current_setting('crm.custom_field_being_moved', true)
      and new.custom_fields ->> definition.key is null
      and (tg_op = 'INSERT' or before ->> definition.key is not null)
    order by definition.key
  loop
    problems := problems || jsonb_build_object('custom_fields.' || name,
      jsonb_build_array(format('The custom_fields.%s field is required.', name)));
  end loop;
  if unknown <> '{}' then
    perform crm.refuse(new.id, case when problems = '{}' then 'unknown_field' else 'validation_error' end, jsonb_build_object(
      'problems', problems, 'unknown', unknown, 'unknown_count', unknown_count,
      'allowed', crm.known_keys(new.workspace_id, tg_argv[0], unknown[1])));
    return null;
  elsif problems <> '{}' then
    perform crm.refuse(new.id, 'validation_error', jsonb_build_object('problems', problems, 'unknown', '[]'::jsonb, 'allowed', '[]'::jsonb));
    return null;
  end if;
  return new;
end;
$$;

-- After records were written: the values by field of those whose values are others now. Arrays have a row per member.
create function crm.keep_custom_values() returns trigger
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan -- for one row another than for thousands
as $$
declare
  changed uuid[];
begin
  if tg_op = 'UPDATE' then
    -- Compared as sets: a join's plan is kept, and made for one row it would compare all of thousands with all.
    changed := array(
      select id from (
        select id, custom_fields, deleted_at is null from new_rows except select id, custom_fields, deleted_at is null from old_rows
      ) as compared
    );
    delete from crm.custom_values where record_id = any (changed);
  else
    changed := array(select id from new_rows where custom_fields <> '{}');
  end if;
  if changed <> '{}' then
    insert into crm.custom_values (field_id, record_id, workspace_id, text_value, number_value, time_value)
    select field.id, later.id, later.workspace_id, typed.*
    from new_rows as later
    cross join lateral jsonb_each(later.custom_fields) as given
    join crm.custom_fields as field on field.workspace_id = later.workspace_id
      and field.resource = tg_argv[0] and field.key = given.key and field.deleted_at is null
    cross join lateral crm.typed_values(field.type, given.value) as typed
    where later.deleted_at is null and later.id = any (changed);
  end if;
  return null;
end;
$$;

-- A value as it is compared: addresses in lower case.
create function crm.typed_values(type text, value jsonb)
returns table (text_value text, number_value numeric, time_value timestamptz)
language sql stable
set search_path = ''
as $$
  select
    case when type = 'email' then lower(member #>> '{}') when type not in ('number', 'datetime') then member #>> '{}' end,
    case when type = 'number' then (member #>> '{}')::numeric end,
    case when type = 'datetime' then (member #>> '{}')::timestamptz end
  from jsonb_array_elements(case when jsonb_typeof(value) = 'array' then value else jsonb_build_array(value) end) as member
  where member <> 'null';
$$;

-- Gives a resource custom fields.
create function crm.check_custom_fields_of(resource text) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format($ddl$
    create trigger check_custom_fields before insert or update of custom_fields, deleted_at on crm.%1$I
      for each row execute function crm.check_custom_fields(%1$L);
    create trigger keep_custom_values_inserted after insert on crm.%1$I referencing new table as new_rows
      for each statement execute function crm.keep_custom_values(%1$L);
    create trigger keep_custom_values_updated after update on crm.%1$I referencing old table as old_rows new table as new_rows
      for each statement execute function crm.keep_custom_values(%1$L);
    create function crm.%2$I() returns trigger language plpgsql security definer set search_path = '' as $function$
    begin
      delete from crm.custom_values where record_id in (select id from old_rows);
      return null;
    end;
    $function$;
    create trigger forget_custom_values after delete on crm.%1$I referencing old table as old_rows
      for each statement execute function crm.%2$I();
  $ddl$, resource, 'forget_custom_values_of_' || resource);
end;
$$;

-- A definition whose values are there can't go, nor can an option that is chosen somewhere.
create function crm.guard_custom_field() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  used bigint;
  gone text[];
begin
  perform set_config('crm.requires_none', '', true); -- see crm.check_custom_fields
  if (new.type in ('select', 'multi_select')) <> (new.options <> '{}') then
    perform crm.fail('validation_error', jsonb_build_object('problems', jsonb_build_object('options', jsonb_build_array(
      case when new.options = '{}' then 'The options field is required when the type is select or multi_select.'
        else 'The options field is only for the types select and multi_select.' end))));
  end if;
  if tg_op = 'INSERT' then
    return new;
  end if;
  gone := array(select unnest(old.options) except select unnest(new.options));
  if old.deleted_at is null and new.deleted_at is not null then
    select count(*) into used from (select from crm.custom_values where field_id = old.id limit 10000) as found;
    if used > 0 then
      perform crm.fail('field_in_use', jsonb_build_object('records', used));
    end if;
    select count(*) into used from crm.stages
    where workspace_id = old.workspace_id and old.resource = 'deals' and deleted_at is null
      and required_fields @> array['custom_fields.' || old.key];
    if used > 0 then
      perform crm.fail('field_in_use', jsonb_build_object('stages', used));
    end if;
  elsif gone <> '{}' then
    select count(*) into used
    from (select from crm.custom_values where field_id = old.id and text_value = any (gone) limit 10000) as found;
    if used > 0 then
      perform crm.fail('field_in_use', jsonb_build_object('records', used, 'options', to_jsonb(gone)));
    end if;
  end if;
  return new;
end;
$$;

-- Gives the values of a field to another one, on at most so many records.
create function crm.move_custom_values(field crm.custom_fields, other crm.custom_fields, max_records integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  changed integer;
begin
  perform set_config('crm.custom_field_being_moved', field.id::text, true);
  execute format($query$
    with moved as (
      select id from crm.%1$I where workspace_id = $3 and custom_fields ? $1
        and id in (select record_id from crm.custom_values where field_id = $4 order by record_id limit $5)
      order by id for no key update
    )
    update crm.%1$I as record set custom_fields = custom_fields - $1
      || case when custom_fields ? $2 then '{}' else jsonb_build_object($2, custom_fields -> $1) end
    from moved where record.id = moved.id
  $query$, field.resource)
  using field.key, other.key, field.workspace_id, field.id, max_records;
  get diagnostics changed = row_count;
  perform set_config('crm.custom_field_being_moved', '', true);
  return changed;
end;
$$;

-- Deleting with move_to gives the values to another field of the same resource and type first.
create function crm.custom_fields_move_to(moved uuid, target uuid, workspace uuid) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
  field crm.custom_fields;
  other crm.custom_fields;
  used bigint;
begin
  perform from crm.custom_fields where id in (moved, target) and workspace_id = workspace order by id for no key update;
  select * into field from crm.custom_fields where id = moved and workspace_id = workspace and deleted_at is null for no key update;
  if field.id is null then
    perform crm.fail('not_found');
  end if;
  select * into other from crm.custom_fields where id = target and workspace_id = workspace and deleted_at is null for share;
  if other.id is null or other.id = field.id or other.resource <> field.resource or other.type <> field.type then
    perform crm.fail('reference_not_found', '{"field": "move_to"}');
  end if;
  select count(*) into used from (select from crm.custom_values where field_id = field.id limit crm.max_at_once() + 1) as found;
  if used > crm.max_at_once() then
    perform crm.start_job(workspace, 'move_values', 'custom_fields', jsonb_build_object('field', field.id, 'other', other.id),
      (select count(distinct record_id) from crm.custom_values where field_id = field.id));
    return true;
  end if;
  perform crm.move_custom_values(field, other, crm.max_at_once());
  return false;
end;
$$;

-- Gives the values of a field that is to be deleted to another one, and deletes it when none is left.
create function crm.job_move_values(job crm.jobs) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  field crm.custom_fields;
  other crm.custom_fields;
  changed integer;
begin
  perform from crm.custom_fields
  where id in ((job.arguments ->> 'field')::uuid, (job.arguments ->> 'other')::uuid) and workspace_id = job.workspace_id order by id for no key update;
  select * into field from crm.custom_fields
  where id = (job.arguments ->> 'field')::uuid and workspace_id = job.workspace_id and deleted_at is null for share;
  select * into other from crm.custom_fields
  where id = (job.arguments ->> 'other')::uuid and workspace_id = job.workspace_id and deleted_at is null for share;
  if field.id is null then
    return 0;
  elsif other.id is null then
    perform crm.fail('reference_not_found', '{"field": "move_to"}');
  end if;
  changed := crm.move_custom_values(field, other, 500);
  if changed = 0 then
    update crm.custom_fields set deleted_at = clock_timestamp() where id = field.id;
  end if;
  return changed;
end;
$$;

create trigger guard_custom_field before insert or update on crm.custom_fields for each row execute function crm.guard_custom_field();
select crm.set_up_stamped('custom_fields');

-- The custom fields of a resource as far as its filters and sorts need them, for a key that may read the
-- resource and perhaps not the definitions.
create function api.custom_fields_of(json) returns json
language plpgsql stable security definer
set search_path = ''
set statement_timeout = '2s'
as $$
declare
  workspace constant uuid := crm.require_workspace((crm.resource_of($1 ->> 'resource')).scope, 'read');
begin
  return (
    select coalesce(json_agg(json_build_object('id', id, 'key', key, 'type', type,
      'kind', case type when 'number' then 'number' when 'datetime' then 'time' else 'text' end) order by key), '[]')
    from crm.custom_fields
    where workspace_id = workspace and resource = $1 ->> 'resource' and deleted_at is null
  );
end;
$$;

grant execute on function crm.kept_value(crm.custom_fields, jsonb), crm.custom_fields_move_to(uuid, uuid, uuid), api.custom_fields_of(json) to crm_api;

-- Custom fields: what a workspace adds to a resource. Values live in the record, where they are read; a
-- row per value in crm.custom_values is what they are filtered and sorted by.

create table crm.custom_fields (
  like crm.stamped including all,
  resource text not null check (resource <> ''),
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  label text not null check (length(label) between 1 and 100),
  type text not null check (
    type in ('text', 'number', 'boolean', 'date', 'datetime', 'select', 'multi_select', 'url', 'email')
  ),
  options text[] not null default '{}' check (cardinality(options) <= 200),
  required boolean not null default false,
  search_text text not null generated always as (crm.fold(' ' || label || ' ' || key)) stored
);
comment on table crm.custom_fields is 'Definitions. The key and the type never change; the label is only shown.';

create unique index custom_fields_key_live on crm.custom_fields (workspace_id, resource, key) where deleted_at is null;
create index custom_fields_required on crm.custom_fields (workspace_id, resource) where deleted_at is null and required;

create table crm.custom_values (
  field_id uuid not null references crm.custom_fields (id) on delete cascade,
  record_id uuid not null,
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  text_value text,
  number_value numeric,
  time_value timestamptz
);
comment on table crm.custom_values is
  'The values of live records, for filters and sorts; kept by triggers. No role is granted it: crm.run_search reads it.';

create index custom_values_text on crm.custom_values (field_id, text_value, record_id);
create index custom_values_number on crm.custom_values (field_id, number_value, record_id) where number_value is not null;
create index custom_values_time on crm.custom_values (field_id, time_value, record_id) where time_value is not null;
create index custom_values_record on crm.custom_values (record_id, field_id);
create index custom_values_workspace_id on crm.custom_values (workspace_id);
alter table crm.custom_values enable row level security;
alter table crm.custom_values force row level security;

-- What is wrong with a value, as the end of a sentence; null when nothing is.
create function crm.custom_value_problem(field crm.custom_fields, value jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  content constant text := value #>> '{}';
  kind constant text := jsonb_typeof(value);
  at timestamptz;
begin
  case field.type
    when 'number' then
      return case when kind <> 'number' then 'must be a number' end;
    when 'boolean' then
      return case when kind <> 'boolean' then 'must be true or false' end;
    when 'multi_select' then
      if kind <> 'array' or exists (
        select from jsonb_array_elements(value) as member
        where jsonb_typeof(member) <> 'string' or member #>> '{}' <> all (field.options)
      ) then
        return 'must be a list of: ' || array_to_string(field.options, ', ');
      elsif (select count(*) <> count(distinct member) from jsonb_array_elements(value) as member) then
        return 'must not repeat an entry';
      end if;
      return null;
    when 'select' then
      return case when kind <> 'string' or content <> all (field.options)
        then 'must be one of: ' || array_to_string(field.options, ', ') end;
    else
      if kind <> 'string' then
        return 'must be text';
      elsif length(content) not between 1 and 500 then
        return 'must have 1 to 500 characters';
      end if;
  end case;

  case field.type
    when 'url' then
      return case when content !~ '^https?://[^\s/?#]+\.[^\s]*$' then 'must be a URL such as https://example.com' end;
    when 'email' then
      return case when content !~ '^[^\s@]+@[^\s@]+\.[^\s@]+$' then 'must be a valid email address' end;
    when 'date' then
      if content !~ '^\d{4}-\d\d-\d\d$' then
        return 'must be a date such as 2026-03-21';
      end if;
      perform content::date;
    when 'datetime' then
      if content !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$' then
        return 'must be a timestamp such as 2026-03-21T10:30:00Z';
      end if;
      at := content::timestamptz;
    else
  end case;
  return null;
exception when data_exception then
  return case field.type when 'date' then 'must be a date such as 2026-03-21' else 'must be a timestamp such as 2026-03-21T10:30:00Z' end;
end;
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
  field crm.custom_fields;
  name text;
  value jsonb;
  problem text;
  problems jsonb := '{}';
  unknown text[] := '{}';
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
  elsif new.custom_fields = '{}' and not exists ( -- the common case, for each row of a bulk write
    select from crm.custom_fields as definition
    where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0]
      and definition.deleted_at is null and definition.required
  ) then
    return new;
  end if;
  for name, value in select * from jsonb_each(new.custom_fields) loop
    continue when value = before -> name;
    select * into field from crm.custom_fields as definition
    where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0]
      and definition.key = name and definition.deleted_at is null
    for share;
    if not found then
      unknown := unknown || name;
      continue;
    end if;
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
    perform crm.fail(case when problems = '{}' then 'unknown_field' else 'validation_error' end, jsonb_build_object(
      'problems', problems, 'unknown', unknown,
      'allowed', (
        select coalesce(jsonb_agg(definition.key order by definition.key), '[]') from crm.custom_fields as definition
        where definition.workspace_id = new.workspace_id and definition.resource = tg_argv[0]
          and definition.deleted_at is null
      )));
  elsif problems <> '{}' then
    perform crm.fail('validation_error', jsonb_build_object('problems', problems, 'unknown', '[]'::jsonb, 'allowed', '[]'::jsonb));
  end if;
  return new;
end;
$$;

-- After records were written: their values by field. Arrays have a row per member.
create function crm.keep_custom_values() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' then
    delete from crm.custom_values
    where record_id in (
      select later.id from new_rows as later join old_rows as earlier using (id)
      where later.custom_fields <> earlier.custom_fields or (later.deleted_at is null) <> (earlier.deleted_at is null)
    );
    insert into crm.custom_values (field_id, record_id, workspace_id, text_value, number_value, time_value)
    select field.id, later.id, later.workspace_id, typed.*
    from new_rows as later
    join old_rows as earlier using (id)
    cross join lateral jsonb_each(later.custom_fields) as given
    join crm.custom_fields as field on field.workspace_id = later.workspace_id
      and field.resource = tg_argv[0] and field.key = given.key and field.deleted_at is null
    cross join lateral crm.typed_values(field.type, given.value) as typed
    where later.deleted_at is null
      and (later.custom_fields <> earlier.custom_fields or (later.deleted_at is null) <> (earlier.deleted_at is null));
  else
    insert into crm.custom_values (field_id, record_id, workspace_id, text_value, number_value, time_value)
    select field.id, later.id, later.workspace_id, typed.*
    from new_rows as later
    cross join lateral jsonb_each(later.custom_fields) as given
    join crm.custom_fields as field on field.workspace_id = later.workspace_id
      and field.resource = tg_argv[0] and field.key = given.key and field.deleted_at is null
    cross join lateral crm.typed_values(field.type, given.value) as typed
    where later.deleted_at is null and later.custom_fields <> '{}';
  end if;
  return null;
end;
$$;

create function crm.typed_values(type text, value jsonb)
returns table (text_value text, number_value numeric, time_value timestamptz)
language sql stable
set search_path = ''
as $$
  select
    case when type not in ('number', 'datetime') then member #>> '{}' end,
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

-- Deleting with move_to gives the values to another field of the same resource and type first.
create function crm.custom_fields_move_to(moved uuid, target uuid, workspace uuid) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  field crm.custom_fields;
  other crm.custom_fields;
begin
  select * into field from crm.custom_fields where id = moved and workspace_id = workspace and deleted_at is null for update;
  select * into other from crm.custom_fields where id = target and workspace_id = workspace and deleted_at is null for share;
  if other.id is null or other.id = field.id or other.resource <> field.resource or other.type <> field.type then
    perform crm.fail('reference_not_found', '{"field": "move_to"}');
  end if;
  perform set_config('crm.custom_field_being_moved', field.id::text, true);
  execute format(
    'update crm.%I set custom_fields = custom_fields - $1
       || case when custom_fields ? $2 then ''{}'' else jsonb_build_object($2, custom_fields -> $1) end
     where workspace_id = $3 and custom_fields ? $1', field.resource)
  using field.key, other.key, workspace;
  perform set_config('crm.custom_field_being_moved', '', true);
end;
$$;

create trigger guard_custom_field before insert or update on crm.custom_fields for each row execute function crm.guard_custom_field();
select crm.set_up_stamped('custom_fields');

-- The custom fields of a resource as far as its filters and sorts need them, for a key that may read the
-- resource and perhaps not the definitions.
create function api.custom_fields_of(json) returns json
language sql stable security definer
set search_path = ''
as $$
  select coalesce(json_agg(json_build_object('id', id, 'key', key, 'type', type,
    'kind', case type when 'number' then 'number' when 'datetime' then 'time' else 'text' end) order by key), '[]')
  from crm.custom_fields
  where workspace_id = crm.workspace_for($1 ->> 'scope', 'read') and resource = $1 ->> 'resource' and deleted_at is null;
$$;

grant execute on function crm.custom_fields_move_to(uuid, uuid, uuid), api.custom_fields_of(json) to crm_api;

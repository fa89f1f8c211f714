-- The one write path: single, bulk, atomic, dry run, on_conflict and idempotency are the same
-- function, in one transaction, with the caller's rights under row-level security.

-- Idempotency ----------------------------------------------------------------------------------

create table crm.idempotency_keys (
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  key text not null check (length(key) between 1 and 255),
  fingerprint text not null,
  answer json not null,
  bytes integer not null generated always as (octet_length(answer::text)) stored,
  created_at timestamptz not null default now(),
  primary key (workspace_id, key)
);
comment on table crm.idempotency_keys is
  'What a write with an Idempotency-Key answered, kept 24 hours; written in the transaction of the change.';

create index idempotency_keys_large on crm.idempotency_keys (workspace_id, bytes) where bytes > 16384;
create index idempotency_keys_created_at on crm.idempotency_keys (created_at);

alter table crm.idempotency_keys enable row level security;
alter table crm.idempotency_keys force row level security;
grant select, insert, update on crm.idempotency_keys to crm_api;

create policy "requests read the answers of their workspace" on crm.idempotency_keys
  for select to crm_api using (workspace_id = (select crm.current_workspace('write')));
create policy "requests keep answers for their workspace" on crm.idempotency_keys
  for insert to crm_api with check (workspace_id = (select crm.current_workspace('write')));
create policy "requests replace expired answers of their workspace" on crm.idempotency_keys
  for update to crm_api using (workspace_id = (select crm.current_workspace('write')))
  with check (workspace_id = (select crm.current_workspace('write')));

-- Writes ---------------------------------------------------------------------------------------

-- What the functions below are told of a resource that is written, beside its name and scope:
--
--   singular    what one of them is called
--   columns     those that are answered
--   writable    those that a create or update may give; "fixed" are given on creation only
--   objects     whose members are merged, one by one
--   derived     {"phone_e164": "phone"}: what the API makes of another column
--   unique      by which a record is found; "within" has the columns that must be alike too
--   defaults    of columns that are not given
--   actions     what can be done beside create, update, delete and restore, by crm.<resource>_<action>, each with what a record gives
--   movable     whether what refers to a record can go to another one when it is deleted
create function crm.facts_of(resource text) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  source constant crm.resources := crm.resource_of(resource);
begin
  if source.facts is null then
    perform crm.malformed('resource');
  end if;
  return source.facts || jsonb_build_object('name', source.name, 'scope', source.scope);
end;
$$;

-- Refuses a write that the resource doesn't have, and records that give what they may not. The API has said so to its client
-- before; this is for who has its token.
create function crm.require_sound(request jsonb, records json) returns void
language plpgsql stable
set search_path = ''
as $$
declare
  facts constant jsonb := request -> 'resource';
  operation constant text := coalesce(request ->> 'operation', '');
  given constant jsonb := case operation
    when 'create' then facts -> 'writable'
    when 'update' then facts -> 'writable'
    when 'delete' then '[]'
    when 'restore' then '[]'
    else facts -> 'actions' -> operation
  end;
begin
  if given is null then
    perform crm.malformed('operation');
  end if;
  if operation = 'create' and coalesce(request ->> 'on_conflict', '') not in ('error', 'return', 'update') then
    perform crm.malformed('on_conflict');
  end if;
  if request ? 'move_to' and not (facts -> 'movable')::boolean then
    perform crm.malformed('move_to');
  end if;
  if exists (
    select from json_array_elements(records) as record
    cross join json_object_keys(record) as name
    where name <> 'id' and not given ? name
  ) then
    perform crm.malformed('records');
  end if;
end;
$$;

-- The column by which a field finds its record: one that is compared in another form than it is shown (email) has a
-- generated column <field>_key, of lower case.
create function crm.key_column(resource text, field text) returns text
language sql stable
set search_path = ''
as $$
  select coalesce((
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass and attname = field || '_key'
  ), field);
$$;

-- The unique fields by which a request's records are found: the one of an import, or all.
create function crm.keys_of(request jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select case when request ? 'match_by' then jsonb_build_array(request -> 'match_by') else request -> 'resource' -> 'unique' end;
$$;

-- The live record of the request's workspace that holds the value that a record has in a unique field; "within" names
-- the columns that must be alike too.
create function crm.live_holder(request jsonb, field text, record jsonb) returns uuid
language plpgsql stable
set search_path = ''
as $$
declare
  resource constant text := request -> 'resource' ->> 'name';
  key constant text := crm.key_column(resource, field);
  holder uuid;
begin
  execute format(
    'select id from crm.%I where workspace_id = $1 and deleted_at is null and %I = $2%s',
    resource, key,
    (
      select string_agg(format(' and %I::text = %L', name, record ->> name), '')
      from jsonb_array_elements_text(request -> 'resource' -> 'within' -> field) as name
    ))
  into holder
  using crm.workspace_for(request -> 'resource' ->> 'scope', 'write'),
    case key when field then record ->> field else lower(record ->> field) end;
  return holder;
end;
$$;

-- The versions that If-Match accepts; null for any.
create function crm.versions_of(request jsonb) returns bigint[]
language sql immutable
set search_path = ''
as $$
  select case when request ? 'versions' then array(select jsonb_array_elements_text(request -> 'versions')::bigint) end;
$$;

-- Inserts records in one statement. Their ids come from the API in ascending order, so ordering by id
-- gives the answer in the order of the records.
create function crm.insert_records(request jsonb, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  resource constant jsonb := request -> 'resource';
  statement text := crm.statement_name('insert', resource::text);
  results json;
begin
  if not crm.is_prepared(statement) then
    statement := crm.prepare(statement, 'uuid, json, json', format($query$
      with inserted as (
        insert into crm.%1$I as record (id, workspace_id, %2$s)
        select id, $1, %3$s
        from json_populate_recordset(json_populate_record(null::crm.%1$I, $2), $3)
        order by lower(%5$I::text)
        returning %4$s
      )
      select json_agg(json_build_object('status', 'created', 'record', inserted) order by id) from inserted
    $query$,
      resource ->> 'name',
      (select string_agg(quote_ident(name), ', ' order by name) from jsonb_array_elements_text(resource -> 'writable') as name),
      (
        select string_agg(format(case when resource -> 'objects' ? name then 'jsonb_strip_nulls(%I)' else '%I' end, name), ', ' order by name)
        from jsonb_array_elements_text(resource -> 'writable') as name
      ),
      crm.render_columns(resource ->> 'name', 'record', array(select jsonb_array_elements_text(resource -> 'columns'))),
      resource -> 'unique' ->> 0));
  end if;
  execute format('execute %I (%L, %L, %L)',
    statement, crm.workspace_for(resource ->> 'scope', 'write'), resource -> 'defaults', records)
  into results;
  return crm.with_refusals(records, results);
end;
$$;

-- Changes the given fields of one record. A field of an object (address, custom_fields) is merged,
-- null clears. A change that changes nothing writes nothing and keeps the version.
create function crm.update_record(request jsonb, record_id uuid, changes jsonb, versions bigint[] default null) returns json
language plpgsql
set search_path = ''
as $$
declare
  resource constant jsonb := request -> 'resource';
  workspace constant uuid := crm.workspace_for(resource ->> 'scope', 'write');
  fields constant text[] := array(select name from jsonb_object_keys(changes - 'id') as name order by name);
  statement text := crm.statement_name('update', resource::text || fields::text);
  result json;
  current_version bigint;
begin
  if fields <> '{}' then
    if not crm.is_prepared(statement) then
      statement := crm.prepare(statement, 'json, uuid, bigint[]', format(
        'with changed as (%s) select shown from changed',
        crm.render_updates(resource, fields, '($3 is null or record.version = any ($3))')));
    end if;
    execute format('execute %I (%L, %L, %L)', statement, jsonb_build_array(changes || jsonb_build_object('id', record_id)), workspace, versions)
    into result;
    if result is not null then
      return json_build_object('status', 'updated', 'record', result);
    end if;
  end if;

  execute format(
    'select (select to_json(shown) from (select %2$s) as shown), record.version from crm.%1$I as record
     where record.id = $1 and record.workspace_id = $2 and record.deleted_at is null',
    resource ->> 'name',
    crm.render_columns(resource ->> 'name', 'record', array(select jsonb_array_elements_text(resource -> 'columns'))))
  into result, current_version
  using record_id, workspace;
  if result is null then
    perform crm.fail('not_found');
  elsif current_version <> all (versions) then
    perform crm.fail('precondition_failed', jsonb_build_object('version', current_version));
  end if;
  return json_build_object('status', coalesce(request ->> 'unchanged_status', 'unchanged'), 'record', result);
end;
$$;

-- The update of some fields of some records: $1 the changes with their ids, $2 the workspace. Values
-- that are there already make no update.
create function crm.render_updates(resource jsonb, fields text[], condition text default 'true') returns text
language sql stable
set search_path = ''
as $$
  select format($query$
    update crm.%1$I as record
    set %2$s
    from json_populate_recordset(null::crm.%1$I, $1) as change
    where record.id = change.id and record.workspace_id = $2 and record.deleted_at is null
      and row(%3$s) is distinct from row(%4$s) and %6$s
    returning record.id, (select to_json(changed) from (select %5$s) as changed) as shown
  $query$,
    resource ->> 'name',
    string_agg(format('%I = %s', field, value), ', '),
    string_agg('record.' || quote_ident(field), ', '),
    string_agg(value, ', '),
    crm.render_columns(resource ->> 'name', 'record', array(select jsonb_array_elements_text(resource -> 'columns'))),
    condition)
  from (
    select field, case
      -- What is derived from a value that is there already stays as it is.
      when resource -> 'derived' ? field and resource -> 'derived' ->> field = any (fields)
        then format('case when change.%1$I is not distinct from record.%1$I and change.%2$I is null then record.%2$I else change.%2$I end',
          resource -> 'derived' ->> field, field)
      when resource -> 'objects' ? field
        then format('jsonb_strip_nulls(coalesce(record.%1$I, ''{}'') || change.%1$I)', field)
      else format('change.%I', field)
    end as value
    from unnest(fields) as field
  ) as changes;
$$;

-- What is given on creation only: an upsert that finds its record leaves it as it is there.
create function crm.fixed_fields(request jsonb) returns text[]
language sql immutable
set search_path = ''
as $$
  select array(select jsonb_array_elements_text(request -> 'resource' -> 'fixed'));
$$;

-- Inserts, or gives back or updates the live record that holds a unique value. The loop ends: each
-- attempt either finds the holder or fails to insert because somebody just became it.
create function crm.upsert_record(request jsonb, record jsonb, on_conflict text) returns json
language plpgsql
set search_path = ''
as $$
declare
  field text;
  holder uuid;
begin
  for attempt in 1..3 loop
    holder := null;
    for field in select jsonb_array_elements_text(crm.keys_of(request)) loop
      continue when record ->> field is null;
      holder := crm.live_holder(request, field, record);
      exit when holder is not null;
    end loop;
    if holder is not null and on_conflict = 'return' then
      return crm.update_record(request || '{"unchanged_status": "existing"}', holder, '{}');
    elsif holder is not null then
      return crm.update_record(request, holder, record - crm.fixed_fields(request));
    end if;
    begin
      return crm.insert_records(request, json_build_array(record)) -> 0;
    exception when unique_violation then
      if attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end;
$$;

create function crm.delete_record(request jsonb, record_id uuid, versions bigint[] default null) returns json
language plpgsql
set search_path = ''
as $$
declare
  changed bigint;
  current_version bigint;
begin
  execute format(
    'update crm.%I set deleted_at = clock_timestamp()
     where id = $1 and workspace_id = $2 and deleted_at is null and ($3 is null or version = any ($3)) returning version',
    request -> 'resource' ->> 'name')
  into changed
  using record_id, crm.workspace_for(request -> 'resource' ->> 'scope', 'write'), versions;
  if changed is null then
    execute format('select version from crm.%I where id = $1 and workspace_id = $2 and deleted_at is null', request -> 'resource' ->> 'name')
    into current_version
    using record_id, crm.workspace_for(request -> 'resource' ->> 'scope', 'write');
    if current_version is null then
      perform crm.fail('not_found');
    end if;
    perform crm.fail('precondition_failed', jsonb_build_object('version', current_version));
  end if;
  return json_build_object('status', 'deleted', 'record', json_build_object('id', record_id));
end;
$$;

-- Deleted records come back for 90 days; restoring a live one changes nothing.
create function crm.restore_record(request jsonb, record_id uuid) returns json
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    'update crm.%I set deleted_at = null
     where id = $1 and workspace_id = $2 and deleted_at > now() - interval ''90 days''',
    request -> 'resource' ->> 'name')
  using record_id, crm.workspace_for(request -> 'resource' ->> 'scope', 'write');
  return crm.update_record(request || '{"unchanged_status": "restored"}', record_id, '{}');
end;
$$;

-- Many updates of the same fields in one statement.
create function crm.update_alike(request jsonb, fields text[], records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  resource constant jsonb := request -> 'resource';
  statement text := crm.statement_name('updates', resource::text || fields::text);
  results json;
begin
  if not crm.is_prepared(statement) then
    statement := crm.prepare(statement, 'json, uuid, text', format($query$
      %1$s
      -- Grouped rather than joined: without statistics the planner expects one change, and compares all with all.
      select json_agg(coalesce(
        case when answered.shown is not null then json_build_object('status', 'updated', 'record', answered.shown) end,
        (
          select json_build_object('status', $3, 'record', (select to_json(whole) from (select %3$s) as whole))
          from crm.%2$I as record
          where record.id = answered.id and record.workspace_id = $2 and record.deleted_at is null
        ),
        json_build_object('status', 'failed', 'code', 'not_found')
      ) order by answered.place)
      from (
        select id, min(place) as place, (array_agg(shown) filter (where shown is not null))[1] as shown
        from (
          select (record ->> 'id')::uuid as id, place, null::json as shown
          from json_array_elements($1) with ordinality as listed (record, place)
          union all
          select id, null, shown from changed
        ) as both_sides
        group by id
      ) as answered
    $query$,
      case when fields = '{}' then 'with changed as (select null::uuid as id, null::json as shown where false)'
        else format('with changed as (%s)', crm.render_updates(resource, fields)) end,
      resource ->> 'name',
      crm.render_columns(resource ->> 'name', 'record', array(select jsonb_array_elements_text(resource -> 'columns')))));
  end if;
  execute format('execute %I (%L, %L, %L)', statement, records, crm.workspace_for(resource ->> 'scope', 'write'),
    coalesce(request ->> 'unchanged_status', 'unchanged')) into results;
  return crm.with_refusals(records, results);
end;
$$;

-- Many updates, those of the same fields in one statement, which also keeps the tallies in one.
create function crm.update_records(request jsonb, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  fields text[];
  part json;
  places integer[];
  results jsonb := '{}';
begin
  for fields, part, places in
    select array(select name from json_object_keys(record) as name where name <> 'id' order by name),
      json_agg(record order by place), array_agg(place order by place)
    from json_array_elements(records) with ordinality as listed (record, place)
    group by 1
  loop
    if cardinality(places) = json_array_length(records) then
      return crm.update_alike(request, fields, part);
    end if;
    select results || jsonb_object_agg(places[n], result) into results
    from json_array_elements(crm.update_alike(request, fields, part)) with ordinality as listed (result, n);
  end loop;
  return (select json_agg(value order by key::integer) from jsonb_each(results));
end;
$$;

-- The live records that hold values of some unique fields of many: {"<place>": {"id", "field"}}. The first of the fields
-- that has a holder decides, as in crm.upsert_record.
create function crm.live_holders(request jsonb, records json, fields jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  resource constant jsonb := request -> 'resource';
  holders jsonb;
begin
  execute (
    -- offset 0: one look into the index for each, where a join may be made by reading the whole workspace; and each value is
    -- computed once, where a table without statistics is compared with it row by row.
    select format($query$
      with given as (
        select record, place from json_array_elements($1) with ordinality as listed (record, place)
      )
      select coalesce(jsonb_object_agg(place, jsonb_build_object('id', id, 'field', field)), '{}') from (
        select distinct on (place) place, id, field from (%s) as found order by place, rank
      ) as first
    $query$, string_agg(format(
      'select place, holder.id, %s as rank, %L as field from (select record, place, %s as key from given offset 0) as keyed
       cross join lateral (
         select id from crm.%I as live where live.workspace_id = $2 and live.deleted_at is null and live.%I = keyed.key%s offset 0
       ) as holder',
      rank, field, format(case key when field then 'record ->> %L' else 'lower(record ->> %L)' end, field), resource ->> 'name', key,
      (
        select string_agg(format(' and live.%1$I::text = record ->> %1$L', name), '')
        from jsonb_array_elements_text(resource -> 'within' -> field) as name
      )), ' union all '))
    from jsonb_array_elements_text(fields) with ordinality as listed (field, rank)
    cross join lateral crm.key_column(resource ->> 'name', field) as key
  ) into holders using records, crm.workspace_for(resource ->> 'scope', 'write');
  return holders;
end;
$$;

-- Many upserts: the holders of all unique values are looked up in one statement, then the records that
-- have none are inserted and the others updated, each in a few statements. Null when two of the records
-- are one, so that they must be written one after the other; those of an import never are (crm.import_folded).
create function crm.upsert_records(request jsonb, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  resource constant jsonb := request -> 'resource';
  workspace constant uuid := crm.workspace_for(resource ->> 'scope', 'write');
  on_conflict constant text := request ->> 'on_conflict';
  is_import constant boolean := request ? 'match_by';
  holders jsonb;
  written json;
  places integer[];
  part json;
  results jsonb := '{}';
begin
  if is_import and (request -> 'expects_new')::boolean then
    begin
      return crm.insert_records(request, records);
    exception when unique_violation then
      null; -- Some are there already.
    end;
  elsif not is_import and (
    select bool_or(repeated) from (
      select count(*) > 1 as repeated
      from json_array_elements(records) as record
      cross join jsonb_array_elements_text(resource -> 'unique') as field
      where record ->> field is not null
      group by field, lower(record ->> field)
    ) as counted
  ) then
    return null;
  end if;
  holders := crm.live_holders(request, records, crm.keys_of(request));
  if is_import and (request -> 'dry_run')::boolean then
    holders := crm.import_made_before(request, records) || holders;
  elsif not is_import and (select count(*) <> count(distinct value ->> 'id') from jsonb_each(holders)) then
    return null;
  end if;
  if holders = '{}' then
    return crm.insert_records(request, records);
  end if;

  select json_agg(record order by place), array_agg(place order by place) into part, places
  from json_array_elements(records) with ordinality as listed (record, place)
  where not holders ? place::text;
  if part is not null then
    written := crm.insert_records(request, part);
    select coalesce(jsonb_object_agg(places[n], result), '{}') into results
    from json_array_elements(written) with ordinality as listed (result, n);
  end if;

  if is_import then
    select results || coalesce(jsonb_object_agg(place, crm.import_met(request, holder -> 'id')), '{}') into results
    from jsonb_each(holders) as listed (place, holder)
    where on_conflict <> 'update' or holder -> 'id' = 'null';
  end if;
  select json_agg(
      case when on_conflict = 'return' then jsonb_build_object('id', holders -> place::text -> 'id')
      else record::jsonb - crm.fixed_fields(request) || jsonb_build_object('id', holders -> place::text -> 'id') end order by place),
    array_agg(place order by place)
  into part, places
  from json_array_elements(records) with ordinality as listed (record, place)
  where holders ? place::text and not results ? place::text;
  if part is not null then
    execute format('select from crm.%I where id = any ($1) and workspace_id = $2 order by id for no key update', resource ->> 'name')
    using array(select (record ->> 'id')::uuid from json_array_elements(part) as record), workspace;
    written := crm.update_records(
      request || case when on_conflict = 'return' then '{"unchanged_status": "existing"}' else '{}' end::jsonb,
      case when is_import then crm.alike(resource ->> 'name', part) else part end);
    if results = '{}' then
      return written;
    end if;
    select results || coalesce(jsonb_object_agg(places[n], result), '{}') into results
    from json_array_elements(written) with ordinality as listed (result, n);
  end if;
  return (select json_agg(value order by key::integer) from jsonb_each(results));
end;
$$;

-- Changes of locked records that are all of the same fields, so that they are one statement: what one leaves out stays as it is.
create function crm.alike(resource text, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  fields text[];
  are_alike boolean;
  changes json;
begin
  select array_agg(name), bool_and(named = json_array_length(records)) into fields, are_alike
  from (
    select name, count(*) as named from json_array_elements(records) as record, json_object_keys(record) as name group by name
  ) as names;
  if are_alike then
    return records;
  end if;
  execute format($query$
    select json_agg((
      select jsonb_object_agg(key, value) from jsonb_each(to_jsonb(holder) || record::jsonb) where key = any ($2)
    ) order by place)
    from json_array_elements($1) with ordinality as given (record, place)
    join crm.%I as holder on holder.id = (record ->> 'id')::uuid
  $query$, resource) into changes using records, fields;
  return changes;
end;
$$;

-- Many deletes in one statement.
create function crm.delete_records(request jsonb, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  results json;
begin
  execute format($query$
    with deleted as (
      update crm.%I set deleted_at = clock_timestamp()
      where id = any (array(select (record ->> 'id')::uuid from json_array_elements($1) as record)) and workspace_id = $2 and deleted_at is null
      returning id
    )
    select json_agg(case
      when gone then json_build_object('status', 'deleted', 'record', json_build_object('id', id))
      else json_build_object('status', 'failed', 'code', 'not_found')
    end order by place)
    from (
      select id, min(place) as place, bool_or(gone) as gone
      from (
        select (record ->> 'id')::uuid as id, place, false as gone from json_array_elements($1) with ordinality as listed (record, place)
        union all
        select id, null, true from deleted
      ) as both_sides
      group by id
    ) as answered
  $query$, request -> 'resource' ->> 'name')
  into results
  using records, crm.workspace_for(request -> 'resource' ->> 'scope', 'write');
  return results;
end;
$$;

-- Locks ----------------------------------------------------------------------------------------

-- What a write holds until it commits, taken in one order before any of its records is locked: tags, definitions of
-- custom fields, then what crm.<resource>_lock(workspace, records) says, which is what they refer to
-- (crm.check_references_of). Records follow, in the order of their ids. All of them are locked "for no key update" at
-- most: a row that one transaction changes twice has its foreign keys checked again, which takes a key share of
-- what it names out of this order, and must not wait.
-- `every_field`: of all custom fields, for what looks at values that the records don't name.
create function crm.take_locks(resource text, workspace uuid, records json, every_field boolean default false) returns text[]
language plpgsql security definer
set search_path = ''
as $$
declare
  names constant text[] := array(
    select distinct tag from json_array_elements(records) as record
    cross join json_array_elements_text(case when json_typeof(record -> 'tags') = 'array' then record -> 'tags' else '[]' end) as tag
  );
  keys constant text[] := array(
    select distinct key from json_array_elements(records) as record
    cross join json_object_keys(case when json_typeof(record -> 'custom_fields') = 'object' then record -> 'custom_fields' else '{}' end) as key
  );
begin
  if names <> '{}' then
    perform crm.register_tags(workspace, names);
  end if;
  if keys <> '{}' or every_field then
    perform from crm.custom_fields as definition
    where definition.workspace_id = workspace and definition.resource = take_locks.resource and definition.deleted_at is null
      and (every_field or definition.key = any (keys))
    order by definition.id for share;
  end if;
  if to_regprocedure(format('crm.%I(uuid, json)', resource || '_lock')) is not null then
    execute format('select crm.%I($1, $2)', resource || '_lock') using workspace, records;
  end if;
  return names;
end;
$$;

-- One record of the request; what it raises is its answer.
create function crm.write_record(request jsonb, record jsonb) returns json
language plpgsql
set search_path = ''
as $$
declare
  resource constant text := request -> 'resource' ->> 'name';
  record_id constant uuid := record ->> 'id';
  versions constant bigint[] := crm.versions_of(request);
  violated text;
  field text;
  whole jsonb;
  result json;
  code text;
  details text;
  state text;
  is_below boolean;
  deferred boolean;
begin
  if request ? 'below' and request ->> 'operation' <> 'create' then
    execute format('select exists (select from crm.%I as record where id = $1 and workspace_id = $2 and to_jsonb(record) @> $3)', resource)
    into is_below
    using record_id, crm.workspace_for(request -> 'resource' ->> 'scope', 'write'), request -> 'below';
    if not is_below then
      perform crm.fail('not_found');
    end if;
  end if;
  case request ->> 'operation'
    when 'create' then
      if request ->> 'on_conflict' = 'error' then
        return crm.insert_records(request, json_build_array(record)) -> 0;
      end if;
      return crm.upsert_record(request, record, request ->> 'on_conflict');
    when 'update' then return crm.update_record(request, record_id, record, versions);
    when 'delete' then
      if request ? 'move_to' then
        execute format('select crm.%I($1, $2, $3)', resource || '_move_to')
        into deferred
        using record_id, (request ->> 'move_to')::uuid, crm.workspace_for(request -> 'resource' ->> 'scope', 'write');
        if deferred then -- The job deletes it when all has gone.
          return json_build_object('status', 'deleted', 'record', json_build_object('id', record_id));
        end if;
      end if;
      return crm.delete_record(request, record_id, versions);
    when 'restore' then return crm.restore_record(request, record_id);
    else
      -- An action of the resource: win a deal, complete a task, merge contacts.
      execute format('select crm.%I($1, $2)', resource || '_' || (request ->> 'operation')) into result using request, record;
      return result;
  end case;
exception
  when sqlstate 'AN001' then
    get stacked diagnostics code = message_text, details = pg_exception_detail;
    return json_build_object('status', 'failed', 'code', code, 'details', details::json);
  when integrity_constraint_violation or data_exception then
    get stacked diagnostics state = returned_sqlstate, violated = constraint_name;
    -- Unique indexes are named <resource>_<field>_live.
    field := substring(violated from '^' || resource || '_(.*)_live$');
    if field is not null then
      -- A restore brings its value from the row, an update that of the columns beside it.
      execute format('select to_jsonb(existing) from crm.%I as existing where id = $1', resource) into whole using record_id;
      whole := coalesce(whole, '{}') || record;
    end if;
    return json_build_object(
      'status', 'failed', 'sqlstate', state, 'constraint', violated,
      'existing_id', case when state = '23505' and field is not null then crm.live_holder(request, field, whole) end);
end;
$$;

-- Why records of a batch can't be written, without writing one: {"<place>": its answer}. Those with a value that a live
-- record beyond the batch has already, or else what is refused when all are tried; {} when neither tells.
create function crm.refused_of(request jsonb, records json) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  ids constant text[] := array(select record ->> 'id' from json_array_elements(records) as record);
  unique_fields constant jsonb := request -> 'resource' -> 'unique';
  keys constant jsonb := crm.keys_of(request);
  taken jsonb;
  tried json;
begin
  if request ->> 'operation' = 'update' or request ->> 'on_conflict' = 'error' then
    select jsonb_object_agg(key, jsonb_build_object('status', 'failed', 'sqlstate', '23505', 'existing_id', value ->> 'id',
      'constraint', (request -> 'resource' ->> 'name') || '_' || (value ->> 'field') || '_live')) into taken
    from jsonb_each(crm.live_holders(request, records, keys || (
      select coalesce(jsonb_agg(field), '[]') from jsonb_array_elements(unique_fields) as field where not keys @> field
    )))
    where value ->> 'id' <> all (ids);
    if taken is not null then
      return taken;
    end if;
  end if;
  begin
    perform set_config('crm.on_trial', 'on', true);
    tried := crm.write_together(request, records);
    raise exception using errcode = 'AN002', message = 'undo';
  exception when sqlstate 'AN002' or integrity_constraint_violation or data_exception or sqlstate 'AN001' then
    null; -- Of what was tried only the answers are left.
  end;
  return (
    select coalesce(jsonb_object_agg(place, result), '{}')
    from json_array_elements(tried) with ordinality as listed (result, place)
    where result ->> 'status' = 'failed'
  );
end;
$$;

-- Writes all records or none; null when that can't be done together.
create function crm.write_together(request jsonb, records json) returns json
language sql
set search_path = ''
as $$
  select case
    when request ->> 'operation' = 'create' and request ->> 'on_conflict' = 'error' and not request ? 'match_by' then crm.insert_records(request, records)
    when request ->> 'operation' = 'create' then crm.upsert_records(request, records)
    when request ? 'below' then null -- whether it is, is asked of each
    when request ->> 'operation' = 'update' then crm.update_records(request, records)
    when request ->> 'operation' = 'delete' then crm.delete_records(request, records)
  end;
$$;

-- Writes records together; those that can't be written don't keep the others from it. Of a batch that fails, those
-- that are known to be at fault are answered and the others tried again; records with the same unique value are written
-- one after the other; where neither helps the batch is cut in eight, until the record is alone whose fault it was. One by one from the
-- start would be the same, but costs the triggers of a statement for each, and the slots of the tallies have a row
-- version more for each.
create function crm.write_batch(request jsonb, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  size constant integer := json_array_length(records);
  results json;
  answers jsonb := '{}';
  part json;
  places integer[];
begin
  -- What an earlier row of a dry run would have made, only crm.upsert_records knows.
  if size > 1 or (request ? 'match_by' and (request -> 'dry_run')::boolean) then
    begin
      results := crm.write_together(request, records);
      if results is not null then
        return results;
      end if;
    exception when integrity_constraint_violation or data_exception or sqlstate 'AN001' then
      answers := case when size > 1 then crm.refused_of(request, records) end;
    end;
  end if;
  if size = 1 then
    return json_build_array(crm.write_record(request, (records -> 0)::jsonb));
  end if;
  for part, places in
    select json_agg(record order by place), array_agg(place order by place)
    from (
      select record, place, case
        when answers <> '{}' or max(nth) over () > 1 then nth
        else (place - 1) / ((size + 7) / 8)
      end as rank
      from (
        select place, (array_agg(record))[1] as record, max(nth) as nth
        from (
          select record, place, row_number() over (partition by field, coalesce(lower(record ->> field), place::text) order by place) as nth
          from json_array_elements(records) with ordinality as listed (record, place)
          left join jsonb_array_elements_text(request -> 'resource' -> 'unique') as field on true
        ) as by_field
        where not answers ? place::text
        group by place
      ) as given
    ) as parted
    group by rank order by rank
  loop
    select answers || jsonb_object_agg(places[n], result) into answers
    from json_array_elements(crm.write_batch(request, part)) with ordinality as listed (result, n);
  end loop;
  return (select json_agg(value order by key::integer) from jsonb_each(answers));
end;
$$;

-- Results with the id, version and time of each record alone.
create function crm.abridged(results json) returns json
language sql immutable
set search_path = ''
as $$
  select json_agg(case
    when result -> 'record' is null then result
    else json_build_object('status', result ->> 'status', 'record', json_build_object(
      'id', result -> 'record' -> 'id', 'version', result -> 'record' -> 'version', 'updated_at', result -> 'record' -> 'updated_at'))
  end order by place)
  from json_array_elements(results) with ordinality as listed (result, place);
$$;

-- What was answered to {"key", "fingerprint"} before; null when it is new, and then nobody else's until the transaction ends.
create function crm.kept_answer(workspace uuid, idempotency jsonb) returns json
language plpgsql
set search_path = ''
as $$
declare
  stored crm.idempotency_keys;
begin
  if not pg_try_advisory_xact_lock(hashtextextended(workspace || ':' || (idempotency ->> 'key'), 0)) then
    perform crm.fail('idempotency_in_progress');
  end if;
  select * into stored
  from crm.idempotency_keys
  where workspace_id = workspace and key = idempotency ->> 'key' and created_at > now() - interval '24 hours';
  if stored.fingerprint <> idempotency ->> 'fingerprint' then
    perform crm.fail('idempotency_key_reused');
  end if;
  return stored.answer;
end;
$$;

-- Keeps an answer for whoever sends its request again.
create function crm.keep_answer(workspace uuid, idempotency jsonb, answer json) returns void
language plpgsql
set search_path = ''
as $$
declare
  max_kept_bytes constant bigint := 256 * 1024 * 1024;
begin
  if (select coalesce(sum(bytes), 0) from crm.idempotency_keys where workspace_id = workspace and bytes > 16384) > max_kept_bytes then
    perform crm.fail('idempotency_storage_full');
  end if;
  insert into crm.idempotency_keys (workspace_id, key, fingerprint, answer)
  values (workspace, idempotency ->> 'key', idempotency ->> 'fingerprint', answer)
  on conflict (workspace_id, key) do update
  set fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = now();
end;
$$;

-- Writes records and answers what became of each, in their order.
--
--   resource              one of crm.resources that has facts
--   operation             "create" | "update" | "delete" | "restore", or an action: crm.<resource>_<operation>
--   records               [{id, …fields}]; ids of new records come from the API
--   on_conflict           "error" | "return" | "update" (create)
--   versions              [n, …] one of which the record must have (If-Match)
--   move_to               what refers to the record goes there first (delete)
--   below                 {"pipeline_id"}: columns that the record must have, those that its path names
--   atomic, dry_run       undo everything when one failed; undo everything
--   request_id            whose events it makes
--   idempotency           {"key", "fingerprint", "request_id", "timestamp"} or absent
--
-- Answers {"results": [{"status", "record"} | {"status": "failed", "code" | "sqlstate", …}],
--          "job": the job that goes on with it, or null, "replayed": null | {"request_id", "timestamp"},
--          "has_endpoints": whether anybody is to be sent the events that it made}.
create function api.write_records(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  asked constant jsonb := (select jsonb_object_agg(key, value) from json_each($1) where key <> 'records');
  resource constant text := asked ->> 'resource';
  request constant jsonb := asked || jsonb_build_object('resource', crm.facts_of(resource));
  records constant json := $1 -> 'records';
  workspace constant uuid := crm.require_workspace(request -> 'resource' ->> 'scope', 'write');
  idempotency constant jsonb := case when not (request -> 'dry_run')::boolean then request -> 'idempotency' end;
  answer json;
  results json;
  failed boolean := false;
  written boolean := true;
  names text[];
  job json;
  is_abridged boolean;
  max_answer_bytes constant integer := 4 * 1024 * 1024;
begin
  perform crm.require_sound(request, records);
  perform set_config('crm.request_id', coalesce(request ->> 'request_id', ''), true),
    set_config('crm.is_bulk', case when json_array_length(records) > 1 then 'on' else 'off' end, true);
  if idempotency is not null then
    answer := crm.kept_answer(workspace, idempotency);
    if answer is not null then
      return answer;
    end if;
  end if;

  begin
    names := crm.take_locks(resource, workspace, records, request ->> 'operation' = 'restore');
    if json_array_length(records) > 1 and request ->> 'operation' <> 'create' then
      -- Two bulk writes over the same records must take their locks in the same order.
      execute format('select from crm.%I where id = any ($1) and workspace_id = $2 order by id for no key update', resource)
      using array(select (record ->> 'id')::uuid from json_array_elements(records) as record), workspace;
    end if;
    results := crm.write_batch(request, records);
    select bool_or(result ->> 'status' = 'failed'), bool_or(result ->> 'status' <> 'failed') into failed, written
    from json_array_elements(results) as result;
    if failed and names <> '{}' then
      perform crm.forget_unused_tags(workspace, names);
    end if;
    job := crm.started_job();
    if (request -> 'dry_run')::boolean or (failed and (request -> 'atomic')::boolean) then
      written := false;
      job := null;
      raise exception using errcode = 'AN002', message = 'undo';
    end if;
  exception when sqlstate 'AN002' then
    null; -- The changes are undone; what they would have been is in `results`.
  end;

  -- Beyond this an answer has of each record what tells it and its state apart: nobody holds more in memory.
  is_abridged := octet_length(results::text) > max_answer_bytes;
  if is_abridged then
    results := crm.abridged(results);
  end if;
  if idempotency is not null and written then
    perform crm.keep_answer(workspace, idempotency,
      json_build_object('results', results, 'job', job, 'abridged', is_abridged, 'replayed', idempotency - 'key' - 'fingerprint'));
  end if;
  return json_build_object('results', results, 'job', job, 'abridged', is_abridged, 'replayed', null,
    'has_endpoints', written and crm.has_endpoints(workspace));
end;
$$;

grant execute on function crm.facts_of(text), crm.require_sound(jsonb, json), crm.key_column(text, text), crm.live_holder(jsonb, text, jsonb), crm.versions_of(jsonb), crm.fixed_fields(jsonb), crm.upsert_records(jsonb, json), crm.insert_records(jsonb, json),
  crm.update_record(jsonb, uuid, jsonb, bigint[]), crm.render_updates(jsonb, text[], text),
  crm.update_records(jsonb, json), crm.update_alike(jsonb, text[], json), crm.live_holders(jsonb, json, jsonb), crm.alike(text, json), crm.keys_of(jsonb), crm.refused_of(jsonb, json), crm.write_together(jsonb, json),
  crm.take_locks(text, uuid, json, boolean), crm.kept_answer(uuid, jsonb), crm.keep_answer(uuid, jsonb, json), crm.abridged(json), crm.write_batch(jsonb, json), crm.delete_records(jsonb, json), crm.upsert_record(jsonb, jsonb, text),
  crm.delete_record(jsonb, uuid, bigint[]), crm.restore_record(jsonb, uuid), crm.write_record(jsonb, jsonb),
  api.write_records(json) to crm_api;

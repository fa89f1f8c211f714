-- Imports: files of records, too long for one request. An import is a job in crm.imports; its text is kept in
-- parts. A worker claims a job with a lease and writes batch after batch. A batch is one transaction that
-- writes its records, notes what became of each row and moves the job's place in the text on, so that a crash
-- at any instant neither loses a row nor writes one twice.

create table crm.imports (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  resource text not null check (resource in ('contacts', 'companies', 'deals', 'tasks', 'activities')),
  -- The version of the API that it was made in: match_by, mapping and columns have that one's names of the fields.
  api_version text not null default 'v1',
  format text not null check (format in ('csv', 'ndjson')),
  status text not null check (status in ('uploading', 'queued', 'running', 'completed', 'failed', 'cancelled')),
  dry_run boolean not null,
  on_conflict text not null check (on_conflict in ('error', 'return', 'update')),
  -- The unique field that finds the record which a row is about; of a CSV known once its header is.
  match_by text,
  match_column text,
  -- Where each column goes; null leaves it out.
  mapping json not null check (json_typeof(mapping) = 'object'), -- json: in the order of the columns
  -- The same as the worker needs it: in the order of the cells, with the types of custom fields.
  columns jsonb,
  delimiter text generated always as (case format when 'csv' then columns ->> 'delimiter' end) stored,
  rows_total bigint,
  rows_processed bigint not null default 0,
  created bigint not null default 0,
  updated bigint not null default 0,
  unchanged bigint not null default 0,
  failed bigint not null default 0,
  failed_unlisted bigint not null default 0,
  bytes_total bigint not null default 0,
  -- What is kept of it: what it is made of, and its rows with their errors.
  report_bytes bigint not null default 0,
  bytes_processed bigint not null default 0,
  lines_processed bigint not null default 0,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  created_by jsonb not null default crm.actor(),
  error jsonb,
  -- Who works on it, until when nobody else may, and how often in a row that came to nothing.
  lease uuid,
  lease_until timestamptz,
  attempts integer not null default 0,
  touched_at timestamptz not null default now(),
  -- Seconds of work that it had until then, those of a minute ago for a third (crm.faded).
  served double precision not null default 0,
  unique (workspace_id, id)
);
insert into crm.resources values ('imports', null, '{api_version,match_column,columns,lines_processed,served,report_bytes,lease,lease_until,attempts,touched_at}');
comment on table crm.imports is 'Jobs. rows_ and bytes_processed are the place in the text up to which everything is written.';
create index imports_created_at on crm.imports (workspace_id, created_at, id);
create index imports_unfinished on crm.imports (workspace_id) where status in ('uploading', 'queued', 'running');
-- what a workspace had of late, for who is next
create index imports_served on crm.imports (workspace_id, touched_at) where started_at is not null;
create index imports_waiting on crm.imports (touched_at) where status in ('queued', 'running');

create table crm.import_parts (
  import_id uuid not null,
  workspace_id uuid not null,
  part integer not null check (part between 0 and 9999),
  content bytea not null,
  primary key (import_id, part),
  foreign key (workspace_id, import_id) references crm.imports (workspace_id, id) on delete cascade
);
comment on table crm.import_parts is 'The text of an import as UTF-8, until it is finished. Parts may end anywhere, in the middle of a cell too.';
-- Uncompressed, so that a part is read without the rest.
alter table crm.import_parts alter column content set storage external;

-- Without foreign keys: they are checked row by row, and only a batch that holds its import's lock writes here.
create table crm.import_rows (
  import_id uuid not null,
  workspace_id uuid not null,
  row bigint not null,
  line bigint not null default 0,
  status text not null check (status in ('created', 'updated', 'unchanged', 'failed')),
  record_id uuid,
  error json,
  -- Of a dry run: what the row would have been found by, since the rows before it are not there.
  match_key text,
  primary key (import_id, row)
);
comment on table crm.import_rows is 'What became of each row of an import.';
create index import_rows_failed on crm.import_rows (import_id, row) where status = 'failed';
create index import_rows_match_key on crm.import_rows (import_id, match_key) where match_key is not null;

alter table crm.imports enable row level security;
alter table crm.imports force row level security;
alter table crm.import_parts enable row level security;
alter table crm.import_parts force row level security;
alter table crm.import_rows enable row level security;
alter table crm.import_rows force row level security;
grant select, insert, update on crm.imports, crm.import_parts to crm_api;
grant select, insert on crm.import_rows to crm_api;

-- An import is seen by who may read what it writes, and made and run by who may write it.
create policy "requests read the imports of records they may read" on crm.imports
  for select to crm_api using (
    workspace_id = case resource
      when 'contacts' then (select crm.workspace_for('contacts', 'read'))
      when 'companies' then (select crm.workspace_for('companies', 'read'))
      when 'deals' then (select crm.workspace_for('deals', 'read'))
      when 'tasks' then (select crm.workspace_for('tasks', 'read'))
      when 'activities' then (select crm.workspace_for('activities', 'read'))
    end
  );
create policy "requests import records that they may write" on crm.imports
  for insert to crm_api with check (
    workspace_id = case resource
      when 'contacts' then (select crm.workspace_for('contacts', 'write'))
      when 'companies' then (select crm.workspace_for('companies', 'write'))
      when 'deals' then (select crm.workspace_for('deals', 'write'))
      when 'tasks' then (select crm.workspace_for('tasks', 'write'))
      when 'activities' then (select crm.workspace_for('activities', 'write'))
    end
  );
create policy "requests run the imports of records that they may write" on crm.imports
  for update to crm_api using (
    workspace_id = case resource
      when 'contacts' then (select crm.workspace_for('contacts', 'write'))
      when 'companies' then (select crm.workspace_for('companies', 'write'))
      when 'deals' then (select crm.workspace_for('deals', 'write'))
      when 'tasks' then (select crm.workspace_for('tasks', 'write'))
      when 'activities' then (select crm.workspace_for('activities', 'write'))
    end
  ) with check (
    workspace_id = case resource
      when 'contacts' then (select crm.workspace_for('contacts', 'write'))
      when 'companies' then (select crm.workspace_for('companies', 'write'))
      when 'deals' then (select crm.workspace_for('deals', 'write'))
      when 'tasks' then (select crm.workspace_for('tasks', 'write'))
      when 'activities' then (select crm.workspace_for('activities', 'write'))
    end
  );

-- The imports of the request's workspace that it may see.
create function crm.imports_of(access text) returns setof uuid
language sql stable
set search_path = ''
as $$
  select id from crm.imports where workspace_id = crm.current_workspace(access);
$$;
grant execute on function crm.imports_of(text) to crm_api;

create policy "requests read the text of imports they may write" on crm.import_parts
  for select to crm_api using (workspace_id = (select crm.current_workspace('write')) and import_id in (select crm.imports_of('write')));
create policy "requests add text to imports they may write" on crm.import_parts
  for insert to crm_api with check (workspace_id = (select crm.current_workspace('write')) and import_id in (select crm.imports_of('write')));
create policy "requests replace text of imports they may write" on crm.import_parts
  for update to crm_api using (workspace_id = (select crm.current_workspace('write')) and import_id in (select crm.imports_of('write')))
  with check (workspace_id = (select crm.current_workspace('write')) and import_id in (select crm.imports_of('write')));
create policy "requests read the rows of imports they may read" on crm.import_rows
  for select to crm_api using (workspace_id = (select crm.current_workspace('read')) and import_id in (select crm.imports_of('read')));
create policy "requests note the rows of imports they may write" on crm.import_rows
  for insert to crm_api with check (workspace_id = (select crm.current_workspace('write')) and import_id in (select crm.imports_of('write')));

-- The text of what is finished is not needed any more, and is the customer's data.
create function crm.forget_import_text() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from crm.import_parts where import_id = new.id;
  return null;
end;
$$;
create trigger forget_text after update of status on crm.imports
  for each row when (new.status in ('completed', 'failed', 'cancelled')) execute function crm.forget_import_text();

-- As a foreign key would.
create function crm.forget_import_rows() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from crm.import_rows where import_id in (select id from old_rows);
  return null;
end;
$$;
create trigger forget_rows after delete on crm.imports
  referencing old table as old_rows for each statement execute function crm.forget_import_rows();

-- Reports are kept 30 days, what was never started a week. At most so many rows are deleted; answers how many, 0 when
-- none is left.
create function crm.purge_imports(max_rows integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  changed integer;
begin
  perform pg_advisory_xact_lock(hashtextextended('purge', 0));
  delete from crm.import_rows where ctid = any (array(
    select noted.ctid from crm.import_rows as noted
    join crm.imports as import on import.id = noted.import_id
    where import.completed_at < now() - interval '30 days' limit max_rows
  ));
  get diagnostics changed = row_count;
  if changed > 0 then
    return changed;
  end if;
  delete from crm.imports where id in (
    select id from crm.imports
    where completed_at < now() - interval '30 days' or (status = 'uploading' and touched_at < now() - interval '7 days')
    limit greatest(max_rows / 50, 1) -- Each has parts.
    for update
  );
  get diagnostics changed = row_count;
  return changed;
end;
$$;

-- Requests ---------------------------------------------------------------------------------------

create function crm.shown_import(import_id uuid) returns json
language sql stable
set search_path = ''
as $$
  select row_to_json(shown) from (
    select id, resource, api_version, format, delimiter, status, dry_run, on_conflict, match_by, mapping, rows_total, rows_processed, created, updated,
      unchanged, failed, failed_unlisted, bytes_total, bytes_processed, created_at, started_at, completed_at, created_by, error
    from crm.imports
    where id = import_id
  ) as shown;
$$;

-- The import {"id"} as it is shown; null when the request may see none.
create function api.read_import(json) returns json
language sql stable
set search_path = ''
set timezone = 'UTC'
as $$
  select crm.shown_import(($1 ->> 'id')::uuid);
$$;

-- The import, locked for a change.
create function crm.lock_import(import_id uuid) returns crm.imports
language plpgsql
set search_path = ''
as $$
declare
  found crm.imports;
begin
  select * into found from crm.imports where id = import_id for update;
  if found.id is null then
    perform crm.fail('not_found');
  end if;
  return found;
end;
$$;

-- Has the workspace's requests for more text wait for each other: they are counted against one allowance.
create function crm.lock_uploads(workspace uuid) returns void
language sql volatile
set search_path = ''
as $$
  select pg_advisory_xact_lock(hashtextextended('imports:' || workspace, 0));
$$;

-- Bytes and number of the imports that have not ended: of all, also those that the request may not see.
create function crm.bytes_uploaded(workspace uuid) returns bigint
language sql stable security definer
set search_path = ''
as $$
  select coalesce(sum(bytes_total), 0)::bigint from crm.imports
  where workspace_id = workspace and workspace = crm.current_workspace('write') and status in ('uploading', 'queued', 'running');
$$;
create function crm.unfinished_imports(workspace uuid) returns bigint
language sql stable security definer
set search_path = ''
as $$
  select count(*) from crm.imports
  where workspace_id = workspace and workspace = crm.current_workspace('write') and status in ('uploading', 'queued', 'running');
$$;

-- Refuses what would add to the reports of a workspace that keeps as much of them as it may.
create function crm.require_report_room(workspace uuid, max_bytes bigint) returns void
language plpgsql stable security definer
set search_path = ''
as $$
declare
  kept constant bigint := (
    select coalesce(sum(report_bytes), 0) from crm.imports
    where workspace_id = workspace and workspace = crm.current_workspace('write')
  );
begin
  if kept > max_bytes then
    perform crm.fail('import_reports_full', jsonb_build_object('max_bytes', max_bytes));
  end if;
end;
$$;

-- The bounds are {max_bytes, max_workspace_bytes} of shared/bounds.ts.
create function crm.put_import_part(job crm.imports, number integer, content text, bounds json) returns void
language plpgsql
set search_path = ''
as $$
declare
  max_bytes constant bigint := bounds ->> 'max_bytes';
  max_workspace_bytes constant bigint := bounds ->> 'max_workspace_bytes';
  bytes bigint;
begin
  insert into crm.import_parts (import_id, workspace_id, part, content)
  values (job.id, job.workspace_id, number, convert_to(content, 'UTF8'))
  on conflict (import_id, part) do update set content = excluded.content;
  select sum(octet_length(parts.content)) into bytes from crm.import_parts as parts where parts.import_id = job.id;
  if bytes > max_bytes then
    perform crm.fail('payload_too_large', jsonb_build_object('max_bytes', max_bytes));
  end if;
  update crm.imports set bytes_total = bytes, touched_at = now() where id = job.id;
  if crm.bytes_uploaded(job.workspace_id) > max_workspace_bytes then
    perform crm.fail('upload_quota_exceeded', jsonb_build_object('max_bytes', max_workspace_bytes));
  end if;
end;
$$;

-- Refuses what finds no record of a resource.
create function crm.require_match(resource text, match_column text) returns void
language plpgsql stable
set search_path = ''
as $$
begin
  if not coalesce(crm.facts_of(resource) -> 'unique' ? match_column, false) then
    perform crm.malformed('match_column');
  end if;
end;
$$;

-- Makes an import. The argument:
--
--   import        {resource, api_version, format, dry_run, on_conflict, match_by, match_column, mapping, columns, bytes_processed, lines_processed}
--   content       the whole text, which starts it; null when parts are to come
--   idempotency   as in api.write_records
--   bounds        {max_unfinished, max_bytes, max_workspace_bytes, max_report_bytes} of shared/bounds.ts
--
-- Answers {"import", "replayed"}.
create function api.create_import(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  idempotency constant jsonb := $1 -> 'idempotency';
  given constant crm.imports := json_populate_record(null::crm.imports, $1 -> 'import');
  workspace constant uuid := crm.require_workspace((crm.resource_of(given.resource)).scope, 'write');
  made crm.imports;
  answer json;
begin
  if given.match_column is not null or $1 ->> 'content' is not null then
    perform crm.require_match(given.resource, given.match_column);
  end if;
  if idempotency is not null then
    answer := crm.kept_answer(workspace, idempotency);
    if answer is not null then
      return answer;
    end if;
  end if;

  perform crm.lock_uploads(workspace);
  perform crm.require_report_room(workspace, ($1 -> 'bounds' ->> 'max_report_bytes')::bigint);
  if crm.unfinished_imports(workspace) >= ($1 -> 'bounds' ->> 'max_unfinished')::integer then
    perform crm.fail('too_many_imports', jsonb_build_object('max_unfinished', ($1 -> 'bounds' ->> 'max_unfinished')::integer));
  end if;
  insert into crm.imports (workspace_id, resource, api_version, format, status, dry_run, on_conflict, match_by, match_column, mapping, columns, bytes_processed, lines_processed, report_bytes)
  values (workspace, given.resource, coalesce(given.api_version, 'v1'), given.format, case when $1 ->> 'content' is null then 'uploading' else 'queued' end,
    given.dry_run, given.on_conflict, given.match_by, given.match_column, given.mapping, given.columns, given.bytes_processed, given.lines_processed,
    1024 + octet_length(given.mapping::text) + coalesce(octet_length(given.columns::text), 0))
  returning * into made;
  if $1 ->> 'content' is not null then
    perform crm.put_import_part(made, 0, $1 ->> 'content', $1 -> 'bounds');
  end if;
  answer := json_build_object('import', crm.shown_import(made.id), 'replayed', null);

  if idempotency is not null then
    perform crm.keep_answer(workspace, idempotency,
      json_build_object('import', answer -> 'import', 'replayed', idempotency - 'key' - 'fingerprint'));
  end if;
  return answer;
end;
$$;

-- Adds {"part", "content"} to the import {"id"}, within {"bounds"} as in api.create_import. The same part again takes the place of the first.
create function api.put_import_part(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  job constant crm.imports := crm.lock_import(($1 ->> 'id')::uuid);
begin
  if job.status <> 'uploading' then
    perform crm.fail('import_not_uploading', jsonb_build_object('status', job.status));
  end if;
  perform crm.lock_uploads(job.workspace_id);
  perform crm.put_import_part(job, ($1 ->> 'part')::integer, $1 ->> 'content', $1 -> 'bounds');
  return crm.shown_import(job.id);
end;
$$;

-- The first part that the text of an import lacks; null when it is whole.
create function api.missing_import_part(json) returns integer
language sql stable
set search_path = ''
as $$
  select min(number)
  from generate_series(0, (select coalesce(max(part), 0) from crm.import_parts where import_id = ($1 ->> 'id')::uuid)) as number
  where not exists (select from crm.import_parts where import_id = ($1 ->> 'id')::uuid and part = number);
$$;

-- Of the text of the import {"id"}: {"length"} bytes after {"from"}, fewer at its end.
create domain api."application/octet-stream" as bytea;
create function api.read_import_text(json) returns api."application/octet-stream"
language sql stable
set search_path = ''
as $$
  select coalesce(string_agg(
    substr(content, greatest(asked.start - placed.start, 0)::integer + 1, (asked.stop - greatest(asked.start, placed.start))::integer), '' order by part), '')
  from (
    select part, content, sum(octet_length(content)) over (order by part) - octet_length(content) as start
    from crm.import_parts
    where import_id = ($1 ->> 'id')::uuid
  ) as placed
  cross join (select ($1 ->> 'from')::bigint, ($1 ->> 'from')::bigint + ($1 ->> 'length')::bigint) as asked (start, stop)
  where placed.start < asked.stop and placed.start + octet_length(content) > asked.start;
$$;

-- Starts the import {"id"}, once its header is known: {"match_by", "match_column", "mapping", "columns", "bytes_processed",
-- "lines_processed"}.
create function api.start_import(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  job constant crm.imports := crm.lock_import(($1 ->> 'id')::uuid);
  missing constant integer := api.missing_import_part($1);
begin
  perform crm.require_match(job.resource, $1 ->> 'match_column');
  if job.status <> 'uploading' then
    perform crm.fail('import_not_uploading', jsonb_build_object('status', job.status));
  end if;
  if missing is not null then
    perform crm.fail('validation_error', jsonb_build_object('problems', jsonb_build_object('part',
      jsonb_build_array(format('Part %s is missing.', missing)))));
  end if;
  update crm.imports
  set status = 'queued', touched_at = now(), match_by = $1 ->> 'match_by', match_column = $1 ->> 'match_column', mapping = $1 -> 'mapping', columns = $1 -> 'columns',
    bytes_processed = ($1 ->> 'bytes_processed')::bigint, lines_processed = ($1 ->> 'lines_processed')::bigint,
    report_bytes = 1024 + octet_length($1 ->> 'mapping') + octet_length($1 ->> 'columns')
  where id = job.id;
  return crm.shown_import(job.id);
end;
$$;

-- Stops the import {"id"} where it is. What it has written stays.
create function api.cancel_import(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  job constant crm.imports := crm.lock_import(($1 ->> 'id')::uuid);
begin
  if job.status not in ('uploading', 'queued', 'running') then
    perform crm.fail('import_finished', jsonb_build_object('status', job.status));
  end if;
  update crm.imports set status = 'cancelled', completed_at = now(), lease = null, lease_until = null where id = job.id;
  return crm.shown_import(job.id);
end;
$$;

-- The rows of the import {"id"} after {"after"}, at most {"limit"}, of a {"status"} or all.
create function api.read_import_rows(json) returns json
language sql stable
set search_path = ''
as $$
  select json_build_object(
    'rows', coalesce((
      select json_agg(page) from (
        select row, line, status, record_id as id, error
        from crm.import_rows
        where import_id = ($1 ->> 'id')::uuid and row > ($1 ->> 'after')::bigint and ($1 ->> 'status' is null or status = $1 ->> 'status')
        order by row
        limit ($1 ->> 'limit')::integer
      ) as page
    ), '[]'),
    'total', case $1 ->> 'status' when 'created' then created when 'updated' then updated when 'unchanged' then unchanged when 'failed' then failed - failed_unlisted
      else rows_processed - failed_unlisted end)
  from crm.imports
  where id = ($1 ->> 'id')::uuid;
$$;

-- Batches -----------------------------------------------------------------------------------------

-- What a row's record is found by, of all columns that it is unique within.
create function crm.render_match_key(resource jsonb, field text) returns text
language sql stable
set search_path = ''
as $$
  select format(case crm.key_column(resource ->> 'name', field) when field then 'record ->> %L' else 'lower(record ->> %L)' end, field) || coalesce((
    select string_agg(format(' || chr(31) || coalesce(record ->> %L, '''')', name), '')
    from jsonb_array_elements_text(resource -> 'within' -> field) as name
  ), '');
$$;

-- The constraint that keeps two records from being found by the same value.
create function crm.import_constraint(request jsonb) returns text
language sql immutable
set search_path = ''
as $$
  select (request -> 'resource' ->> 'name') || '_' || (request ->> 'match_by') || '_live';
$$;

-- What becomes of a row whose record is there and is not changed by it: the holder has that id, null in a dry run that made it.
create function crm.import_met(request jsonb, holder jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select case request ->> 'on_conflict'
    when 'error' then jsonb_build_object('status', 'failed', 'sqlstate', '23505', 'constraint', crm.import_constraint(request), 'existing_id', holder)
    else jsonb_build_object('status', case request ->> 'on_conflict' when 'return' then 'unchanged' else 'updated' end,
      'record', jsonb_build_object('id', holder))
  end;
$$;

-- The records that an earlier batch of a dry run would have made, as crm.live_holders tells them.
create function crm.import_made_before(request jsonb, records json) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  made jsonb;
begin
  execute format($query$
    select coalesce(jsonb_object_agg(place, '{"id": null}'::jsonb), '{}')
    from json_array_elements($1) with ordinality as listed (record, place)
    join crm.import_rows as earlier on earlier.import_id = $2 and earlier.match_key = %s and earlier.status = 'created'
  $query$, crm.render_match_key(request -> 'resource', request ->> 'match_by'))
  into made using records, (request ->> 'import_id')::uuid;
  return made;
end;
$$;

-- Two changes of one record as one: what the later names counts, of an object member by member.
create function crm.fold_record(earlier jsonb, later jsonb, objects jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select coalesce(earlier, '{}') || later || coalesce((
    select jsonb_object_agg(name, (earlier -> name) || (later -> name))
    from jsonb_array_elements_text(objects) as name
    where jsonb_typeof(earlier -> name) = 'object' and jsonb_typeof(later -> name) = 'object'
  ), '{}');
$$;
create aggregate crm.folded(record jsonb, objects jsonb) (sfunc = crm.fold_record, stype = jsonb);

-- As crm.write_batch, but several records may be about one: those are one change, and cost no more than others. Where
-- that can't be written it is cut in eight, so that the rows that can are as if each had been written by itself.
create function crm.import_folded(request jsonb, records json) returns json
language plpgsql
set search_path = ''
as $$
declare
  resource constant jsonb := request -> 'resource';
  is_update constant boolean := request ->> 'on_conflict' = 'update';
  -- By place: that of the first record that is about the same.
  firsts integer[];
  folded json;
  part json;
  places integer[];
  written jsonb;
  results jsonb;
begin
  execute format($query$
    select array_agg(case when key is null then place else first end order by place)
    from (
      select key, place, min(place) over (partition by key) as first
      from (select %s as key, place from json_array_elements($1) with ordinality as listed (record, place)) as keyed
    ) as grouped
  $query$, crm.render_match_key(resource, request ->> 'match_by'))
  into firsts using records;
  if not exists (select from unnest(firsts) with ordinality as listed (first, place) where first <> place) then
    return crm.write_batch(request, records);
  end if;

  select json_agg(record order by first), array_agg(first order by first) into folded, places
  from (
    select first, case when is_update then crm.folded(record::jsonb, resource -> 'objects' order by place)
      else (array_agg(record::jsonb order by place))[1] end as record
    from rows from (json_array_elements(records), unnest(firsts)) with ordinality as listed (record, first, place)
    group by first
    -- An object that is cleared and then given anew is no single change.
    having not is_update or count(*) = 1 or not bool_or(exists (
      select from jsonb_array_elements_text(resource -> 'objects') as name where json_typeof(record -> name) = 'null'
    ))
  ) as groups;
  select jsonb_object_agg(places[n], result) into written
  from json_array_elements(crm.write_batch(request, folded)) with ordinality as listed (result, n);

  select jsonb_object_agg(place, case
    when place = first or result ->> 'status' = 'failed' or (is_update and result ->> 'status' <> 'created') then result
    else crm.import_met(request, case when not (request -> 'dry_run')::boolean or result ->> 'status' <> 'created' then result -> 'record' -> 'id' end)
  end) into results
  from unnest(firsts) with ordinality as listed (first, place)
  cross join lateral (select written -> first::text as result) as found;

  for part, places in
    select json_agg(record order by place), array_agg(place order by place)
    from (
      select record, first, place, row_number() over (partition by first order by place) - 1 as nth, count(*) over (partition by first) as size
      from rows from (json_array_elements(records), unnest(firsts)) with ordinality as listed (record, first, place)
    ) as placed
    where size > 1 and coalesce(written -> first::text ->> 'status', 'failed') = 'failed'
      and written -> first::text ->> 'constraint' is distinct from crm.import_constraint(request)
    group by first, nth / ((size + 7) / 8)
    order by first, nth / ((size + 7) / 8)
  loop
    select results || jsonb_object_agg(places[n], result) into results
    from json_array_elements(crm.import_folded(request, part)) with ordinality as listed (result, n);
  end loop;
  return (select json_agg(value order by key::integer) from jsonb_each(results));
end;
$$;

-- Writes a batch and notes what became of each row, of those that failed only the first `room`. Answers how many of a
-- status there were, and how many are not noted: {status: count, "unlisted": count}. The arrays belong together place by place.
create function crm.import_and_note(job crm.imports, request jsonb, records json, numbers bigint[], lines bigint[], room bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  results json;
  counts jsonb;
begin
  begin
    results := crm.import_folded(request, records);
    if job.dry_run then
      raise exception using errcode = 'AN002', message = 'undo';
    end if;
  exception when sqlstate 'AN002' then
    null; -- The changes are undone; what they would have been is in `results`.
  end;
  select jsonb_object_agg(status, count) into counts
  from (
    select case result ->> 'status' when 'existing' then 'unchanged' else result ->> 'status' end as status, count(*)
    from json_array_elements(results) as result
    group by 1
  ) as counted;
  counts := counts || jsonb_build_object('unlisted', greatest(coalesce((counts ->> 'failed')::bigint, 0) - room, 0));
  if not job.dry_run then
    insert into crm.import_rows (import_id, workspace_id, row, line, status, record_id, error)
    select job.id, job.workspace_id, number, line, case status when 'existing' then 'unchanged' else status end,
      (result -> 'record' ->> 'id')::uuid, case when status = 'failed' then result end
    from (
      select *, result ->> 'status' as status, count(*) filter (where result ->> 'status' = 'failed') over (order by number) as failures
      from rows from (json_array_elements(results), unnest(numbers), unnest(lines)) as written (result, number, line)
    ) as said
    where status <> 'failed' or failures <= room;
    return counts;
  end if;
  execute format($query$
    insert into crm.import_rows (import_id, workspace_id, row, line, status, record_id, error, match_key)
    select $1, $2, number, line, case status when 'existing' then 'unchanged' else status end,
      case when status <> 'created' then (result -> 'record' ->> 'id')::uuid end, case when status = 'failed' then result end, %s
    from (
      select *, result ->> 'status' as status, count(*) filter (where result ->> 'status' = 'failed') over (order by number) as failures
      from rows from (json_array_elements($3), unnest($4), json_array_elements($5), unnest($6)) as written (result, number, record, line)
    ) as said
    where status <> 'failed' or failures <= $7
  $query$, crm.render_match_key(request -> 'resource', job.match_column))
  using job.id, job.workspace_id, results, numbers, records, lines, room;
  return counts;
end;
$$;

-- Seconds of work that were had until then, of which those of a minute ago count for a third: whoever had much has waited
-- enough after some minutes.
create function crm.faded(seconds double precision, since timestamptz) returns double precision
language sql stable
set search_path = ''
as $$
  select seconds * exp(-least(extract(epoch from clock_timestamp() - since), 600)::double precision / 60);
$$;

-- The same of an import that has been worked on since it was touched last.
create function crm.served_since(job crm.imports) returns double precision
language sql stable
set search_path = ''
as $$
  select crm.faded(job.served, job.touched_at) + least(extract(epoch from clock_timestamp() - job.touched_at), 30)::double precision;
$$;

-- Writes one batch. The argument:
--
--   id, lease     the job and who has claimed it
--   from, to      the part of the text that the rows were read from, in bytes
--   lines_read    how many lines that is
--   rows          how many they were, of which
--   resource      what it imports
--   records, numbers, lines   […] are written, with the number and line of the row of each
--   failures      [{"row", "line", "error"}] are not
--   max_listed    how many rows that failed the report of the import has; the others are counted
--   max_report_bytes  what the reports of the workspace may take together
--   last          whether the text ends here
--
-- Answers {"status"}; "lost" when the job is not where the batch begins, or somebody else's: nothing was done.
create function api.advance_import(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  batch record;
  facts jsonb;
  workspace uuid;
  job crm.imports;
  request jsonb;
  counts jsonb := '{}';
  counted jsonb;
  room bigint;
  failures bigint;
begin
  -- Taken apart once: each look into a text of half a megabyte reads all of it.
  select * into batch
  from json_to_record($1) as given (
    id uuid, lease uuid, "from" bigint, "to" bigint, rows bigint, last boolean, resource text,
    records json, numbers bigint[], lines bigint[], lines_read bigint, failures json, max_listed bigint, max_report_bytes bigint);
  facts := crm.facts_of(batch.resource);
  workspace := crm.require_workspace(facts ->> 'scope', 'write');
  select * into job from crm.imports where id = batch.id and workspace_id = workspace for update;
  if job.status is distinct from 'running' or job.lease is distinct from batch.lease or job.bytes_processed <> batch."from"
    or job.resource <> batch.resource then
    return json_build_object('status', 'lost');
  end if;
  perform crm.require_report_room(workspace, batch.max_report_bytes);
  request := jsonb_build_object(
    'resource', facts || '{"columns": ["id"]}',
    'operation', 'create', 'on_conflict', job.on_conflict, 'match_by', job.match_column,
    'dry_run', job.dry_run, 'import_id', job.id,
    -- Where nearly all rows were new so far, looking for their holders first is a waste.
    'expects_new', not job.dry_run and (job.rows_processed - job.created) * 20 <= job.rows_processed);
  perform crm.require_sound(request, batch.records);
  perform set_config('crm.source', 'import', true), set_config('crm.is_bulk', 'on', true);
  perform crm.take_locks(job.resource, workspace, batch.records);
  room := greatest(batch.max_listed - job.failed, 0);
  failures := json_array_length(batch.failures);
  insert into crm.import_rows (import_id, workspace_id, row, line, status, error)
  select job.id, workspace, (failure ->> 'row')::bigint, (failure ->> 'line')::bigint, 'failed', failure -> 'error'
  from json_array_elements(batch.failures) with ordinality as given (failure, place)
  where place <= room;
  counts := jsonb_build_object('created', 0, 'updated', 0, 'unchanged', 0, 'failed', failures, 'unlisted', greatest(failures - room, 0));
  if batch.numbers <> '{}' then
    counted := crm.import_and_note(job, request, batch.records, batch.numbers, batch.lines, greatest(room - failures, 0));
    select jsonb_object_agg(key, value::bigint + coalesce((counted ->> key)::bigint, 0)) into counts from jsonb_each_text(counts);
  end if;

  update crm.imports as moved
  set created = moved.created + (counts ->> 'created')::bigint, updated = moved.updated + (counts ->> 'updated')::bigint,
    unchanged = moved.unchanged + (counts ->> 'unchanged')::bigint, failed = moved.failed + (counts ->> 'failed')::bigint,
    failed_unlisted = moved.failed_unlisted + (counts ->> 'unlisted')::bigint,
    rows_processed = moved.rows_processed + batch.rows, bytes_processed = batch."to",
    lines_processed = moved.lines_processed + batch.lines_read,
    -- A row takes 160 bytes with its places in the indexes, and what is said of it.
    report_bytes = moved.report_bytes + (
      select count(*) * 160 + coalesce(sum(octet_length(noted.error::text)), 0) from crm.import_rows as noted
      where noted.import_id = job.id and noted.row > job.rows_processed
    ),
    status = case when batch.last then 'completed' else moved.status end,
    rows_total = case when batch.last then moved.rows_processed + batch.rows end,
    completed_at = case when batch.last then clock_timestamp() end,
    lease = case when batch.last then null else moved.lease end,
    lease_until = case when batch.last then null else clock_timestamp() + interval '30 seconds' end,
    attempts = 0, served = crm.served_since(moved), touched_at = clock_timestamp()
  where moved.id = job.id;
  return json_build_object('status', case when batch.last then 'completed' else 'running' end);
end;
$$;

grant execute on function crm.shown_import(uuid), crm.require_match(text, text), crm.lock_import(uuid), crm.put_import_part(crm.imports, integer, text, json), crm.lock_uploads(uuid), crm.bytes_uploaded(uuid), crm.unfinished_imports(uuid), crm.require_report_room(uuid, bigint), crm.render_match_key(jsonb, text),
  crm.import_met(jsonb, jsonb), crm.import_constraint(jsonb), crm.import_made_before(jsonb, json), crm.fold_record(jsonb, jsonb, jsonb), crm.folded(jsonb, jsonb),
  crm.import_folded(jsonb, json), crm.import_and_note(crm.imports, jsonb, json, bigint[], bigint[], bigint),
  crm.faded(double precision, timestamptz), crm.served_since(crm.imports),
  api.read_import(json), api.create_import(json), api.missing_import_part(json), api.put_import_part(json), api.read_import_text(json), api.start_import(json), api.cancel_import(json),
  api.read_import_rows(json), api.advance_import(json) to crm_api;

-- The worker -------------------------------------------------------------------------------------

-- Claims a job of the workspace that had the least work done of late, under the token {"lease"}, for 30 seconds; a batch
-- prolongs that. Null when none waits. A worker that died leaves a job that can be claimed once its lease is over. One of
-- a version of the API that is not among {"versions"} is left to workers that know it, and claimed once none came for a
-- day: that version has gone.
create function api.claim_import(json) returns json
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  claimed json;
begin
  -- Two that chose at once would choose two jobs of one workspace.
  perform pg_advisory_xact_lock(hashtextextended('claim_import', 0));
  update crm.imports as job
  set status = 'running', lease = ($1 ->> 'lease')::uuid, lease_until = clock_timestamp() + interval '30 seconds',
    started_at = coalesce(started_at, clock_timestamp()), attempts = attempts + 1,
    served = crm.faded(served, touched_at), touched_at = clock_timestamp()
  where id = (
    select waiting.id from crm.imports as waiting
    where waiting.status in ('queued', 'running') and (waiting.lease_until is null or waiting.lease_until < now())
      and not exists (
        select from crm.imports as other
        where other.workspace_id = waiting.workspace_id and other.status = 'running' and other.lease is not null and other.lease_until >= now()
      )
      and (waiting.touched_at < now() - interval '1 day' or ($1 -> 'versions')::jsonb ? waiting.api_version)
    order by (
      select coalesce(sum(crm.faded(served.served, served.touched_at)), 0) from crm.imports as served
      where served.workspace_id = waiting.workspace_id and served.started_at is not null and served.touched_at > now() - interval '10 minutes'
    ), waiting.touched_at
    limit 1
    for update skip locked
  )
  returning json_build_object(
    'id', id, 'workspace_id', workspace_id, 'created_by', created_by, 'resource', resource, 'api_version', api_version, 'format', format, 'match_column', match_column,
    'columns', columns, 'bytes_total', bytes_total, 'bytes_processed', bytes_processed, 'lines_processed', lines_processed,
    'rows_processed', rows_processed, 'attempts', attempts)
  into claimed;
  return claimed;
end;
$$;

-- Gives the job {"id"} back. {"wait"} seconds it is nobody's, and others of its workspace are worked on; {"blameless"} doesn't count as an attempt.
create function api.release_import(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.imports
  set lease = null, lease_until = now() + ($1 ->> 'wait')::integer * interval '1 second',
    served = crm.served_since(imports), touched_at = clock_timestamp(),
    attempts = attempts - case when ($1 ->> 'blameless')::boolean and attempts > 0 then 1 else 0 end
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and status = 'running';
$$;

-- Ends the job {"id"} with an {"error"}. What it has written stays.
create function api.fail_import(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.imports
  set status = 'failed', error = $1 -> 'error', completed_at = now(), lease = null, lease_until = null
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and status = 'running';
$$;

grant execute on function api.claim_import(json), api.release_import(json), api.fail_import(json) to crm_worker;

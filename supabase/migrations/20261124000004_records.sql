-- What every record type shares: stamps, exact totals, idempotency, one function that reads and one
-- that writes. A record type's own migration makes its table and calls the set-up functions below.

-- Stamps ---------------------------------------------------------------------------------------

-- Keeps version, created_* and updated_*. Outside a request (seed, migration) given times are kept.
create function crm.stamp() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  claims constant jsonb := crm.claims();
  actor constant jsonb := case
    when claims ->> 'key_id' is not null then jsonb_build_object('type', 'api_key', 'id', claims ->> 'key_id')
    when claims ->> 'user_id' is not null then jsonb_build_object('type', 'user', 'id', claims ->> 'user_id')
    else jsonb_build_object('type', 'system', 'id', null)
  end;
begin
  if tg_op = 'INSERT' then
    if claims is not null then
      new.created_at := now();
    end if;
    new.version := 1;
    new.created_by := actor;
    new.updated_at := new.created_at;
  else
    new.id := old.id;
    new.workspace_id := old.workspace_id;
    new.created_at := old.created_at;
    new.created_by := old.created_by;
    new.version := old.version + 1;
    new.updated_at := now();
  end if;
  new.updated_by := actor;
  return new;
end;
$$;

-- References -----------------------------------------------------------------------------------

-- A reference must name a live record of the same workspace; the foreign keys alone would accept a
-- deleted one. Arguments: column, table, column, table, … Security definer, because a key without
-- the scope to read a record may still refer to it. The share lock holds off a delete until commit.
create function crm.check_references() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  given constant jsonb := to_jsonb(new);
  before constant jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
  field text;
  found_id uuid;
begin
  for argument in 0..tg_nargs - 1 by 2 loop
    field := tg_argv[argument];
    continue when given ->> field is null or given ->> field = before ->> field;
    execute format(
      'select id from crm.%I where id = $1 and workspace_id = $2 and deleted_at is null for share', tg_argv[argument + 1])
    into found_id
    using (given ->> field)::uuid, new.workspace_id;
    if found_id is null then
      perform crm.fail('reference_not_found', jsonb_build_object('field', field));
    end if;
  end loop;
  return new;
end;
$$;

-- Totals ---------------------------------------------------------------------------------------

-- count(*) over a million rows takes 150 ms; adding up a few dozen cells takes 0.1 ms. For each facet
-- set, a list of columns, the table <resource>_by_<columns> has a cell per combination of their values
-- with the number of live records that have it, kept in the transaction of the change. A cell is split
-- into slots: a writer takes any slot that nobody holds, or adds one, so that writers never wait for
-- each other; the sum over the slots is exact.
--
-- Everything is written out when the migration runs, so that the triggers' plans are cached.
create function crm.track_totals(resource text, variadic facet_sets text[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  facet_set text;
  tally text;
  facets text;
  facet_types text;
  event text;
begin
  foreach facet_set in array facet_sets loop
    tally := resource || '_by_' || replace(facet_set, ',', '_');
    select string_agg(quote_ident(facet), ', ' order by place),
           string_agg(format('%I %s', facet, format_type(atttypid, atttypmod)), ', ' order by place)
    into facets, facet_types
    from regexp_split_to_table(facet_set, ',') with ordinality as listed (facet, place)
    join pg_catalog.pg_attribute on attrelid = format('crm.%I', resource)::regclass and attname = facet;

    execute format($ddl$
      create table crm.%1$I (
        id bigint generated always as identity primary key,
        workspace_id uuid not null references crm.workspaces (id) on delete cascade,
        cell text not null,
        %2$s,
        records bigint not null
      ) with (fillfactor = 50);
      comment on table crm.%1$I is 'Live records per combination of facet values, in one or more slots each.';
      create index on crm.%1$I (workspace_id, cell);
      alter table crm.%1$I enable row level security;
      alter table crm.%1$I force row level security;
      grant select on crm.%1$I to crm_api;
      create policy %3$I on crm.%1$I for select to crm_api
        using (workspace_id = (select crm.workspace_for(%4$L, 'read')));
    $ddl$, tally, facet_types, 'requests read the totals of ' || resource || ' they may read', resource);

    execute format($ddl$
      create function crm.%1$I(workspace_id uuid, %2$s, delta bigint) returns void
      language plpgsql security definer
      set search_path = ''
      as $function$
      #variable_conflict use_variable
      declare
        this_cell constant text := jsonb_build_array(%3$s);
      begin
        update crm.%4$I as slot
        set records = slot.records + delta
        where slot.id = (
          select free.id from crm.%4$I as free
          where free.workspace_id = workspace_id and free.cell = this_cell
          limit 1
          for update skip locked
        );
        if not found then
          insert into crm.%4$I (workspace_id, cell, %3$s, records) values (workspace_id, this_cell, %3$s, delta);
        end if;
      end;
      $function$;

      create function crm.%5$I() returns trigger
      language plpgsql security definer
      set search_path = ''
      as $function$
      begin
        case tg_op
          when 'INSERT' then
            perform crm.%1$I(workspace_id, %3$s, count(*))
            from new_rows where deleted_at is null group by workspace_id, %3$s;
          when 'DELETE' then
            perform crm.%1$I(workspace_id, %3$s, -count(*))
            from old_rows where deleted_at is null group by workspace_id, %3$s;
          when 'UPDATE' then
            perform crm.%1$I(workspace_id, %3$s, sum(step)::bigint)
            from (
              select workspace_id, %3$s, 1::bigint as step from new_rows where deleted_at is null
              union all
              select workspace_id, %3$s, -1 from old_rows where deleted_at is null
            ) as steps
            group by workspace_id, %3$s having sum(step) <> 0;
        end case;
        return null;
      end;
      $function$;
    $ddl$, 'add_to_' || tally, facet_types, facets, tally, 'count_' || tally);

    foreach event in array array[
      'insert on crm.%2$I referencing new table as new_rows',
      'update on crm.%2$I referencing old table as old_rows new table as new_rows',
      'delete on crm.%2$I referencing old table as old_rows'
    ] loop
      execute format('create trigger %1$I after ' || event || ' for each statement execute function crm.%3$I()',
        'count_' || split_part(event, ' ', 1) || '_' || tally, resource, 'count_' || tally);
    end loop;
  end loop;
end;
$$;

-- Tenancy --------------------------------------------------------------------------------------

-- Row-level security as every record table has it: a request reads and writes the rows of its own
-- workspace, as far as its key's scope goes. Nothing is ever deleted through the API. The view shows
-- PostgREST the live rows without what only the database computes with; a read by id goes there.
create function crm.secure_records(resource text) returns void
language plpgsql
set search_path = ''
as $$
declare
  shown constant text := (
    select string_agg(quote_ident(attname), ', ' order by attnum)
    from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass
      and attnum > 0 and not attisdropped and attgenerated = '' and attname <> 'deleted_at'
  );
begin
  execute format('alter table crm.%I enable row level security', resource);
  execute format('alter table crm.%I force row level security', resource);
  execute format('grant select, insert, update on crm.%I to crm_api', resource);
  execute format(
    'create policy %I on crm.%I for select to crm_api
       using (workspace_id = (select crm.workspace_for(%L, ''read'')))',
    'requests read ' || resource || ' of their workspace', resource, resource);
  execute format(
    'create policy %I on crm.%I for insert to crm_api
       with check (workspace_id = (select crm.workspace_for(%L, ''write'')))',
    'requests add ' || resource || ' to their workspace', resource, resource);
  execute format(
    'create policy %I on crm.%I for update to crm_api
       using (workspace_id = (select crm.workspace_for(%L, ''write'')))
       with check (workspace_id = (select crm.workspace_for(%L, ''write'')))',
    'requests change ' || resource || ' of their workspace', resource, resource, resource);
  execute format(
    'create view api.%I with (security_invoker = true) as select %s from crm.%I where deleted_at is null',
    resource, shown, resource);
  execute format('grant select on api.%I to crm_api', resource);
end;
$$;

-- Statements -----------------------------------------------------------------------------------

-- Queries are built from the facts that the API sends, and planning is the larger part of a short one.
-- Sessions belong to PostgREST's pool and requests repeat few shapes, so each session prepares a shape
-- once. That it did is noted in a setting of the session: asking pg_prepared_statements, or trying and
-- catching the failure, costs more than a short read.
create function crm.is_prepared(statement text) returns boolean
language sql stable
as $$
  select coalesce(current_setting('crm.' || statement, true), '') <> '';
$$;

-- Prepares a query and answers the name to execute it by. A session keeps the first hundred; the
-- others take turns in one statement, so that no caller can fill the memory of a session.
create function crm.prepare(statement text, parameter_types text, query text) returns text
language plpgsql
set search_path = ''
as $$
begin
  if (select count(*) from pg_catalog.pg_prepared_statements where from_sql) >= 100 then
    statement := 'another';
  end if;
  if exists (select from pg_catalog.pg_prepared_statements as prepared where prepared.name = prepare.statement) then
    execute format('deallocate %I', statement);
  end if;
  execute format('prepare %I (%s) as %s', statement, parameter_types, query);
  if statement <> 'another' then
    perform set_config('crm.' || statement, 'prepared', false);
  end if;
  return statement;
end;
$$;

grant execute on function crm.is_prepared(text), crm.prepare(text, text, text) to crm_api;

-- Idempotency ----------------------------------------------------------------------------------

create table crm.idempotency_keys (
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  key text not null check (length(key) between 1 and 255),
  fingerprint text not null,
  answer json not null,
  created_at timestamptz not null default now(),
  primary key (workspace_id, key)
);
comment on table crm.idempotency_keys is
  'What a write with an Idempotency-Key answered, kept 24 hours; written in the transaction of the change.';

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

-- Deletes what has outlived its promise: answers after a day, deleted records after 90 days.
-- Production schedules it (README, "Road to production"); it is safe to run at any time.
create function crm.purge() returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  resource text;
begin
  delete from crm.idempotency_keys where created_at < now() - interval '24 hours';
  for resource in
    select relation.relname
    from pg_catalog.pg_trigger as trigger
    join pg_catalog.pg_class as relation on relation.oid = trigger.tgrelid
    where trigger.tgname = 'stamp'
  loop
    execute format('delete from crm.%I where deleted_at < now() - interval ''90 days''', resource);
  end loop;
end;
$$;

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

-- count(*) over a million rows takes 150 ms; adding up a few dozen cells takes 0.1 ms. Each cell
-- counts the live records that share the values of a few columns, in the same transaction as the
-- change. A cell is split into slots: a writer takes any slot that nobody holds, or adds one, so
-- that writers never wait for each other.
create table crm.tallies (
  id bigint generated always as identity primary key,
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  resource text not null,
  facet_set text not null,
  facets jsonb not null,
  records bigint not null
) with (fillfactor = 50);
comment on table crm.tallies is 'Live records per combination of facet values; the sum over the slots of a cell is exact.';

create index tallies_workspace_id_resource_facet_set on crm.tallies (workspace_id, resource, facet_set);

alter table crm.tallies enable row level security;
alter table crm.tallies force row level security;

create function crm.add_to_tally(
  workspace_id uuid, resource text, facet_set text, facets jsonb, delta bigint
) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  update crm.tallies as tally
  set records = tally.records + delta
  where tally.id = (
    select slot.id
    from crm.tallies as slot
    where slot.workspace_id = add_to_tally.workspace_id
      and slot.resource = add_to_tally.resource
      and slot.facet_set = add_to_tally.facet_set
      and slot.facets = add_to_tally.facets
    limit 1
    for update skip locked
  );
  if not found then
    insert into crm.tallies (workspace_id, resource, facet_set, facets, records)
    values (add_to_tally.workspace_id, add_to_tally.resource, add_to_tally.facet_set, add_to_tally.facets, delta);
  end if;
end;
$$;

-- Writes the triggers that keep the tallies of a table: one cell per combination of the values of
-- each facet set, given as a comma-separated list of columns. The columns are fixed when the
-- migration runs, so the triggers' plans are cached; a generic trigger would plan on every write.
create function crm.track_totals(resource text, variadic facet_sets text[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  facet_set text;
  facets text;
  body text := '';
begin
  foreach facet_set in array facet_sets loop
    select 'jsonb_build_object(' || string_agg(format('%L, %I', facet, facet), ', ' order by place) || ')'
    into facets
    from regexp_split_to_table(facet_set, ',') with ordinality as listed (facet, place);

    body := body || format($body$
  if tg_op = 'INSERT' then
    perform crm.add_to_tally(workspace_id, %1$L, %2$L, facets, delta)
    from (
      select workspace_id, %3$s as facets, count(*) as delta
      from new_rows where deleted_at is null group by 1, 2
    ) as change;
  elsif tg_op = 'DELETE' then
    perform crm.add_to_tally(workspace_id, %1$L, %2$L, facets, -delta)
    from (
      select workspace_id, %3$s as facets, count(*) as delta
      from old_rows where deleted_at is null group by 1, 2
    ) as change;
  else
    perform crm.add_to_tally(workspace_id, %1$L, %2$L, facets, delta)
    from (
      select workspace_id, facets, sum(step) as delta
      from (
        select workspace_id, %3$s as facets, 1 as step from new_rows where deleted_at is null
        union all
        select workspace_id, %3$s, -1 from old_rows where deleted_at is null
      ) as steps
      group by 1, 2 having sum(step) <> 0
    ) as change;
  end if;
$body$, resource, facet_set, facets);
  end loop;

  execute format($function$
create function crm.%1$I() returns trigger
language plpgsql security definer
set search_path = ''
as $trigger$
begin
%2$s  return null;
end;
$trigger$;
$function$, 'tally_' || resource, body);

  execute format('create trigger tally_insert after insert on crm.%I
    referencing new table as new_rows for each statement execute function crm.%I()', resource, 'tally_' || resource);
  execute format('create trigger tally_update after update on crm.%I
    referencing old table as old_rows new table as new_rows for each statement execute function crm.%I()',
    resource, 'tally_' || resource);
  execute format('create trigger tally_delete after delete on crm.%I
    referencing old table as old_rows for each statement execute function crm.%I()', resource, 'tally_' || resource);
end;
$$;

-- The number of live records whose facets are as `conditions` says, adding up the tallies of one facet
-- set: {"status": {"in": ["active"]}, "owner_id": {"nin": [null]}}. Security definer: requests may not
-- read the cells themselves, so the workspace and the scope are checked here.
create function crm.tally_total(resource text, facet_set text, conditions jsonb) returns bigint
language plpgsql stable security definer
set search_path = ''
as $$
declare
  workspace constant uuid := crm.require_workspace(resource, 'read');
begin
  return (
    select coalesce(sum(tally.records), 0)
    from crm.tallies as tally
    where tally.workspace_id = workspace
      and tally.resource = tally_total.resource
      and tally.facet_set = tally_total.facet_set
      and not exists (
        select
        from jsonb_each(conditions) as condition (facet, allowed)
        where (allowed ? 'in' and not (allowed -> 'in') @> (tally.facets -> facet))
           or (allowed ? 'nin' and (allowed -> 'nin') @> (tally.facets -> facet))
      )
  );
end;
$$;

grant execute on function crm.tally_total(text, text, jsonb) to crm_api;

-- Tenancy --------------------------------------------------------------------------------------

-- Row-level security as every record table has it: a request reads and writes the rows of its own
-- workspace, as far as its key's scope goes. Nothing is ever deleted through the API.
create function crm.secure_records(resource text) returns void
language plpgsql
set search_path = ''
as $$
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
end;
$$;

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
    where trigger.tgname = 'tally_delete'
  loop
    execute format('delete from crm.%I where deleted_at < now() - interval ''90 days''', resource);
  end loop;
end;
$$;

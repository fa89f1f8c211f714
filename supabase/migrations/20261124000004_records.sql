-- What every record type shares: columns, stamps, history, exact totals, tenancy, idempotency. A record
-- type's own migration makes its table `like` one of the two templates and calls crm.set_up_records.

-- Templates ------------------------------------------------------------------------------------

-- What is versioned and soft-deleted.
create table crm.stamped (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by jsonb not null default '{}',
  updated_by jsonb not null default '{}',
  deleted_at timestamptz,
  unique (workspace_id, id)
);
comment on table crm.stamped is 'A template, always empty: the columns of everything that is versioned.';
alter table crm.stamped enable row level security;
alter table crm.stamped force row level security;

-- What customers' records have beside that.
create table crm.record (
  like crm.stamped including all,
  external_id text constraint external_id_check check (length(external_id) between 1 and 255),
  owner_id uuid,
  tags text[] not null default '{}' constraint tags_check check (cardinality(tags) <= 50),
  custom_fields jsonb not null default '{}' constraint custom_fields_check check (jsonb_typeof(custom_fields) = 'object'),
  source text not null default coalesce(nullif(current_setting('crm.source', true), ''), 'api')
    constraint source_check check (source in ('api', 'import', 'ui', 'automation'))
);
comment on table crm.record is 'A template, always empty: the columns of every record.';
alter table crm.record enable row level security;
alter table crm.record force row level security;

-- Registry -------------------------------------------------------------------------------------

create table crm.resources (
  name text primary key,
  -- Null where it depends on the row: row-level security knows.
  scope text,
  internal text[] not null default '{}',
  -- Of one that requests write; generated, see the last migration.
  facts jsonb
);
comment on table crm.resources is
  'What a request may name: tables, each with the scope that it takes, the columns that nobody is shown, and how it is written.';
alter table crm.resources enable row level security;
alter table crm.resources force row level security;

-- A preview branch is a clone of its project with all migrations but no rows, not even theirs. So what is here stands in
-- a function too, crm.restore_<table>(), which the seed calls.
create function crm.keep_rows() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  entries jsonb;
begin
  execute format('select jsonb_agg(entry) from crm.%I as entry', tg_table_name) into entries;
  execute format('create or replace function crm.%I() returns void language sql set search_path = '''' as %L', 'restore_' || tg_table_name, format(
    'insert into crm.%1$I select * from jsonb_populate_recordset(null::crm.%1$I, %2$L) on conflict (name) do nothing', tg_table_name, entries));
  return null;
end;
$$;
create trigger keep after insert or update or delete on crm.resources for each statement execute function crm.keep_rows();

insert into crm.resources values ('members', 'users', '{deleted_at}');

-- Money ----------------------------------------------------------------------------------------

-- Places behind the decimal point of a currency (ISO 4217), as MINOR_UNITS of shared/standards/currencies.ts.
create function crm.minor_units(currency text) returns integer
language sql immutable parallel safe
as $$
  select case
    when currency in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') then 0
    when currency in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    when currency in ('CLF', 'UYW', 'XAG', 'XAU', 'XBA', 'XBB', 'XBC', 'XBD', 'XDR', 'XPD', 'XPT', 'XSU', 'XUA') then 4
    else 2
  end;
$$;

-- An amount of a record with the places of its currency; one that has more is refused, not rounded: null on trial.
create function crm.money_of(record_id uuid, field text, amount numeric, currency text) returns numeric
language plpgsql
set search_path = ''
as $$
begin
  if scale(trim_scale(amount)) > crm.minor_units(currency) then
    perform crm.refuse(record_id, 'validation_error', jsonb_build_object('problems', jsonb_build_object(field, jsonb_build_array(
      case crm.minor_units(currency)
        when 0 then format('The %s field may have no decimal places in %s.', field, currency)
        else format('The %s field may have at most %s decimal places in %s.', field, crm.minor_units(currency), currency)
      end))));
    return null;
  end if;
  return round(amount, crm.minor_units(currency));
end;
$$;
grant execute on function crm.minor_units(text), crm.money_of(uuid, text, numeric, text) to crm_api;

-- Stamps ---------------------------------------------------------------------------------------

-- Keeps version, created_* and updated_*. Outside a request (seed, migration) given times are kept.
create function crm.stamp() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  claims constant jsonb := crm.claims();
  actor constant jsonb := crm.actor(claims);
begin
  if tg_op = 'INSERT' then
    if claims is not null then
      new.created_at := clock_timestamp();
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
    -- Not the transaction's time: of two that wait for one row, the later version has the later time.
    new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  end if;
  new.updated_by := actor;
  return new;
end;
$$;

-- Bookmarks ------------------------------------------------------------------------------------

-- A stamp is older than the commit that makes it seen, so whoever asks again for what is newer than the newest stamp they
-- saw misses what was under way. Who writes says since when, by a lock that hinders nobody and ends with the transaction:
-- of their workspace, and of the second in which they began.
create function crm.note_writer() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  workspace constant text := crm.claims() ->> 'workspace_id';
begin
  if workspace is not null and current_setting('crm.is_writing', true) is distinct from 'on' then
    perform pg_advisory_xact_lock_shared(hashtext(workspace), floor(extract(epoch from clock_timestamp()))::integer),
      set_config('crm.is_writing', 'on', true);
  end if;
  return null;
end;
$$;

-- Up to when all stamps of the request's workspace are seen by whoever looks after this: none under way is older.
create function crm.updated_through() returns timestamptz
language plpgsql volatile
set search_path = ''
as $$
declare
  now constant timestamptz := clock_timestamp();
begin
  return (
    select least(now, to_timestamp(min(objid::bigint)))
    from pg_catalog.pg_locks
    where locktype = 'advisory' and objsubid = 2 and database = (select oid from pg_catalog.pg_database where datname = current_database())
      and classid = hashtext(crm.claims() ->> 'workspace_id')::oid
  );
end;
$$;
grant execute on function crm.updated_through() to crm_api;

-- References -----------------------------------------------------------------------------------

-- The ids that records of a request name in some of their fields, be it one each or a list of objects.
create function crm.named_in(records json, fields text[]) returns uuid[]
language sql immutable
set search_path = ''
as $$
  select array(
    select distinct id::uuid
    from json_array_elements(records) as record
    cross join unnest(fields) as field
    cross join lateral (
      select record ->> field where json_typeof(record -> field) = 'string'
      union all
      select member.value #>> '{}'
      from json_array_elements(case when json_typeof(record -> field) = 'array' then record -> field else '[]' end) as entry
      cross join lateral json_each(case when json_typeof(entry) = 'object' then entry else '{}' end) as member
      where member.key like '%\_id'
    ) as named (id)
    where pg_input_is_valid(id, 'uuid')
  );
$$;

-- Holds records against their deletion, in the order of their ids.
create function crm.lock_named(target regclass, workspace uuid, ids uuid[]) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  if ids <> '{}' then
    execute format('select from %s where workspace_id = $1 and id = any ($2) order by id for share', target) using workspace, ids;
  end if;
end;
$$;

-- A reference must name a live record of the same workspace; the foreign keys alone would accept a
-- deleted one. Arguments: column, table, column, table, … Security definer, because a key without
-- the scope to read a record may still refer to it. The share lock holds off a delete until commit.
-- Written out when the migration runs, so that the plans are cached: a bulk write checks thousands.
--
-- Rows are locked table by table in the order in which the tables were made, those of one table in the order of their
-- ids: what is referred to before what refers to it. So a write locks what its records name before the records themselves
-- (crm.take_locks): crm.<resource>_lock, which is made here too unless the resource has one of its own.
create function crm.check_references_of(resource text, variadic pairs text[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  columns constant text[] := array(select pairs[n] from generate_series(1, cardinality(pairs), 2) as n);
  locks constant text := (
    select string_agg(format('perform crm.lock_named(%L, workspace, crm.named_in(records, %L));', target, names), ' ' order by target::regclass::oid)
    from (
      select 'crm.' || other as target, names || array(
        -- A list of records is a column of the name of their table.
        select attname::text from pg_catalog.pg_attribute
        where attrelid = format('crm.%I', resource)::regclass and attname = other and atttypid = 'jsonb'::regtype
      ) as names
      from (
        select pairs[n + 1] as other, array_agg(pairs[n]) as names from generate_series(1, cardinality(pairs), 2) as n group by 1
      ) as referred
      where other <> 'members' -- whose rows no request changes
    ) as targets
  );
begin
  if locks is not null and to_regprocedure(format('crm.%I(uuid, json)', resource || '_lock')) is null then
    execute format(
      'create function crm.%I(workspace uuid, records json) returns void language plpgsql security definer set search_path = '''' as %L',
      resource || '_lock', 'begin ' || locks || ' end;');
  end if;
  execute format($ddl$
    create function crm.%1$I() returns trigger
    language plpgsql security definer
    set search_path = ''
    as $function$
    begin
      %2$s
      return new;
    end;
    $function$;
    create trigger check_references before insert or update of %3$s on crm.%4$I
      for each row when (coalesce(%5$s) is not null) execute function crm.%1$I();
  $ddl$,
    'check_references_of_' || resource,
    (
      select string_agg(format($check$
      if new.%1$I is not null and (tg_op = 'INSERT' or new.%1$I is distinct from old.%1$I) then
        perform from crm.%2$I where id = new.%1$I and workspace_id = new.workspace_id and deleted_at is null for share;
        if not found then
          perform crm.refuse(new.id, 'reference_not_found', '{"field": "%1$s"}');
          return null;
        end if;
      end if;$check$, pairs[n], pairs[n + 1]), '' order by format('crm.%I', pairs[n + 1])::regclass::oid, n)
      from generate_series(1, cardinality(pairs), 2) as n
    ),
    array_to_string(columns, ', '), resource,
    (select string_agg('new.' || quote_ident(name), ', ') from unnest(columns) as name));
end;
$$;

-- Tenancy --------------------------------------------------------------------------------------

-- Row-level security as every record table has it: a request reads and writes the rows of its own
-- workspace, as far as its key's scope goes. Nothing is ever deleted through the API.
create function crm.secure_records(resource text, scope text) returns void
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
    'requests read ' || resource || ' of their workspace', resource, scope);
  execute format(
    'create policy %I on crm.%I for insert to crm_api
       with check (workspace_id = (select crm.workspace_for(%L, ''write'')))',
    'requests add ' || resource || ' to their workspace', resource, scope);
  execute format(
    'create policy %I on crm.%I for update to crm_api
       using (workspace_id = (select crm.workspace_for(%L, ''write'')))
       with check (workspace_id = (select crm.workspace_for(%L, ''write'')))',
    'requests change ' || resource || ' of their workspace', resource, scope, scope);
end;
$$;

-- Columns as the API shows them: money, which is numeric, as text; a name that is no column is computed
-- by crm.<resource>_<name>(workspace_id, id).
create function crm.render_columns(resource text, alias text, names text[]) returns text
language sql stable
set search_path = ''
as $$
  select string_agg(
    case
      when atttypid = 'numeric'::regtype then format('%1$I.%2$I::text as %2$I', alias, name)
      when atttypid is not null then format('%I.%I', alias, name)
      else format('crm.%1$I(%2$I.workspace_id, %2$I.id) as %3$I', resource || '_' || name, alias, name)
    end, ', ' order by place)
  from unnest(names) with ordinality as listed (name, place)
  left join pg_catalog.pg_attribute
    on attrelid = format('crm.%I', resource)::regclass and attname = name and attnum > 0 and not attisdropped;
$$;

-- The view that shows PostgREST the live rows without what only the database computes with; a read by
-- id goes there. Called again once a later migration has added a computed column.
create function crm.show_records(resource text) returns void
language plpgsql
set search_path = ''
as $$
declare
  columns constant text[] := array(
    select attname from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass and attnum > 0 and not attisdropped
      and attname not in ('deleted_at', 'merged_into', 'search_text', 'filter_text') and attname not like '%\_key'
      and attname <> all (select unnest(internal) from crm.resources where name = resource)
    order by attnum
  );
  computed constant text[] := array(
    select substring(proname from length(resource) + 2) from pg_catalog.pg_proc
    where pronamespace = 'crm'::regnamespace and starts_with(proname, resource || '_')
      and oidvectortypes(proargtypes) = 'uuid, uuid'
    order by oid
  );
begin
  execute format('create or replace view api.%1$I with (security_invoker = true) as select %2$s from crm.%1$I as record where deleted_at is null',
    resource, crm.render_columns(resource, 'record', columns || computed));
  execute format('grant select on api.%I to crm_api', resource);
end;
$$;

-- Everything that is made `like crm.stamped`. `scope` is the resource whose scope it takes.
create function crm.set_up_stamped(resource text, scope text default null) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into crm.resources (name, scope) values (resource, coalesce(scope, resource))
  on conflict (name) do update set scope = excluded.scope; -- its facts may be there already
  execute format(
    'alter table crm.%I add constraint %I foreign key (workspace_id) references crm.workspaces (id) on delete cascade',
    resource, resource || '_workspace_id_fkey');
  -- order by <field>, id, in both directions, with and without a bound on the field
  execute format('create index %I on crm.%I (workspace_id, created_at, id) where deleted_at is null', resource || '_created_at', resource);
  execute format('create index %I on crm.%I (workspace_id, updated_at, id) where deleted_at is null', resource || '_updated_at', resource);
  -- deleted=only
  execute format('create index %I on crm.%I (workspace_id, deleted_at, id) where deleted_at is not null', resource || '_deleted_at', resource);
  execute format('create trigger note_writer before insert or update on crm.%I for each statement execute function crm.note_writer()', resource);
  execute format('create trigger stamp before insert or update on crm.%I for each row execute function crm.stamp()', resource);
  perform crm.keep_history(resource, coalesce(scope, resource));
  perform crm.secure_records(resource, coalesce(scope, resource));
  perform crm.show_records(resource);
  -- What is set up before there is a feed, the feed's migration sees to.
  if to_regprocedure('crm.tell_versions(text)') is not null then
    perform crm.tell_versions(resource);
  end if;
end;
$$;

-- Everything that is made `like crm.record`. A live external id belongs to one record of the workspace,
-- or of those that are alike in the column `external_id_within`.
create function crm.set_up_records(resource text, external_id_within text default null) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    'alter table crm.%I add constraint %I foreign key (workspace_id, owner_id) references crm.members (workspace_id, id)',
    resource, resource || '_owner_id_fkey');
  execute format(
    'create unique index %I on crm.%I (workspace_id, %sexternal_id) where deleted_at is null and external_id is not null',
    resource || '_external_id_live', resource, external_id_within || ', ');
  -- owner_id = …, newest first. As all indexes of references, of deleted records too: what refers to a record is looked
  -- for when that is deleted or merged.
  execute format('create index %I on crm.%I (workspace_id, owner_id, created_at, id)', resource || '_owner_id', resource);
  -- tags && …, in crm.run_search and when a tag is renamed or deleted, which deleted records are told too. A short pending
  -- list: what waits in it is scanned by every search.
  execute format('create index %I on crm.%I using gin (workspace_id, tags) with (gin_pending_list_limit = 512)', resource || '_tags', resource);
  perform crm.set_up_stamped(resource);
  perform crm.check_custom_fields_of(resource);
  perform crm.count_tags_of(resource);
end;
$$;

-- Deletes what has outlived its promise: answers after a day, deleted records after 90 days, jobs 30 days after their end.
-- Of one kind at a time, and at most so many rows, so that nobody waits for it; answers how many, 0 when none is left.
create function crm.purge(max_rows integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  resource text;
  expired uuid[];
  reference record;
  changed integer;
begin
  -- Two at once would take the same rows, and the second one think that none is left.
  perform pg_advisory_xact_lock(hashtextextended('purge', 0));
  delete from crm.idempotency_keys where (workspace_id, key) in (
    select workspace_id, key from crm.idempotency_keys where created_at < now() - interval '24 hours' limit max_rows
  );
  get diagnostics changed = row_count;
  if changed > 0 then
    return changed;
  end if;
  for resource in
    select relation.relname
    from pg_catalog.pg_trigger as trigger
    join pg_catalog.pg_class as relation on relation.oid = trigger.tgrelid
    where trigger.tgname = 'stamp'
    order by relation.oid desc
  loop
    execute format('select array(select id from crm.%I where deleted_at < now() - interval ''90 days'' order by id limit $1)', resource)
    into expired using max_rows;
    continue when expired = '{}';
    -- What their foreign keys would do to all that names them at once.
    for reference in
      select key.conrelid::regclass as source, attribute.attname as field, key.confdeltype = 'n' as is_cleared
      from pg_catalog.pg_constraint as key
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.conrelid and attribute.attnum = key.conkey[2]
      where key.contype = 'f' and key.confrelid = format('crm.%I', resource)::regclass and key.confdeltype in ('n', 'c')
      order by key.conrelid, attribute.attname
    loop
      execute format($query$
        with target as materialized (
          select child.ctid as place from crm.%1$I as record
          join %2$s as child on child.workspace_id = record.workspace_id and child.%3$I = record.id
          where record.id = any ($1) order by %4$s limit $2 for %6$s of child
        )
        %5$s
      $query$, resource, reference.source, reference.field,
        case when reference.is_cleared then 'child.id' else 'child.ctid' end,
        case when reference.is_cleared
          then format('update %s as child set %I = null from target where child.ctid = target.place', reference.source, reference.field)
          else format('delete from %s as child using target where child.ctid = target.place', reference.source)
        end,
        case when reference.is_cleared then 'no key update' else 'update' end)
      using expired, max_rows;
      get diagnostics changed = row_count;
      if changed > 0 then
        return changed;
      end if;
    end loop;
    execute format('delete from crm.%I where id = any ($1)', resource) using expired;
    get diagnostics changed = row_count;
    return changed;
  end loop;
  delete from crm.jobs where id in (select id from crm.jobs where finished_at < now() - interval '30 days' limit max_rows);
  get diagnostics changed = row_count;
  return changed;
end;
$$;

grant execute on function crm.render_columns(text, text, text[]) to crm_api;

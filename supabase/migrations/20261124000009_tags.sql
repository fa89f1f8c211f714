-- Tags: records carry the names; here each name is a row of its own, with the number of live records. Names that differ
-- in nothing but case are one tag, which is written as it was first.

create table crm.tags (
  like crm.stamped including all,
  name text collate "und-x-icu" not null check (length(name) between 1 and 100),
  name_key text collate "und-x-icu" not null generated always as (lower(name collate pg_catalog.pg_c_utf8)) stored,
  search_text text not null generated always as (crm.searchable(name)) stored,
  filter_text text not null generated always as (crm.filterable('name', name)) stored
);
comment on table crm.tags is 'The tag names of a workspace. A name appears with the first record that carries it.';

create unique index tags_name_live on crm.tags (workspace_id, name_key) where deleted_at is null;

-- As the other totals (crm.track_totals): slots, so that writers of a common tag don't wait for each other.
create table crm.tag_counts (
  id bigint generated always as identity primary key,
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  name text not null,
  resource text not null,
  records bigint not null
) with (fillfactor = 50);
comment on table crm.tag_counts is 'Live records per tag and resource, in one or more slots each.';
create index tag_counts_name on crm.tag_counts (workspace_id, name, resource);
alter table crm.tag_counts enable row level security;
alter table crm.tag_counts force row level security;
grant select on crm.tag_counts to crm_api;
create policy "requests read the counts of tags they may read" on crm.tag_counts
  for select to crm_api using (workspace_id = (select crm.workspace_for('tags', 'read')));

create function crm.tags_count(workspace_id uuid, tag_id uuid) returns bigint
language sql stable
set search_path = ''
as $$
  select coalesce(sum(slot.records), 0)::bigint
  from crm.tags as tag
  join crm.tag_counts as slot on slot.workspace_id = tag.workspace_id and slot.name = tag.name
  where tag.id = tags_count.tag_id and tag.workspace_id = tags_count.workspace_id;
$$;

-- Adds to the counts of tags, of each name once. A slot that another writer holds is left to it.
create function crm.add_to_tag_counts(workspace uuid, resource text, names text[], deltas bigint[]) returns void
language plpgsql security definer
set search_path = ''
set enable_nestloop = on -- of many slots few are asked for
as $$
declare
  slots bigint[];
  counted text[];
begin
  select array_agg(free.id), array_agg(step.name) into slots, counted
  from unnest(names) as step (name)
  cross join lateral (
    select slot.id from crm.tag_counts as slot
    where slot.workspace_id = workspace and slot.name = step.name and slot.resource = add_to_tag_counts.resource
    limit 1
    for update skip locked
  ) as free;
  update crm.tag_counts as slot
  set records = slot.records + step.delta
  from unnest(names, deltas) as step (name, delta)
  join unnest(slots, counted) as free (id, name) using (name)
  where slot.id = free.id;
  insert into crm.tag_counts (workspace_id, name, resource, records)
  select workspace, step.name, add_to_tag_counts.resource, step.delta
  from unnest(names, deltas) as step (name, delta)
  where not exists (select from unnest(counted) as known where known = step.name);
end;
$$;

-- Registers names that are new, and holds all of them until commit against a rename or deletion, which would not see the
-- records that come with them. Asked again when one went while we waited for it.
create function crm.register_tags(workspace uuid, names text[]) returns void
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan -- all names in one look at the tags, by whichever index
set enable_nestloop = off
as $$
declare
  keys constant text[] := array(
    select key from (select lower(given collate pg_catalog.pg_c_utf8) as key from unnest(names) as given) as listed
    group by key order by key collate "und-x-icu"
  );
  held text[];
  added integer;
begin
  for attempt in 1..10 loop
    held := array(
      select name_key from crm.tags where workspace_id = workspace and name_key = any (keys) and deleted_at is null order by name_key for share
    );
    exit when cardinality(held) = cardinality(keys);
    insert into crm.tags (workspace_id, name)
    select workspace, given from (
      select distinct on (lower(given collate pg_catalog.pg_c_utf8)) given, lower(given collate pg_catalog.pg_c_utf8) as key
      from unnest(names) with ordinality as listed (given, place) order by key, place
    ) as fresh
    where not exists (select from unnest(held) as known where known = key) order by key
    on conflict (workspace_id, name_key) where deleted_at is null do nothing;
    get diagnostics added = row_count;
    exit when cardinality(held) + added = cardinality(keys);
  end loop;
  -- For crm.spell_tags: a look-up for each record would read the tags of the workspace as often as there are records.
  perform set_config('crm.spellings', (coalesce(nullif(current_setting('crm.spellings', true), ''), '{}')::jsonb || (
    select coalesce(jsonb_object_agg(given, held.name), '{}')
    from unnest(names) as given
    join (
      select name, name_key from crm.tags where workspace_id = workspace and name_key = any (keys) and deleted_at is null
    ) as held on held.name_key = lower(given collate pg_catalog.pg_c_utf8) collate "und-x-icu"
    where held.name <> given
  ))::text, true);
end;
$$;

-- Drops what was registered for records that then were not written.
create function crm.forget_unused_tags(workspace uuid, names text[]) returns void
language sql volatile security definer
set search_path = ''
as $$
  delete from crm.tags as tag
  where tag.workspace_id = workspace and tag.version = 1 and tag.deleted_at is null
    and tag.name_key = any (array(select lower(given collate pg_catalog.pg_c_utf8) from unnest(names) as given))
    and tag.xmin = pg_current_xact_id()::xid
    and not exists (select from crm.tag_counts as slot where slot.workspace_id = workspace and slot.name = tag.name and slot.records > 0);
$$;

-- Names as they are written: those of the tags that they are in any case.
create function crm.spelled(workspace uuid, names text[]) returns text[]
language sql stable security definer
set search_path = ''
as $$
  with known as (
    select name, name_key from crm.tags
    where workspace_id = workspace and deleted_at is null
      and name_key = any (array(select lower(given collate pg_catalog.pg_c_utf8) collate "und-x-icu" from unnest(names) as given))
  )
  select coalesce(array_agg(name order by place), '{}')
  from (
    select coalesce(known.name, given) as name, min(place) as place
    from unnest(names) with ordinality as listed (given, place)
    left join known on known.name_key = lower(given collate pg_catalog.pg_c_utf8) collate "und-x-icu"
    group by 1
  ) as spelled;
$$;

-- Before a record is written: its tags as they are spelled.
create function crm.spell_tags() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  -- Of what the transaction has registered; what else it writes comes from records, spelled already.
  spellings constant jsonb := nullif(current_setting('crm.spellings', true), '');
begin
  if tg_op = 'UPDATE' and new.tags = old.tags then
    return new;
  elsif spellings is null then
    new.tags := crm.spelled(new.workspace_id, new.tags);
  else
    new.tags := (
      select coalesce(array_agg(name order by place), '{}')
      from (
        select coalesce(spellings ->> given, given) as name, min(place) as place
        from unnest(new.tags) with ordinality as listed (given, place)
        group by 1
      ) as spelled
    );
  end if;
  return new;
end;
$$;

-- Counts what a statement changed, and registers names that are new. Its argument is the resource.
create function crm.count_tags() returns trigger
language plpgsql security definer
set search_path = ''
set enable_nestloop = off -- its plan is kept: made for one row, it would compare all of thousands with all
as $$
begin
  case tg_op
    when 'INSERT' then
      perform crm.register_tags(workspace_id, array_agg(distinct tag))
      from new_rows cross join unnest(tags) as given (tag) group by workspace_id;
      perform crm.add_to_tag_counts(workspace_id, tg_argv[0], array_agg(tag order by tag), array_agg(step order by tag))
      from (
        select workspace_id, tag, count(*) as step from new_rows cross join unnest(tags) as given (tag)
        where deleted_at is null group by workspace_id, tag
      ) as steps
      group by workspace_id;
    when 'DELETE' then
      perform crm.add_to_tag_counts(workspace_id, tg_argv[0], array_agg(tag order by tag), array_agg(step order by tag))
      from (
        select workspace_id, tag, -count(*) as step from old_rows cross join unnest(tags) as given (tag)
        where deleted_at is null group by workspace_id, tag
      ) as steps
      group by workspace_id;
    when 'UPDATE' then
      perform crm.register_tags(later.workspace_id, array_agg(distinct tag))
      from new_rows as later join old_rows as earlier using (id) cross join unnest(later.tags) as given (tag)
      where tag <> all (earlier.tags) group by later.workspace_id;
      perform crm.add_to_tag_counts(workspace_id, tg_argv[0], array_agg(tag order by tag), array_agg(step order by tag))
      from (
        select workspace_id, tag, sum(step)::bigint as step
        from (
          select workspace_id, tag, 1::bigint as step from new_rows cross join unnest(tags) as given (tag) where deleted_at is null
          union all
          select workspace_id, tag, -1 from old_rows cross join unnest(tags) as given (tag) where deleted_at is null
        ) as each
        group by workspace_id, tag having sum(step) <> 0
      ) as steps
      group by workspace_id;
  end case;
  return null;
end;
$$;

-- Gives a resource tags.
create function crm.count_tags_of(resource text) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format($ddl$
    create trigger spell_tags before insert or update of tags on crm.%1$I
      for each row when (new.tags <> '{}') execute function crm.spell_tags();
    create trigger count_tags_inserted after insert on crm.%1$I referencing new table as new_rows
      for each statement execute function crm.count_tags(%1$L);
    create trigger count_tags_updated after update on crm.%1$I referencing old table as old_rows new table as new_rows
      for each statement execute function crm.count_tags(%1$L);
    create trigger count_tags_deleted after delete on crm.%1$I referencing old table as old_rows
      for each statement execute function crm.count_tags(%1$L);
  $ddl$, resource);
end;
$$;

-- The resources whose records carry tags, in the order in which rows are locked: pipelines after their deals.
create function crm.tagged_resources() returns setof text
language sql stable
set search_path = ''
as $$
  select relation.relname::text
  from pg_catalog.pg_trigger as trigger
  join pg_catalog.pg_class as relation on relation.oid = trigger.tgrelid
  where trigger.tgname = 'count_tags_updated'
  order by relation.relname = 'pipelines', relation.oid;
$$;

-- How many records carry one of the names, deleted ones too; counted no further than a request may change at once.
create function crm.count_tagged(workspace uuid, names text[]) returns integer
language plpgsql stable security definer
set search_path = ''
as $$
declare
  resource text;
  found integer;
  total integer := 0;
begin
  for resource in select crm.tagged_resources() loop
    execute format('select count(*) from (select from crm.%I where workspace_id = $1 and tags && $2 limit $3) as found', resource)
    into found using workspace, names, crm.max_at_once() + 1;
    total := total + found;
  end loop;
  return total;
end;
$$;

-- Puts one name (null: nothing) in the place of others on at most `max_records` that carried them before a time and since,
-- deleted ones too: they may come back. Past the policies, because a key for tags may not write contacts.
create function crm.replace_tags(workspace uuid, names text[], name text, before timestamptz, max_records integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  resource text;
  changed integer;
  total integer := 0;
begin
  for resource in select crm.tagged_resources() loop
    exit when total >= max_records;
    execute format($query$
      with target as (
        select id from crm.%1$I as carrier
        where workspace_id = $1 and tags && $2 and created_at < $4 and (updated_at < $4 or not exists (
          select from crm.%2$I
          where workspace_id = $1 and record_id = carrier.id and changed_at >= $4 and field = 'tags' and "to" ?| $2 and not "from" ?| $2
        ))
        order by id limit $5 for no key update
      )
      update crm.%1$I as record set tags = array(
        select tag
        from (
          select case when given = any ($2) then $3 else given end as tag, min(place) as place
          from unnest(record.tags) with ordinality as listed (given, place)
          group by 1
        ) as replaced
        where tag is not null order by place
      )
      from target where record.id = target.id
    $query$, resource, resource || '_history')
    using workspace, names, name, before, max_records - total;
    get diagnostics changed = row_count;
    total := total + changed;
  end loop;
  return total;
end;
$$;

create function crm.job_replace_tags(job crm.jobs) returns integer
language sql volatile security definer
set search_path = ''
as $$
  select crm.replace_tags(job.workspace_id, array(select jsonb_array_elements_text(job.arguments -> 'names')),
    job.arguments ->> 'name', (job.arguments ->> 'before')::timestamptz, 500);
$$;

-- As replace_tags, at once or as a job. What carries a name from now on is somebody else's.
create function crm.change_tags(workspace uuid, names text[], name text) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  total constant integer := crm.count_tagged(workspace, names);
begin
  if total <= crm.max_at_once() then
    perform crm.replace_tags(workspace, names, name, 'infinity', total);
  else
    perform crm.start_job(workspace, 'replace_tags', 'tags', jsonb_build_object('names', names, 'name', name, 'before', clock_timestamp()),
      (select sum(records)::bigint from crm.tag_counts as slot where slot.workspace_id = workspace and slot.name = any (names)));
  end if;
end;
$$;

-- The records that lost a tag when it was deleted, in the order of their ids after one: their history says which.
create function crm.lost_tag(resource text, workspace uuid, name text, lost_at timestamptz, after uuid, max_records integer) returns setof uuid
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query execute format($query$
    select distinct record_id from crm.%I
    where workspace_id = $1 and record_id > $4 and field = 'tags' and changed_at >= $3 and "from" ? $2 and not "to" ? $2
    order by record_id limit $5
  $query$, resource || '_history')
  using workspace, name, lost_at, after, max_records;
end;
$$;

-- Gives a tag back to those records.
create function crm.give_tag_back(resource text, workspace uuid, name text, records uuid[]) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  execute format($query$
    with target as (
      select id from crm.%1$I where workspace_id = $1 and id = any ($3) and not tags @> array[$2] and cardinality(tags) < 50 order by id for no key update
    )
    update crm.%1$I as record set tags = tags || $2 from target where record.id = target.id
  $query$, resource)
  using workspace, name, records;
end;
$$;

create function crm.job_give_tag_back(job crm.jobs) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  name constant text := job.arguments ->> 'name';
  resource text;
  records uuid[];
  reached boolean := not job.arguments ? 'resource';
begin
  for resource in select crm.tagged_resources() loop
    reached := reached or resource = job.arguments ->> 'resource';
    continue when not reached;
    records := array(select crm.lost_tag(resource, job.workspace_id, name, (job.arguments ->> 'lost_at')::timestamptz,
      case when resource = job.arguments ->> 'resource' then (job.arguments ->> 'after')::uuid else '00000000-0000-0000-0000-000000000000' end, 500));
    continue when records = '{}';
    perform crm.give_tag_back(resource, job.workspace_id, name, records);
    update crm.jobs set arguments = arguments || jsonb_build_object('resource', resource, 'after', records[cardinality(records)]) where id = job.id;
    return cardinality(records);
  end loop;
  return 0;
end;
$$;

create function crm.restore_tag(workspace uuid, name text, lost_at timestamptz) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  resource text;
  records uuid[];
  total integer := 0;
  nowhere constant uuid := '00000000-0000-0000-0000-000000000000';
begin
  for resource in select crm.tagged_resources() loop
    total := total + (select count(*) from crm.lost_tag(resource, workspace, name, lost_at, nowhere, crm.max_at_once() + 1));
  end loop;
  if total > crm.max_at_once() then
    perform crm.start_job(workspace, 'give_tag_back', 'tags', jsonb_build_object('name', name, 'lost_at', lost_at), null);
    return;
  end if;
  for resource in select crm.tagged_resources() loop
    records := array(select crm.lost_tag(resource, workspace, name, lost_at, nowhere, total));
    if records <> '{}' then
      perform crm.give_tag_back(resource, workspace, name, records);
    end if;
  end loop;
end;
$$;

-- A rename reaches every record; deleting a tag takes it from them, restoring gives it back.
create function crm.follow_tag() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if current_setting('crm.merging_tags', true) = 'on' then
    return null;
  elsif new.deleted_at is not null and old.deleted_at is null then
    perform crm.change_tags(old.workspace_id, array[old.name], null);
  elsif new.deleted_at is null and old.deleted_at is not null then
    perform crm.restore_tag(old.workspace_id, old.name, old.deleted_at);
  elsif new.name <> old.name then
    perform crm.change_tags(old.workspace_id, array[old.name], new.name);
  end if;
  return null;
end;
$$;

create trigger follow_tag after update of name, deleted_at on crm.tags for each row execute function crm.follow_tag();
select crm.set_up_stamped('tags');

grant execute on function crm.tags_count(uuid, uuid), crm.spelled(uuid, text[]), crm.register_tags(uuid, text[]), crm.forget_unused_tags(uuid, text[]) to crm_api;

-- Tags: records carry the names; here each name is a row of its own, with the number of live records.

create table crm.tags (
  like crm.stamped including all,
  name text not null check (length(name) between 1 and 100),
  search_text text not null generated always as (crm.fold(' ' || name)) stored
);
comment on table crm.tags is 'The tag names of a workspace. A name appears with the first record that carries it.';

create unique index tags_name_live on crm.tags (workspace_id, name) where deleted_at is null;

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

create function crm.add_to_tag_counts(workspace_id uuid, name text, resource text, delta bigint) returns void
language plpgsql security definer
set search_path = ''
as $$
#variable_conflict use_variable
begin
  update crm.tag_counts as slot
  set records = slot.records + delta
  where slot.id = (
    select free.id from crm.tag_counts as free
    where free.workspace_id = workspace_id and free.name = name and free.resource = resource
    limit 1
    for update skip locked
  );
  if not found then
    insert into crm.tag_counts (workspace_id, name, resource, records) values (workspace_id, name, resource, delta);
  end if;
end;
$$;

-- Registers names that are new, and holds all of them until commit against a rename or deletion, which
-- would not see the records that come with them. Asked again when one went while we waited for it.
create function crm.register_tags(workspace uuid, names text[]) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  held text[];
begin
  for turn in 1..10 loop
    held := array(
      select name from crm.tags where workspace_id = workspace and name = any (names) and deleted_at is null order by name for share
    );
    exit when held @> names;
    insert into crm.tags (workspace_id, name)
    select workspace, given from unnest(names) as given where given <> all (held) order by given
    on conflict (workspace_id, name) where deleted_at is null do nothing;
  end loop;
end;
$$;

-- Counts what a statement changed, and registers names that are new. Its argument is the resource.
create function crm.count_tags() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  case tg_op
    when 'INSERT' then
      perform crm.register_tags(workspace_id, array_agg(distinct tag))
      from new_rows cross join unnest(tags) as given (tag) group by workspace_id;
      perform crm.add_to_tag_counts(workspace_id, tag, tg_argv[0], count(*))
      from new_rows cross join unnest(tags) as given (tag)
      where deleted_at is null group by workspace_id, tag order by tag;
    when 'DELETE' then
      perform crm.add_to_tag_counts(workspace_id, tag, tg_argv[0], -count(*))
      from old_rows cross join unnest(tags) as given (tag)
      where deleted_at is null group by workspace_id, tag order by tag;
    when 'UPDATE' then
      perform crm.register_tags(later.workspace_id, array_agg(distinct tag))
      from new_rows as later join old_rows as earlier using (id) cross join unnest(later.tags) as given (tag)
      where tag <> all (earlier.tags) group by later.workspace_id;
      perform crm.add_to_tag_counts(workspace_id, tag, tg_argv[0], sum(step)::bigint)
      from (
        select workspace_id, tag, 1::bigint as step from new_rows cross join unnest(tags) as given (tag) where deleted_at is null
        union all
        select workspace_id, tag, -1 from old_rows cross join unnest(tags) as given (tag) where deleted_at is null
      ) as steps
      group by workspace_id, tag having sum(step) <> 0 order by tag;
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
    create trigger count_tags_inserted after insert on crm.%1$I referencing new table as new_rows
      for each statement execute function crm.count_tags(%1$L);
    create trigger count_tags_updated after update on crm.%1$I referencing old table as old_rows new table as new_rows
      for each statement execute function crm.count_tags(%1$L);
    create trigger count_tags_deleted after delete on crm.%1$I referencing old table as old_rows
      for each statement execute function crm.count_tags(%1$L);
  $ddl$, resource);
end;
$$;

-- Puts one name (null: nothing) in the place of others, on every record that carries them, deleted ones
-- too: they may come back. Past the policies, because a key for tags may not write contacts.
create function crm.replace_tags(workspace uuid, names text[], name text) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  resource text;
begin
  for resource in
    select relation.relname
    from pg_catalog.pg_trigger as trigger
    join pg_catalog.pg_class as relation on relation.oid = trigger.tgrelid
    where trigger.tgname = 'count_tags_updated'
    order by relation.relname
  loop
    execute format($query$
      update crm.%I set tags = array(
        select tag
        from (
          select case when given = any ($2) then $3 else given end as tag, min(place) as place
          from unnest(tags) with ordinality as listed (given, place)
          group by 1
        ) as replaced
        where tag is not null order by place
      )
      where workspace_id = $1 and tags && $2
    $query$, resource)
    using workspace, names, name;
  end loop;
end;
$$;

-- Gives a tag back to the records that lost it at a time: their history says which.
create function crm.give_tag_back(workspace uuid, name text, lost_at timestamptz) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  resource text;
begin
  for resource in
    select relation.relname
    from pg_catalog.pg_trigger as trigger
    join pg_catalog.pg_class as relation on relation.oid = trigger.tgrelid
    where trigger.tgname = 'count_tags_updated'
    order by relation.relname
  loop
    execute format($query$
      update crm.%1$I set tags = tags || $2
      where workspace_id = $1 and not tags @> array[$2] and cardinality(tags) < 50 and id in (
        select record_id from crm.%2$I
        where workspace_id = $1 and field = 'tags' and changed_at = $3 and "from" ? $2 and not "to" ? $2
      )
    $query$, resource, resource || '_history')
    using workspace, name, lost_at;
  end loop;
end;
$$;

-- A rename reaches every record; deleting a tag takes it from them, restoring gives it back.
create function crm.follow_tag() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if new.deleted_at is not null and old.deleted_at is null then
    perform crm.replace_tags(old.workspace_id, array[old.name], null);
  elsif new.deleted_at is null and old.deleted_at is not null then
    perform crm.give_tag_back(old.workspace_id, old.name, old.deleted_at);
  elsif new.name <> old.name then
    perform crm.replace_tags(old.workspace_id, array[old.name], new.name);
  end if;
  return null;
end;
$$;

create trigger follow_tag after update of name, deleted_at on crm.tags for each row execute function crm.follow_tag();
select crm.set_up_stamped('tags');

grant execute on function crm.tags_count(uuid, uuid) to crm_api;

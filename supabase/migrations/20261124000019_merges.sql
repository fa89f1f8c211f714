-- Merges: two records that are one in life become one here, and apart again if that was wrong.

create table crm.merges (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  resource text not null check (resource in ('contacts', 'companies')),
  winner_id uuid not null,
  loser_ids uuid[] not null,
  -- The winner's values by field before and after, which it takes to undo it.
  filled jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  created_by jsonb not null,
  reverted_at timestamptz,
  reverted_by jsonb
);
comment on table crm.merges is 'One row per merge; merged_into of the losers says where they went.';
create index merges_created_at on crm.merges (workspace_id, created_at, id);
alter table crm.merges enable row level security;
alter table crm.merges force row level security;
grant select on crm.merges to crm_api;
create policy "requests read the merges of records they may read" on crm.merges
  for select to crm_api using (
    workspace_id = case resource
      when 'contacts' then (select crm.workspace_for('contacts', 'read'))
      when 'companies' then (select crm.workspace_for('companies', 'read'))
    end
  );

-- What it takes to give the references of a merge back: each record that named a loser, and what it named.
create table crm.merge_moves (
  merge_id uuid not null references crm.merges (id) on delete cascade,
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  source text not null,
  field text not null,
  record_id uuid not null,
  was jsonb not null,
  became jsonb not null,
  primary key (merge_id, source, field, record_id)
);
comment on table crm.merge_moves is 'The references that a merge has moved from its losers to its winner.';
create index merge_moves_workspace_id on crm.merge_moves (workspace_id);
alter table crm.merge_moves enable row level security;
alter table crm.merge_moves force row level security;

create view api.merges with (security_invoker = true) as
  select id, resource, winner_id, loser_ids, created_at, created_by, reverted_at, reverted_by from crm.merges;
grant select on api.merges to crm_api;

-- Every column that refers to a resource, from the catalog: a new reference is moved the day it appears. The one
-- list of records is deals.contacts. Tables are in the order in which their rows are locked.
create function crm.references_to(resource text) returns table (source text, fields text[])
language sql stable
set search_path = ''
as $$
  select relation.relname::text, array_agg(attribute.attname::text order by attribute.attname)
  from pg_catalog.pg_class as relation
  join pg_catalog.pg_attribute as attribute on attribute.attrelid = relation.oid
  where relation.relnamespace = 'crm'::regnamespace and relation.relkind = 'r'
    and relation.relname not like '%\_history' and relation.relname <> 'stage_changes'
    and (
      (attribute.attname = resource and attribute.atttypid = 'jsonb'::regtype)
      or exists (
        select from pg_catalog.pg_constraint as reference
        where reference.contype = 'f' and reference.conrelid = relation.oid and reference.conkey[2] = attribute.attnum
          and reference.confrelid = format('crm.%I', references_to.resource)::regclass
      )
    )
  group by relation.oid, relation.relname
  order by relation.oid;
$$;

-- An update merges objects: members that the new one lacks are cleared by name.
create function crm.replace_object(old jsonb, new jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select case when jsonb_typeof(old) = 'object' and jsonb_typeof(new) = 'object'
    then (select coalesce(jsonb_object_agg(member, null), '{}') from jsonb_object_keys(old) as member) || new
    else new
  end;
$$;

-- What a merge, a batch of it or its way back holds from the start, in the order of all writes (crm.take_locks): what
-- records with such values hold, the turn at the trees of companies, then the merged themselves together with those
-- companies below them that it moves.
create function crm.lock_merged(resource text, workspace uuid, winner uuid, losers uuid[], merge uuid, given json) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  max_below constant integer := greatest(crm.max_at_once(), 500);
  tag_keys constant text[] := array(
    select lower(tag collate pg_catalog.pg_c_utf8) from json_array_elements(given) as record cross join json_array_elements_text(record -> 'tags') as tag
  );
  ids uuid[] := losers || winner;
begin
  perform from crm.tags
  where workspace_id = workspace and deleted_at is null and name_key = any (tag_keys)
  order by name_key for share;
  perform crm.take_locks(resource, workspace, (
    select json_agg(json_build_object('company_id', record -> 'company_id')) from json_array_elements(given) as record
  ), true);
  if resource = 'companies' then
    perform pg_advisory_xact_lock(hashtextextended('hierarchy:' || workspace, 0));
    ids := ids || array(
      select id from crm.companies where workspace_id = workspace and parent_company_id = any (losers) order by id limit max_below
    ) || array(
      select record_id from crm.merge_moves where merge_id = merge and source = 'companies' order by record_id limit max_below
    ) || crm.named_in(given, '{parent_company_id}');
  end if;
  execute format('select from crm.%I where id = any ($1) and workspace_id = $2 order by id for no key update', resource) using ids, workspace;
end;
$$;

-- What some records name that is locked before them.
create function crm.held_by(resource text, workspace uuid, ids uuid[]) returns json
language plpgsql stable
set search_path = ''
as $$
declare
  found json;
begin
  execute format($query$
    select coalesce(json_agg(named order by id), '[]') from crm.%I as record
    cross join lateral (
      select to_jsonb(record) -> 'tags' as tags, to_jsonb(record) -> 'company_id' as company_id, to_jsonb(record) -> 'parent_company_id' as parent_company_id
    ) as named
    where id = any ($1) and workspace_id = $2
  $query$, resource)
  into found using ids, workspace;
  return found;
end;
$$;

-- What the contacts of a deal contain that name one of these.
create function crm.entries_of(ids uuid[]) returns jsonb[]
language sql immutable
set search_path = ''
as $$
  select array(select jsonb_build_array(jsonb_build_object('contact_id', id)) from unnest(ids) as id);
$$;

-- The condition that a reference names one of $1.
create function crm.render_names(resource text, field text) returns text
language sql immutable
set search_path = ''
as $$
  select format(case field when resource then '%I @> any (crm.entries_of($1))' else '%I = any ($1)' end, field);
$$;

-- Moves the references of at most so many records of a merge from the losers to the winner, and notes them; answers how
-- many. What changes in a table is locked at once, whichever of its columns refers: a second pass would go out of order.
create function crm.move_references(merge crm.merges, max_records integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  reference record;
  name text;
  ids uuid[];
  total integer := 0;
begin
  for reference in select * from crm.references_to(merge.resource) loop
    exit when total >= max_records;
    execute format($query$
      with target as materialized (select id from (%2$s) as named where id <> all ($1 || $3) order by id limit $4)
      select array(select id from crm.%1$I where id = any (array(select id from target)) order by id for no key update)
    $query$, reference.source, (
      select string_agg(format('select id from crm.%I where workspace_id = $2 and %s', reference.source, crm.render_names(merge.resource, field)), ' union ')
      from unnest(reference.fields) as field
    ))
    into ids using merge.loser_ids, merge.workspace_id, merge.winner_id, max_records - total;
    foreach name in array reference.fields loop
      execute format($query$
        with target as (select id, %2$I as was from crm.%1$I where id = any ($4) and %3$s),
        changed as (
          update crm.%1$I as child set %2$I = %4$s from target where child.id = target.id returning child.id, target.was, child.%2$I as became
        )
        insert into crm.merge_moves (merge_id, workspace_id, source, field, record_id, was, became)
        select $5, $2, %1$L, %2$L, id, to_jsonb(was), to_jsonb(became) from changed
      $query$, reference.source, name, crm.render_names(merge.resource, name),
        case name when merge.resource then 'crm.replace_contacts(target.was, $1, $3)' else '$3' end)
      using merge.loser_ids, merge.workspace_id, merge.winner_id, ids, merge.id;
    end loop;
    total := total + cardinality(ids);
  end loop;
  return total;
end;
$$;

-- How many references a merge has to move at most, counted no further than a request may; a deal that names a loser twice counts twice.
create function crm.count_references(resource text, workspace uuid, losers uuid[]) returns integer
language plpgsql stable security definer
set search_path = ''
as $$
declare
  reference record;
  found integer;
  total integer := 0;
begin
  for reference in select source, field from crm.references_to(resource) cross join unnest(fields) as field loop
    execute format('select count(*) from (select from crm.%I where workspace_id = $2 and %s limit $3) as found',
      reference.source, crm.render_names(resource, reference.field))
    into found using losers, workspace, crm.max_at_once() + 1;
    total := total + found;
  end loop;
  return total;
end;
$$;

-- Moves the references of a large merge, {"merge"}.
create function crm.job_merge(job crm.jobs) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  merge crm.merges;
begin
  select * into merge from crm.merges where id = (job.arguments ->> 'merge')::uuid and workspace_id = job.workspace_id and reverted_at is null for update;
  if merge.id is null then
    return 0;
  end if;
  perform crm.lock_merged(merge.resource, merge.workspace_id, merge.winner_id, merge.loser_ids, null, '[]');
  return crm.move_references(merge, 500);
end;
$$;

-- Gives at most so many references back that still name the winner; answers how many it has looked at.
create function crm.give_references_back(merge crm.merges, max_records integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  reference record;
  name text;
  total integer := 0;
begin
  for reference in
    with taken as (
      delete from crm.merge_moves where (merge_id, source, field, record_id) in (
        select merge_id, source, field, record_id from crm.merge_moves where merge_id = merge.id
        order by source, field, record_id limit max_records
      )
      returning source, field, record_id, was, became
    )
    select source, array_agg(distinct field) as fields, array_agg(record_id) as ids, jsonb_agg(to_jsonb(taken)) as moves
    from taken group by source order by format('crm.%I', source)::regclass::oid
  loop
    execute format('select from crm.%I where id = any ($1) order by id for no key update', reference.source) using reference.ids;
    foreach name in array reference.fields loop
      execute format($query$
        update crm.%1$I as child set %2$I = %3$s from jsonb_array_elements($1) as move
        where move ->> 'field' = %2$L and child.id = (move ->> 'record_id')::uuid and to_jsonb(child.%2$I) = move -> 'became'
      $query$, reference.source, name, case name when merge.resource then 'move -> ''was''' else '(move ->> ''was'')::uuid' end)
      using reference.moves;
    end loop;
    total := total + cardinality(reference.ids);
  end loop;
  return total;
end;
$$;

create function crm.job_revert_merge(job crm.jobs) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  merge crm.merges;
  changed integer;
begin
  select * into merge from crm.merges where id = (job.arguments ->> 'merge')::uuid and workspace_id = job.workspace_id for update;
  perform crm.lock_merged(merge.resource, merge.workspace_id, merge.winner_id, merge.loser_ids, merge.id, '[]');
  changed := crm.give_references_back(merge, 500);
  if changed = 0 and merge.resource = 'contacts' then
    perform crm.find_last_activity(merge.winner_id);
  end if;
  return changed;
end;
$$;

-- The winner's last activity, of what is its own again.
create function crm.find_last_activity(contact_id uuid) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.contacts as contact set last_activity_at = (
    select max(activity.occurred_at) from crm.activities as activity
    where activity.workspace_id = contact.workspace_id and activity.contact_id = contact.id
      and activity.deleted_at is null and activity.occurred_at <= clock_timestamp() + interval '5 minutes'
  )
  where contact.id = find_last_activity.contact_id;
$$;

-- Merges {"ids"} into {"id"}. Its empty fields are filled from the losers in their order; "prefer" says
-- whose values win where both have one: the primary's, or those of the record that was changed last.
create function crm.merge_records(request jsonb, record jsonb) returns json
language plpgsql security definer
set search_path = ''
as $$
declare
  resource constant text := request -> 'resource' ->> 'name';
  workspace constant uuid := crm.require_workspace(resource, 'write');
  winner constant uuid := record ->> 'id';
  losers constant uuid[] := array(select jsonb_array_elements_text(record -> 'ids'));
  merge_id constant uuid := crm.uuid_v7();
  live uuid[];
  below uuid[];
  merged json;
  before jsonb;
  donors jsonb[];
  donor jsonb;
  filled jsonb := '{}';
  merge crm.merges;
  total integer;
  name text;
  value jsonb;
  reference record;
  result json;
begin
  if winner = any (losers) then
    perform crm.fail('self_merge', '{"field": "ids"}');
  end if;
  merged := crm.held_by(resource, workspace, losers || winner);
  perform crm.lock_merged(resource, workspace, winner, losers, null, merged);
  if merged::text <> crm.held_by(resource, workspace, losers || winner)::text then
    perform crm.start_over();
  end if;
  execute format('select array_agg(id) from crm.%I where id = any ($1) and workspace_id = $2 and deleted_at is null', resource)
  into live using losers || winner, workspace;
  if live is null or winner <> all (live) then
    perform crm.fail('not_found');
  end if;
  if not losers <@ live then
    perform crm.fail('reference_not_found', jsonb_build_object(
      'field', 'ids.' || (array_position(losers, (select id from unnest(losers) as id where id <> all (live) limit 1)) - 1)));
  end if;
  execute format('select to_jsonb(record) from crm.%I as record where id = $1', resource) into before using winner;
  if jsonb_typeof(request -> 'versions') = 'array' and not request -> 'versions' @> (before -> 'version') then
    perform crm.fail('precondition_failed', jsonb_build_object('version', before -> 'version'));
  end if;
  execute format(
    'select array_agg(to_jsonb(record) order by %s) from crm.%I as record where id = any ($1)',
    case when record ->> 'prefer' = 'newest' then 'updated_at desc, id' else 'array_position($1, id)' end, resource)
  into donors using case when record ->> 'prefer' = 'newest' then losers || winner else losers end;

  -- The losers go first: their unique values are free for the winner then.
  execute format('update crm.%I set deleted_at = clock_timestamp(), merged_into = $2 where id = any ($1)', resource) using losers, winner;

  for name in
    select field from jsonb_array_elements_text(request -> 'resource' -> 'writable') as field
    where field not in ('tags', 'custom_fields', 'parent_company_id', 'email', 'phone_e164', 'currency')
  loop
    value := case when record ->> 'prefer' = 'newest' then 'null' else before -> name end;
    foreach donor in array donors loop
      exit when value <> 'null' and name <> 'do_not_contact';
      -- Who must not be contacted under one name must not be under the other.
      value := case when name = 'do_not_contact' then to_jsonb(coalesce(value = 'true', false) or donor -> name = 'true') else donor -> name end;
    end loop;
    if name = 'status' and '"unsubscribed"' = any (array(select given -> 'status' from unnest(donors) as given)) and value in ('"active"', '"inactive"') then
      value := '"unsubscribed"';
    end if;
    if value <> before -> name then
      filled := filled || jsonb_build_object(name, value);
    end if;
  end loop;
  -- What belongs to a value comes from where the value came from.
  for name, value in
    select pair.dependent, given -> pair.dependent
    from (values ('phone', 'phone_e164'), ('annual_revenue', 'currency')) as pair (field, dependent)
    cross join lateral (
      select listed.candidate from unnest(before || donors) with ordinality as listed (candidate, place)
      where listed.candidate -> pair.field = filled -> pair.field order by listed.place limit 1
    ) as source (given)
    where filled ? pair.field
  loop
    filled := filled || jsonb_build_object(name, value);
  end loop;
  if resource = 'companies' and coalesce(before ->> 'currency', before ->> 'annual_revenue', filled ->> 'annual_revenue') is null then
    select given -> 'currency' into value from unnest(donors) with ordinality as listed (given, place)
    where given ->> 'currency' is not null order by place limit 1;
    if value <> 'null' then
      filled := filled || jsonb_build_object('currency', value);
    end if;
  end if;
  -- Labels are united, members of custom_fields filled one by one; the parent is none of the merged and
  -- none of those below them.
  select coalesce(jsonb_agg(tag order by place), '[]') into value
  from (
    select tag, min(place) as place
    from (
      select tag, ordinality as place from jsonb_array_elements_text(before -> 'tags') with ordinality as own (tag, ordinality)
      union all
      select tag, 1000 * place + ordinality
      from unnest(donors) with ordinality as listed (given, place)
      cross join jsonb_array_elements_text(given -> 'tags') with ordinality as theirs (tag, ordinality)
    ) as united
    group by tag order by 2
  ) as labels;
  if jsonb_array_length(value) > 50 then
    perform crm.fail('too_many_tags', jsonb_build_object('max_tags', 50, 'tags', value));
  elsif value <> before -> 'tags' then
    filled := filled || jsonb_build_object('tags', value);
  end if;
  value := '{}';
  foreach donor in array case when record ->> 'prefer' = 'newest' then donors else before || donors end loop
    value := (donor -> 'custom_fields') || value;
  end loop;
  if value <> before -> 'custom_fields' then
    filled := filled || jsonb_build_object('custom_fields', value);
  end if;
  if resource = 'companies' then
    with recursive branch as (
      select unnest(losers || winner) as id
      union
      select company.id from crm.companies as company join branch on company.parent_company_id = branch.id
      where company.workspace_id = workspace
    )
    select array_agg(id) into below from branch;
    value := 'null';
    foreach donor in array before || donors loop
      exit when value <> 'null';
      value := case when (donor ->> 'parent_company_id')::uuid = any (below) then 'null'::jsonb else donor -> 'parent_company_id' end;
    end loop;
    if value <> before -> 'parent_company_id' then
      filled := filled || jsonb_build_object('parent_company_id', value);
    end if;
  end if;

  -- Before the children come: the winner may have hung below one of them.
  perform crm.update_record(request - 'versions', winner, (
    select coalesce(jsonb_object_agg(key, crm.replace_object(before -> key, given.value)), '{}') from jsonb_each(filled) as given
  ));

  insert into crm.merges (id, workspace_id, resource, winner_id, loser_ids, filled, created_by)
  values (merge_id, workspace, resource, winner, losers,
    (select coalesce(jsonb_object_agg(key, jsonb_build_object('was', before -> key, 'became', given.value)), '{}') from jsonb_each(filled) as given),
    crm.actor())
  returning * into merge;
  total := crm.count_references(resource, workspace, losers);
  if total > crm.max_at_once() then
    perform crm.start_job(workspace, 'merge', resource, jsonb_build_object('merge', merge_id), null);
  else
    perform crm.move_references(merge, total + 10000);
  end if;
  if resource = 'contacts' then
    select greatest((before ->> 'last_activity_at')::timestamptz, max((given ->> 'last_activity_at')::timestamptz))
    into reference from unnest(donors) as given;
    update crm.contacts set last_activity_at = reference.greatest where id = winner;
  end if;
  result := crm.update_record(request - 'versions', winner, '{}');
  return json_build_object('status', 'updated', 'record', result -> 'record', 'meta', json_build_object('merge_id', merge_id));
end;
$$;

-- The contacts of a deal with one in the place of others; who is named twice then stays where first named.
create function crm.replace_contacts(contacts jsonb, losers uuid[], winner uuid) returns jsonb
language sql immutable
set search_path = ''
as $$
  select coalesce(jsonb_agg(entry order by place), '[]')
  from (
    select distinct on (entry ->> 'contact_id') entry, place
    from (
      select case when (given ->> 'contact_id')::uuid = any (losers) then given || jsonb_build_object('contact_id', winner) else given end as entry, place
      from jsonb_array_elements(contacts) with ordinality as listed (given, place)
    ) as replaced
    order by entry ->> 'contact_id', place
  ) as kept;
$$;

-- Undoes a merge: the losers live again, references that still name the winner go back, and fields that
-- still have the value of the merge get the one they had.
create function crm.revert_merge(request jsonb, record jsonb) returns json
language plpgsql security definer
set search_path = ''
as $$
declare
  resource constant text := request -> 'resource' ->> 'name';
  workspace constant uuid := crm.require_workspace(resource, 'write');
  merge crm.merges;
  winner_record jsonb;
  changes jsonb;
  losers jsonb[];
  violated text;
  field text;
  holder uuid;
  result json;
begin
  select * into merge from crm.merges
  where id = (record ->> 'merge_id')::uuid and workspace_id = workspace and merges.resource = request -> 'resource' ->> 'name' for update;
  if merge.id is null then
    perform crm.fail('not_found');
  elsif merge.reverted_at is not null then
    perform crm.fail('merge_already_reverted', jsonb_build_object(
      'reverted_at', crm.as_text(to_jsonb(merge.reverted_at))));
  elsif exists (
    select from crm.jobs where workspace_id = workspace and kind = 'merge' and state in ('queued', 'running') and arguments ->> 'merge' = merge.id::text
  ) then
    perform crm.fail('merge_not_finished', jsonb_build_object('job_id', (
      select id from crm.jobs where workspace_id = workspace and kind = 'merge' and state in ('queued', 'running') and arguments ->> 'merge' = merge.id::text
    )));
  end if;
  perform crm.lock_merged(resource, workspace, merge.winner_id, merge.loser_ids, merge.id, json_build_array((
    select json_object_agg(key, value -> 'was') from jsonb_each(merge.filled)
  )));
  execute format('select to_jsonb(record) from crm.%I as record where id = $1 and workspace_id = $2 and deleted_at is null for no key update', resource)
  into winner_record using merge.winner_id, workspace;
  if winner_record is null then
    perform crm.fail('merge_not_revertible', jsonb_build_object('winner_id', merge.winner_id));
  end if;
  execute format('select array_agg(to_jsonb(record)) from crm.%I as record where id = any ($1) and merged_into = $2', resource)
  into losers using merge.loser_ids, merge.winner_id;
  if coalesce(cardinality(losers), 0) <> cardinality(merge.loser_ids) then
    perform crm.fail('merge_not_revertible', jsonb_build_object('winner_id', merge.winner_id));
  end if;

  -- The winner gives back first what it took: a unique value may be a loser's. Who has taken one since is
  -- told, and nothing done.
  select coalesce(jsonb_object_agg(key, crm.replace_object(value -> 'became', value -> 'was')), '{}') into changes
  from jsonb_each(merge.filled) where winner_record -> key = value -> 'became';
  begin
    perform crm.update_record(request, merge.winner_id, changes - 'parent_company_id');
    execute format('update crm.%I set deleted_at = null, merged_into = null where id = any ($1)', resource) using merge.loser_ids;
  exception when unique_violation then
    get stacked diagnostics violated = constraint_name;
    field := substring(violated from '^' || resource || '_(.*)_live$');
    select crm.live_holder(request, field, candidate) into holder
    from unnest(losers || (winner_record || changes)) as candidate
    where crm.live_holder(request, field, candidate) is not null
    order by crm.live_holder(request, field, candidate) = merge.winner_id limit 1;
    return json_build_object('status', 'failed', 'sqlstate', '23505', 'constraint', violated, 'existing_id', holder);
  end;
  if (select count(*) from (select from crm.merge_moves where merge_id = merge.id limit crm.max_at_once() + 1) as moves) > crm.max_at_once() then
    perform crm.start_job(workspace, 'revert_merge', resource, jsonb_build_object('merge', merge.id),
      (select count(*) from crm.merge_moves where merge_id = merge.id));
  else
    perform crm.give_references_back(merge, crm.max_at_once());
  end if;
  if changes ? 'parent_company_id' then
    perform crm.update_record(request, merge.winner_id, jsonb_build_object('parent_company_id', changes -> 'parent_company_id'));
  end if;
  if resource = 'contacts' then
    perform crm.find_last_activity(merge.winner_id);
  end if;
  update crm.merges set reverted_at = greatest(clock_timestamp(), created_at), reverted_by = crm.actor() where id = merge.id;
  result := crm.update_record(request, merge.winner_id, '{}');
  return json_build_object('status', 'restored', 'record', result -> 'record', 'meta', json_build_object('merge_id', merge.id));
end;
$$;

-- A merged record comes back by reverting the merge, not by restore.
create function crm.guard_merged() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform crm.fail('not_found');
  return null;
end;
$$;

-- Gives a resource its merge, which its declaration names as an action, and the way back.
create function crm.allow_merges_of(resource text) returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format($ddl$
    create trigger guard_merged before update of deleted_at on crm.%1$I
      for each row when (old.merged_into is not null and new.merged_into is not null and new.deleted_at is null)
      execute function crm.guard_merged();
    create function crm.%2$I(request jsonb, record jsonb) returns json
    language sql volatile set search_path = '' as 'select crm.merge_records(request, record)';
    create function crm.%3$I(request jsonb, record jsonb) returns json
    language sql volatile set search_path = '' as 'select crm.revert_merge(request, record)';
    grant execute on function crm.%2$I(jsonb, jsonb), crm.%3$I(jsonb, jsonb) to crm_api;
  $ddl$, resource, resource || '_merge', resource || '_revert_merge');
end;
$$;
select crm.allow_merges_of('contacts');
select crm.allow_merges_of('companies');

-- Where merged records of {"resource", "ids"} went, through merges of merges: {id: winner}, without those that went nowhere.
create function api.merged_into(json) returns json
language plpgsql
set search_path = ''
set statement_timeout = '2s'
as $$
declare
  source constant crm.resources := crm.resource_of($1 ->> 'resource');
  workspace constant uuid := crm.require_workspace(source.scope, 'read');
  answer json;
begin
  if not 'merged_into' = any (crm.columns_of(source)) then
    perform crm.malformed('resource');
  end if;
  execute format($query$
    with recursive ways as (
      select record.id as origin, record.merged_into as target from crm.%1$I as record
      where record.workspace_id = $1 and record.merged_into is not null
        and record.id = any (array(select json_array_elements_text($2))::uuid[])
      union
      select ways.origin, record.merged_into from ways
      join crm.%1$I as record on record.workspace_id = $1 and record.id = ways.target and record.merged_into is not null
    )
    select json_object_agg(origin, target) from ways
    where not exists (select from crm.%1$I as further where further.id = ways.target and further.merged_into is not null)
  $query$, source.name)
  into answer using workspace, $1 -> 'ids';
  return coalesce(answer, '{}');
end;
$$;

-- Merges tags {"ids"} into {"id"}: one name in the place of the others, on every record.
create function crm.tags_merge(request jsonb, record jsonb) returns json
language plpgsql security definer
set search_path = ''
as $$
declare
  workspace constant uuid := crm.require_workspace('tags', 'write');
  winner constant uuid := record ->> 'id';
  losers constant uuid[] := array(select jsonb_array_elements_text(record -> 'ids'));
  live uuid[];
  names text[];
  result json;
begin
  if winner = any (losers) then
    perform crm.fail('self_merge', '{"field": "ids"}');
  end if;
  select array_agg(id) into live from (
    select id from crm.tags where id = any (losers || winner) and workspace_id = workspace and deleted_at is null order by id for no key update
  ) as locked;
  if live is null or winner <> all (live) then
    perform crm.fail('not_found');
  elsif not losers <@ live then
    perform crm.fail('reference_not_found', jsonb_build_object(
      'field', 'ids.' || (array_position(losers, (select id from unnest(losers) as id where id <> all (live) limit 1)) - 1)));
  end if;
  select array_agg(name) into names from crm.tags where id = any (losers);
  perform crm.change_tags(workspace, names, (select name from crm.tags where id = winner));
  perform set_config('crm.merging_tags', 'on', true);
  update crm.tags set deleted_at = clock_timestamp() where id = any (losers);
  perform set_config('crm.merging_tags', '', true);
  result := crm.update_record(request, winner, '{}');
  return json_build_object('status', 'updated', 'record', result -> 'record');
end;
$$;

grant execute on function crm.merge_records(jsonb, jsonb), crm.revert_merge(jsonb, jsonb), crm.tags_merge(jsonb, jsonb),
  api.merged_into(json) to crm_api;

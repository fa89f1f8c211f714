-- Pipelines and their stages: the ways that deals go.

create type crm.priority as enum ('low', 'normal', 'high', 'urgent'); -- in this order, also when sorted

create table crm.pipelines (
  like crm.record including all,
  name text collate "und-x-icu" not null check (length(name) between 1 and 100),
  position integer not null check (position >= 0),
  is_default boolean not null default false,
  currency text check (currency ~ '^[A-Z]{3}$'),
  rules jsonb not null default '{}' check (jsonb_typeof(rules) = 'object'),
  -- The stages that a new pipeline is given; its rows in crm.stages are made of them.
  given_stages jsonb,
  search_text text not null generated always as (crm.searchable(name)) stored,
  filter_text text not null generated always as (crm.filterable('external_id', external_id, 'name', name, 'currency', currency)) stored
);
comment on table crm.pipelines is 'Each workspace has one default pipeline, from its first moment on.';

create table crm.stages (
  like crm.stamped including all,
  pipeline_id uuid not null,
  name text collate "und-x-icu" not null check (length(name) between 1 and 100),
  type text not null default 'open' check (type in ('open', 'won', 'lost')),
  probability integer not null check (probability between 0 and 100),
  position integer not null check (position >= 0),
  required_fields text[] not null default '{}' check (cardinality(required_fields) <= 50),
  rotting_days integer check (rotting_days between 1 and 3650),
  search_text text not null generated always as (crm.searchable(name)) stored,
  filter_text text not null generated always as (crm.filterable('name', name)) stored,
  -- Deferred: a pipeline's first stages are there before it is.
  constraint stages_pipeline_id_fkey foreign key (workspace_id, pipeline_id)
    references crm.pipelines (workspace_id, id) on delete cascade deferrable initially deferred
);
comment on table crm.stages is 'Every pipeline has at least one stage of each type.';

create unique index pipelines_name_live on crm.pipelines (workspace_id, name) where deleted_at is null;
create unique index pipelines_is_default_live on crm.pipelines (workspace_id) where deleted_at is null and is_default;
create index pipelines_position on crm.pipelines (workspace_id, position, id) where deleted_at is null;
create unique index stages_name_live on crm.stages (pipeline_id, name) where deleted_at is null;
create index stages_position on crm.stages (workspace_id, pipeline_id, position, id);

-- The stages of a pipeline, embedded in it. Volatile, to see those that the same statement has made.
create function crm.pipelines_stages(workspace_id uuid, pipeline_id uuid) returns json
language sql volatile
set search_path = ''
as $$
  select coalesce(json_agg(json_build_object(
    'id', stage.id, 'name', stage.name, 'type', stage.type, 'probability', stage.probability,
    'position', stage.position, 'required_fields', stage.required_fields, 'rotting_days', stage.rotting_days
  ) order by stage.position, stage.id), '[]')
  from crm.stages as stage
  where stage.workspace_id = pipelines_stages.workspace_id and stage.pipeline_id = pipelines_stages.pipeline_id
    and stage.deleted_at is null;
$$;
grant execute on function crm.pipelines_stages(uuid, uuid) to crm_api;

-- Before a pipeline is written: its place, its stages, and that the workspace keeps one default. A new
-- default takes over from the old one; the default can't be taken away.
create function crm.check_pipeline() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' or (new.is_default and not old.is_default) or (old.deleted_at is not null and new.deleted_at is null) then
    perform pg_advisory_xact_lock(hashtextextended('pipelines:' || new.workspace_id, 0));
  end if;
  if new.position is null then
    new.position := (
      select coalesce(max(position) + 1, 0) from crm.pipelines where workspace_id = new.workspace_id and id <> new.id and deleted_at is null
    );
  end if;
  if tg_op = 'INSERT' then
    new.is_default := new.is_default or not exists (
      select from crm.pipelines where workspace_id = new.workspace_id and deleted_at is null and is_default
    );
    perform set_config('crm.pipeline_being_made', new.id::text, true);
    insert into crm.stages (workspace_id, pipeline_id, name, type, probability, position, required_fields, rotting_days)
    select new.workspace_id, new.id, stage ->> 'name', coalesce(stage ->> 'type', 'open'), (stage ->> 'probability')::integer,
      coalesce((stage ->> 'position')::integer, place - 1),
      array(select jsonb_array_elements_text(coalesce(stage -> 'required_fields', '[]'))), (stage ->> 'rotting_days')::integer
    from jsonb_array_elements(coalesce(new.given_stages,
      '[{"name": "Qualified", "probability": 20}, {"name": "Proposal", "probability": 50}, {"name": "Negotiation", "probability": 80},
        {"name": "Won", "type": "won"}, {"name": "Lost", "type": "lost"}]'
    )) with ordinality as listed (stage, place)
    order by place;
    perform set_config('crm.pipeline_being_made', '', true);
    new.given_stages := null;
  elsif old.deleted_at is not null and new.deleted_at is null then
    new.is_default := false;
  elsif old.is_default and (not new.is_default or new.deleted_at is not null)
    and current_setting('crm.new_default_pipeline', true) is distinct from new.workspace_id::text then
    perform crm.fail('default_pipeline_required');
  elsif new.deleted_at is not null and old.deleted_at is null and exists (
    select from crm.deals where workspace_id = new.workspace_id and pipeline_id = new.id and deleted_at is null
  ) then
    perform crm.fail('pipeline_in_use', jsonb_build_object('deals', (
      select count(*) from crm.deals where workspace_id = new.workspace_id and pipeline_id = new.id and deleted_at is null
    )));
  end if;
  if new.is_default and new.deleted_at is null and (tg_op = 'INSERT' or not old.is_default) then
    perform set_config('crm.new_default_pipeline', new.workspace_id::text, true);
    update crm.pipelines set is_default = false
    where workspace_id = new.workspace_id and is_default and deleted_at is null and id <> new.id;
    perform set_config('crm.new_default_pipeline', '', true);
  end if;
  new.rules := '{"allow_skip": true, "allow_backwards": true, "require_lost_reason": false}'::jsonb || new.rules;
  return new;
end;
$$;
create trigger check_pipeline before insert or update on crm.pipelines for each row execute function crm.check_pipeline();

-- Custom fields that a stage asks a deal for must be there to be filled.
create function crm.require_known_fields(workspace uuid, required text[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  unknown text;
begin
  select name into unknown from unnest(required) as name
  where name like 'custom\_fields.%' and not exists (
    select from crm.custom_fields as definition
    where definition.workspace_id = workspace and definition.resource = 'deals' and definition.deleted_at is null
      and definition.key = substring(name from 15)
  ) limit 1;
  if unknown is not null then
    perform crm.fail('validation_error', jsonb_build_object('problems', jsonb_build_object('required_fields',
      jsonb_build_array(format('The required_fields field names %s, which is not defined for deals.', unknown)))));
  end if;
end;
$$;

-- After stages are written: where one stands no other does. Those that stood there and after it move on; of several that
-- are written together and want one place, the first has it.
create function crm.make_room_for_stages() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  moved uuid[];
begin
  if tg_op = 'INSERT' then
    moved := array(select id from new_rows where deleted_at is null);
  else
    moved := array(
      select id from (
        select id, position from new_rows where deleted_at is null
        except
        select id, position from old_rows where deleted_at is null
      ) as placed
    );
  end if;
  perform set_config('crm.making_room', 'on', true);
  update crm.stages as stage
  set position = placed.place
  from (
    -- Each stands behind the one before it, and no further than that asks for.
    select id, turn + max(position - turn) over (partition by pipeline_id order by turn) as place
    from (
      select neighbour.id, neighbour.pipeline_id, neighbour.position,
        row_number() over (partition by neighbour.pipeline_id order by neighbour.position, fresh.id is null, neighbour.id) as turn
      from crm.stages as neighbour
      left join unnest(moved) as fresh (id) on fresh.id = neighbour.id
      where neighbour.deleted_at is null
        and neighbour.pipeline_id = any (array(select pipeline_id from crm.stages where id = any (moved)))
    ) as ordered
  ) as placed
  where stage.id = placed.id and stage.position <> placed.place;
  perform set_config('crm.making_room', '', true);
  return null;
end;
$$;

-- Before a stage is written: its place and probability, and that its pipeline keeps one of each type.
-- A deal that moves into a stage holds a share lock on it, so what is counted here is what there is.
create function crm.check_stage() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  deals bigint;
begin
  if new.deleted_at is null and (tg_op = 'INSERT' or new.required_fields <> old.required_fields) then
    perform crm.require_known_fields(new.workspace_id, new.required_fields);
  end if;
  if new.position is null then
    -- The end of the way that is still open, or the very end.
    new.position := (
      select coalesce(max(position) + 1, 0) from crm.stages
      where pipeline_id = new.pipeline_id and id <> new.id and deleted_at is null and (new.type <> 'open' or type = 'open')
    );
  end if;
  new.probability := case new.type when 'won' then 100 when 'lost' then 0 else coalesce(new.probability, 50) end;
  if tg_op = 'INSERT' then
    return new;
  end if;
  if old.deleted_at is null and (new.deleted_at is not null or new.type <> old.type) then
    -- One at a time: two that each leave another stage of the type would leave none together.
    perform pg_advisory_xact_lock(hashtextextended('stages:' || new.pipeline_id, 0));
    select count(*) into deals from crm.deals
    where workspace_id = new.workspace_id and stage_id = new.id and deleted_at is null;
    if deals > 0 then
      perform crm.fail('stage_in_use', jsonb_build_object('deals', deals));
    end if;
    if not exists (
      select from crm.stages where pipeline_id = new.pipeline_id and type = old.type and id <> new.id and deleted_at is null
    ) then
      perform crm.fail('last_stage_of_type', jsonb_build_object('type', old.type));
    end if;
  end if;
  return new;
end;
$$;
create trigger check_stage before insert or update on crm.stages for each row execute function crm.check_stage();
create trigger make_room_for_stages_inserted after insert on crm.stages referencing new table as new_rows
  for each statement execute function crm.make_room_for_stages();
create trigger make_room_for_stages_updated after update on crm.stages referencing old table as old_rows new table as new_rows
  for each statement when (current_setting('crm.making_room', true) is distinct from 'on') execute function crm.make_room_for_stages();
select crm.check_references_of('stages', 'pipeline_id', 'pipelines');
drop trigger check_references on crm.stages; -- A pipeline's first stages are there before it is.
create trigger check_references before insert or update of pipeline_id on crm.stages
  for each row when (new.pipeline_id::text is distinct from current_setting('crm.pipeline_being_made', true))
  execute function crm.check_references_of_stages();

select crm.check_references_of('pipelines', 'owner_id', 'members');
insert into crm.resources values ('pipelines', 'pipelines', '{given_stages}');
select crm.set_up_records('pipelines');
select crm.set_up_stamped('stages', 'pipelines');
drop trigger stamp on crm.stages; -- To make room is no change that anybody made.
create trigger stamp_inserted before insert on crm.stages for each row execute function crm.stamp();
create trigger stamp before update on crm.stages
  for each row when (current_setting('crm.making_room', true) is distinct from 'on') execute function crm.stamp();

-- A workspace has a pipeline from its first moment on.
create function crm.add_first_pipeline(workspace uuid) returns void
language sql
set search_path = ''
as $$
  insert into crm.pipelines (workspace_id, name) values (workspace, 'Sales Pipeline');
$$;

create function crm.give_pipeline() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform crm.add_first_pipeline(new.id);
  return null;
end;
$$;
create trigger give_pipeline after insert on crm.workspaces for each row execute function crm.give_pipeline();

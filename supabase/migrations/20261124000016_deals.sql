-- Deals: what is being sold, to whom, and how far it has come.

create table crm.deals (
  like crm.record including all,
  name text collate "und-x-icu" not null check (length(name) between 1 and 255),
  pipeline_id uuid not null,
  stage_id uuid not null,
  status text not null check (status in ('open', 'won', 'lost')),
  amount numeric check (amount >= 0 and amount < 1e15),
  currency text check (currency ~ '^[A-Z]{3}$'),
  probability integer not null check (probability between 0 and 100),
  expected_close_date date,
  closed_at timestamptz,
  lost_reason text check (length(lost_reason) between 1 and 500),
  company_id uuid,
  primary_contact_id uuid,
  contacts jsonb not null default '[]' check (
    case jsonb_typeof(contacts) when 'array' then jsonb_array_length(contacts) <= 100 else false end
  ),
  type text check (type in ('new', 'renewal', 'upsell')),
  priority crm.priority not null default 'normal',
  stage_entered_at timestamptz not null default now(),
  weighted_amount numeric generated always as (round(amount * probability / 100, crm.minor_units(currency))) stored,
  search_text text not null generated always as (crm.searchable(name)) stored,
  filter_text text not null generated always as (crm.filterable('external_id', external_id, 'name', name, 'currency', currency, 'lost_reason', lost_reason)) stored,
  constraint deals_company_id_fkey foreign key (workspace_id, company_id)
    references crm.companies (workspace_id, id) on delete set null (company_id),
  constraint deals_primary_contact_id_fkey foreign key (workspace_id, primary_contact_id)
    references crm.contacts (workspace_id, id) on delete set null (primary_contact_id),
  -- A stage goes only when no live deal is in it, and then its deleted deals are older than itself.
  constraint deals_pipeline_id_fkey foreign key (workspace_id, pipeline_id)
    references crm.pipelines (workspace_id, id) on delete cascade,
  constraint deals_stage_id_fkey foreign key (workspace_id, stage_id)
    references crm.stages (workspace_id, id) on delete cascade
);
comment on table crm.deals is 'The status follows the type of the stage; the trigger place_deal sees to it.';

-- order by <field>, id
create index deals_amount on crm.deals (workspace_id, amount, id) where deleted_at is null;
create index deals_weighted_amount on crm.deals (workspace_id, weighted_amount, id) where deleted_at is null;
create index deals_expected_close_date on crm.deals (workspace_id, expected_close_date, id) where deleted_at is null;
create index deals_closed_at on crm.deals (workspace_id, closed_at, id) where deleted_at is null;
create index deals_stage_entered_at on crm.deals (workspace_id, stage_entered_at, id) where deleted_at is null;
create index deals_name on crm.deals (workspace_id, name, id) where deleted_at is null;
create index deals_priority_id on crm.deals (workspace_id, priority, id) where deleted_at is null;
create index deals_priority_created_at on crm.deals (workspace_id, priority desc, created_at, id) where deleted_at is null;
create index deals_status_id on crm.deals (workspace_id, status, id) where deleted_at is null;
create index deals_probability on crm.deals (workspace_id, probability, id) where deleted_at is null;

-- <field> = …, newest first
create index deals_status on crm.deals (workspace_id, status, created_at, id) where deleted_at is null;
create index deals_stage_id on crm.deals (workspace_id, stage_id, created_at, id);
create index deals_pipeline_id on crm.deals (workspace_id, pipeline_id, created_at, id);
create index deals_company_id on crm.deals (workspace_id, company_id, created_at, id);
create index deals_primary_contact_id on crm.deals (workspace_id, primary_contact_id, created_at, id);
create index deals_priority on crm.deals (workspace_id, priority, created_at, id) where deleted_at is null;
create index deals_type on crm.deals (workspace_id, type, created_at, id) where deleted_at is null;

-- contacts @> …: the deals that a contact takes part in
create index deals_contacts on crm.deals using gin (contacts jsonb_path_ops);
create index deals_search_text on crm.deals using gin (workspace_id, search_text extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512) where deleted_at is null;

-- Who moved what when; the first row of a deal has no stage it came from.
create table crm.stage_changes (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null,
  deal_id uuid not null,
  pipeline_id uuid not null,
  from_stage_id uuid,
  to_stage_id uuid not null,
  status text not null check (status in ('open', 'won', 'lost')),
  changed_at timestamptz not null default now(),
  changed_by jsonb not null,
  constraint stage_changes_deal_id_fkey foreign key (workspace_id, deal_id) references crm.deals (workspace_id, id) on delete cascade
);
insert into crm.resources values ('stage_changes', 'deals');
comment on table crm.stage_changes is 'The way of each deal through its stages.';
create index stage_changes_deal_id on crm.stage_changes (workspace_id, deal_id, changed_at, id);
create index stage_changes_changed_at on crm.stage_changes (workspace_id, changed_at, id);
alter table crm.stage_changes enable row level security;
alter table crm.stage_changes force row level security;
grant select on crm.stage_changes to crm_api;
create policy "requests read the stage changes of deals they may read" on crm.stage_changes
  for select to crm_api using (workspace_id = (select crm.workspace_for('deals', 'read')));

-- The fields that a stage asks for and a deal has not got.
create function crm.missing_fields(deal jsonb, required text[]) returns text[]
language sql immutable
set search_path = ''
as $$
  select coalesce(array_agg(field order by place), '{}')
  from unnest(required) with ordinality as listed (field, place)
  where coalesce(
    case when field like 'custom\_fields.%' then deal -> 'custom_fields' -> substring(field from 15) else deal -> field end,
    'null') in ('null', '[]', '{}', '""');
$$;

-- Why a deal can't go from its stage to another one, as an error code and its details; null when it can.
create function crm.move_obstacle(deal jsonb, from_stage crm.stages, to_stage crm.stages, rules jsonb) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  missing text[];
  steps integer;
begin
  if from_stage.id is not null and from_stage.type = 'open' and to_stage.type = 'open' then
    select count(*) into steps from crm.stages
    where workspace_id = to_stage.workspace_id and pipeline_id = to_stage.pipeline_id and type = 'open' and deleted_at is null
      and (position, id) > (least(from_stage.position, to_stage.position), case when from_stage.position <= to_stage.position then from_stage.id else to_stage.id end)
      and (position, id) <= (greatest(from_stage.position, to_stage.position), case when from_stage.position <= to_stage.position then to_stage.id else from_stage.id end);
    if ((to_stage.position, to_stage.id) < (from_stage.position, from_stage.id) and not (rules -> 'allow_backwards')::boolean)
      or ((to_stage.position, to_stage.id) > (from_stage.position, from_stage.id) and steps > 1 and not (rules -> 'allow_skip')::boolean) then
      return '{"code": "stage_transition_not_allowed"}';
    end if;
  end if;
  if to_stage.type = 'lost' and (rules -> 'require_lost_reason')::boolean and deal ->> 'lost_reason' is null then
    return '{"code": "lost_reason_required", "field": "lost_reason"}';
  end if;
  missing := crm.missing_fields(deal, to_stage.required_fields);
  if missing <> '{}' then
    return jsonb_build_object('code', 'stage_requirements_unmet', 'missing_fields', to_jsonb(missing));
  end if;
  return null;
end;
$$;

-- The first stage of a type, locked against its deletion: asked again when it went while we waited for it.
-- Past the policies: a key for deals alone may win them.
create function crm.first_stage(workspace uuid, pipeline uuid, type text) returns crm.stages
language plpgsql security definer
set search_path = ''
as $$
declare
  stage crm.stages;
begin
  for attempt in 1..10 loop
    select * into stage from crm.stages
    where workspace_id = workspace and pipeline_id = pipeline and stages.type = first_stage.type and deleted_at is null
    order by position, id limit 1
    for share;
    exit when found;
  end loop;
  return stage;
end;
$$;

-- Before a deal is written: its stage, and what follows from it. However a deal comes into a stage, by
-- create, update, move, win or lose, the rules of its pipeline are applied here, on the row as it is
-- now and with the stage locked against its deletion. One that is restored goes back to its stage, or to
-- the first one that is like it when that has gone.
create function crm.place_deal() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  pipeline crm.pipelines;
  stage crm.stages;
  previous crm.stages;
  obstacle jsonb;
  reopening constant boolean := tg_op = 'UPDATE' and current_setting('crm.reopening', true) is not distinct from new.id::text;
  restoring constant boolean := tg_op = 'UPDATE' and old.deleted_at is not null and new.deleted_at is null;
begin
  if tg_op = 'UPDATE' then
    if (old.deleted_at is null and new.deleted_at is not null) or current_setting('crm.placing_deals', true) = 'on' then
      return new;
    end if;
    if old.status <> 'open' and not reopening and (
      new.stage_id <> old.stage_id or new.pipeline_id <> old.pipeline_id
      or (new.amount, new.currency) is distinct from (old.amount, old.currency)
    ) then
      perform crm.refuse(new.id, 'deal_closed', jsonb_build_object('status', old.status));
      return null;
    end if;
    if new.pipeline_id <> old.pipeline_id and new.stage_id = old.stage_id then
      new.stage_id := null;
    end if;
  end if;
  if restoring then
    if not exists (select from crm.pipelines where workspace_id = new.workspace_id and id = new.pipeline_id and deleted_at is null) then
      new.pipeline_id := null;
      new.stage_id := null;
    elsif not exists (select from crm.stages where workspace_id = new.workspace_id and id = new.stage_id and deleted_at is null) then
      new.stage_id := null;
    end if;
  end if;

  if new.pipeline_id is null and new.stage_id is not null then
    select home.id into new.pipeline_id
    from crm.stages as given join crm.pipelines as home on home.id = given.pipeline_id and home.deleted_at is null
    where given.id = new.stage_id and given.workspace_id = new.workspace_id and given.deleted_at is null;
    if new.pipeline_id is null then
      perform crm.refuse(new.id, 'reference_not_found', '{"field": "stage_id"}');
      return null;
    end if;
  end if;
  if tg_op = 'INSERT' or new.pipeline_id is distinct from old.pipeline_id or new.stage_id is distinct from old.stage_id or restoring then
    -- The default is looked up before it is locked: another may become it while we wait.
    for attempt in 1..10 loop
      select * into pipeline from crm.pipelines
      where workspace_id = new.workspace_id and deleted_at is null and id = coalesce(new.pipeline_id, (
        select id from crm.pipelines where workspace_id = new.workspace_id and is_default and deleted_at is null
      ))
      for share;
      exit when found or new.pipeline_id is not null;
    end loop;
    if pipeline.id is null then
      perform crm.refuse(new.id, 'reference_not_found', '{"field": "pipeline_id"}');
      return null;
    end if;
    new.pipeline_id := pipeline.id;
    if new.stage_id is null then
      stage := crm.first_stage(new.workspace_id, pipeline.id, case when restoring then old.status else 'open' end);
    else
      select given.* into stage
      from crm.stages as given join crm.pipelines as home on home.id = given.pipeline_id and home.deleted_at is null
      where given.id = new.stage_id and given.workspace_id = new.workspace_id and given.deleted_at is null
      for share of given;
      if stage.id is null then
        perform crm.refuse(new.id, 'reference_not_found', '{"field": "stage_id"}');
        return null;
      elsif stage.pipeline_id <> pipeline.id then
        perform crm.refuse(new.id, 'stage_not_in_pipeline', jsonb_build_object('field', 'stage_id', 'pipeline_id', pipeline.id));
        return null;
      end if;
    end if;
  end if;

  if stage.id is not null and (tg_op = 'INSERT' or stage.id <> old.stage_id or stage.type <> old.status) then
    if tg_op = 'UPDATE' and new.pipeline_id = old.pipeline_id and not reopening then
      select * into previous from crm.stages where id = old.stage_id;
    end if;
    new.stage_id := stage.id;
    new.status := stage.type;
    if not restoring then
      obstacle := crm.move_obstacle(to_jsonb(new), previous, stage, pipeline.rules);
    end if;
    if obstacle ->> 'code' = 'stage_transition_not_allowed' then
      obstacle := obstacle || jsonb_build_object('allowed_stages', (
        select coalesce(jsonb_agg(jsonb_build_object('id', candidate.id, 'name', candidate.name) order by candidate.position, candidate.id), '[]')
        from crm.stages as candidate
        where candidate.workspace_id = new.workspace_id and candidate.pipeline_id = pipeline.id and candidate.deleted_at is null
          and candidate.id <> previous.id
          and crm.move_obstacle(to_jsonb(new), previous, candidate, pipeline.rules) ->> 'code' is distinct from 'stage_transition_not_allowed'
      ));
    end if;
    if obstacle is not null then
      perform crm.refuse(new.id, obstacle ->> 'code', obstacle - 'code');
      return null;
    end if;
    if tg_op = 'INSERT' then
      new.probability := coalesce(new.probability, stage.probability);
    elsif new.probability = old.probability then
      new.probability := stage.probability;
    end if;
    new.stage_entered_at := case
      when tg_op = 'UPDATE' then greatest(clock_timestamp(), old.stage_entered_at + interval '1 microsecond')
      when crm.claims() is null then coalesce(new.stage_entered_at, now())
      else clock_timestamp()
    end;
    new.closed_at := case
      when stage.type = 'open' then null
      when restoring and stage.type = old.status then old.closed_at
      when crm.claims() is null and tg_op = 'INSERT' then coalesce(new.closed_at, now())
      else new.stage_entered_at
    end;
  end if;
  if tg_op = 'UPDATE' and old.status = new.status and new.status <> 'open' and new.probability <> old.probability then
    perform crm.refuse(new.id, 'deal_closed', jsonb_build_object('status', old.status, 'field', 'probability'));
    return null;
  end if;
  new.probability := case new.status when 'won' then 100 when 'lost' then 0 else new.probability end;
  if new.status = 'won' then
    new.lost_reason := null;
  elsif new.status = 'lost' and new.lost_reason is null and tg_op = 'UPDATE' and old.lost_reason is not null and exists (
    select from crm.pipelines where id = new.pipeline_id and (rules -> 'require_lost_reason')::boolean
  ) then
    perform crm.refuse(new.id, 'lost_reason_required', '{"field": "lost_reason"}');
    return null;
  end if;
  if new.amount is not null and new.currency is null then
    perform crm.refuse(new.id, 'currency_required', '{"field": "currency"}');
    return null;
  end if;
  if new.amount is not null and (tg_op = 'INSERT' or (new.amount, new.currency) is distinct from (old.amount, old.currency)) then
    new.amount := crm.money_of(new.id, 'amount', new.amount, new.currency);
    if new.amount is null then
      return null;
    end if;
  end if;
  return new;
end;
$$;
create trigger place_deal before insert or update on crm.deals for each row execute function crm.place_deal();

create function crm.note_stage_change() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into crm.stage_changes (workspace_id, deal_id, pipeline_id, from_stage_id, to_stage_id, status, changed_at, changed_by)
  values (new.workspace_id, new.id, new.pipeline_id, case when tg_op = 'UPDATE' then old.stage_id end, new.stage_id, new.status,
    new.stage_entered_at, new.updated_by);
  return null;
end;
$$;
create trigger note_first_stage after insert on crm.deals for each row execute function crm.note_stage_change();
create trigger note_stage_change after update on crm.deals
  for each row when (new.stage_id <> old.stage_id) execute function crm.note_stage_change();

-- Each entry of contacts names a live contact, once.
create function crm.check_deal_contacts() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  place integer;
begin
  if tg_op = 'UPDATE' and new.contacts = old.contacts then
    return new;
  end if;
  perform from crm.contacts
  where workspace_id = new.workspace_id and deleted_at is null
    and id = any (array(select (entry ->> 'contact_id')::uuid from jsonb_array_elements(new.contacts) as entry))
  order by id for share;
  select given.place - 1 into place
  from jsonb_array_elements(new.contacts) with ordinality as given (entry, place)
  where ( -- one look-up each; a join is planned as a scan of all contacts
    select contact.id from crm.contacts as contact
    where contact.id = (given.entry ->> 'contact_id')::uuid and contact.workspace_id = new.workspace_id and contact.deleted_at is null
  ) is null and (tg_op = 'INSERT' or not old.contacts @> jsonb_build_array(jsonb_build_object('contact_id', given.entry -> 'contact_id')))
  order by given.place limit 1;
  if place is not null then
    perform crm.refuse(new.id, 'reference_not_found', jsonb_build_object('field', format('contacts.%s.contact_id', place)));
    return null;
  end if;
  return new;
end;
$$;
-- Named to come after check_references: companies are locked before contacts.
create trigger check_references_in_contacts before insert or update of contacts on crm.deals
  for each row when (new.contacts <> '[]') execute function crm.check_deal_contacts();

select crm.check_references_of('deals', 'owner_id', 'members', 'company_id', 'companies', 'primary_contact_id', 'contacts');
select crm.track_totals('deals', 'pipeline_id,stage_id,status', 'owner_id,status', 'company_id,status', 'primary_contact_id');
select crm.set_up_records('deals');

-- Companies show how many open deals they have, also to a key that may not read deals.
drop policy "requests read the totals of deals they may read" on crm.deals_by_company_id_status;
create policy "requests count the deals that they may read or whose companies they may" on crm.deals_by_company_id_status
  for select to crm_api
  using (workspace_id = (select coalesce(crm.workspace_for('deals', 'read'), crm.workspace_for('companies', 'read'))));
create function crm.companies_open_deals_count(workspace_id uuid, company_id uuid) returns bigint
language sql stable
set search_path = ''
as $$
  select coalesce(sum(slot.records), 0)::bigint
  from crm.deals_by_company_id_status as slot
  where slot.workspace_id = companies_open_deals_count.workspace_id
    and slot.cell = jsonb_build_array(companies_open_deals_count.company_id, 'open')::text;
$$;
grant execute on function crm.companies_open_deals_count(uuid, uuid) to crm_api;
select crm.show_records('companies');

-- Actions --------------------------------------------------------------------------------------
-- crm.write_record calls crm.<resource>_<action>(request, record). The row is locked before its state
-- is looked at, so of two that win one deal at once the second sees it won.

create function crm.lock_deal(request jsonb, record jsonb) returns crm.deals
language plpgsql
set search_path = ''
as $$
declare
  deal crm.deals;
begin
  select * into deal from crm.deals
  where id = (record ->> 'id')::uuid and workspace_id = crm.workspace_for('deals', 'write') and deleted_at is null
  for no key update;
  if deal.id is null then
    perform crm.fail('not_found');
  end if;
  return deal;
end;
$$;

create function crm.close_deal(request jsonb, record jsonb, outcome text) returns json
language plpgsql
set search_path = ''
as $$
declare
  deal constant crm.deals := crm.lock_deal(request, record);
begin
  if deal.status = outcome then
    perform crm.fail('deal_already_' || outcome);
  elsif deal.status <> 'open' then
    perform crm.fail('deal_closed', jsonb_build_object('status', deal.status));
  end if;
  return crm.update_record(request, deal.id,
    record || jsonb_build_object('stage_id', (crm.first_stage(deal.workspace_id, deal.pipeline_id, outcome)).id), crm.versions_of(request));
end;
$$;

create function crm.deals_win(request jsonb, record jsonb) returns json
language sql volatile
set search_path = ''
as $$
  select crm.close_deal(request, record, 'won');
$$;

create function crm.deals_lose(request jsonb, record jsonb) returns json
language sql volatile
set search_path = ''
as $$
  select crm.close_deal(request, record, 'lost');
$$;

create function crm.deals_move(request jsonb, record jsonb) returns json
language plpgsql
set search_path = ''
as $$
declare
  deal constant crm.deals := crm.lock_deal(request, record);
begin
  if deal.status <> 'open' then
    perform crm.fail('deal_closed', jsonb_build_object('status', deal.status));
  end if;
  return crm.update_record(request, deal.id, record, crm.versions_of(request));
end;
$$;

-- The open stage that a deal was closed from, or the first one when that is gone. Past the policies, as
-- crm.first_stage.
create function crm.stage_before(deal crm.deals) returns uuid
language sql stable security definer
set search_path = ''
as $$
  select stage.id
  from crm.stages as stage
  left join lateral (
    select max(change.changed_at) as left_at from crm.stage_changes as change
    where change.workspace_id = deal.workspace_id and change.deal_id = deal.id and change.to_stage_id = stage.id
  ) as visit on true
  where stage.workspace_id = deal.workspace_id and stage.pipeline_id = deal.pipeline_id and stage.type = 'open' and stage.deleted_at is null
  order by visit.left_at desc nulls last, stage.position, stage.id limit 1;
$$;

create function crm.deals_reopen(request jsonb, record jsonb) returns json
language plpgsql
set search_path = ''
as $$
declare
  deal constant crm.deals := crm.lock_deal(request, record);
  result json;
begin
  if deal.status = 'open' then
    perform crm.fail('deal_not_closed');
  end if;
  perform set_config('crm.reopening', deal.id::text, true);
  result := crm.update_record(request, deal.id,
    record || jsonb_build_object('stage_id', crm.stage_before(deal), 'lost_reason', null), crm.versions_of(request));
  perform set_config('crm.reopening', '', true);
  return result;
end;
$$;

-- Moves the deals of a stage that is to be deleted. Only their place changes: what a stage requires is
-- for those who move a deal on.
create function crm.stages_move_to(from_stage uuid, to_stage uuid, workspace uuid) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
  source crm.stages;
  target crm.stages;
  deals bigint;
  held uuid[];
begin
  -- Deals first, then stages: in this order they are locked by who moves a deal.
  select count(*) into deals from (
    select from crm.deals where workspace_id = workspace and stage_id = from_stage and deleted_at is null order by id
    limit crm.max_at_once() + 1
  ) as counted;
  if deals <= crm.max_at_once() then
    held := array(select id from crm.deals where workspace_id = workspace and stage_id = from_stage and deleted_at is null order by id for no key update);
  end if;
  select * into source from crm.stages where id = from_stage and workspace_id = workspace and deleted_at is null for no key update;
  select * into target from crm.stages where id = to_stage and workspace_id = workspace and deleted_at is null for share;
  if target.id is null or target.id = source.id then
    perform crm.fail('reference_not_found', '{"field": "move_to"}');
  elsif target.pipeline_id <> source.pipeline_id then
    perform crm.fail('stage_not_in_pipeline', jsonb_build_object('field', 'move_to', 'pipeline_id', source.pipeline_id));
  elsif target.type <> source.type then
    if not exists (
      select from crm.stages as other
      where other.pipeline_id = source.pipeline_id and other.type = source.type and other.id <> source.id and other.deleted_at is null
    ) then
      perform crm.fail('last_stage_of_type', jsonb_build_object('type', source.type));
    end if;
    -- What is open isn't closed by deleting a stage, nor what is closed opened.
    perform crm.fail('stage_transition_not_allowed', jsonb_build_object('field', 'move_to', 'allowed_stages', (
      select coalesce(jsonb_agg(jsonb_build_object('id', candidate.id, 'name', candidate.name) order by candidate.position, candidate.id), '[]')
      from crm.stages as candidate
      where candidate.pipeline_id = source.pipeline_id and candidate.deleted_at is null
        and candidate.type = source.type and candidate.id <> source.id
    )));
  end if;
  if deals > crm.max_at_once() then
    perform crm.start_job(workspace, 'move_deals', 'pipelines', jsonb_build_object('from_stage', from_stage, 'to_stage', to_stage),
      (select count(*) from crm.deals where workspace_id = workspace and stage_id = from_stage and deleted_at is null));
    return true;
  end if;
  -- To wait for deals that came meanwhile, with the stage held, could be a circle.
  if exists (select from crm.deals where workspace_id = workspace and stage_id = from_stage and deleted_at is null and id <> all (held)) then
    perform crm.start_over();
  end if;
  perform crm.place_deals_of(source, target, crm.max_at_once());
  return false;
end;
$$;

create function crm.place_deals_of(source crm.stages, target crm.stages, max_records integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  changed integer;
begin
  perform set_config('crm.placing_deals', 'on', true);
  with moved as (
    select id from crm.deals where workspace_id = source.workspace_id and stage_id = source.id and deleted_at is null
    order by id limit max_records for no key update
  )
  update crm.deals as deal
  set pipeline_id = target.pipeline_id, stage_id = target.id, status = target.type,
      stage_entered_at = greatest(clock_timestamp(), stage_entered_at + interval '1 microsecond'),
      probability = case target.type when 'won' then 100 when 'lost' then 0 else target.probability end,
      closed_at = case when target.type = 'open' then null else coalesce(closed_at, clock_timestamp()) end
  from moved where deal.id = moved.id;
  get diagnostics changed = row_count;
  perform set_config('crm.placing_deals', '', true);
  return changed;
end;
$$;

-- The stage of another pipeline that a stage's deals go to: of the same name and type, or the first of its type.
create function crm.stage_like(source crm.stages, pipeline uuid) returns crm.stages
language plpgsql security definer
set search_path = ''
as $$
declare
  target crm.stages;
begin
  select * into target from crm.stages
  where workspace_id = source.workspace_id and pipeline_id = pipeline and type = source.type and deleted_at is null
  order by name = source.name desc, position, id limit 1
  for share;
  return target;
end;
$$;

-- Gives the deals of a pipeline to another one.
create function crm.pipelines_move_to(from_pipeline uuid, to_pipeline uuid, workspace uuid) returns boolean
language plpgsql security definer
set search_path = ''
as $$
declare
  pipeline crm.pipelines;
  source crm.stages;
  deals bigint;
  held uuid[];
begin
  -- Deals first, then pipelines, then stages: in this order they are locked by who moves a deal.
  select count(*) into deals from (
    select from crm.deals where workspace_id = workspace and pipeline_id = from_pipeline and deleted_at is null order by id
    limit crm.max_at_once() + 1
  ) as counted;
  if deals <= crm.max_at_once() then
    held := array(select id from crm.deals where workspace_id = workspace and pipeline_id = from_pipeline and deleted_at is null order by id for no key update);
  end if;
  select * into pipeline from crm.pipelines where id = from_pipeline and workspace_id = workspace and deleted_at is null for no key update;
  if not found then
    perform crm.fail('not_found');
  end if;
  perform from crm.pipelines where id = to_pipeline and workspace_id = workspace and deleted_at is null for share;
  if not found or to_pipeline = from_pipeline then
    perform crm.fail('reference_not_found', '{"field": "move_to"}');
  elsif pipeline.is_default then
    perform crm.fail('default_pipeline_required');
  end if;
  if deals > crm.max_at_once() then
    perform crm.start_job(workspace, 'move_deals', 'pipelines', jsonb_build_object('from_pipeline', from_pipeline, 'to_pipeline', to_pipeline),
      (select count(*) from crm.deals where workspace_id = workspace and pipeline_id = from_pipeline and deleted_at is null));
    return true;
  end if;
  perform from crm.stages where workspace_id = workspace and pipeline_id = from_pipeline and deleted_at is null order by id for no key update;
  if exists (select from crm.deals where workspace_id = workspace and pipeline_id = from_pipeline and deleted_at is null and id <> all (held)) then
    perform crm.start_over();
  end if;
  for source in
    select * from crm.stages where workspace_id = workspace and pipeline_id = from_pipeline and deleted_at is null order by id
  loop
    perform crm.place_deals_of(source, crm.stage_like(source, to_pipeline), crm.max_at_once());
  end loop;
  return false;
end;
$$;

-- Moves the deals of a stage or a pipeline that is to be deleted, and deletes it when none is left.
create function crm.job_move_deals(job crm.jobs) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  from_stage constant uuid := job.arguments ->> 'from_stage';
  from_pipeline constant uuid := job.arguments ->> 'from_pipeline';
  source crm.stages;
  target crm.stages;
  changed integer;
begin
  for source in
    select * from crm.stages
    where workspace_id = job.workspace_id and deleted_at is null and (id = from_stage or pipeline_id = from_pipeline)
    order by id
  loop
    if from_stage is null then
      target := crm.stage_like(source, (job.arguments ->> 'to_pipeline')::uuid);
    else
      select * into target from crm.stages
      where id = (job.arguments ->> 'to_stage')::uuid and workspace_id = job.workspace_id and deleted_at is null for share;
    end if;
    if target.id is null then
      perform crm.fail('reference_not_found', '{"field": "move_to"}');
    end if;
    changed := crm.place_deals_of(source, target, 500);
    if changed > 0 then
      return changed;
    end if;
  end loop;
  update crm.stages set deleted_at = clock_timestamp() where id = from_stage and workspace_id = job.workspace_id and deleted_at is null;
  update crm.pipelines set deleted_at = clock_timestamp() where id = from_pipeline and workspace_id = job.workspace_id and deleted_at is null;
  return 0;
end;
$$;

-- For each stage of its pipeline, whether a deal may go there, and what stands in its way.
create function api.deal_transitions(json) returns json
language plpgsql
set search_path = ''
as $$
declare
  workspace constant uuid := crm.require_workspace('deals', 'read');
  deal crm.deals;
  current_stage crm.stages;
begin
  select * into deal from crm.deals where id = ($1 ->> 'id')::uuid and workspace_id = workspace and deleted_at is null;
  if deal.id is null then
    perform crm.fail('not_found');
  end if;
  return crm.transitions_of(deal);
end;
$$;

-- Past the policies: a key for deals alone may know where its deals can go.
create function crm.transitions_of(deal crm.deals) returns json
language sql stable security definer
set search_path = ''
as $$
  select json_agg(json_build_object(
    'stage_id', stage.id, 'name', stage.name, 'type', stage.type, 'position', stage.position,
    'is_current', stage.id = deal.stage_id,
    'allowed', stage.id <> deal.stage_id and deal.status = 'open' and obstacle.found is null,
    'code', case when stage.id = deal.stage_id then null when deal.status <> 'open' then 'deal_closed' else obstacle.found ->> 'code' end,
    'missing_fields', case
      when stage.id = deal.stage_id then '[]'
      when obstacle.found ->> 'code' = 'lost_reason_required' then '["lost_reason"]'
      else coalesce(to_jsonb(nullif(crm.missing_fields(to_jsonb(deal), stage.required_fields), '{}')), '[]')
    end
  ) order by stage.position, stage.id)
  from crm.stages as stage
  join crm.pipelines as pipeline on pipeline.id = stage.pipeline_id
  join crm.stages as current_stage on current_stage.id = deal.stage_id
  cross join lateral (select crm.move_obstacle(to_jsonb(deal), current_stage, stage, pipeline.rules) as found) as obstacle
  where stage.workspace_id = deal.workspace_id and stage.pipeline_id = deal.pipeline_id and stage.deleted_at is null;
$$;

grant execute on function crm.lock_deal(jsonb, jsonb), crm.close_deal(jsonb, jsonb, text), crm.deals_win(jsonb, jsonb),
  crm.deals_lose(jsonb, jsonb), crm.deals_move(jsonb, jsonb), crm.deals_reopen(jsonb, jsonb),
  crm.first_stage(uuid, uuid, text), crm.stage_before(crm.deals), crm.stages_move_to(uuid, uuid, uuid), crm.pipelines_move_to(uuid, uuid, uuid), crm.transitions_of(crm.deals),
  api.deal_transitions(json) to crm_api;

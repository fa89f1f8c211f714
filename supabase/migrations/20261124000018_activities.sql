-- Activities: what has happened between a team and its customers.

create table crm.activities (
  like crm.record including all,
  type text not null check (type in ('note', 'call', 'email', 'meeting', 'sms', 'custom')),
  occurred_at timestamptz not null default now(),
  direction text check (direction in ('inbound', 'outbound')),
  subject text check (length(subject) between 1 and 255),
  body text check (octet_length(body) between 1 and 65536),
  duration_seconds integer check (duration_seconds >= 0),
  outcome text check (length(outcome) between 1 and 100),
  data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
  contact_id uuid,
  company_id uuid,
  deal_id uuid,
  search_text text not null generated always as (crm.searchable(subject, left(body, 1000))) stored,
  filter_text text not null generated always as (crm.filterable('external_id', external_id, 'subject', subject, 'outcome', outcome)) stored,
  constraint activities_contact_id_fkey foreign key (workspace_id, contact_id)
    references crm.contacts (workspace_id, id) on delete set null (contact_id),
  constraint activities_company_id_fkey foreign key (workspace_id, company_id)
    references crm.companies (workspace_id, id) on delete set null (company_id),
  constraint activities_deal_id_fkey foreign key (workspace_id, deal_id)
    references crm.deals (workspace_id, id) on delete set null (deal_id)
);
comment on table crm.activities is 'The timeline of contacts, companies and deals, together with tasks and stage changes.';

-- order by <field>, id
create index activities_occurred_at on crm.activities (workspace_id, occurred_at, id) where deleted_at is null;
create index activities_type_id on crm.activities (workspace_id, type, id) where deleted_at is null;
create index activities_duration_seconds on crm.activities (workspace_id, duration_seconds, id) where deleted_at is null;

-- <field> = …, newest first; by the time it happened, which is what a timeline asks for
create index activities_type on crm.activities (workspace_id, type, created_at, id) where deleted_at is null;
create index activities_type_occurred_at on crm.activities (workspace_id, type, occurred_at, id) where deleted_at is null;
create index activities_subject on crm.activities (workspace_id, subject, created_at, id) where deleted_at is null;
create index activities_external_id on crm.activities (workspace_id, external_id, created_at, id) where deleted_at is null;
create index activities_contact_id on crm.activities (workspace_id, contact_id, created_at, id);
create index activities_company_id on crm.activities (workspace_id, company_id, created_at, id);
create index activities_deal_id on crm.activities (workspace_id, deal_id, created_at, id);
create index activities_contact_occurred_at on crm.activities (workspace_id, contact_id, occurred_at, id) where deleted_at is null;
create index activities_company_occurred_at on crm.activities (workspace_id, company_id, occurred_at, id) where deleted_at is null;
create index activities_deal_occurred_at on crm.activities (workspace_id, deal_id, occurred_at, id) where deleted_at is null;

create index activities_search_text on crm.activities using gin (workspace_id, search_text extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512) where deleted_at is null;

-- What is wrong with the members of a type's data, as sentences by field; {} when nothing is. The edge
-- checks what it is given; what was given before, for another type, only the row knows.
create function crm.activity_data_problems(data jsonb, kinds jsonb) returns jsonb
language plpgsql stable
set search_path = ''
as $$
declare
  problems jsonb := '{}';
  member text;
  value jsonb;
  problem text;
begin
  for member, value in select * from jsonb_each(data) loop
    problem := case kinds ->> member
      when 'text' then case when jsonb_typeof(value) <> 'string' then 'text' end
      when 'list' then case when jsonb_typeof(value) <> 'array' then 'a list' end
      else case when not crm.is_timestamp(value) then 'a timestamp such as 2026-03-21T10:30:00Z' end
    end;
    if problem is not null then
      problems := problems || jsonb_build_object('data.' || member, jsonb_build_array(format('The data.%s field must be %s.', member, problem)));
    end if;
  end loop;
  return problems;
end;
$$;

create function crm.is_timestamp(value jsonb) returns boolean
language plpgsql stable
set search_path = ''
as $$
begin
  return jsonb_typeof(value) = 'string' and crm.read_time(value #>> '{}') is not null;
end;
$$;
grant execute on function crm.activity_data_problems(jsonb, jsonb), crm.is_timestamp(jsonb), crm.read_time(text) to crm_api;

-- Before an activity is written: its links, its time, and that its data is of its type.
create function crm.check_activity() returns trigger
language plpgsql
set search_path = ''
as $$
declare
  kinds constant jsonb := case new.type
    when 'call' then '{"from": "text", "to": "text", "status": "text", "recording_url": "text"}'
    when 'meeting' then '{"starts_at": "time", "ends_at": "time", "location": "text", "join_url": "text", "status": "text"}'
    when 'email' then '{"message_id": "text", "from": "text", "to": "list", "sent_at": "time"}'
  end;
  members constant text[] := array(select jsonb_object_keys(kinds));
  problems jsonb;
  unknown text[];
begin
  if new.deleted_at is not null then
    return new;
  end if;
  if coalesce(new.contact_id, new.company_id, new.deal_id) is null then
    perform crm.refuse(new.id, 'validation_error', '{"problems": {"contact_id": ["The contact_id field is required when neither company_id nor deal_id is given."]}}');
    return null;
  end if;
  if new.type <> 'meeting' and new.occurred_at > clock_timestamp() + interval '5 minutes'
    and (tg_op = 'INSERT' or (new.occurred_at, new.type) is distinct from (old.occurred_at, old.type)) then
    perform crm.refuse(new.id, 'occurred_in_future', '{"field": "occurred_at"}');
    return null;
  end if;
  if octet_length(new.data::text) > 65536 then
    perform crm.refuse(new.id, 'validation_error', '{"problems": {"data": ["The data field may not be longer than 64 kB."]}}');
    return null;
  elsif kinds is not null and new.data <> '{}' then
    unknown := array(select key from jsonb_object_keys(new.data) as key where key <> all (members));
    problems := crm.activity_data_problems(new.data - unknown, kinds);
    if unknown <> '{}' or problems <> '{}' then
      perform crm.refuse(new.id, case when problems = '{}' then 'unknown_field' else 'validation_error' end,
        jsonb_build_object('problems', problems, 'unknown', unknown[1:20], 'unknown_count', cardinality(unknown), 'within', 'data', 'allowed', members));
      return null;
    end if;
    if (new.data ->> 'ends_at')::timestamptz <= (new.data ->> 'starts_at')::timestamptz then
      perform crm.refuse(new.id, 'end_before_start', '{"field": "data.ends_at"}');
      return null;
    end if;
  end if;
  return new;
end;
$$;
create trigger check_activity before insert or update on crm.activities for each row execute function crm.check_activity();

-- The contact's last_activity_at follows; a meeting to come is none yet. Triggers of a row
-- fire in the order of their names, and this one has to be before check_references: the contact's row is locked for the
-- change before that shares it, so that two who log a call at once can't block each other.
create function crm.advance_last_activity() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- A meeting happens when it starts.
  new.occurred_at := coalesce(new.occurred_at, case new.type when 'meeting' then (new.data ->> 'starts_at')::timestamptz end, now());
  -- Asked first, because an update of no row still fires the statement triggers of contacts.
  if new.contact_id is not null and new.deleted_at is null and new.occurred_at <= clock_timestamp() + interval '5 minutes' and exists (
    select from crm.contacts
    where id = new.contact_id and workspace_id = new.workspace_id
      and (last_activity_at is null or last_activity_at < new.occurred_at)
  ) then
    update crm.contacts set last_activity_at = new.occurred_at
    where id = new.contact_id and workspace_id = new.workspace_id -- a deleted one too: it may come back
      and (last_activity_at is null or last_activity_at < new.occurred_at);
  end if;
  return new;
end;
$$;
create trigger advance_last_activity before insert or update of contact_id, occurred_at, deleted_at on crm.activities
  for each row execute function crm.advance_last_activity();

-- What was the last activity may have gone, or moved.
create function crm.take_back_last_activity() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Locked before the others are looked at: two that delete activities of one contact would each find the
  -- other's still there.
  perform from crm.contacts where id = old.contact_id and workspace_id = old.workspace_id for no key update;
  update crm.contacts set last_activity_at = (
    select max(activity.occurred_at) from crm.activities as activity
    where activity.workspace_id = old.workspace_id and activity.contact_id = old.contact_id
      and activity.deleted_at is null and activity.occurred_at <= clock_timestamp() + interval '5 minutes'
  )
  where id = old.contact_id and workspace_id = old.workspace_id and last_activity_at = old.occurred_at;
  return null;
end;
$$;
create trigger take_back_last_activity after update of contact_id, occurred_at, deleted_at on crm.activities
  for each row when (
    old.contact_id is not null and old.deleted_at is null
    and (new.contact_id, new.occurred_at, new.deleted_at) is distinct from (old.contact_id, old.occurred_at, old.deleted_at)
  )
  execute function crm.take_back_last_activity();

-- What activities refer to, and the contacts that they referred to before. Contacts are locked for a change: of their
-- last_activity_at.
create function crm.activities_lock(workspace uuid, records json) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  perform crm.lock_named('crm.companies', workspace, crm.named_in(records, '{company_id}'));
  perform from crm.contacts
  where workspace_id = workspace and id = any (crm.named_in(records, '{contact_id}') || array(
    select activity.contact_id from crm.activities as activity
    where activity.workspace_id = workspace and activity.id = any (crm.named_in(records, '{id}'))
  ))
  order by id for no key update;
  perform crm.lock_named('crm.deals', workspace, crm.named_in(records, '{deal_id}'));
end;
$$;

select crm.check_references_of('activities', 'owner_id', 'members', 'contact_id', 'contacts', 'company_id', 'companies', 'deal_id', 'deals');
select crm.track_totals('activities', 'type', 'owner_id', 'contact_id', 'company_id', 'deal_id');
select crm.set_up_records('activities', 'type');

-- Acts: what people do to keys, members and sandboxes, beside records. Each is a function
--
--   crm.act_<name>(workspace uuid, given jsonb) returns jsonb    {"record"} as the API shows it
--
-- that api.act calls, once it knows that whoever asks may do it. Every act leaves an entry in the audit log.

-- The audit log --------------------------------------------------------------------------------

-- No foreign key: entries outlive what they tell of.
create table crm.audit_log (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null,
  occurred_at timestamptz not null default clock_timestamp(),
  actor jsonb not null,
  action text not null,
  targets jsonb not null,
  context jsonb not null,
  changes jsonb
);
comment on table crm.audit_log is 'Who did what to keys, people and sandboxes. Entries are added, and never changed or deleted by anybody.';
create index audit_log_occurred_at on crm.audit_log (workspace_id, occurred_at, id);
create index audit_log_action on crm.audit_log (workspace_id, action, occurred_at, id);

create function crm.keep_as_it_is() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception using errcode = 'insufficient_privilege', message = format('%I is append-only', tg_table_name);
end;
$$;
create trigger append_only before update or delete on crm.audit_log for each row execute function crm.keep_as_it_is();
create trigger append_only_as_a_whole before truncate on crm.audit_log for each statement execute function crm.keep_as_it_is();
-- Also where a session says that it only replicates.
alter table crm.audit_log enable always trigger append_only, enable always trigger append_only_as_a_whole;

alter table crm.audit_log enable row level security;
alter table crm.audit_log force row level security;
grant select on crm.audit_log to crm_api;
create policy "requests read the audit log of their workspace" on crm.audit_log
  for select to crm_api using (workspace_id = (select crm.workspace_for('audit_log', 'read')));
insert into crm.resources values ('audit_log', 'audit_log', '{}');
create view api.audit_log with (security_invoker = true) as
  select id, occurred_at, actor, action, targets, context, changes from crm.audit_log;
grant select on api.audit_log to crm_api;

-- Whoever acts, with the name that they have now.
create function crm.named_actor(workspace uuid, actor jsonb) returns jsonb
language sql stable
set search_path = ''
as $$
  select actor || jsonb_build_object('name', case actor ->> 'type'
    when 'api_key' then (select name from crm.api_keys where id = (actor ->> 'id')::uuid)
    when 'user' then (select name from crm.members where workspace_id = workspace and user_id = (actor ->> 'id')::uuid)
  end);
$$;

-- What an act is done to, with the name that it has then.
create function crm.target(type text, id uuid, name text) returns jsonb
language sql immutable
set search_path = ''
as $$
  select jsonb_build_array(jsonb_build_object('type', type, 'id', id, 'name', name));
$$;

-- Adds an entry. Where the act came from, {"ip", "user_agent", "request_id"}, api.act has noted.
create function crm.note_act(workspace uuid, action text, targets jsonb, changes jsonb default null, actor jsonb default crm.actor()) returns void
language sql
set search_path = ''
as $$
  insert into crm.audit_log (workspace_id, actor, action, targets, context, changes)
  values (workspace, crm.named_actor(workspace, actor), action, targets,
    '{"ip": null, "user_agent": null, "request_id": null}'::jsonb || coalesce(nullif(current_setting('crm.act_context', true), ''), '{}')::jsonb, changes);
$$;

-- What an entry tells as changed: {field: {"from", "to"}} of the fields that differ; null when none does.
create function crm.changes_between(before jsonb, after jsonb) returns jsonb
language sql immutable
set search_path = ''
as $$
  select jsonb_object_agg(key, jsonb_build_object('from', before -> key, 'to', value))
  from jsonb_each(after) where value is distinct from before -> key;
$$;

-- Acts -----------------------------------------------------------------------------------------

create table crm.acts (
  name text primary key,
  -- The right of crm.rights() that it takes: 'revoke' for what only ends something.
  area text not null,
  access text not null check (access in ('write', 'revoke')),
  -- Whether only a live workspace has it: a sandbox has the people of its workspace.
  live_only boolean not null default false
);
comment on table crm.acts is 'What api.act may call.';
alter table crm.acts enable row level security;
alter table crm.acts force row level security;
create trigger keep after insert or update or delete on crm.acts for each statement execute function crm.keep_rows();

-- Does an act in one transaction, and answers its result.
--
--   act             one of crm.acts
--   given           what it takes
--   context         {"ip", "user_agent", "request_id"}, for the audit log
--   dry_run         undo everything
--   idempotency     {"key", "fingerprint", "request_id", "timestamp"} or absent
--
-- Answers {"record", "job": the job that goes on with it, or null, "replayed": null | {"request_id", "timestamp"}}.
create function api.act(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  max_a_day constant integer := 5000;
  oldest timestamptz;
  request constant jsonb := $1;
  known crm.acts;
  workspace uuid;
  idempotency constant jsonb := case when not (request -> 'dry_run')::boolean then request -> 'idempotency' end;
  result jsonb;
  job json;
begin
  perform crm.allow_only(request, 'act', 'given', 'context', 'dry_run', 'idempotency');
  select * into known from crm.acts where name = request ->> 'act';
  if known.name is null then
    perform crm.malformed('act');
  end if;
  workspace := crm.require_workspace(known.area, known.access);
  if known.live_only and exists (select from crm.workspaces where id = workspace and environment = 'sandbox') then
    perform crm.fail('live_workspace_required');
  end if;
  -- Who ends something is never kept from it.
  if known.access = 'write' then
    select occurred_at into oldest from crm.audit_log
    where workspace_id = workspace and occurred_at > now() - interval '24 hours' and action <> 'user.signed_in'
    order by occurred_at desc offset max_a_day - 1 limit 1;
    if oldest is not null then
      perform crm.fail('too_many_acts', jsonb_build_object('max_per_day', max_a_day,
        'retry_after', ceil(extract(epoch from oldest + interval '24 hours' - now()))));
    end if;
  end if;
  if idempotency is not null then
    result := crm.kept_answer(workspace, idempotency);
    if result is not null then
      return result;
    end if;
  end if;
  perform set_config('crm.act_context', request ->> 'context', true), set_config('crm.request_id', request -> 'context' ->> 'request_id', true);

  begin
    execute format('select crm.%I($1, $2)', 'act_' || known.name) into result using workspace, request -> 'given';
    job := crm.started_job();
    if (request -> 'dry_run')::boolean then
      job := null;
      raise exception using errcode = 'AN002', message = 'undo';
    end if;
  exception when sqlstate 'AN002' then
    null; -- What was done is undone; what it would have been is in `result`.
  end;

  result := result || jsonb_build_object('job', job, 'replayed', null);
  if idempotency is not null then
    perform crm.keep_answer(workspace, idempotency, (result || jsonb_build_object('replayed', idempotency - 'key' - 'fingerprint'))::json);
  end if;
  return result;
end;
$$;
grant execute on function api.act(json) to crm_api;

-- Has the acts of a workspace that count what there is one after the other.
create function crm.take_workspace(workspace uuid) returns crm.workspaces
language sql
set search_path = ''
as $$
  select * from crm.workspaces where id = workspace for no key update;
$$;

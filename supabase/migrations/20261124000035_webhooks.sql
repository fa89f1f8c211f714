-- Webhooks: endpoints that the events of a workspace are sent to, and what was tried to be delivered. An endpoint is a cursor on
-- the feed; only what has been tried or must be tried again has a row of its own.

create table crm.webhooks (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  url text not null check (length(url) between 1 and 2000),
  description text collate "und-x-icu" check (length(description) between 1 and 1000),
  -- Names, `deal.*` or `*`.
  events text[] not null check (cardinality(events) between 1 and 50),
  -- As it was given, and as it is asked of an event (shared/webhooks/filter.ts).
  filter jsonb,
  matcher jsonb,
  mode text not null default 'full' check (mode in ('full', 'thin', 'doorbell')),
  ordering text not null default 'none' check (ordering in ('none', 'record')),
  -- Leaves out what `created_by` itself has done.
  ignore_own boolean not null default false,
  state text not null default 'active' check (state in ('active', 'paused')),
  paused_reason text check (paused_reason in ('by_user', 'failing', 'gone', 'creator_gone')),
  -- The version of the API that made it, in whose names events are sent and filtered.
  api_version text not null,
  -- The secret is made of the function's master key, the id and this, and stands nowhere (shared/webhooks/secret.ts).
  secret_generation integer not null default 1,
  -- [{"generation", "until"}]: until then what is sent is signed with that one too.
  old_secrets jsonb not null default '[]',
  -- Of what people change of it, and of its state; where it stands in the feed is none.
  version bigint not null default 1,
  created_by jsonb not null default crm.actor(),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  -- The scopes whose events it gets; null for all. Those of its key when that made it, for rights are those of the creator.
  readable text[],
  -- How far it has come: of events that came one by one, and of those of bulk writes and imports. With ordering = record both are the same.
  cursor bigint not null,
  bulk_cursor bigint not null,
  failures integer not null default 0,
  concurrency integer not null default 4,
  failing_since timestamptz,
  -- No new event is sent before, and how long that was the last time.
  rest_until timestamptz,
  rest_seconds integer not null default 5,
  told integer not null default 0,
  lease uuid,
  lease_until timestamptz,
  due_at timestamptz not null default now(),
  -- From then on nobody sees it, and the purge takes what was delivered to it.
  deleted_at timestamptz,
  check ((state = 'paused') = (paused_reason is not null)),
  check ((filter is null) = (matcher is null))
);
comment on table crm.webhooks is 'Endpoints that events are sent to, and how far each has come.';
create index webhooks_created_at on crm.webhooks (workspace_id, created_at, id);
create index webhooks_creator on crm.webhooks ((created_by ->> 'id')) where deleted_at is null;
create index webhooks_due_at on crm.webhooks (due_at) where state = 'active';
create index webhooks_failing_since on crm.webhooks (failing_since) where state = 'active' and failing_since is not null;
create index webhooks_deleted_at on crm.webhooks (deleted_at) where deleted_at is not null;
alter table crm.webhooks enable row level security;
alter table crm.webhooks force row level security;
grant select on crm.webhooks to crm_api;
create policy "requests see the endpoints of their workspace" on crm.webhooks
  for select to crm_api using (workspace_id = (select crm.workspace_for('webhooks', 'read')));

-- Until when any secret but the newest holds; null when none does.
create function crm.old_secret_until(old_secrets jsonb) returns timestamptz
language sql stable
set search_path = ''
as $$
  select max(until) from jsonb_to_recordset(old_secrets) as old (until timestamptz) where until > now();
$$;
grant execute on function crm.old_secret_until(jsonb) to crm_api;

-- As they are shown: how far behind the newest event each is, the feed says.
create view crm.webhooks_now with (security_invoker = true) as
  select id, workspace_id, url, description, events, filter, mode, ordering, ignore_own, state, paused_reason,
    least(cursor, bulk_cursor) as position, greatest(crm.event_position(workspace_id) - least(cursor, bulk_cursor), 0) as lag,
    failing_since, api_version, readable, crm.old_secret_until(old_secrets) as old_secret_until, version, created_by, created_at, updated_at
  from crm.webhooks
  where deleted_at is null;
grant select on crm.webhooks_now to crm_api;
insert into crm.resources values ('webhooks_now', 'webhooks', '{}');
create view api.webhooks with (security_invoker = true) as select * from crm.webhooks_now;
grant select on api.webhooks to crm_api;

-- Whether a workspace has endpoints that are sent what happens.
create function crm.has_endpoints(workspace uuid) returns boolean
language sql stable security definer
set search_path = ''
as $$
  select exists (select from crm.webhooks where workspace_id = workspace and state = 'active');
$$;
grant execute on function crm.has_endpoints(uuid) to crm_api;

-- Deliveries -----------------------------------------------------------------------------------

create table crm.webhook_deliveries (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  webhook_id uuid not null references crm.webhooks (id) on delete cascade,
  event_id uuid not null,
  -- Null of a test, which is no event of the feed.
  position bigint,
  type text not null,
  resource text,
  record_id uuid,
  lane text not null check (lane in ('live', 'bulk', 'replay', 'test')),
  state text not null default 'pending' check (state in ('pending', 'succeeded', 'failed')),
  -- [{"at", "status", "duration_ms", "error", "response"}]
  attempts jsonb not null default '[]' check (jsonb_typeof(attempts) = 'array'),
  attempt_count integer not null generated always as (jsonb_array_length(attempts)) stored,
  last_status integer generated always as ((attempts -> -1 ->> 'status')::integer) stored,
  -- Since it was last asked for.
  tries integer not null default 0,
  -- Infinity where an earlier event of the record must go first.
  next_attempt_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  -- What a test sends; of anything else the event has it.
  payload json,
  unique (webhook_id, event_id)
);
comment on table crm.webhook_deliveries is 'What was tried to be delivered to an endpoint, or must be tried again, for 30 days.';
create index webhook_deliveries_created_at on crm.webhook_deliveries (webhook_id, created_at, id);
create index webhook_deliveries_state on crm.webhook_deliveries (webhook_id, state, created_at, id);
create index webhook_deliveries_waiting on crm.webhook_deliveries (webhook_id, next_attempt_at) where state = 'pending';
create index webhook_deliveries_record_id on crm.webhook_deliveries (webhook_id, record_id, position) where state = 'pending';
create index webhook_deliveries_age on crm.webhook_deliveries (created_at);
create index webhook_deliveries_workspace_id on crm.webhook_deliveries (workspace_id);
alter table crm.webhook_deliveries enable row level security;
alter table crm.webhook_deliveries force row level security;
grant select on crm.webhook_deliveries to crm_api;
create policy "requests see what was delivered to endpoints of their workspace" on crm.webhook_deliveries
  for select to crm_api using (workspace_id = (select crm.workspace_for('webhooks', 'read')));

-- As they are shown: what waits for another one is due at no time of its own.
create view crm.webhook_deliveries_now with (security_invoker = true) as
  select id, workspace_id, webhook_id, event_id, position, type, resource, record_id, lane, state, attempt_count, last_status,
    nullif(next_attempt_at, 'infinity') as next_attempt_at, created_at, finished_at, attempts
  from crm.webhook_deliveries;
grant select on crm.webhook_deliveries_now to crm_api;
insert into crm.resources values ('webhook_deliveries_now', 'webhooks', '{attempts}');
create view api.webhook_deliveries with (security_invoker = true) as
  select id, webhook_id, event_id, position, type, resource, record_id, lane, state, attempt_count, last_status, next_attempt_at,
    created_at, finished_at, attempts
  from crm.webhook_deliveries_now;
grant select on api.webhook_deliveries to crm_api;

-- Deletes deliveries that are 30 days old, and endpoints that were deleted with theirs, at most so many rows; answers how
-- many, 0 when none is left.
create function crm.purge_webhooks(max_rows integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  changed integer;
begin
  perform pg_advisory_xact_lock(hashtextextended('purge', 0));
  delete from crm.webhook_deliveries where ctid = any (array(
    select ctid from crm.webhook_deliveries where created_at < now() - interval '30 days' order by created_at limit max_rows
  ));
  get diagnostics changed = row_count;
  if changed > 0 then
    return changed;
  end if;
  delete from crm.webhook_deliveries where ctid = any (array(
    select delivery.ctid from crm.webhooks as gone join crm.webhook_deliveries as delivery on delivery.webhook_id = gone.id
    where gone.deleted_at is not null limit max_rows
  ));
  get diagnostics changed = row_count;
  if changed > 0 then
    return changed;
  end if;
  delete from crm.webhooks where id = (select id from crm.webhooks where deleted_at is not null order by deleted_at limit 1);
  get diagnostics changed = row_count;
  return changed;
end;
$$;

-- Acts -----------------------------------------------------------------------------------------

insert into crm.acts values
  ('create_webhook', 'webhooks', 'write'),
  ('update_webhook', 'webhooks', 'write'),
  ('pause_webhook', 'webhooks', 'revoke'),
  ('resume_webhook', 'webhooks', 'write'),
  ('rotate_webhook_secret', 'webhooks', 'write'),
  ('delete_webhook', 'webhooks', 'revoke');

-- With the generation of its secret, of which the function makes what it may show.
create function crm.webhook_as_shown(webhook crm.webhooks) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('record', to_jsonb(shown) || jsonb_build_object('secret_generation', webhook.secret_generation))
  from crm.webhooks_now as shown where id = webhook.id;
$$;

-- What an entry of the audit log tells of an endpoint.
create function crm.webhook_facts(webhook crm.webhooks) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('url', webhook.url, 'description', webhook.description, 'events', to_jsonb(webhook.events), 'filter', webhook.filter,
    'mode', webhook.mode, 'ordering', webhook.ordering, 'ignore_own', webhook.ignore_own);
$$;

create function crm.note_webhook(webhook crm.webhooks, action text, changes jsonb default null, actor jsonb default crm.actor()) returns void
language sql
set search_path = ''
as $$
  select crm.note_act(webhook.workspace_id, 'webhook.' || action, crm.target('webhook', webhook.id, webhook.url), changes, actor);
$$;

-- Tells by mail what has become of an endpoint: whoever has made it, if they are a member, else the owners. Of its URL without what
-- stands after the path, where receivers keep tokens.
create function crm.send_webhook_notice(webhook crm.webhooks, template text, details jsonb) returns void
language sql
set search_path = ''
as $$
  select crm.send_notice(webhook.workspace_id, template, details || jsonb_build_object(
    'webhook_id', webhook.id, 'host', split_part(split_part(webhook.url, '?', 1), '/', 3), 'url', split_part(webhook.url, '?', 1)), webhook.created_by);
$$;

-- An endpoint of the workspace, locked until the transaction ends.
create function crm.take_webhook(workspace uuid, webhook_id uuid) returns crm.webhooks
language plpgsql
set search_path = ''
as $$
declare
  webhook crm.webhooks;
begin
  select * into webhook from crm.webhooks where id = webhook_id and workspace_id = workspace and deleted_at is null for no key update;
  if webhook.id is null then
    perform crm.fail('not_found');
  end if;
  return webhook;
end;
$$;

-- Keeps whoever asks from being revoked or removed until the transaction ends: what becomes theirs is there when their own is looked
-- for (crm.pause_webhooks_of). Raises why they are not there any more.
create function crm.hold_creator(workspace uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  claims constant jsonb := crm.claims();
begin
  perform from crm.api_keys where id = (claims ->> 'key_id')::uuid and revoked_at is null for share;
  if not found and claims ->> 'key_id' is not null then
    perform crm.refuse_credential();
  end if;
  perform from crm.members where user_id = (claims ->> 'user_id')::uuid and workspace_id = workspace and deleted_at is null for share;
  if not found and claims ->> 'user_id' is not null then
    perform crm.refuse_credential();
  end if;
end;
$$;

-- As an If-Match of {"versions"} asks for it; without that any version will do.
create function crm.require_version(webhook crm.webhooks, given jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  if not coalesce(given -> 'versions' @> to_jsonb(webhook.version), true) then
    perform crm.fail('precondition_failed', jsonb_build_object('version', webhook.version));
  end if;
end;
$$;

-- Only who may read all that an endpoint is sent may have it sent elsewhere.
create function crm.require_rights_of(webhook crm.webhooks) returns void
language plpgsql
set search_path = ''
as $$
declare
  own constant text[] := crm.readable_scopes();
  missing text;
begin
  if own is null then
    return;
  elsif webhook.readable is null then
    perform crm.fail('insufficient_scope', '{"required_scope": "full_access"}');
  end if;
  select scope into missing from unnest(webhook.readable) as scope where scope <> all (own) order by 1 limit 1;
  if missing is not null then
    perform crm.fail('insufficient_scope', jsonb_build_object('required_scope', missing || ':read'));
  end if;
end;
$$;

-- {"id", "url", "description", "events", "filter", "matcher", "mode", "ordering", "ignore_own", "api_version"}: it begins with what is
-- written from now on.
create function crm.act_create_webhook(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  max_webhooks constant integer := 50;
  webhook crm.webhooks := jsonb_populate_record(null::crm.webhooks, given);
  newest bigint;
begin
  perform crm.take_workspace(workspace);
  perform crm.hold_creator(workspace);
  if (select count(*) from crm.webhooks where workspace_id = workspace and deleted_at is null) >= max_webhooks then
    perform crm.fail('webhook_limit_reached', jsonb_build_object('max_webhooks', max_webhooks));
  end if;
  insert into crm.webhooks (id, workspace_id, url, description, events, filter, matcher, mode, ordering, ignore_own, api_version, readable, cursor, bulk_cursor)
  values (webhook.id, workspace, webhook.url, webhook.description, webhook.events,
    webhook.filter, webhook.matcher, coalesce(webhook.mode, 'full'), coalesce(webhook.ordering, 'none'), coalesce(webhook.ignore_own, false), webhook.api_version,
    crm.readable_scopes(), 0, 0)
  returning * into webhook;
  perform crm.note_webhook(webhook, 'created', crm.changes_between('{}', crm.webhook_facts(webhook)));
  newest := crm.publish(workspace); -- its own creation is no news to it
  update crm.webhooks set cursor = newest, bulk_cursor = newest where id = webhook.id returning * into webhook;
  return crm.webhook_as_shown(webhook);
end;
$$;

-- {"id", "versions"} and the fields that change; "events", "filter" and "matcher" together, for each must fit the others.
create function crm.act_update_webhook(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  old constant crm.webhooks := crm.take_webhook(workspace, (given ->> 'id')::uuid);
  webhook crm.webhooks := jsonb_populate_record(old, given);
begin
  perform crm.require_version(old, given);
  if crm.webhook_facts(webhook) = crm.webhook_facts(old) then
    return crm.webhook_as_shown(old);
  elsif crm.webhook_facts(webhook) - 'description' <> crm.webhook_facts(old) - 'description' then
    perform crm.require_rights_of(old);
  end if;
  -- One lane from now on: what one of the two has sent already may come again. A doorbell tells of what waits to be tried again, too.
  if (webhook.ordering = 'record' and old.ordering <> 'record') or (webhook.mode = 'doorbell' and old.mode <> 'doorbell') then
    webhook.cursor := least(old.cursor, old.bulk_cursor);
    if webhook.mode = 'doorbell' then
      webhook.cursor := least(webhook.cursor, (
        select min(position) - 1 from crm.webhook_deliveries where webhook_id = old.id and state = 'pending'
      ));
      update crm.webhook_deliveries set state = 'failed', next_attempt_at = null, finished_at = clock_timestamp()
      where webhook_id = old.id and state = 'pending' and lane <> 'test';
    end if;
    webhook.bulk_cursor := webhook.cursor;
  end if;
  update crm.webhooks
  set url = webhook.url, description = webhook.description, events = webhook.events, filter = webhook.filter, matcher = webhook.matcher,
    mode = webhook.mode, ordering = webhook.ordering, ignore_own = webhook.ignore_own, cursor = webhook.cursor, bulk_cursor = webhook.bulk_cursor,
    -- Whoever is sending to it knows the old one: they stop, and somebody begins anew.
    lease = null, lease_until = null, due_at = now(), version = version + 1, updated_at = clock_timestamp()
  where id = old.id returning * into webhook;
  if webhook.ordering <> old.ordering then
    perform crm.try_at_once(webhook); -- Nothing waits for an earlier one any more.
  end if;
  perform crm.note_webhook(webhook, 'updated', crm.changes_between(crm.webhook_facts(old), crm.webhook_facts(webhook)));
  return crm.webhook_as_shown(webhook);
end;
$$;

-- Has an endpoint get nothing until somebody resumes it. What nobody has asked for is told by mail.
create function crm.pause_webhook(webhook crm.webhooks, reason text, actor jsonb default crm.actor()) returns crm.webhooks
language plpgsql
set search_path = ''
as $$
declare
  paused crm.webhooks;
begin
  update crm.webhooks set state = 'paused', paused_reason = reason, lease = null, lease_until = null, version = version + 1, updated_at = clock_timestamp()
  where id = webhook.id returning * into paused;
  perform crm.note_webhook(paused, 'paused', crm.changes_between(
    jsonb_build_object('state', webhook.state, 'paused_reason', webhook.paused_reason),
    jsonb_build_object('state', paused.state, 'paused_reason', paused.paused_reason)), actor);
  if webhook.state = 'active' and reason <> 'by_user' then
    perform crm.send_webhook_notice(paused, 'paused_webhook', jsonb_build_object('reason', reason, 'paused_at', paused.updated_at));
  end if;
  return paused;
end;
$$;

-- {"id"}; one that is paused stays as it is.
create function crm.act_pause_webhook(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  webhook crm.webhooks := crm.take_webhook(workspace, (given ->> 'id')::uuid);
begin
  if webhook.state = 'active' then
    webhook := crm.pause_webhook(webhook, 'by_user');
  end if;
  return crm.webhook_as_shown(webhook);
end;
$$;

-- Has what waits to be tried again tried at once; with ordering = record, of each record the oldest alone.
create function crm.try_at_once(webhook crm.webhooks) returns void
language sql
set search_path = ''
as $$
  update crm.webhook_deliveries as waiting set next_attempt_at = now()
  where webhook_id = webhook.id and state = 'pending' and next_attempt_at > now()
    and (webhook.ordering <> 'record' or next_attempt_at < 'infinity' or not exists (
      select from crm.webhook_deliveries as earlier
      where earlier.webhook_id = webhook.id and earlier.record_id = waiting.record_id and earlier.state = 'pending' and earlier.position < waiting.position
    ));
$$;

-- {"id", "from": "last", "now" or the first position that it gets}. Whose creator is gone becomes whoever resumes it, a person who
-- may write endpoints.
create function crm.act_resume_webhook(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  start constant text := given ->> 'from';
  newest bigint;
  oldest bigint;
  webhook crm.webhooks;
  old crm.webhooks;
begin
  -- In the order in which all take their locks: who acts, the feed, the endpoint.
  if crm.claims() ->> 'user_id' is not null then
    perform crm.hold_creator(workspace);
  end if;
  newest := crm.publish(workspace);
  oldest := crm.oldest_event(workspace);
  webhook := crm.take_webhook(workspace, (given ->> 'id')::uuid);
  old := webhook;
  if old.state = 'active' then
    if start <> 'last' then
      perform crm.fail('webhook_not_paused');
    end if;
    return crm.webhook_as_shown(old);
  elsif old.paused_reason = 'creator_gone' then
    if crm.claims() ->> 'key_id' is not null then
      perform crm.fail('user_required');
    end if;
    webhook.created_by := crm.actor();
    webhook.readable := null;
  end if;

  if start <> 'last' then
    webhook.cursor := case start when 'now' then newest else greatest(start::bigint - 1, 0) end;
    webhook.bulk_cursor := webhook.cursor;
  end if;
  if webhook.cursor > newest then
    perform crm.fail('position_not_reached', jsonb_build_object('newest', newest));
  elsif least(webhook.cursor, webhook.bulk_cursor) + 1 < oldest then
    perform crm.fail('events_expired', jsonb_build_object('oldest', oldest));
  end if;

  update crm.webhooks
  set state = 'active', paused_reason = null, created_by = webhook.created_by, readable = webhook.readable,
    cursor = webhook.cursor, bulk_cursor = webhook.bulk_cursor,
    failures = 0, failing_since = null, rest_until = null, rest_seconds = 5, told = 0, due_at = now(), version = version + 1, updated_at = clock_timestamp()
  where id = old.id returning * into webhook;
  -- What waited to be tried again: before the place that it begins at it is given up, else it is tried at once.
  if start <> 'last' then
    update crm.webhook_deliveries set state = 'failed', next_attempt_at = null, finished_at = clock_timestamp()
    where webhook_id = webhook.id and state = 'pending' and position <= webhook.cursor;
  end if;
  -- What was given up while it failed is owed to it all the same.
  if start = 'last' and old.paused_reason = 'failing' then
    update crm.webhook_deliveries set state = 'pending', tries = 0, next_attempt_at = now(), finished_at = null
    where webhook_id = webhook.id and state = 'failed' and lane in ('live', 'bulk') and created_at >= old.failing_since and position >= oldest;
  end if;
  perform crm.try_at_once(webhook);
  perform crm.note_webhook(webhook, 'resumed', crm.changes_between(
    jsonb_build_object('state', old.state, 'position', least(old.cursor, old.bulk_cursor), 'created_by', old.created_by),
    jsonb_build_object('state', webhook.state, 'position', least(webhook.cursor, webhook.bulk_cursor), 'created_by', webhook.created_by)));
  return crm.webhook_as_shown(webhook);
end;
$$;

-- {"id", "grace_period_seconds"}: for so long what is sent is signed with the secret before as well, beside those whose own grace
-- has not ended; 0 ends them all. Only who may read all that the endpoint gets sees its secret.
create function crm.act_rotate_webhook_secret(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  max_secrets constant integer := 10;
  webhook crm.webhooks := crm.take_webhook(workspace, (given ->> 'id')::uuid);
  old_until constant timestamptz := now() + (given ->> 'grace_period_seconds')::integer * interval '1 second';
begin
  perform crm.require_rights_of(webhook);
  update crm.webhooks
  set secret_generation = secret_generation + 1, version = version + 1, updated_at = clock_timestamp(), old_secrets = (
      select coalesce(jsonb_agg(jsonb_build_object('generation', generation, 'until', until) order by generation desc), '[]')
      from (
        select generation, until from jsonb_to_recordset(webhook.old_secrets || jsonb_build_object('generation', webhook.secret_generation, 'until', old_until))
          as old (generation integer, until timestamptz)
        where until > now() and old_until > now() order by generation desc limit max_secrets - 1
      ) as holding
    )
  where id = webhook.id returning * into webhook;
  perform crm.note_webhook(webhook, 'secret_rotated', jsonb_build_object(
    'old_secret_until', jsonb_build_object('from', null, 'to', crm.show_time(old_until))));
  return crm.webhook_as_shown(webhook);
end;
$$;

-- {"id"}
create function crm.act_delete_webhook(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  webhook constant crm.webhooks := crm.take_webhook(workspace, (given ->> 'id')::uuid);
begin
  perform crm.require_version(webhook, given);
  update crm.webhooks
  set deleted_at = now(), state = 'paused', paused_reason = coalesce(paused_reason, 'by_user'), lease = null, lease_until = null
  where id = webhook.id;
  update crm.jobs set state = 'cancelled', finished_at = clock_timestamp()
  where workspace_id = workspace and kind = 'replay_webhook' and state in ('queued', 'running') and arguments ->> 'webhook' = webhook.id::text;
  perform crm.note_webhook(webhook, 'deleted');
  return jsonb_build_object('record', jsonb_build_object('id', webhook.id));
end;
$$;

-- Creators -------------------------------------------------------------------------------------

-- Pauses what somebody has made who is gone: it sends what nobody may read any more. What is paused already says so from now on.
create function crm.pause_webhooks_of(workspace uuid, creator jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  webhook crm.webhooks;
begin
  for webhook in
    select * from crm.webhooks
    where workspace_id = workspace and created_by ->> 'id' = creator ->> 'id' and created_by ->> 'type' = creator ->> 'type'
      and deleted_at is null and paused_reason is distinct from 'creator_gone'
    order by id for no key update
  loop
    perform crm.pause_webhook(webhook, 'creator_gone', '{"type": "system", "id": null}');
  end loop;
end;
$$;

-- A key that is revoked takes its endpoints along; those of one that is rolled are its successor's. One that expires leaves them
-- at work: what it was made for goes on.
create function crm.follow_api_key() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if new.rolled_to is distinct from old.rolled_to and new.rolled_to is not null then
    perform from crm.webhooks where workspace_id = new.workspace_id and created_by ->> 'id' = new.id::text order by id for no key update;
    update crm.webhooks set created_by = jsonb_build_object('type', 'api_key', 'id', new.rolled_to)
    where workspace_id = new.workspace_id and created_by ->> 'id' = new.id::text and created_by ->> 'type' = 'api_key' and deleted_at is null;
  end if;
  if new.revoked_at is not null and old.revoked_at is null then
    perform crm.pause_webhooks_of(new.workspace_id, jsonb_build_object('type', 'api_key', 'id', new.id));
  end if;
  return null;
end;
$$;
create trigger follow_api_key after update of revoked_at, rolled_to on crm.api_keys for each row execute function crm.follow_api_key();

-- Whoever leaves takes theirs along, from sandboxes too.
create function crm.follow_leaving() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform crm.pause_webhooks_of(old.workspace_id, jsonb_build_object('type', 'user', 'id', old.user_id));
  return null;
end;
$$;
create trigger follow_leaving after update of deleted_at, user_id on crm.members
  for each row when (old.user_id is not null and old.deleted_at is null and (new.deleted_at is not null or new.user_id is null))
  execute function crm.follow_leaving();

-- Delivering: dispatchers, of which any number may run at once, lease an endpoint each, send its next events, and settle what
-- became of them. docs/adr/0019.
--
-- An endpoint has two lanes on the feed: events that came one by one, and those of bulk writes and imports, which never keep
-- the first waiting; replays go with the second. With ordering = record there is one lane, for their order is what counts.

-- How many failures in a row close an endpoint to new events, but for a few now and then.
create function crm.max_failures() returns integer
language sql immutable parallel safe
as $$ select 5 $$;

-- Whether an endpoint is to get an event that has these names.
create function crm.is_sent(webhook crm.webhooks, event crm.events) returns boolean
language sql immutable -- no "set search_path", to be inlined
as $$
  select crm.is_asked_for(event.types, webhook.events)
    and (webhook.readable is null or event.scope = any (webhook.readable))
    and (not webhook.ignore_own or event.actor ->> 'id' is distinct from webhook.created_by ->> 'id');
$$;

-- The event of a delivery as it is sent.
create function crm.sent_event(event crm.events) returns json
language sql stable
set search_path = ''
as $$
  select row_to_json(sent) from (
    select event.id, event.position, event.types[cardinality(event.types)] as type, event.types, event.resource, event.record_id, event.version,
      event.occurred_at, event.actor, event.source, event.request_id, event.data, event.changes
  ) as sent;
$$;

-- Has the endpoints of a workspace looked at, when there is something new and they don't rest.
create function crm.wake_webhooks() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform from crm.webhooks
  where workspace_id = new.workspace_id and state = 'active' and due_at > greatest(now(), rest_until)
  order by id for no key update;
  update crm.webhooks set due_at = greatest(clock_timestamp(), rest_until)
  where workspace_id = new.workspace_id and state = 'active' and due_at > greatest(clock_timestamp(), rest_until);
  return null;
end;
$$;
create trigger wake_webhooks after update of position on crm.feeds
  for each row when (new.position > old.position) execute function crm.wake_webhooks();

-- Publishes the events of some workspaces that have any, but for those whose publisher is at work. From a workspace somewhere
-- on, so that the first are not always the same.
create function crm.publish_some() returns void
language plpgsql
set search_path = ''
as $$
declare
  max_workspaces constant integer := 5;
  workspace uuid := gen_random_uuid();
  has_wrapped boolean := false;
begin
  for n in 1 .. max_workspaces loop
    select workspace_id into workspace from crm.outbox where workspace_id > workspace order by workspace_id limit 1;
    if workspace is null then
      exit when has_wrapped;
      has_wrapped := true;
      workspace := '00000000-0000-0000-0000-000000000000';
      continue;
    end if;
    perform from crm.feeds where workspace_id = workspace for update skip locked;
    if found or not exists (select from crm.feeds where workspace_id = workspace) then
      perform crm.publish(workspace, false);
    end if;
  end loop;
end;
$$;

-- The next events of a lane: at most so many, of at most so many bytes and positions on. `upto` is the position that all is said of.
create function crm.next_events(webhook crm.webhooks, lane text, after bigint, until bigint, max_events integer, only_failed boolean default false,
  out items json, out upto bigint)
language plpgsql
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  max_positions constant integer := 2000;
  max_bytes constant integer := 512 * 1024;
  window_end constant bigint := least(after + max_positions, until);
begin
  select json_agg(json_build_object('lane', next_events.lane, 'delivery_id', delivery.id, 'event_id', sized.id, 'tries', 0, 'event', line,
      'is_blocked', webhook.ordering = 'record' and exists (
        select from crm.webhook_deliveries as waiting
        where waiting.webhook_id = webhook.id and waiting.record_id = sized.record_id and waiting.state = 'pending'
      )) order by sized.position) filter (where fits),
    case when count(*) < max_events and bool_and(fits) is not false then window_end else max(sized.position) filter (where fits) end
  into items, upto
  from (
    select line, position, id, record_id, sum(octet_length(line::text)) over (order by position) - octet_length(line::text) < max_bytes as fits
    from (
      select crm.sent_event(event) as line, position, id, record_id
      from crm.events as event
      where workspace_id = webhook.workspace_id and position > after and position <= window_end
        and (next_events.lane = 'replay' or webhook.ordering = 'record' or webhook.mode = 'doorbell' or is_bulk = (next_events.lane = 'bulk'))
        and crm.is_sent(webhook, event)
        and (not only_failed or exists (
          select from crm.webhook_deliveries as failed where failed.webhook_id = webhook.id and failed.event_id = event.id and failed.state = 'failed'
        ))
      order by position limit max_events
    ) as lines
  ) as sized
  left join crm.webhook_deliveries as delivery on delivery.webhook_id = webhook.id and delivery.event_id = sized.id;
  upto := coalesce(upto, window_end);
end;
$$;

-- What waits to be tried again and is due, of at most so many bytes; with ordering = record the oldest of each record.
create function crm.due_deliveries(webhook crm.webhooks, max_deliveries integer) returns json
language plpgsql
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
declare
  max_bytes constant integer := 512 * 1024;
  at constant timestamptz := clock_timestamp();
begin
  return (
    select json_agg(json_build_object('lane', lane, 'delivery_id', id, 'event_id', event_id, 'tries', tries, 'is_blocked', false, 'event', event)
      order by position nulls first) filter (where fits)
    from (
      select due.*, coalesce(sum(octet_length(event::text)) over (order by position nulls first) - octet_length(event::text), 0) < max_bytes as fits
      from (
        select waiting.id, lane, event_id, tries, position, coalesce(payload, (
          select crm.sent_event(event) from crm.events as event where event.workspace_id = webhook.workspace_id and event.position = waiting.position
        )) as event
        from crm.webhook_deliveries as waiting
        where webhook_id = webhook.id and state = 'pending' and next_attempt_at <= at
          and (webhook.ordering <> 'record' or not exists (
            select from crm.webhook_deliveries as earlier
            where earlier.webhook_id = webhook.id and earlier.record_id = waiting.record_id and earlier.state = 'pending' and earlier.position < waiting.position
          ))
        order by next_attempt_at, position nulls first
        limit max_deliveries
      ) as due
    ) as sized
  );
end;
$$;

-- Leases the endpoint that has been due longest to the holder of {"lease"}, for half a minute, with its next deliveries. Null when
-- none is due.
create function api.claim_webhook(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  max_events integer := 50;
  max_of_workspace constant integer := 4; -- however slow its endpoints are, others have their turn
  at timestamptz;
  webhook crm.webhooks;
  is_failing boolean;
  newest bigint;
  retries json;
  live record;
  bulk record;
  replay crm.jobs;
  replayed record;
  replay_from bigint;
begin
  perform crm.publish_some();
  at := clock_timestamp();
  update crm.webhooks set lease = ($1 ->> 'lease')::uuid, lease_until = clock_timestamp() + interval '30 seconds'
  where id = (
    select id from crm.webhooks as due
    where state = 'active' and due_at <= at and (lease_until is null or lease_until < at)
      and (select count(*) from crm.webhooks as other where other.workspace_id = due.workspace_id and other.lease_until >= at) < max_of_workspace
    order by due_at limit 1
    for update skip locked
  )
  returning * into webhook;
  if webhook.id is null then
    return null;
  end if;
  newest := crm.event_position(webhook.workspace_id);
  is_failing := webhook.failures >= crm.max_failures();
  retries := crm.due_deliveries(webhook, case when is_failing then crm.max_failures() else max_events / 2 end);
  select null::json as items, webhook.cursor as upto into live;
  select null::json as items, webhook.bulk_cursor as upto into bulk;
  select null::json as items, null::bigint as upto into replayed;
  if is_failing then
    max_events := 5; -- of whatever there is, to see whether it answers again
  end if;
  if coalesce(webhook.rest_until <= clock_timestamp(), true) and not (is_failing and retries is not null) then
    live := crm.next_events(webhook, 'live', webhook.cursor, newest, max_events);
    if webhook.ordering <> 'record' and webhook.mode <> 'doorbell' and not (is_failing and live.items is not null) then
      bulk := crm.next_events(webhook, 'bulk', webhook.bulk_cursor, newest, greatest(max_events - coalesce(json_array_length(live.items), 0), least(max_events, 5)));
    end if;
    if webhook.mode <> 'doorbell' and not (is_failing and (live.items is not null or bulk.items is not null)) then
      select * into replay from crm.jobs
      where workspace_id = webhook.workspace_id and kind = 'replay_webhook' and state in ('queued', 'running') and arguments ->> 'webhook' = webhook.id::text
      order by created_at limit 1;
      if replay.id is not null then
        replay_from := coalesce((replay.arguments ->> 'cursor')::bigint, (replay.arguments ->> 'from')::bigint - 1);
        replayed := crm.next_events(webhook, 'replay', replay_from, (replay.arguments ->> 'to')::bigint,
          greatest(max_events / 2 - coalesce(json_array_length(live.items), 0), least(max_events, 5)), (replay.arguments ->> 'only_failed')::boolean);
      end if;
    end if;
  end if;
  return json_build_object('id', webhook.id, 'url', webhook.url, 'mode', webhook.mode, 'ordering', webhook.ordering, 'matcher', webhook.matcher,
    'api_version', webhook.api_version, 'secret_generations', (
      select jsonb_build_array(webhook.secret_generation) || coalesce(jsonb_agg(generation), '[]')
      from jsonb_to_recordset(webhook.old_secrets) as old (generation integer, until timestamptz) where until > clock_timestamp()
    ),
    'failures', webhook.failures, 'max_failures', crm.max_failures(), 'concurrency', webhook.concurrency, 'cursor', webhook.cursor, 'bulk_cursor', webhook.bulk_cursor, 'newest', newest,
    'retries', coalesce(retries, '[]'), 'live', json_build_object('items', coalesce(live.items, '[]'), 'upto', live.upto),
    'bulk', json_build_object('items', coalesce(bulk.items, '[]'), 'upto', bulk.upto),
    'replay', case when replay.id is not null then json_build_object('id', replay.id, 'items', coalesce(replayed.items, '[]'), 'from', replay_from, 'upto', replayed.upto,
      'ends', replayed.upto >= (replay.arguments ->> 'to')::bigint) end);
end;
$$;

-- Notes what became of deliveries of the endpoint {"id"}, if its lease is still {"lease"}. Answers {"is_ours": whether it is, "due_in":
-- seconds until there is something to do, or null}.
--
--   deliveries   [{"event_id", "position", "type", "resource", "record_id", "lane", "state", "tries", "wait": seconds until the next attempt, null
--                when none is to be made or something else must go first, "attempt": {"at", "status", "duration_ms", "error", "response"} or null}]
--   cursor, bulk_cursor    up to where the lanes are done with
--   replay       {"id", "upto", "done", "ends"} or null
--   failures, concurrency  of the endpoint now; `has_succeeded` once since the last settling, `is_gone` when it said so
--   probed       whether a new event was sent to an endpoint that fails, to see whether it answers again
--   rest         seconds for which it is sent nothing, or null
--   ends         gives the lease back; `wait` seconds until the endpoint is looked at again, null when that is as soon as there is something to do
create function api.settle_webhook(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  settled constant jsonb := $1;
  webhook crm.webhooks;
  failures_now constant integer := (settled ->> 'failures')::integer;
  rest_asked constant timestamptz := clock_timestamp() + (settled ->> 'rest')::double precision * interval '1 second';
  was_failing boolean;
  next_at timestamptz;
begin
  -- Before the endpoint is held, as who publishes does: what has its position by then is seen, and what gets it later wakes the endpoint.
  perform from crm.feeds where workspace_id = (select workspace_id from crm.webhooks where id = (settled ->> 'id')::uuid) for share;
  select * into webhook from crm.webhooks where id = (settled ->> 'id')::uuid for no key update;
  if webhook.state is distinct from 'active' or webhook.lease is distinct from (settled ->> 'lease')::uuid then
    return '{"is_ours": false, "due_in": null}';
  end if;
  was_failing := webhook.failures >= crm.max_failures();
  insert into crm.webhook_deliveries as known (workspace_id, webhook_id, event_id, position, type, resource, record_id, lane, state, tries, attempts, next_attempt_at, created_at, finished_at)
  select webhook.workspace_id, webhook.id, event_id, position, type, resource, record_id, lane, state, tries,
    case when attempt is null then '[]' else jsonb_build_array(attempt) end,
    case when state = 'pending' then coalesce(clock_timestamp() + wait * interval '1 second', 'infinity') end,
    coalesce((attempt ->> 'at')::timestamptz, clock_timestamp()), case when state <> 'pending' then clock_timestamp() end
  from jsonb_to_recordset(settled -> 'deliveries') as given (
    event_id uuid, position bigint, type text, resource text, record_id uuid, lane text, state text, tries integer, wait double precision, attempt jsonb)
  on conflict (webhook_id, event_id) do update
  set state = excluded.state, tries = excluded.tries, attempts = known.attempts || excluded.attempts, lane = excluded.lane,
    next_attempt_at = excluded.next_attempt_at, finished_at = excluded.finished_at;

  update crm.webhooks
  set cursor = greatest(cursor, (settled ->> 'cursor')::bigint),
    bulk_cursor = case when ordering = 'record' or mode = 'doorbell' then greatest(cursor, (settled ->> 'cursor')::bigint) else greatest(bulk_cursor, (settled ->> 'bulk_cursor')::bigint) end,
    failures = failures_now, concurrency = (settled ->> 'concurrency')::integer,
    failing_since = case
      when failures_now = 0 then case when (settled ->> 'has_succeeded')::boolean then null else failing_since end
      when (settled ->> 'has_succeeded')::boolean then clock_timestamp()
      else coalesce(failing_since, clock_timestamp())
    end,
    told = case when (settled ->> 'has_succeeded')::boolean then 0 else told end,
    rest_seconds = case when failures_now < crm.max_failures() then 5 when (settled ->> 'probed')::boolean then least(rest_seconds * 2, 300) else rest_seconds end,
    rest_until = greatest(rest_asked, case
      when failures_now < crm.max_failures() then null
      when not was_failing then clock_timestamp() + rest_seconds * interval '1 second'
      when (settled ->> 'probed')::boolean then clock_timestamp() + least(rest_seconds * 2, 300) * interval '1 second'
      else rest_until
    end),
    lease_until = clock_timestamp() + interval '30 seconds'
  where id = webhook.id returning * into webhook;

  if settled -> 'replay' <> 'null' then
    update crm.jobs
    set arguments = arguments || jsonb_build_object('cursor', (settled #>> '{replay,upto}')::bigint), state = 'running',
      done = done + (settled #>> '{replay,done}')::bigint, touched_at = clock_timestamp()
    where id = (settled #>> '{replay,id}')::uuid and state in ('queued', 'running');
    if (settled #>> '{replay,ends}')::boolean then
      update crm.jobs set state = 'succeeded', finished_at = clock_timestamp(), total = done, result = jsonb_build_object('sent', done)
      where id = (settled #>> '{replay,id}')::uuid and state = 'running';
    end if;
  end if;

  -- Whoever wants to be left alone is.
  if rest_asked is not null then
    update crm.webhook_deliveries set next_attempt_at = rest_asked
    where webhook_id = webhook.id and state = 'pending' and next_attempt_at < rest_asked;
  end if;
  -- It answers again: what waited for it need wait no longer.
  if was_failing and webhook.failures = 0 then
    update crm.webhook_deliveries set next_attempt_at = clock_timestamp()
    where webhook_id = webhook.id and state = 'pending' and next_attempt_at > clock_timestamp() and next_attempt_at < 'infinity';
  end if;
  -- What is the oldest of its record now waits for nothing any more.
  if webhook.ordering = 'record' then
    update crm.webhook_deliveries set next_attempt_at = clock_timestamp()
    where next_attempt_at = 'infinity' and id in (
      select first.id
      from (
        select distinct delivery.record_id from jsonb_to_recordset(settled -> 'deliveries') as given (event_id uuid)
        join crm.webhook_deliveries as delivery on delivery.webhook_id = webhook.id and delivery.event_id = given.event_id
        where delivery.record_id is not null
      ) as touched
      cross join lateral (
        select id from crm.webhook_deliveries as waiting
        where waiting.webhook_id = webhook.id and waiting.record_id = touched.record_id and state = 'pending' order by position limit 1
      ) as first
    );
  end if;

  if (settled ->> 'is_gone')::boolean then
    perform crm.pause_webhook(webhook, 'gone', '{"type": "system", "id": null}');
  elsif (settled ->> 'ends')::boolean then
    select min(next_attempt_at) into next_at from crm.webhook_deliveries where webhook_id = webhook.id and state = 'pending';
    update crm.webhooks
    set lease = null, lease_until = null, due_at = case
      when (settled ->> 'wait') is not null then clock_timestamp() + (settled ->> 'wait')::double precision * interval '1 second'
      when crm.has_more(webhook) then least(next_at, greatest(clock_timestamp(), rest_until))
      else coalesce(next_at, 'infinity')
    end
    where id = webhook.id returning * into webhook;
  end if;
  return json_build_object('is_ours', true,
    'due_in', case when webhook.state = 'active' and webhook.due_at < 'infinity' then extract(epoch from webhook.due_at - clock_timestamp()) end);
end;
$$;

-- Whether the feed or a replay has more for an endpoint than it has come to.
create function crm.has_more(webhook crm.webhooks) returns boolean
language sql volatile
set search_path = ''
as $$
  select least(webhook.cursor, webhook.bulk_cursor) < crm.event_position(webhook.workspace_id) or exists (
    select from crm.jobs
    where workspace_id = webhook.workspace_id and kind = 'replay_webhook' and state in ('queued', 'running') and arguments ->> 'webhook' = webhook.id::text
  );
$$;

-- Notices the endpoints that have failed for long: {"told": 1} after an hour, 2 a day before they are paused, which is after five
-- days. Everybody is told by an event, and whose it is by mail, with what the delivery that it was last given alone came to.
create function crm.watch_webhooks() returns void
language plpgsql
set search_path = ''
as $$
declare
  paused_after constant interval := '5 days';
  webhook crm.webhooks;
  system constant jsonb := '{"type": "system", "id": null}';
begin
  for webhook in
    select * from crm.webhooks
    where state = 'active' and failing_since < now() - case told when 0 then interval '1 hour' when 1 then paused_after - interval '1 day' else paused_after end
    order by failing_since limit 10
    for update skip locked
  loop
    if webhook.failing_since < now() - paused_after then
      webhook := crm.pause_webhook(webhook, 'failing', system);
    else
      -- Once, if nobody has looked for days.
      update crm.webhooks set told = case when failing_since < now() - paused_after + interval '1 day' then 2 else 1 end
      where id = webhook.id returning * into webhook;
      perform crm.note_webhook(webhook, 'failing', jsonb_build_object('failing_since', jsonb_build_object('from', null, 'to', crm.show_time(webhook.failing_since))), system);
      perform crm.send_webhook_notice(webhook, 'failing_webhook', jsonb_build_object(
        'notice', case webhook.told when 1 then 'first' else 'last' end, 'began_at', webhook.failing_since,
        'pauses_at', greatest(webhook.failing_since + paused_after, now()),
        'last_result', (
          select coalesce('status ' || last_status, attempts -> -1 ->> 'error') from crm.webhook_deliveries
          where webhook_id = webhook.id and state = 'pending' and attempt_count > 0 order by created_at limit 1
        )));
    end if;
  end loop;
end;
$$;

grant execute on function api.claim_webhook(json), api.settle_webhook(json) to crm_worker;

-- Once more -----------------------------------------------------------------------------------

insert into crm.acts values
  ('test_webhook', 'webhooks', 'write'),
  ('redeliver_event', 'webhooks', 'write'),
  ('replay_events', 'webhooks', 'write');

-- An endpoint that gets what is sent to it, locked until the transaction ends.
create function crm.take_active_webhook(workspace uuid, webhook_id uuid) returns crm.webhooks
language plpgsql
set search_path = ''
as $$
declare
  webhook constant crm.webhooks := crm.take_webhook(workspace, webhook_id);
begin
  if webhook.state <> 'active' then
    perform crm.fail('webhook_paused', jsonb_build_object('paused_reason', webhook.paused_reason));
  end if;
  return webhook;
end;
$$;

create function crm.delivery_as_shown(delivery_id uuid) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('record', to_jsonb(shown) - 'attempts') from api.webhook_deliveries as shown where id = delivery_id;
$$;

-- {"id", "event": a sample}: sends it once.
create function crm.act_test_webhook(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  max_waiting constant integer := 20;
  webhook constant crm.webhooks := crm.take_active_webhook(workspace, (given ->> 'id')::uuid);
  sample constant jsonb := given -> 'event';
  delivery uuid;
begin
  if (select count(*) from crm.webhook_deliveries where webhook_id = webhook.id and state = 'pending' and lane = 'test') >= max_waiting then
    perform crm.fail('too_many_tests', jsonb_build_object('max_waiting', max_waiting, 'retry_after', 15));
  end if;
  insert into crm.webhook_deliveries (workspace_id, webhook_id, event_id, type, resource, record_id, lane, next_attempt_at, payload)
  values (workspace, webhook.id, (sample ->> 'id')::uuid, sample ->> 'type', sample ->> 'resource', (sample ->> 'record_id')::uuid, 'test', clock_timestamp(), sample::json)
  returning id into delivery;
  update crm.webhooks set due_at = clock_timestamp() where id = webhook.id;
  perform crm.note_webhook(webhook, 'tested');
  return crm.delivery_as_shown(delivery);
end;
$$;

-- {"webhook_id", "id"}: tries a delivery again at once, whatever became of it, and on from there as if it were new.
create function crm.act_redeliver_event(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  webhook constant crm.webhooks := crm.take_active_webhook(workspace, (given ->> 'webhook_id')::uuid);
  delivery crm.webhook_deliveries;
begin
  select * into delivery from crm.webhook_deliveries where id = (given ->> 'id')::uuid and webhook_id = webhook.id for update;
  if delivery.id is null then
    perform crm.fail('not_found');
  elsif delivery.payload is null and delivery.position < crm.oldest_event(workspace) then
    perform crm.fail('events_expired', jsonb_build_object('oldest', crm.oldest_event(workspace)));
  elsif delivery.type = 'events.available' then
    perform crm.fail('nothing_to_redeliver');
  end if;
  update crm.webhook_deliveries set state = 'pending', tries = 0, next_attempt_at = clock_timestamp(), finished_at = null where id = delivery.id;
  update crm.webhooks set due_at = clock_timestamp() where id = webhook.id;
  perform crm.note_webhook(webhook, 'redelivered', jsonb_build_object('delivery', jsonb_build_object('from', null, 'to', delivery.id)));
  return crm.delivery_as_shown(delivery.id);
end;
$$;

-- {"id", "from", "to", "only_failed"}: sends a part of the feed again, which a job tells the progress of. How many events that is, is
-- counted no further than to a million.
create function crm.act_replay_events(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  max_counted constant integer := 1000000;
  newest constant bigint := crm.publish(workspace);
  oldest constant bigint := crm.oldest_event(workspace);
  first constant bigint := coalesce((given ->> 'from')::bigint, oldest);
  final constant bigint := least(coalesce((given ->> 'to')::bigint, newest), newest);
  only_failed constant boolean := coalesce((given ->> 'only_failed')::boolean, false);
  webhook crm.webhooks;
  found bigint;
begin
  -- Before it is held: that may take a second.
  select * into webhook from crm.webhooks where id = (given ->> 'id')::uuid and workspace_id = workspace;
  select count(*) into found from (
    select from crm.events as event
    where workspace_id = workspace and position between first and final and crm.is_sent(webhook, event)
      and (not only_failed or exists (
        select from crm.webhook_deliveries as failed where failed.webhook_id = webhook.id and failed.event_id = event.id and failed.state = 'failed'
      ))
    limit max_counted + 1
  ) as counted;
  webhook := crm.take_active_webhook(workspace, (given ->> 'id')::uuid);
  if webhook.mode = 'doorbell' then
    perform crm.fail('nothing_to_redeliver');
  elsif first < oldest then
    perform crm.fail('events_expired', jsonb_build_object('oldest', oldest));
  end if;
  perform crm.start_job(workspace, 'replay_webhook', 'webhooks',
    jsonb_build_object('webhook', webhook.id, 'from', first, 'to', final, 'only_failed', only_failed), case when found <= max_counted then found end);
  update crm.webhooks set due_at = clock_timestamp() where id = webhook.id;
  perform crm.note_webhook(webhook, 'replayed', jsonb_build_object('events', jsonb_build_object('from', first, 'to', final)));
  return jsonb_build_object('record', jsonb_build_object('webhook_id', webhook.id, 'from', first, 'to', final, 'only_failed', only_failed,
    'total', case when found <= max_counted then found end));
end;
$$;

-- The feed: an event for each version of a record, and for what people do to keys, members and sandboxes, each with a
-- position in its workspace: 1, 2, 3 … without a hole.
--
-- An event is written in the transaction of what it tells, to the outbox, and gets its position when it is published: by
-- one publisher at a time, of what is committed, in the order of `seq`. Writers wait for nobody, and a transaction that is
-- open for long keeps only its own events back. docs/adr/0018 says why no other way holds.

-- Tables ---------------------------------------------------------------------------------------

-- What an event is, wherever it stands. `seq` is taken while the row of the record is locked: of two versions the later
-- one has the higher, and whoever sees the later one sees the earlier one as well.
create table crm.outbox (
  workspace_id uuid not null,
  seq bigint not null generated always as identity,
  id uuid not null default crm.uuid_v7(),
  occurred_at timestamptz not null default clock_timestamp(),
  -- All names that hold, the most specific last: {deal.updated,deal.stage_changed,deal.won}.
  types text[] not null,
  resource text not null,
  -- Which a custom key must have to see it; null for those who see everything.
  scope text,
  record_id uuid not null,
  version bigint,
  actor jsonb not null default crm.actor(),
  source text not null default coalesce(nullif(current_setting('crm.source', true), ''), 'api'),
  request_id text default nullif(current_setting('crm.request_id', true), ''),
  -- Of a bulk write, an import or a job: what is sent goes in a lane of its own.
  is_bulk boolean not null default coalesce(nullif(current_setting('crm.is_bulk', true), ''), 'off')::boolean,
  data json not null,
  changes json not null default '{}',
  primary key (workspace_id, seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table crm.outbox is 'Events that are committed and have no position yet: few, most of the time.';
alter table crm.outbox enable row level security;
alter table crm.outbox force row level security;

create table crm.feeds (
  workspace_id uuid primary key references crm.workspaces (id) on delete cascade,
  -- The newest position, and the oldest that is kept; one beyond the newest when none is.
  position bigint not null default 0,
  oldest bigint not null default 1
) with (fillfactor = 50);
comment on table crm.feeds is 'How far each workspace''s events are published. Its row is the publisher''s turn.';
alter table crm.feeds enable row level security;
alter table crm.feeds force row level security;

-- No foreign key: each would be checked for each event. What goes with a workspace is said in crm.going_from.
create table crm.events (
  workspace_id uuid not null,
  position bigint not null,
  published_at timestamptz not null,
  id uuid not null,
  occurred_at timestamptz not null,
  types text[] not null,
  resource text not null,
  scope text,
  record_id uuid not null,
  version bigint,
  actor jsonb not null,
  source text not null,
  request_id text,
  is_bulk boolean not null,
  data json not null,
  changes json not null,
  primary key (workspace_id, position, published_at)
) partition by range (published_at);
comment on table crm.events is 'What has happened, by position. A part for each week, which is dropped 30 days after its end.';
create index events_record_id on crm.events (workspace_id, record_id, position);
alter table crm.events enable row level security;
alter table crm.events force row level security;
grant select on crm.events to crm_api;

-- The scopes whose events a request may see; null for all. A custom key sees those of the records it may read.
create function crm.readable_scopes() returns text[]
language sql stable security definer
set search_path = ''
as $$
  select case when key.scope = 'custom' then array(select resource from jsonb_each_text(key.permissions) as granted (resource, access) where access <> 'none') end
  from crm.api_keys as key where key.id = (crm.claims() ->> 'key_id')::uuid;
$$;
grant execute on function crm.readable_scopes() to crm_api;

create policy "requests read the events of their workspace, custom keys those of what they may read" on crm.events
  for select to crm_api using (
    workspace_id = (select crm.workspace_for('webhooks', 'read'))
    and ((select crm.readable_scopes()) is null or scope = any ((select crm.readable_scopes())::text[]))
  );

-- What is added outside of all weeks that there are stands in the rest: nothing is refused because a timer has stopped.
create table crm.events_rest partition of crm.events default;
alter table crm.events_rest enable row level security;
alter table crm.events_rest force row level security;

-- How long events are kept at least: then their week is dropped.
create function crm.events_kept() returns interval
language sql immutable
set search_path = ''
as $$ select interval '30 days' $$;

-- Says which are the oldest events that are kept, before what is older is dropped, in another transaction: who publishes holds
-- the feeds' rows first, too.
create function crm.forget_events() returns void
language sql security definer
set search_path = ''
set timezone = 'UTC'
as $$
  update crm.feeds set oldest = first.position
  from (
    select workspace_id, coalesce((
      select min(position) from crm.events
      where events.workspace_id = listed.workspace_id and published_at >= date_trunc('week', now() - crm.events_kept())
    ), listed.position + 1) as position
    from crm.feeds as listed
  ) as first
  where first.workspace_id = feeds.workspace_id and first.position > feeds.oldest;
$$;

-- Makes the parts of the weeks to come, and drops those that ended before all that is kept.
create function crm.keep_weeks() returns void
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
set lock_timeout = '2s' -- whoever reads for long is waited for another time
as $$
declare
  weeks_ahead constant integer := 8;
  week timestamptz;
  part text;
begin
  for week in select generate_series(date_trunc('week', now()), now() + weeks_ahead * interval '1 week', interval '1 week') loop
    part := 'events_' || to_char(week, 'IYYY_IW');
    continue when to_regclass('crm.' || part) is not null
      or exists (select from crm.events_rest where published_at >= week and published_at < week + interval '1 week');
    execute format('create table crm.%I partition of crm.events for values from (%L) to (%L)', part, week, week + interval '1 week');
    execute format('alter table crm.%I enable row level security', part);
    execute format('alter table crm.%I force row level security', part);
  end loop;
  for part in
    select relname from pg_catalog.pg_inherits join pg_catalog.pg_class as child on child.oid = inhrelid
    where inhparent = 'crm.events'::regclass and relname ~ '^events_\d{4}_\d\d$'
      and to_date(substr(relname, 8), 'IYYY_IW') + interval '1 week' < now() - crm.events_kept()
  loop
    execute format('drop table crm.%I', part);
  end loop;
  delete from crm.events_rest where published_at < now() - crm.events_kept() - interval '1 week';
end;
$$;
select crm.keep_weeks();

-- Publishing -----------------------------------------------------------------------------------

-- Gives the events of a workspace that are committed their positions, or the first thousand where that is enough, and answers
-- the newest. Who finds none waits for nobody.
create function crm.publish(workspace uuid, all_of_them boolean default true) returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  max_at_once constant integer := 1000;
  newest bigint;
  placed integer := max_at_once;
begin
  while placed = max_at_once and exists (select from crm.outbox where workspace_id = workspace) loop
    insert into crm.feeds (workspace_id) values (workspace) on conflict do nothing;
    select position into newest from crm.feeds where workspace_id = workspace for update; -- one at a time; what follows sees what is committed by now
    with taken as (
      delete from crm.outbox where workspace_id = workspace and seq = any (array(
        select seq from crm.outbox where workspace_id = workspace order by seq limit max_at_once
      ))
      returning *
    ),
    added as (
      insert into crm.events (workspace_id, position, published_at, id, occurred_at, types, resource, scope, record_id, version,
        actor, source, request_id, is_bulk, data, changes)
      select workspace, newest + row_number() over (order by seq), clock_timestamp(), id, occurred_at, types, resource, scope, record_id, version,
        actor, source, request_id, is_bulk, data, changes
      from taken
      returning 1
    )
    select count(*) into placed from added;
    update crm.feeds set position = newest + placed where workspace_id = workspace;
    exit when not all_of_them;
  end loop;
  return coalesce((select position from crm.feeds where workspace_id = workspace), 0);
end;
$$;
grant execute on function crm.publish(uuid, boolean) to crm_api;

-- The newest position, with which a copy begins that is then followed: whatever is not in what this statement sees has a
-- later one.
create function crm.event_position(workspace uuid) returns bigint
language sql stable security definer
set search_path = ''
as $$
  select coalesce((select position from crm.feeds where workspace_id = workspace), 0);
$$;
grant execute on function crm.event_position(uuid) to crm_api;

-- Making events --------------------------------------------------------------------------------

-- Adds an event that is no version of a record: what people did to keys, and what became of an import.
create function crm.emit(workspace uuid, types text[], resource text, scope text, record_id uuid, data jsonb, changes jsonb default null, actor jsonb default crm.actor())
returns void
language sql security definer
set search_path = ''
set timezone = 'UTC'
as $$
  insert into crm.outbox (workspace_id, types, resource, scope, record_id, actor, data, changes)
  values (workspace, types, resource, scope, record_id, actor, data::json, coalesce(changes, '{}')::json);
$$;

-- The names that a version of a record has beside the one of what was done to it, as an SQL expression: those that changes
-- of some columns have. `is_new` where there is no earlier row.
create function crm.render_special_types(resource text, singular text, is_new boolean) returns text
language sql immutable
set search_path = ''
as $$
  select case resource
    when 'deals' then case when is_new
      then $sql$case when later.status in ('won', 'lost') then array['deal.' || later.status] end$sql$
      else $sql$case when later.stage_id <> earlier.stage_id then array['deal.stage_changed'] end
        || case when later.status <> earlier.status then array['deal.' || case later.status when 'open' then 'reopened' else later.status end] end$sql$
    end
    when 'tasks' then case when is_new
      then $sql$case when later.status = 'completed' then array['task.completed'] end$sql$
      else $sql$case when later.status = earlier.status then null when later.status = 'completed' then array['task.completed']
        when earlier.status in ('completed', 'cancelled') and later.status <> 'cancelled' then array['task.reopened'] end$sql$
    end
    else 'null::text[]'
  end;
$$;

-- Has every version of a resource's records told: what changed noted in its history, and an event made of both. A setting
-- of the session, crm.events = off, leaves the events out: of what a seed makes, nobody is to be told.
create function crm.tell_versions(resource text) returns void
language plpgsql
set search_path = ''
as $$
declare
  facts constant jsonb := (select resources.facts from crm.resources where name = resource);
  scope constant text := (select resources.scope from crm.resources where name = resource);
  singular constant text := facts ->> 'singular';
  is_mergeable constant boolean := exists (
    select from pg_catalog.pg_attribute where attrelid = format('crm.%I', resource)::regclass and attname = 'merged_into'
  );
  -- As it is shown, and with what a deleted one has beside that.
  shown constant text := format('(select row_to_json(shown) from (select %s%s) as shown)',
    crm.render_columns(resource, 'later', array(select jsonb_array_elements_text(facts -> 'columns'))),
    ', later.deleted_at' || case when is_mergeable then ', later.merged_into' else '' end);
  omitted constant text[] := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass
      and (attgenerated <> '' or attname in ('version', 'created_at', 'updated_at', 'created_by', 'updated_by', 'last_activity_at'))
  );
  -- What JSON would not show as the record does: money, which is text, and times.
  texts constant text[] := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass and atttypid in ('numeric'::regtype, 'timestamptz'::regtype)
  );
begin
  execute format($ddl$
    create function crm.%1$I() returns trigger
    language plpgsql security definer
    set search_path = ''
    set timezone = 'UTC'
    as $function$
    begin
      if current_setting('crm.events', true) is distinct from 'off' then
        insert into crm.outbox (workspace_id, occurred_at, types, resource, scope, record_id, version, actor, data)
        select later.workspace_id, later.created_at, array[%2$L] || %3$s, %4$L, %5$L, later.id, later.version, later.created_by, %6$s
        from new_rows as later;
      end if;
      return null;
    end;
    $function$;
    create trigger tell_first_version after insert on crm.%4$I
      referencing new table as new_rows
      for each statement execute function crm.%1$I();
  $ddl$, 'tell_first_version_of_' || resource, singular || '.created', crm.render_special_types(resource, singular, true), resource, scope, shown);

  execute format($ddl$
    create function crm.%1$I() returns trigger
    language plpgsql security definer
    set search_path = ''
    set timezone = 'UTC'
    set enable_nestloop = off -- its plan is kept: made for one row, it would compare all of thousands with all
    as $function$
    begin
      with change as materialized (
        select later.id, later.workspace_id, later.version, later.updated_at, later.updated_by, found.field,
          case when found.field = any (%5$L) then crm.as_text(found."from") else found."from" end as "from",
          case when found.field = any (%5$L) then crm.as_text(found."to") else found."to" end as "to"
        from new_rows as later
        join old_rows as earlier on earlier.id = later.id
        -- Once each, for "offset 0". No function of ours: that would double the time of it all.
        cross join lateral (select to_jsonb(earlier) - %3$L::text[] as before, to_jsonb(later) - %3$L::text[] as after offset 0) as states
        cross join lateral (
          select field, before -> field as "from", value as "to"
          from jsonb_each(after) as given (field, value)
          where field <> 'custom_fields' and value is distinct from before -> field
          union all
          select 'custom_fields.' || field, earlier_one.value, later_one.value
          from jsonb_each(before -> 'custom_fields') as earlier_one (field, value)
          full join jsonb_each(after -> 'custom_fields') as later_one (field, value) using (field)
          where before -> 'custom_fields' <> after -> 'custom_fields' and earlier_one.value is distinct from later_one.value
        ) as found
        where later.version <> earlier.version
      ),
      noted as (
        insert into crm.%2$I (workspace_id, record_id, field, "from", "to", version, changed_at, changed_by)
        select workspace_id, id, field, "from", "to", version, updated_at, updated_by from change
      )
      insert into crm.outbox (workspace_id, occurred_at, types, resource, scope, record_id, version, actor, data, changes)
      select later.workspace_id, later.updated_at,
        case
          when later.deleted_at is not null and earlier.deleted_at is null then array[%6$L]%7$s
          when later.deleted_at is null and earlier.deleted_at is not null then array[%8$L]
          else array[%9$L] || %10$s
        end,
        %4$L, %11$L, later.id, later.version, later.updated_by, %12$s, coalesce(changed.fields, '{}')
      from new_rows as later
      join old_rows as earlier on earlier.id = later.id
      left join (
        select id, json_object_agg(field, json_build_object('from', "from", 'to', "to")) as fields from change group by id
      ) as changed on changed.id = later.id
      where later.version <> earlier.version and current_setting('crm.events', true) is distinct from 'off';
      return null;
    end;
    $function$;
    create trigger tell_version after update on crm.%4$I
      referencing old table as old_rows new table as new_rows
      for each statement execute function crm.%1$I();
  $ddl$, 'tell_version_of_' || resource, resource || '_history', omitted, resource, texts,
    singular || '.deleted', case when is_mergeable then format(' || case when later.merged_into is not null then array[%L] end', singular || '.merged') else '' end,
    singular || '.restored', singular || '.updated', crm.render_special_types(resource, singular, false), scope, shown);
end;
$$;
select crm.tell_versions(name) from crm.resources where facts is not null and to_regclass('crm.' || name) is not null order by name;

-- What people do, as the audit log has it, is told too. In `targets` the first is what it was done to.
create function crm.tell_act() returns trigger
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  target constant jsonb := new.targets -> 0;
  kind constant text := target ->> 'type';
  target_id constant uuid := target ->> 'id';
  -- An invitation makes a member, and is told as that.
  told constant text := case new.action when 'invitation.created' then 'member.invited' when 'invitation.revoked' then 'member.invitation_revoked' else new.action end;
  shown jsonb;
begin
  if kind is null or split_part(told, '.', 1) not in ('api_key', 'member', 'sandbox', 'webhook')
    or told in ('webhook.tested', 'webhook.redelivered', 'webhook.replayed') -- which only say that something is told again
  then
    return null;
  end if;
  case kind
    when 'api_key' then select to_jsonb(key) - 'workspace_id' into shown from crm.api_keys_now as key where id = target_id;
    when 'invitation' then select to_jsonb(invitation) - 'workspace_id' into shown from crm.invitations_now as invitation where id = target_id;
    when 'member' then
      select jsonb_build_object('id', id, 'user_id', user_id, 'email', email, 'name', name, 'role', role, 'created_at', created_at) into shown
      from crm.members where id = target_id;
    when 'sandbox' then
      select jsonb_build_object('id', id, 'name', name, 'start_from', start_from, 'state', state, 'created_at', created_at,
        'reset_at', reset_at, 'expires_at', expires_at) into shown
      from crm.workspaces where id = target_id;
    when 'webhook' then select to_jsonb(webhook) - 'workspace_id' into shown from crm.webhooks_now as webhook where id = target_id;
  end case;
  perform crm.emit(new.workspace_id, array[told], case kind when 'sandbox' then 'sandboxes' else kind || 's' end, case kind when 'webhook' then 'webhooks' end, target_id,
    coalesce(shown, target), new.changes, new.actor - 'name');
  return null;
end;
$$;
create trigger tell_act after insert on crm.audit_log for each row execute function crm.tell_act();

-- What became of an import, once it has ended.
create function crm.tell_import() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform crm.emit(new.workspace_id, array['import.' || new.status], 'imports', new.resource, new.id,
    crm.shown_import(new.id)::jsonb, null, new.created_by);
  return null;
end;
$$;
create trigger tell_import after update of status on crm.imports
  for each row when (new.status in ('completed', 'failed') and old.status <> new.status) execute function crm.tell_import();

-- Reading --------------------------------------------------------------------------------------

-- The oldest position that is kept, one beyond the newest when none is.
create function crm.oldest_event(workspace uuid) returns bigint
language sql stable security definer
set search_path = ''
as $$
  select coalesce((select oldest from crm.feeds where workspace_id = workspace), 1);
$$;

-- Whether an event that has these names is one of those that patterns ask for: deal.won, deal.*, *.
create function crm.is_asked_for(types text[], patterns text[]) returns boolean
language sql immutable parallel safe -- no "set search_path", to be inlined
as $$
  select patterns && (types || '{*}'::text[] || (pg_catalog.split_part(types[1], '.', 1) || '.*'));
$$;

-- The events of a workspace after a position, ascending: publishes what is committed, so that a request finds the events of
-- all that it knows of.
--
--   after       a position; absent for all that are kept
--   limit       one more than wanted tells whether there are more
--   types       ["deal.won", "task.*"], resource, record_id
--   since       no earlier than this, of occurred_at
--
-- Answers {"rows", "cut": whether there are more, for their size or because so many others had to be looked through, "upto": the position
-- that was come to, "position": the newest, "oldest", "has_published"}.
create function api.read_events(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
set statement_timeout = '2s'
set plan_cache_mode = force_custom_plan -- most conditions are not asked for
as $$
declare
  workspace constant uuid := crm.require_workspace('webhooks', 'read');
  published_before constant bigint := crm.event_position(workspace);
  newest constant bigint := crm.publish(workspace);
  oldest constant bigint := crm.oldest_event(workspace);
  asked constant jsonb := $1;
  patterns constant text[] := array(select jsonb_array_elements_text(asked -> 'types'));
  since constant timestamptz := asked ->> 'since';
  max_windows constant integer := 20;
  -- What few events have is looked for in so many at a time.
  window_size constant bigint := case when asked ?| '{types,resource}' and not asked ? 'record_id' then 20000 else newest end;
  after bigint := coalesce((asked ->> 'after')::bigint, oldest - 1);
  upto bigint := after;
  page json;
begin
  if after < oldest - 1 then
    perform crm.fail('events_expired', jsonb_build_object('oldest', oldest));
  end if;
  if since is not null then
    upto := greatest(upto, coalesce((select min(position) from crm.events where workspace_id = workspace and published_at >= since) - 1, newest));
  end if;
  for n in 1 .. max_windows loop
    after := upto;
    upto := least(after + window_size, newest);
    select json_build_object('rows', coalesce(json_agg(line) filter (where fits), '[]'), 'cut', coalesce(not bool_and(fits), false)) into page
    from (
      select line, sum(octet_length(line::text)) over (rows unbounded preceding) - octet_length(line::text) < 2 * 1024 * 1024 as fits
      from (
        select row_to_json(event) as line
        from (
          select id, position, types[cardinality(types)] as type, types, resource, record_id, version, occurred_at, actor, source, request_id, data, changes
          from crm.events
          where workspace_id = workspace and position > after and position <= upto
            and (not asked ? 'types' or crm.is_asked_for(types, patterns))
            and (not asked ? 'resource' or resource = asked ->> 'resource')
            and (not asked ? 'record_id' or record_id = (asked ->> 'record_id')::uuid)
            and (since is null or (published_at >= since and occurred_at >= since))
          order by position limit (asked ->> 'limit')::integer
        ) as event
        offset 0
      ) as lines
    ) as sized;
    exit when upto >= newest or json_array_length(page -> 'rows') > 0;
  end loop;
  return json_build_object('rows', page -> 'rows', 'cut', (page ->> 'cut')::boolean or upto < newest, 'upto', upto,
    'position', newest, 'oldest', oldest, 'has_published', newest > published_before);
end;
$$;
grant execute on function crm.oldest_event(uuid), crm.is_asked_for(text[], text[]), api.read_events(json) to crm_api;

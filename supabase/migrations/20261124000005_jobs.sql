-- Jobs: changes of more records than one request can wait for. A job is started in the transaction that asks for it, and
-- done batch by batch: each is a transaction of its own that changes some hundred records, adds them to `done` and
-- notes where it is in `arguments`, so that a crash at any instant loses nothing and does nothing twice, and nobody
-- else's write waits for long. What a kind does in one batch is crm.job_<kind>(crm.jobs) returns integer: how many
-- records it has changed; 0 when none is left.

create table crm.jobs (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  kind text not null,
  -- The scope that it takes to see and to cancel it.
  scope text not null,
  arguments jsonb not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  done bigint not null default 0,
  total bigint,
  result jsonb,
  error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  created_by jsonb not null default crm.actor(),
  lease uuid,
  lease_until timestamptz,
  attempts integer not null default 0,
  touched_at timestamptz not null default clock_timestamp()
);
comment on table crm.jobs is 'Changes under way, and what became of those that have ended.';
create index jobs_created_at on crm.jobs (workspace_id, created_at, id);
create index jobs_waiting on crm.jobs (workspace_id, touched_at) where state in ('queued', 'running');
alter table crm.jobs enable row level security;
alter table crm.jobs force row level security;
grant select on crm.jobs to crm_api;
create policy "requests read the jobs of what they may read" on crm.jobs
  for select to crm_api using (workspace_id = (select crm.current_workspace('read')) and crm.workspace_for(scope, 'read') is not null);
insert into crm.resources values ('jobs', null, '{scope,arguments,lease,lease_until,attempts,touched_at}');

create view api.jobs with (security_invoker = true) as
  select id, kind, state, done, total, created_at, finished_at, created_by, result, error from crm.jobs;
grant select on api.jobs to crm_api;

-- How many records a request changes by itself; more are a job.
create function crm.max_at_once() returns integer
language sql stable
set search_path = ''
as $$
  select coalesce(nullif(current_setting('crm.max_at_once', true), ''), '2000')::integer;
$$;

-- Starts a job; api.write_records answers it. `total` is how many records it is about, as far as that is known.
create function crm.start_job(workspace uuid, kind text, scope text, arguments jsonb, total bigint) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
  max_unfinished constant integer := 20;
  job uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs:' || workspace, 0));
  if (select count(*) from crm.jobs where workspace_id = workspace and state in ('queued', 'running')) >= max_unfinished then
    perform crm.fail('too_many_jobs', jsonb_build_object('max_unfinished', max_unfinished));
  end if;
  insert into crm.jobs (workspace_id, kind, scope, arguments, total) values (workspace, kind, scope, arguments, total) returning id into job;
  perform set_config('crm.started_job', job::text, true);
  return job;
end;
$$;

-- The job that the request has started, as it is shown; null when it has started none.
create function crm.started_job() returns json
language sql stable
set search_path = ''
as $$
  select row_to_json(shown)
  from (
    select id, kind, state, done, total, created_at, finished_at, created_by, result, error
    from crm.jobs where id = nullif(current_setting('crm.started_job', true), '')::uuid
  ) as shown;
$$;

-- The worker -------------------------------------------------------------------------------------

-- Claims a job under the token {"lease"} for 30 seconds: of the workspaces that have none under way the next is the
-- one that was served longest ago, however many jobs it has. Null when none waits.
create function api.claim_job(json) returns json
language sql volatile security definer
set search_path = ''
as $$
  update crm.jobs as job
  set state = 'running', lease = ($1 ->> 'lease')::uuid, lease_until = clock_timestamp() + interval '30 seconds',
    attempts = attempts + 1, touched_at = clock_timestamp()
  where id = (
    select waiting.id from crm.jobs as waiting
    where waiting.state in ('queued', 'running') and waiting.kind <> 'replay_webhook' -- which the dispatchers do
      and (waiting.lease_until is null or waiting.lease_until < now())
      and not exists (
        select from crm.jobs as other
        where other.workspace_id = waiting.workspace_id and other.state = 'running' and other.lease_until >= now()
      )
    order by (
      select max(served.touched_at) from crm.jobs as served
      where served.workspace_id = waiting.workspace_id and served.state in ('queued', 'running')
    ), waiting.touched_at
    limit 1
    for update skip locked
  )
  returning json_build_object('id', id, 'workspace_id', workspace_id, 'kind', kind, 'attempts', attempts);
$$;

-- Writes one batch of the job {"id", "lease"}. Answers {"state"}; "lost" when it has been cancelled or is somebody else's.
-- Past the policies: who asked for it was asked for their rights then. What it writes bears their name.
create function api.advance_job(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan -- the first batch of a job is planned like no other
set statement_timeout = '20s'
as $$
declare
  job crm.jobs;
  changed integer;
begin
  select * into job from crm.jobs where id = ($1 ->> 'id')::uuid for update;
  if job.state is distinct from 'running' or job.lease is distinct from ($1 ->> 'lease')::uuid then
    return json_build_object('state', 'lost');
  end if;
  perform set_config('crm.is_bulk', 'on', true), set_config('request.jwt.claims', jsonb_build_object(
    'workspace_id', job.workspace_id,
    'key_id', case job.created_by ->> 'type' when 'api_key' then job.created_by ->> 'id' end,
    'user_id', case job.created_by ->> 'type' when 'user' then job.created_by ->> 'id' end)::text, true);
  execute format('select crm.%I($1)', 'job_' || job.kind) into changed using job;
  update crm.jobs
  set done = done + changed, attempts = 0, touched_at = clock_timestamp(), lease_until = clock_timestamp() + interval '30 seconds'
  where id = job.id;
  if changed = 0 then
    update crm.jobs
    set state = 'succeeded', finished_at = clock_timestamp(), total = done, lease = null, lease_until = null,
      result = coalesce(result, '{}') || jsonb_build_object('changed', done)
    where id = job.id;
  end if;
  return json_build_object('state', case when changed = 0 then 'succeeded' else 'running' end);
end;
$$;

-- Gives the job {"id", "lease"} back, for whoever claims it after {"wait"} seconds.
create function api.release_job(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.jobs set lease = null, lease_until = now() + ($1 ->> 'wait')::integer * interval '1 second', touched_at = clock_timestamp()
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and state = 'running';
$$;

-- Ends the job {"id", "lease"} with an {"error"}. What it has done stays done.
create function api.fail_job(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.jobs set state = 'failed', error = ($1 -> 'error')::jsonb, finished_at = clock_timestamp(), lease = null, lease_until = null
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and state = 'running';
$$;

-- Stops the job {"id"} where it is: what is done stays done. {"dry_run"} says what it would be, and leaves it at work.
create function api.cancel_job(json) returns json
language plpgsql security definer
set search_path = ''
as $$
declare
  job crm.jobs;
  shown json;
begin
  select * into job from crm.jobs where id = ($1 ->> 'id')::uuid and workspace_id = crm.require_current_workspace('read') for update;
  if job.id is null or crm.workspace_for(job.scope, 'read') is null then
    perform crm.fail('not_found');
  end if;
  perform crm.require_workspace(job.scope, 'write');
  if job.state not in ('queued', 'running') then
    perform crm.fail('job_finished', jsonb_build_object('state', job.state));
  end if;
  begin
    update crm.jobs set state = 'cancelled', finished_at = clock_timestamp(), lease = null, lease_until = null where id = job.id;
    perform set_config('crm.started_job', job.id::text, true);
    shown := crm.started_job();
    if ($1 -> 'dry_run')::jsonb::boolean then
      raise exception using errcode = 'AN002', message = 'undo';
    end if;
  exception when sqlstate 'AN002' then
    null;
  end;
  return shown;
end;
$$;

grant usage on schema gate to crm_worker;
grant execute on function gate.admit(), gate.places(text), gate.lock_of(text, text, integer) to crm_worker;
grant execute on function api.claim_job(json), api.advance_job(json), api.release_job(json), api.fail_job(json) to crm_worker;
grant execute on function crm.max_at_once(), crm.start_job(uuid, text, text, jsonb, bigint), crm.started_job(), api.cancel_job(json) to crm_api;

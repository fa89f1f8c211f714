-- Sandboxes: workspaces with a parent, in which people try what must not touch their records. One has the people of its
-- parent, keys of its own, and what it started from, to which a reset takes it back.

create view crm.sandboxes_now with (security_invoker = true) as
  select id, parent_workspace_id as workspace_id, name, start_from, state, created_at, reset_at, expires_at
  from crm.workspaces
  where parent_workspace_id = (select crm.workspace_for('sandboxes', 'read')); -- a request of a sandbox sees that as its own workspace
grant select on crm.sandboxes_now to crm_api;
insert into crm.resources values ('sandboxes_now', 'sandboxes', '{}');
create view api.sandboxes with (security_invoker = true) as select * from crm.sandboxes_now;
grant select on api.sandboxes to crm_api;

insert into crm.acts values
  ('create_sandbox', 'sandboxes', 'write', true),
  ('reset_sandbox', 'sandboxes', 'write', true),
  ('delete_sandbox', 'sandboxes', 'revoke', true);

-- People ---------------------------------------------------------------------------------------

-- Members are rows of one workspace, as records are owned by them; so who is in a workspace has a row in each of its
-- sandboxes, which follows the first.
create function crm.follow_member() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into crm.members (workspace_id, user_id, role, name, email, created_at, deleted_at)
  select id, new.user_id, new.role, new.name, new.email, new.created_at, new.deleted_at
  from crm.workspaces where parent_workspace_id = new.workspace_id and state <> 'deleting'
  order by id
  on conflict (workspace_id, user_id) do update
  set role = excluded.role, name = excluded.name, email = excluded.email, created_at = excluded.created_at, deleted_at = excluded.deleted_at;
  return null;
end;
$$;
create trigger follow_member after insert or update on crm.members
  for each row when (new.user_id is not null) execute function crm.follow_member();

-- What it starts from --------------------------------------------------------------------------

-- The pipelines, custom fields and tags of one workspace for another that has none, of each the oldest thousand.
create function crm.copy_configuration(origin uuid, target uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  max_each constant integer := 1000;
begin
  insert into crm.tags (workspace_id, name)
  select target, name from crm.tags where workspace_id = origin and deleted_at is null order by created_at, id limit max_each;
  insert into crm.custom_fields (workspace_id, resource, key, label, type, options, required)
  select target, resource, key, label, type, options, required
  from crm.custom_fields where workspace_id = origin and deleted_at is null order by created_at, id limit max_each;
  -- The default first: the first pipeline of a workspace becomes it.
  insert into crm.pipelines (workspace_id, external_id, owner_id, tags, custom_fields, source, name, position, is_default, currency, rules, given_stages)
  select target, external_id, (
      select there.id from crm.members as here
      join crm.members as there on there.workspace_id = target and there.user_id = here.user_id and there.deleted_at is null
      where here.id = pipeline.owner_id
    ), tags, custom_fields, source, name, position, is_default, currency, rules, crm.pipelines_stages(origin, id)::jsonb
  from (
    select * from crm.pipelines where workspace_id = origin and deleted_at is null order by is_default desc, created_at, id limit max_each
  ) as pipeline
  order by is_default desc, created_at, id;
end;
$$;

-- Puts into an empty sandbox what it starts from.
create function crm.fill_sandbox(sandbox crm.workspaces) returns void
language plpgsql
set search_path = ''
as $$
begin
  if sandbox.start_from = 'configuration' then
    perform crm.copy_configuration(sandbox.parent_workspace_id, sandbox.id);
  else
    perform crm.add_first_pipeline(sandbox.id);
  end if;
  if sandbox.start_from = 'sample' then
    perform crm.fill_with_sample(sandbox.id);
  end if;
end;
$$;

-- Emptying -------------------------------------------------------------------------------------

-- The tables whose rows are a workspace's, what refers before what is referred to. Without those that no index finds by
-- workspace: their rows go with what they belong to.
create function crm.tables_of_workspaces() returns setof text
language sql stable
set search_path = ''
as $$
  with recursive reached (id, depth) as (
    select 'crm.workspaces'::regclass::oid, 0
    union
    select conrelid, depth + 1 from reached join pg_catalog.pg_constraint on confrelid = reached.id and contype = 'f' and conrelid <> confrelid
  )
  select relname::text
  from pg_catalog.pg_class as relation left join reached on reached.id = relation.oid
  where reached.id is not null and exists (
    select from pg_catalog.pg_index as index
    join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
    where index.indrelid = relation.oid and index.indpred is null and attribute.attname = 'workspace_id'
  )
    -- Events refer to nothing, for speed.
    or relnamespace = 'crm'::regnamespace and relkind = 'r' and relname ~ '^(outbox|events_(rest|\d{4}_\d\d))$'
  group by relname order by max(depth) desc nulls last, relname;
$$;

-- The rows of a table that go from a sandbox, as a condition; null when none does. A reset leaves people, keys and endpoints, and until the
-- end one pipeline, without which there can be no deal.
create function crm.going_from(sandbox crm.workspaces, tablename text) returns text
language sql immutable
set search_path = ''
as $$
  select case
    when sandbox.state = 'deleting' then 'workspace_id = $1'
    when tablename in ('api_keys', 'api_key_uses', 'members', 'sign_ins', 'mails', 'webhooks', 'feeds') then null
    when tablename = 'pipelines' then 'workspace_id = $1 and not is_default'
    when tablename = 'stages' then 'workspace_id = $1 and pipeline_id <> (select id from crm.pipelines where workspace_id = $1 and is_default)'
    else 'workspace_id = $1'
  end;
$$;

-- How many rows go, counted no further than to a maximum.
create function crm.count_going(sandbox crm.workspaces, max_rows integer) returns integer
language plpgsql stable
set search_path = ''
as $$
declare
  tablename text;
  condition text;
  found integer;
  total integer := (
    select count(*) from (
      select from crm.imports join crm.import_rows as noted on noted.import_id = imports.id
      where imports.workspace_id = sandbox.id limit max_rows
    ) as noted
  );
begin
  for tablename in select crm.tables_of_workspaces() loop
    exit when total >= max_rows;
    condition := crm.going_from(sandbox, tablename);
    continue when condition is null;
    execute format('select count(*) from (select from crm.%I where %s limit $2) as found', tablename, condition)
    into found using sandbox.id, max_rows - total;
    total := total + found;
  end loop;
  return total;
end;
$$;

-- Deletes at most so many rows of a sandbox that is held; answers how many, 0 when none is left.
create function crm.empty_sandbox(sandbox crm.workspaces, max_rows integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  tablename text;
  condition text;
  changed integer;
  total integer;
begin
  delete from crm.import_rows where ctid = any (array(
    select noted.ctid from crm.imports join crm.import_rows as noted on noted.import_id = imports.id
    where imports.workspace_id = sandbox.id limit max_rows
  ));
  get diagnostics total = row_count;
  delete from crm.import_parts where ctid = any (array(
    select part.ctid from crm.imports join crm.import_parts as part on part.import_id = imports.id
    where imports.workspace_id = sandbox.id limit greatest((max_rows - total) / 50, 1) -- They are large.
  ));
  get diagnostics changed = row_count;
  total := total + changed * 50;
  for tablename in select crm.tables_of_workspaces() loop
    exit when total >= max_rows;
    condition := crm.going_from(sandbox, tablename);
    continue when condition is null;
    execute format('delete from crm.%1$I where ctid = any (array(select ctid from crm.%1$I where %2$s limit $2))', tablename, condition)
    using sandbox.id, max_rows - total;
    get diagnostics changed = row_count;
    total := total + changed;
  end loop;
  return total;
end;
$$;

-- Has nobody else at work in a sandbox until the transaction ends: no request, no purge, and of its own jobs none any more,
-- whose batches ask for no place. In this order: whoever is waited for never waits for what is held by then.
create function crm.hold_sandbox(sandbox_id uuid) returns crm.workspaces
language plpgsql
set search_path = ''
as $$
declare
  sandbox crm.workspaces;
begin
  perform gate.close(sandbox_id);
  perform pg_advisory_xact_lock_shared(hashtextextended('purge', 0));
  delete from crm.jobs where workspace_id = sandbox_id;
  select * into sandbox from crm.workspaces where id = sandbox_id for update;
  return sandbox;
end;
$$;

-- One batch of the way to its end; answers how many rows went, 0 when it was the last.
create function crm.reset_further(sandbox_id uuid, max_rows integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  sandbox constant crm.workspaces := crm.hold_sandbox(sandbox_id);
  changed constant integer := crm.empty_sandbox(sandbox, max_rows);
begin
  if changed = 0 then
    delete from crm.pipelines where workspace_id = sandbox.id;
    perform crm.empty_sandbox(sandbox, 1000000000); -- what counted its tags
    update crm.feeds set oldest = position + 1 where workspace_id = sandbox.id;
    perform crm.fill_sandbox(sandbox);
    update crm.workspaces set state = 'ready', reset_at = clock_timestamp() where id = sandbox.id;
  end if;
  return changed;
end;
$$;

create function crm.delete_further(sandbox_id uuid, max_rows integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  changed constant integer := crm.empty_sandbox(crm.hold_sandbox(sandbox_id), max_rows);
begin
  if changed = 0 then
    delete from crm.workspaces where id = sandbox_id;
  end if;
  return changed;
end;
$$;

create function crm.job_reset_sandbox(job crm.jobs) returns integer
language sql volatile security definer
set search_path = ''
as $$
  select crm.reset_further((job.arguments ->> 'sandbox')::uuid, 500);
$$;

create function crm.job_delete_sandbox(job crm.jobs) returns integer
language sql volatile security definer
set search_path = ''
as $$
  select crm.delete_further((job.arguments ->> 'sandbox')::uuid, 500);
$$;

-- Does all of it at once where it is small, else starts the job.
create function crm.go_on_with(kind text, sandbox crm.workspaces) returns void
language plpgsql
set search_path = ''
as $$
declare
  max_rows constant integer := crm.max_at_once();
begin
  if crm.count_going(sandbox, max_rows + 1) > max_rows then
    perform crm.start_job(sandbox.parent_workspace_id, kind, 'sandboxes', jsonb_build_object('sandbox', sandbox.id), null);
  elsif kind = 'reset_sandbox' then
    while crm.reset_further(sandbox.id, max_rows + 1) > 0 loop null; end loop;
  else
    while crm.delete_further(sandbox.id, max_rows + 1) > 0 loop null; end loop;
  end if;
end;
$$;

-- Acts -----------------------------------------------------------------------------------------

create function crm.sandbox_as_shown(sandbox_id uuid) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('record', to_jsonb(shown)) from crm.sandboxes_now as shown where id = sandbox_id;
$$;

create function crm.sandbox_expiry() returns timestamptz
language sql stable
set search_path = ''
as $$
  select now() + interval '90 days';
$$;

-- A sandbox of the workspace that nothing is under way with, and nobody else begins with anything until the transaction ends.
-- What a job has left undone, because it was cancelled or failed, can be asked for again.
create function crm.take_sandbox(workspace uuid, sandbox_id uuid, variadic states text[]) returns crm.workspaces
language plpgsql
set search_path = ''
as $$
declare
  sandbox crm.workspaces;
begin
  if not exists (select from crm.workspaces where id = sandbox_id and parent_workspace_id = workspace) then
    perform crm.fail('not_found');
  end if;
  -- Before the parent is held: whoever waits for a busy sandbox keeps nobody else waiting.
  perform gate.close(sandbox_id);
  perform crm.take_workspace(workspace);
  select * into sandbox from crm.workspaces where id = sandbox_id;
  if sandbox.id is null then
    perform crm.fail('not_found');
  elsif sandbox.state <> all (states) or exists (
    select from crm.jobs
    where workspace_id = workspace and state in ('queued', 'running') and arguments ->> 'sandbox' = sandbox.id::text
  ) then
    perform crm.fail('sandbox_not_ready', jsonb_build_object('state', sandbox.state));
  end if;
  return crm.hold_sandbox(sandbox.id);
end;
$$;

-- {"name", "start_from"}
create function crm.act_create_sandbox(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  max_sandboxes constant integer := 10;
  parent constant crm.workspaces := crm.take_workspace(workspace);
  existing uuid;
  sandbox crm.workspaces;
begin
  select id into existing from crm.workspaces
  where parent_workspace_id = workspace and name = given ->> 'name' and state <> 'deleting' limit 1;
  if existing is not null then
    perform crm.fail('duplicate_name', jsonb_build_object('field', 'name', 'existing_id', existing));
  elsif (select count(*) from crm.workspaces where parent_workspace_id = workspace) >= max_sandboxes then
    perform crm.fail('sandbox_limit_reached', jsonb_build_object('max_sandboxes', max_sandboxes));
  end if;
  insert into crm.workspaces (parent_workspace_id, name, plan, start_from, created_at, expires_at)
  values (workspace, given ->> 'name', parent.plan, given ->> 'start_from', clock_timestamp(), crm.sandbox_expiry()) returning * into sandbox;
  insert into crm.members (workspace_id, user_id, role, name, email, created_at)
  select sandbox.id, user_id, role, name, email, created_at from crm.members where workspace_id = workspace and deleted_at is null;
  if sandbox.start_from <> 'empty' then
    delete from crm.pipelines where workspace_id = sandbox.id;
    perform crm.fill_sandbox(sandbox);
  end if;
  perform crm.note_act(workspace, 'sandbox.created', crm.target('sandbox', sandbox.id, sandbox.name),
    jsonb_build_object('start_from', jsonb_build_object('from', null, 'to', sandbox.start_from)));
  return crm.sandbox_as_shown(sandbox.id);
end;
$$;

-- {"id"}
create function crm.act_reset_sandbox(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  sandbox crm.workspaces := crm.take_sandbox(workspace, (given ->> 'id')::uuid, 'ready', 'resetting');
begin
  update crm.workspaces set state = 'resetting', expires_at = crm.sandbox_expiry() where id = sandbox.id returning * into sandbox;
  perform crm.note_act(workspace, 'sandbox.reset', crm.target('sandbox', sandbox.id, sandbox.name));
  perform crm.go_on_with('reset_sandbox', sandbox);
  return crm.sandbox_as_shown(sandbox.id);
end;
$$;

-- Lets nobody in any more: by row-level security that holds at once, in requests under way too.
create function crm.shut_sandbox(sandbox crm.workspaces) returns crm.workspaces
language plpgsql
set search_path = ''
as $$
begin
  -- Expired from now on, so that the purge goes on where a job is cancelled or fails.
  update crm.workspaces set state = 'deleting', expires_at = now() where id = sandbox.id returning * into sandbox;
  -- Nor does one key keep another: they go in batches.
  update crm.api_keys set revoked_at = coalesce(revoked_at, now()), revoked_by = coalesce(revoked_by, crm.actor()), rolled_to = null
  where workspace_id = sandbox.id;
  update crm.members set deleted_at = now() where workspace_id = sandbox.id and deleted_at is null;
  perform crm.note_act(sandbox.parent_workspace_id, 'sandbox.deleted', crm.target('sandbox', sandbox.id, sandbox.name));
  return sandbox;
end;
$$;

-- {"id"}
create function crm.act_delete_sandbox(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  sandbox constant crm.workspaces := crm.shut_sandbox(crm.take_sandbox(workspace, (given ->> 'id')::uuid, 'ready', 'resetting', 'deleting'));
begin
  perform crm.go_on_with('delete_sandbox', sandbox);
  return jsonb_build_object('record', jsonb_build_object('id', sandbox.id));
end;
$$;

-- Deletes a sandbox that has expired, at most so many rows; answers how many, 0 when none is left.
create function crm.purge_sandboxes(max_rows integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  sandbox crm.workspaces;
begin
  select * into sandbox from crm.workspaces as expired
  where expires_at < now() and not exists (
    select from crm.jobs
    where workspace_id = expired.parent_workspace_id and state in ('queued', 'running') and arguments ->> 'sandbox' = expired.id::text
  )
  order by expires_at limit 1;
  if sandbox.id is null then
    return 0;
  elsif sandbox.state <> 'deleting' then
    perform gate.close(sandbox.id); -- in the order of crm.take_sandbox
    perform crm.take_workspace(sandbox.parent_workspace_id);
    sandbox := crm.hold_sandbox(sandbox.id);
    if sandbox.expires_at < now() and sandbox.state <> 'deleting' then -- nobody has come before us
      perform crm.shut_sandbox(sandbox);
    end if;
  else
    perform crm.delete_further(sandbox.id, max_rows);
  end if;
  return 1;
end;
$$;

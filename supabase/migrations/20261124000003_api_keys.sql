-- API keys, and the one question every policy asks: which workspace does this request act in?

create table crm.api_keys (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  name text collate "und-x-icu" not null check (length(name) between 1 and 100),
  prefix text not null check (prefix in ('anx_live', 'anx_test')),
  last_four text not null check (length(last_four) = 4),
  key_hash bytea not null unique check (length(key_hash) = 32),
  scope text not null check (scope in ('full_access', 'read_only', 'custom')),
  permissions jsonb not null default '{}' check (jsonb_typeof(permissions) = 'object'),
  -- What of each resource it may see and change, and how much: reserved, nothing reads it yet.
  restrictions jsonb,
  allowed_ips text[] not null default '{}' check (cardinality(allowed_ips) <= 50),
  expires_at timestamptz,
  last_used_at timestamptz,
  last_used_ip text,
  created_by jsonb not null default crm.actor(),
  created_at timestamptz not null default clock_timestamp(),
  revoked_at timestamptz,
  revoked_by jsonb,
  rolled_to uuid references crm.api_keys (id),
  -- The expiry that was told of as coming.
  told_expiry timestamptz,
  constraint api_keys_permissions_only_when_custom check ((scope = 'custom') = (permissions <> '{}'))
);
comment on table crm.api_keys is 'SHA-256 of the key, never the key; prefix and last four are for display.';

create index api_keys_created_at on crm.api_keys (workspace_id, created_at, id);
create index api_keys_live on crm.api_keys (workspace_id) where revoked_at is null;
create index api_keys_rolled_to on crm.api_keys (rolled_to);
create index api_keys_untold on crm.api_keys (expires_at) where revoked_at is null and told_expiry is distinct from expires_at;

alter table crm.api_keys enable row level security;
alter table crm.api_keys force row level security;

-- Whether a right of crm.rights() goes as far as `access`. 'own' is a key's over itself: to be read, and revoked.
create function crm.suffices(granted text, access text) returns boolean
language sql immutable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select case granted when 'own' then access <> 'write' when 'write' then true else granted = access end;
$$;

-- Whether a request was let in by the addresses that its key may be used from now. The work of a job comes from nowhere.
create function crm.is_as_checked(key crm.api_keys, claims jsonb) returns boolean
language sql stable parallel safe -- as array_to_string is, or it would not be inlined; no "set search_path" for the same reason
as $$
  select case when key.allowed_ips = '{}' then coalesce(claims ->> 'ips', '') = ''
    else claims ->> 'ips' is null or claims ->> 'ips' = pg_catalog.array_to_string(key.allowed_ips, ',') end;
$$;

-- The workspace in which the request may `access` ('read', 'write' or 'revoke') what there is of `resource`; null when its
-- key was revoked, has expired or lacks the scope, or its user has left or lacks the role. Roles decide what stands in
-- crm.rights(); of records every user writes all, and a key what its scope says. Security definer, because the caller may
-- read neither keys nor members; policies wrap it in a select so that it runs once per statement.
create function crm.workspace_for(resource text, access text) returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  claims constant jsonb := crm.claims();
  rights constant jsonb := crm.rights() -> resource;
begin
  if claims ->> 'key_id' is not null then
    return (
      select key.workspace_id
      from crm.api_keys as key
      where key.id = (claims ->> 'key_id')::uuid
        and key.workspace_id = (claims ->> 'workspace_id')::uuid
        and key.revoked_at is null
        and (key.expires_at is null or key.expires_at > statement_timestamp())
        and crm.is_as_checked(key, claims)
        and case
              when rights ->> 'key' <> 'scope' then crm.suffices(rights ->> 'key', access)
              when key.scope = 'full_access' then true
              when key.scope = 'read_only' then access = 'read'
              else key.permissions ->> resource in ('write', access)
            end
    );
  end if;
  return (
    select member.workspace_id
    from crm.members as member
    where member.user_id = (claims ->> 'user_id')::uuid
      and member.workspace_id = (claims ->> 'workspace_id')::uuid
      and member.deleted_at is null
      and (rights is null or crm.suffices(rights ->> member.role, access))
  );
end;
$$;

-- The workspace of a request that may `access` anything at all; for tables that belong to no resource.
create function crm.current_workspace(access text) returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  claims constant jsonb := crm.claims();
begin
  if claims ->> 'key_id' is null then
    return crm.workspace_for(null, access);
  end if;
  return (
    select key.workspace_id
    from crm.api_keys as key
    where key.id = (claims ->> 'key_id')::uuid
      and key.workspace_id = (claims ->> 'workspace_id')::uuid
      and key.revoked_at is null
      and (key.expires_at is null or key.expires_at > statement_timestamp())
      and crm.is_as_checked(key, claims)
      and case key.scope
            when 'full_access' then true
            when 'read_only' then access = 'read'
            else access = 'read' or exists (select from jsonb_each_text(key.permissions) where value = 'write')
          end
  );
end;
$$;

-- Raises why a request has no workspace: its key is not good any more, its user has left, or is gone. Where the addresses of its
-- key have changed, whoever let it in looks again.
create function crm.refuse_credential() returns void
language plpgsql stable security definer
set search_path = ''
as $$
declare
  claims constant jsonb := crm.claims();
begin
  if exists (
    select from crm.api_keys as key
    where key.id = (claims ->> 'key_id')::uuid and key.revoked_at is null and not crm.is_as_checked(key, claims)
  ) then
    perform crm.fail('ip_not_allowed', '{"changed": true}');
  end if;
  perform crm.fail(case
    when exists (
      select from crm.api_keys as key
      where key.id = (claims ->> 'key_id')::uuid and key.revoked_at is null and key.expires_at <= statement_timestamp()
    ) then 'expired_api_key'
    when claims ->> 'user_id' is null then 'invalid_api_key'
    when exists (select from auth.users as person where person.id = (claims ->> 'user_id')::uuid) then 'workspace_not_found'
    else 'invalid_session'
  end);
end;
$$;

-- As current_workspace, but never null: raises what the API answers.
create function crm.require_current_workspace(access text) returns uuid
language plpgsql stable
set search_path = ''
as $$
declare
  workspace constant uuid := crm.current_workspace(access);
begin
  if workspace is null then
    perform crm.refuse_credential();
  end if;
  return workspace;
end;
$$;

-- As workspace_for, but never null: raises what the API answers.
create function crm.require_workspace(resource text, access text) returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  workspace constant uuid := crm.workspace_for(resource, access);
  rights constant jsonb := crm.rights() -> resource;
begin
  if workspace is not null then
    return workspace;
  end if;
  perform crm.require_current_workspace('read');
  if rights is null or (rights ->> 'key' = 'scope' and crm.claims() ->> 'key_id' is not null) then
    perform crm.fail('insufficient_scope', jsonb_build_object('required_scope', resource || ':' || access));
  elsif crm.claims() ->> 'key_id' is not null then
    perform crm.fail('user_required');
  else
    perform crm.fail('insufficient_role', jsonb_build_object('required_role', (
      select role from unnest('{member,admin,owner}'::text[]) with ordinality as known (role, place)
      where crm.suffices(rights ->> role, access) order by place limit 1)));
  end if;
end;
$$;

-- What a credential is worth. Asked at most every few seconds per key and isolate, by crm_auth alone.
create function api.find_api_key(key_hash text) returns json
language sql stable security definer
set search_path = ''
as $$
  select json_build_object(
    'key_id', key.id,
    'key_name', key.name,
    'prefix', key.prefix,
    'last_four', key.last_four,
    'scope', key.scope,
    'permissions', key.permissions,
    'expires_at', key.expires_at,
    'allowed_ips', key.allowed_ips,
    'revoked', key.revoked_at is not null,
    'workspace_id', workspace.id,
    'workspace_name', workspace.name,
    'environment', workspace.environment,
    'plan', coalesce(parent.plan, workspace.plan)
  )
  from crm.api_keys as key
  join crm.workspaces as workspace on workspace.id = key.workspace_id
  left join crm.workspaces as parent on parent.id = workspace.parent_workspace_id
  where key.key_hash = decode(find_api_key.key_hash, 'hex');
$$;

-- A signed-in user's places, those in the oldest workspaces first; null when the user is gone or banned. A session lives on
-- for up to an hour after either.
create function api.find_memberships(user_id uuid) returns json
language sql stable security definer
set search_path = ''
as $$
  select coalesce(json_agg(json_build_object(
    'member_id', member.id,
    'role', member.role,
    'workspace_id', workspace.id,
    'workspace_name', workspace.name,
    'environment', workspace.environment,
    'plan', coalesce(parent.plan, workspace.plan)
  ) order by workspace.created_at, workspace.id) filter (where member.id is not null), '[]')
  from auth.users as person
  left join crm.members as member on member.user_id = person.id and member.deleted_at is null
  left join crm.workspaces as workspace on workspace.id = member.workspace_id
  left join crm.workspaces as parent on parent.id = workspace.parent_workspace_id
  where person.id = find_memberships.user_id
    and person.deleted_at is null
    and coalesce(person.banned_until <= now(), true)
  group by person.id;
$$;

grant execute on function crm.suffices(text, text), crm.is_as_checked(crm.api_keys, jsonb), crm.workspace_for(text, text), crm.current_workspace(text), crm.require_workspace(text, text),
  crm.require_current_workspace(text), crm.refuse_credential() to crm_api;
grant execute on function api.find_api_key(text), api.find_memberships(uuid) to crm_auth;

grant select on crm.workspaces, crm.members to crm_api;

create policy "requests see their own workspace, and people its sandboxes" on crm.workspaces
  for select to crm_api using (
    id = (select crm.workspace_for('users', 'read')) or parent_workspace_id = (select crm.workspace_for('sandboxes', 'read'))
  );

create policy "requests see the members of their workspace" on crm.members
  for select to crm_api using (workspace_id = (select crm.workspace_for('users', 'read')));

-- Raises what the API answers when the request's key is not good any more: where nothing was found, it may be why.
create function api.require_live_key() returns void
language plpgsql stable
set search_path = ''
as $$
begin
  perform crm.require_current_workspace('read');
end;
$$;
grant execute on function api.require_live_key() to crm_api;

-- Admission ------------------------------------------------------------------------------------

-- PostgREST calls this first in every transaction. A workspace may have four calls under way at once, over all isolates, two
-- bulk writes, which take hundreds of times as long, and two batches of jobs: eight of a pool of ten. Each has places of its own,
-- so that none keeps the others out.
create schema gate;
grant usage on schema gate to anon, authenticated, service_role, crm_api, crm_auth;
-- How many places there are in a lane.
create function gate.places(lane text) returns integer
language sql stable -- no "set search_path": a setting would keep it from being inlined
as $$
  select case lane
    when 'job' then 2
    when 'bulk' then 2
    else coalesce(nullif(current_setting('crm.max_calls_at_once', true), ''), '4')::integer
  end;
$$;

create function gate.lock_of(workspace text, lane text, place integer) returns bigint
language sql stable
as $$
  select hashtextextended(format('%s:%s:%s', workspace, lane, place), 1);
$$;

create function gate.admit() returns void
language plpgsql
set search_path = ''
as $$
declare
  claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  lane constant text := coalesce(claims ->> 'lane', 'call');
begin
  if claims ->> 'workspace_id' is null then
    return;
  end if;
  for place in 1..gate.places(lane) loop
    if pg_try_advisory_xact_lock(gate.lock_of(claims ->> 'workspace_id', lane, place)) then
      return;
    end if;
  end loop;
  raise exception using errcode = 'AN001', message = 'too_many_concurrent_requests', detail = '{}';
end;
$$;

-- Waits for the calls of a workspace that are under way, and keeps others out until the transaction ends.
create function gate.close(workspace uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  lane text;
begin
  foreach lane in array '{call,bulk,job}'::text[] loop
    for place in 1..gate.places(lane) loop
      perform pg_advisory_xact_lock(gate.lock_of(workspace::text, lane, place));
    end loop;
  end loop;
end;
$$;
grant execute on function gate.admit(), gate.places(text), gate.lock_of(text, text, integer) to anon, authenticated, service_role, crm_api, crm_auth;
alter role authenticator set pgrst.db_pre_request = 'gate.admit';

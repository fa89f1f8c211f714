-- API keys as people make, change, roll and revoke them, and what is known of their use.

-- As they are now: what state a key is in, the clock decides.
create view crm.api_keys_now with (security_invoker = true) as
  select id, workspace_id, name, prefix, last_four, scope, case when scope = 'custom' then permissions end as permissions, allowed_ips,
    case
      when revoked_at is not null then 'revoked'
      when expires_at <= now() then 'expired'
      when expires_at <= now() + interval '7 days' then 'expiring'
      else 'active'
    end as state,
    expires_at, last_used_at, last_used_ip, created_by, created_at, revoked_at, revoked_by, rolled_to
  from crm.api_keys;
grant select on crm.api_keys_now to crm_api;
grant select (id, workspace_id, name, prefix, last_four, scope, permissions, allowed_ips, expires_at, last_used_at, last_used_ip,
  created_by, created_at, revoked_at, revoked_by, rolled_to) on crm.api_keys to crm_api;
create policy "people see the keys of their workspace, and a key itself" on crm.api_keys
  for select to crm_api using (
    workspace_id = (select crm.workspace_for('api_keys', 'read'))
    and ((select crm.claims() ->> 'key_id') is null or id = (select (crm.claims() ->> 'key_id')::uuid))
  );
insert into crm.resources values ('api_keys_now', null, '{}');
create view api.api_keys with (security_invoker = true) as select * from crm.api_keys_now;
grant select on api.api_keys to crm_api;

insert into crm.acts values
  ('create_api_key', 'api_keys', 'write'),
  ('update_api_key', 'api_keys', 'write'),
  ('roll_api_key', 'api_keys', 'write'),
  ('revoke_api_key', 'api_keys', 'revoke');

create function crm.key_as_shown(key_id uuid) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('record', to_jsonb(shown)) from crm.api_keys_now as shown where id = key_id;
$$;

-- What an entry of the audit log tells of a key.
create function crm.key_facts(key crm.api_keys) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('name', key.name, 'scope', key.scope, 'permissions', case key.scope when 'custom' then key.permissions end,
    'allowed_ips', to_jsonb(key.allowed_ips), 'expires_at', crm.show_time(key.expires_at));
$$;

-- A key of the workspace, locked until the transaction ends.
create function crm.take_api_key(workspace uuid, key_id uuid) returns crm.api_keys
language plpgsql
set search_path = ''
as $$
declare
  key crm.api_keys;
begin
  select * into key from crm.api_keys where id = key_id and workspace_id = workspace for no key update;
  if key.id is null then
    perform crm.fail('not_found');
  end if;
  return key;
end;
$$;

create function crm.require_not_revoked(key crm.api_keys) returns void
language plpgsql
set search_path = ''
as $$
begin
  if key.revoked_at is not null then
    perform crm.fail('api_key_revoked', jsonb_build_object('revoked_at', crm.show_time(key.revoked_at)));
  end if;
end;
$$;

-- A key that is custom says what it may do, and no other does. Null is as good as nothing.
create function crm.require_permissions(scope text, given jsonb, permissions jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  if scope = 'custom' and coalesce(permissions, '{}') = '{}' then
    perform crm.fail('validation_error', '{"problems": {"permissions": ["The permissions field is required when the scope is custom."]}}');
  elsif scope <> 'custom' and jsonb_typeof(given -> 'permissions') <> 'null' then
    perform crm.fail('validation_error', '{"problems": {"permissions": ["The permissions field is only for the scope custom."]}}');
  end if;
end;
$$;

-- Adds a key of {"id", "prefix", "last_four", "key_hash"}, whose plaintext nobody tells the database, and the rights of `rights`.
create function crm.add_api_key(workspace uuid, given jsonb, rights crm.api_keys) returns crm.api_keys
language plpgsql
set search_path = ''
as $$
declare
  max_live constant integer := 100;
  key crm.api_keys;
begin
  if (select count(*) from crm.api_keys where workspace_id = workspace and revoked_at is null and coalesce(expires_at > now(), true)) >= max_live then
    perform crm.fail('api_key_limit_reached', jsonb_build_object('max_live', max_live));
  end if;
  insert into crm.api_keys (id, workspace_id, prefix, last_four, key_hash, name, scope, permissions, restrictions, allowed_ips, expires_at)
  values ((given ->> 'id')::uuid, workspace, given ->> 'prefix', given ->> 'last_four', decode(given ->> 'key_hash', 'hex'),
    rights.name, rights.scope, coalesce(rights.permissions, '{}'), rights.restrictions, coalesce(rights.allowed_ips, '{}'), rights.expires_at)
  returning * into key;
  return key;
end;
$$;

-- {"id", "prefix", "last_four", "key_hash", "name", "scope", "permissions", "expires_at", "allowed_ips"}
create function crm.act_create_api_key(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  key crm.api_keys := jsonb_populate_record(null::crm.api_keys, given - 'key_hash');
begin
  perform crm.require_permissions(key.scope, given, key.permissions);
  perform crm.take_workspace(workspace);
  if key.expires_at <= now() then
    perform crm.fail('expiry_in_past');
  end if;
  key := crm.add_api_key(workspace, given, key);
  perform crm.note_act(workspace, 'api_key.created', crm.target('api_key', key.id, key.name), crm.changes_between('{}', crm.key_facts(key)));
  perform crm.tell_expiring(key.id);
  return crm.key_as_shown(key.id);
end;
$$;

-- Whether a scope with its permissions grants nothing that the old one with its own did not.
create function crm.is_within(scope text, permissions jsonb, old_scope text, old_permissions jsonb) returns boolean
language sql immutable
set search_path = ''
as $$
  select case
    when old_scope = 'full_access' then true
    when scope = 'full_access' then false
    when old_scope = 'read_only' then scope = 'read_only' or not exists (select from jsonb_each_text(permissions) where value = 'write')
    when scope = 'read_only' then false
    else not exists (
      select from jsonb_each_text(permissions) as asked (resource, access)
      where access <> 'none' and not coalesce(crm.suffices(old_permissions ->> resource, access), false))
  end;
$$;

-- {"id"} and the fields that change.
create function crm.act_update_api_key(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  old constant crm.api_keys := crm.take_api_key(workspace, (given ->> 'id')::uuid);
  key crm.api_keys := jsonb_populate_record(old, case jsonb_typeof(given -> 'permissions') when 'null' then given - 'permissions' else given end);
begin
  perform crm.require_not_revoked(old);
  if key.scope <> 'custom' and old.scope = 'custom' then
    key.permissions := '{}';
  end if;
  perform crm.require_permissions(key.scope, given, key.permissions);
  if not crm.is_within(key.scope, key.permissions, old.scope, old.permissions) then
    perform crm.fail('scope_cannot_widen');
  end if;
  if key.expires_at is distinct from old.expires_at then
    if key.expires_at <= now() then
      perform crm.fail('expiry_in_past');
    elsif coalesce(key.expires_at, 'infinity') > coalesce(old.expires_at, 'infinity') then
      perform crm.fail('expiry_cannot_extend', jsonb_build_object('expires_at', crm.show_time(old.expires_at)));
    end if;
  end if;
  update crm.api_keys set name = key.name, allowed_ips = key.allowed_ips, expires_at = key.expires_at, scope = key.scope, permissions = key.permissions
  where id = key.id returning * into key;
  if crm.key_facts(key) <> crm.key_facts(old) then
    perform crm.note_act(workspace, 'api_key.updated', crm.target('api_key', key.id, key.name), crm.changes_between(crm.key_facts(old), crm.key_facts(key)));
  end if;
  if key.expires_at is distinct from old.expires_at then
    perform crm.tell_expiring(key.id);
  end if;
  return crm.key_as_shown(key.id);
end;
$$;

-- {"id": of the old one, "grace_period_seconds", "new": {"id", "prefix", "last_four", "key_hash"}}
create function crm.act_roll_api_key(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  old crm.api_keys;
  key crm.api_keys;
  ends_at constant timestamptz := now() + (given ->> 'grace_period_seconds')::integer * interval '1 second';
begin
  perform crm.take_workspace(workspace);
  old := crm.take_api_key(workspace, (given ->> 'id')::uuid);
  perform crm.require_not_revoked(old);
  if old.rolled_to is not null then
    perform crm.fail('api_key_rolled', jsonb_build_object('rolled_to', old.rolled_to));
  elsif old.expires_at <= now() then
    perform crm.fail('api_key_expired', jsonb_build_object('expires_at', crm.show_time(old.expires_at)));
  end if;
  -- First, so that it does not count among the live ones where there is no grace.
  update crm.api_keys set expires_at = least(expires_at, ends_at) where id = old.id;
  key := crm.add_api_key(workspace, given -> 'new', old);
  update crm.api_keys set rolled_to = key.id where id = old.id;
  perform crm.note_act(workspace, 'api_key.rolled', crm.target('api_key', old.id, old.name) || crm.target('api_key', key.id, key.name),
    jsonb_build_object('expires_at', jsonb_build_object('from', crm.show_time(old.expires_at), 'to', crm.show_time(least(old.expires_at, ends_at)))));
  if ends_at < coalesce(old.expires_at, 'infinity') then
    perform crm.tell_expiring(old.id);
  end if;
  return crm.key_as_shown(key.id);
end;
$$;

-- {"id"}; a key revokes nobody but itself.
create function crm.act_revoke_api_key(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  key crm.api_keys;
begin
  if crm.claims() ->> 'key_id' <> given ->> 'id' then
    perform crm.fail('user_required');
  end if;
  key := crm.take_api_key(workspace, (given ->> 'id')::uuid);
  perform crm.require_not_revoked(key);
  perform crm.revoke_api_key(key.id, crm.actor());
  perform crm.note_act(workspace, 'api_key.revoked', crm.target('api_key', key.id, key.name));
  return jsonb_build_object('record', jsonb_build_object('id', key.id));
end;
$$;

create function crm.revoke_api_key(key_id uuid, actor jsonb) returns void
language sql
set search_path = ''
as $$
  update crm.api_keys set revoked_at = now(), revoked_by = actor where id = key_id;
$$;

-- Expiry ---------------------------------------------------------------------------------------

-- Tells by an event of a key that is expiring, once for each time that it is to end at; answers whether it did.
create function crm.tell_expiring(key_id uuid) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  shown crm.api_keys_now;
begin
  select * into shown from crm.api_keys_now where id = key_id and state = 'expiring';
  update crm.api_keys set told_expiry = expires_at where id = shown.id and told_expiry is distinct from expires_at;
  if not found then
    return false;
  end if;
  perform crm.emit(shown.workspace_id, array['api_key.expiring'], 'api_keys', null, shown.id, to_jsonb(shown) - 'workspace_id', null,
    '{"type": "system", "id": null}');
  return true;
end;
$$;

-- Tells of at most so many keys that have come near their end; answers of how many, 0 when none is left. Here owners get a mail as
-- well; whoever has just made, changed or rolled a key to end soon knows that they did.
create function crm.watch_api_keys(max_rows integer) returns integer
language plpgsql
set search_path = ''
as $$
declare
  key crm.api_keys;
  told integer := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('purge', 0));
  for key in
    select * from crm.api_keys
    where revoked_at is null and told_expiry is distinct from expires_at and expires_at > now() and expires_at <= now() + interval '7 days'
    order by expires_at limit max_rows
    for no key update skip locked
  loop
    if crm.tell_expiring(key.id) then
      perform crm.send_notice(key.workspace_id, 'expiring_key', jsonb_build_object(
        'key_name', key.name, 'last_four', key.last_four, 'expires_at', key.expires_at));
      told := told + 1;
    end if;
  end loop;
  return told;
end;
$$;

-- Use ------------------------------------------------------------------------------------------

-- When a key last used each scope.
create table crm.api_key_uses (
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  api_key_id uuid not null references crm.api_keys (id) on delete cascade,
  scope text not null,
  used_at timestamptz not null default now(),
  primary key (api_key_id, scope)
);
create index api_key_uses_workspace_id on crm.api_key_uses (workspace_id);
alter table crm.api_key_uses enable row level security;
alter table crm.api_key_uses force row level security;

-- The sessions that have reached a workspace, so that each signs in once. Not in the audit log, which keeps all it gets.
create table crm.sign_ins (
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  session_id uuid not null,
  used_at timestamptz not null default now(),
  primary key (workspace_id, session_id)
);
create index sign_ins_used_at on crm.sign_ins (used_at);
alter table crm.sign_ins enable row level security;
alter table crm.sign_ins force row level security;

-- Notes that somebody was there: {"workspace_id", "context"} and either {"key_id", "scopes"} or {"user_id", "session_id"}.
-- Once in half a minute and isolate is enough for all that is made of it, so nobody waits for a row here.
create function api.note_use(json) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  used constant jsonb := $1;
  workspace constant uuid := (used ->> 'workspace_id')::uuid;
  is_first boolean;
  max_told constant integer := 1000; -- a day: whoever may sign in may do so as often as they like
begin
  -- A sandbox may be on its way out, or gone.
  perform from crm.workspaces where id = workspace and state <> 'deleting' for key share;
  if not found then
    return;
  end if;
  if used ->> 'key_id' is not null then
    update crm.api_keys set last_used_at = clock_timestamp(), last_used_ip = used #>> '{context,ip}'
    where id = (select id from crm.api_keys where id = (used ->> 'key_id')::uuid for no key update skip locked);
    insert into crm.api_key_uses (workspace_id, api_key_id, scope)
    select workspace, (used ->> 'key_id')::uuid, scope from jsonb_array_elements_text(used -> 'scopes') as scope order by scope
    on conflict (api_key_id, scope) do update set used_at = now() where api_key_uses.used_at < now() - interval '10 minutes';
    return;
  end if;
  insert into crm.sign_ins (workspace_id, session_id) values (workspace, (used ->> 'session_id')::uuid)
  on conflict (workspace_id, session_id) do update set used_at = now() where sign_ins.used_at < now() - interval '1 day'
  returning xmax = 0 into is_first;
  if is_first and (
    select count(*) from crm.audit_log where workspace_id = workspace and action = 'user.signed_in' and occurred_at > now() - interval '24 hours'
  ) < max_told then
    perform set_config('crm.act_context', used ->> 'context', true);
    perform crm.note_act(workspace, 'user.signed_in', jsonb_build_array(jsonb_build_object('type', 'user', 'id', used ->> 'user_id')),
      null, jsonb_build_object('type', 'user', 'id', used ->> 'user_id'));
  end if;
end;
$$;
grant execute on function api.note_use(json) to crm_auth;

-- Forgets sessions that nobody has used for 90 days; answers how many, at most so many.
create function crm.purge_sign_ins(max_rows integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  purged integer;
begin
  delete from crm.sign_ins where ctid = any (array(
    select ctid from crm.sign_ins where used_at < now() - interval '90 days' order by used_at limit max_rows
  ));
  get diagnostics purged = row_count;
  return purged;
end;
$$;

-- What the key {"id"} has used within {"days"}, as permissions: write where it wrote, else read.
create function api.used_permissions(json) returns json
language plpgsql stable security definer
set search_path = ''
as $$
declare
  workspace constant uuid := crm.require_workspace('api_keys', 'read');
  key_id constant uuid := (select id from crm.api_keys where id = ($1 ->> 'id')::uuid and workspace_id = workspace);
begin
  if crm.claims() ->> 'key_id' <> $1 ->> 'id' then
    perform crm.fail('user_required');
  elsif key_id is null then
    perform crm.fail('not_found');
  end if;
  return (
    select coalesce(json_object_agg(resource, access order by resource), '{}')
    from (
      select split_part(scope, ':', 1) as resource, max(split_part(scope, ':', 2)) as access -- 'write' is after 'read'
      from crm.api_key_uses
      where api_key_id = key_id and used_at > now() - ($1 ->> 'days')::integer * interval '1 day'
      group by 1
    ) as used
  );
end;
$$;
grant execute on function api.used_permissions(json) to crm_api;

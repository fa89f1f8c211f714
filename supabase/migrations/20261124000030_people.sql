-- Members of a workspace, and the invitations by which people become one.

create view api.members with (security_invoker = true) as
  select id, user_id, email, name, role, created_at from crm.members where deleted_at is null;
grant select on api.members to crm_api;

create table crm.invitations (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  email text not null check (length(email) between 3 and 254),
  role text not null check (role in ('owner', 'admin', 'member')),
  created_by jsonb not null default crm.actor(),
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null default clock_timestamp() + interval '7 days',
  accepted_at timestamptz,
  revoked_at timestamptz
);
comment on table crm.invitations is 'The token in the mail is made of the id and a key of the function''s: nothing of it is kept.';
create index invitations_created_at on crm.invitations (workspace_id, created_at, id);
create unique index invitations_email_pending on crm.invitations (workspace_id, lower(email)) where accepted_at is null and revoked_at is null;
alter table crm.invitations enable row level security;
alter table crm.invitations force row level security;
grant select on crm.invitations to crm_api;
create policy "requests see the invitations to their workspace" on crm.invitations
  for select to crm_api using (workspace_id = (select crm.workspace_for('invitations', 'read')));

-- As they are now: whether one can still be accepted, the clock decides.
create view crm.invitations_now with (security_invoker = true) as
  select id, workspace_id, email, role,
    case
      when accepted_at is not null then 'accepted'
      when revoked_at is not null then 'revoked'
      when expires_at <= now() then 'expired'
      else 'pending'
    end as state,
    created_by, created_at, expires_at, accepted_at
  from crm.invitations;
grant select on crm.invitations_now to crm_api;
insert into crm.resources values ('invitations_now', 'invitations', '{}');
create view api.invitations with (security_invoker = true) as select * from crm.invitations_now;
grant select on api.invitations to crm_api;

insert into crm.acts values
  ('update_member', 'members', 'write', true),
  ('remove_member', 'members', 'revoke', true),
  ('create_invitation', 'invitations', 'write', true),
  ('revoke_invitation', 'invitations', 'revoke', true);

-- Whoever confirms another address has that one in their workspaces too; whoever is deleted has left them.
create function crm.follow_user() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  member crm.members;
begin
  if tg_op = 'DELETE' then
    for member in
      select members.* from crm.members join crm.workspaces on workspaces.id = workspace_id
      where user_id = old.id and members.deleted_at is null and parent_workspace_id is null
      order by workspace_id
    loop
      perform crm.end_membership(member, '{"type": "system", "id": null}');
    end loop;
    return old;
  end if;
  update crm.members set email = new.email where user_id = new.id;
  return new;
end;
$$;
create trigger follow_user_email after update of email on auth.users
  for each row when (new.email is distinct from old.email and length(new.email) between 3 and 254) execute function crm.follow_user();
create trigger follow_user_deletion before delete on auth.users for each row execute function crm.follow_user();

-- Takes an invitation back; its mail does not go out any more.
create function crm.end_invitation(invitation crm.invitations, actor jsonb default crm.actor()) returns void
language plpgsql
set search_path = ''
as $$
begin
  update crm.invitations set revoked_at = now() where id = invitation.id;
  update crm.mails set state = 'failed', error = '{"code": "invitation_revoked"}'
  where workspace_id = invitation.workspace_id and state = 'queued' and details ->> 'invitation_id' = invitation.id::text;
  perform crm.note_act(invitation.workspace_id, 'invitation.revoked', crm.target('invitation', invitation.id, invitation.email), null, actor);
end;
$$;

-- Takes back what somebody has invited to, as far as they could not do so now: as an admin to be an owner, as a member at all.
create function crm.end_invitations_by(inviter crm.members, may_invite text, actor jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  invitation crm.invitations;
begin
  for invitation in
    select * from crm.invitations
    where workspace_id = inviter.workspace_id and created_by ->> 'id' = inviter.user_id::text and accepted_at is null and revoked_at is null
      and case may_invite when 'owner' then false when 'admin' then role = 'owner' else true end
    order by id for no key update
  loop
    perform crm.end_invitation(invitation, actor);
  end loop;
end;
$$;

-- Has somebody leave; what they own stays theirs until somebody gives it to another member.
create function crm.end_membership(member crm.members, actor jsonb default crm.actor()) returns void
language plpgsql
set search_path = ''
as $$
begin
  update crm.members set deleted_at = now() where id = member.id;
  perform crm.end_invitations_by(member, null, actor);
  perform crm.note_act(member.workspace_id, 'member.removed', crm.target('member', member.id, member.name), null, actor);
end;
$$;

create function crm.member_as_shown(member crm.members) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('record', to_jsonb(shown)) from api.members as shown where id = member.id;
$$;

-- Only owners make owners, or touch one.
create function crm.require_owner_for(workspace uuid, variadic roles text[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  if 'owner' = any (roles) and not exists (
    select from crm.members
    where workspace_id = workspace and user_id = (crm.claims() ->> 'user_id')::uuid and role = 'owner' and deleted_at is null
  ) then
    perform crm.fail('insufficient_role', '{"required_role": "owner"}');
  end if;
end;
$$;

-- A member of the workspace, whose members nobody else changes until the transaction ends.
create function crm.take_member(workspace uuid, member_id uuid) returns crm.members
language plpgsql
set search_path = ''
as $$
declare
  member crm.members;
begin
  perform crm.take_workspace(workspace);
  select * into member from crm.members where id = member_id and workspace_id = workspace and deleted_at is null;
  if member.id is null then
    perform crm.fail('not_found');
  end if;
  return member;
end;
$$;

create function crm.require_another_owner(member crm.members) returns void
language plpgsql
set search_path = ''
as $$
begin
  if member.role = 'owner' and not exists (
    select from crm.members as other
    where other.workspace_id = member.workspace_id and other.role = 'owner' and other.deleted_at is null and other.id <> member.id
  ) then
    perform crm.fail('last_owner');
  end if;
end;
$$;

-- {"id", "role"}
create function crm.act_update_member(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  member crm.members := crm.take_member(workspace, (given ->> 'id')::uuid);
  old constant crm.members := member;
begin
  perform crm.require_owner_for(workspace, old.role, given ->> 'role');
  if given ->> 'role' <> old.role then
    perform crm.require_another_owner(old);
    update crm.members set role = given ->> 'role' where id = old.id returning * into member;
    perform crm.end_invitations_by(member, member.role, crm.actor());
    perform crm.note_act(workspace, 'member.role_changed', crm.target('member', member.id, member.name),
      jsonb_build_object('role', jsonb_build_object('from', old.role, 'to', member.role)));
  end if;
  return crm.member_as_shown(member);
end;
$$;

-- {"id"}
create function crm.act_remove_member(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  member constant crm.members := crm.take_member(workspace, (given ->> 'id')::uuid);
begin
  perform crm.require_owner_for(workspace, member.role);
  perform crm.require_another_owner(member);
  perform crm.end_membership(member);
  return jsonb_build_object('record', jsonb_build_object('id', member.id));
end;
$$;

-- {"id", "email", "role"}
create function crm.act_create_invitation(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  max_pending constant integer := 100;
  inviting constant crm.workspaces := crm.take_workspace(workspace);
  address constant text := lower(given ->> 'email');
  existing uuid;
  invitation crm.invitations;
begin
  perform crm.require_owner_for(workspace, given ->> 'role');
  select id into existing from crm.members where workspace_id = workspace and lower(email) = address and deleted_at is null limit 1;
  if existing is not null then
    perform crm.fail('already_member', jsonb_build_object('existing_id', existing));
  end if;
  -- One that nobody has accepted in time makes room for the next.
  update crm.invitations set revoked_at = now()
  where workspace_id = workspace and lower(email) = address and accepted_at is null and revoked_at is null and expires_at <= now();
  select id into existing from crm.invitations
  where workspace_id = workspace and lower(email) = address and accepted_at is null and revoked_at is null;
  if existing is not null then
    perform crm.fail('already_invited', jsonb_build_object('existing_id', existing));
  end if;
  if (
    select count(*) from crm.invitations
    where workspace_id = workspace and accepted_at is null and revoked_at is null and expires_at > now()
  ) >= max_pending then
    perform crm.fail('invitation_limit_reached', jsonb_build_object('max_pending', max_pending));
  end if;
  insert into crm.invitations (id, workspace_id, email, role)
  values ((given ->> 'id')::uuid, workspace, given ->> 'email', given ->> 'role') returning * into invitation;
  perform crm.send_mail(workspace, 'invitation', invitation.email, jsonb_build_object(
    'invitation_id', invitation.id, 'workspace_name', inviting.name, 'inviter_name', crm.named_actor(workspace, crm.actor()) ->> 'name',
    'role', invitation.role, 'expires_at', invitation.expires_at));
  perform crm.note_act(workspace, 'invitation.created', crm.target('invitation', invitation.id, invitation.email),
    jsonb_build_object('role', jsonb_build_object('from', null, 'to', invitation.role)));
  return (select jsonb_build_object('record', to_jsonb(shown)) from crm.invitations_now as shown where id = invitation.id);
end;
$$;

create function crm.require_pending(invitation crm.invitations) returns void
language plpgsql
set search_path = ''
as $$
declare
  now_is constant text := (select state from crm.invitations_now where id = invitation.id);
begin
  if now_is is null then
    perform crm.fail('not_found');
  elsif now_is <> 'pending' then
    perform crm.fail('invitation_not_pending', jsonb_build_object('state', now_is));
  end if;
end;
$$;

-- {"id"}
create function crm.act_revoke_invitation(workspace uuid, given jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  invitation crm.invitations;
begin
  select * into invitation from crm.invitations where id = (given ->> 'id')::uuid and workspace_id = workspace for no key update;
  perform crm.require_pending(invitation);
  perform crm.require_owner_for(workspace, invitation.role);
  perform crm.end_invitation(invitation);
  return jsonb_build_object('record', jsonb_build_object('id', invitation.id));
end;
$$;

-- Makes a signed-in user a member: {"invitation_id", "user_id", "name", "context", "dry_run"}. They need no workspace to ask, so this is no act,
-- and whose token named the invitation the function has checked. Answers {"member", "workspace": {"id", "name"}}.
create function api.accept_invitation(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  person record;
  invitation crm.invitations;
  member crm.members;
  joined crm.workspaces;
  answer json;
  actor constant jsonb := jsonb_build_object('type', 'user', 'id', $1 ->> 'user_id');
begin
  select id, email, email_confirmed_at, left(nullif(btrim($1 ->> 'name'), ''), 200) as name
  into person
  from auth.users
  where id = ($1 ->> 'user_id')::uuid and deleted_at is null and coalesce(banned_until <= now(), true);
  if person.id is null then
    perform crm.fail('invalid_session');
  end if;
  select * into invitation from crm.invitations where id = ($1 ->> 'invitation_id')::uuid;
  joined := crm.take_workspace(invitation.workspace_id);
  select * into invitation from crm.invitations where id = invitation.id for no key update;
  if lower(person.email) is distinct from lower(invitation.email) or person.email_confirmed_at is null then
    perform crm.fail(case when invitation.id is null then 'not_found' else 'invitation_for_another_address' end);
  end if;
  perform crm.require_pending(invitation);
  if exists (select from crm.members where workspace_id = joined.id and user_id = person.id and deleted_at is null) then
    perform crm.fail('already_member');
  end if;
  begin
    update crm.invitations set accepted_at = now() where id = invitation.id;
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (joined.id, person.id, invitation.role, coalesce(person.name, split_part(person.email, '@', 1)), person.email)
    on conflict (workspace_id, user_id) do update
    set role = excluded.role, name = coalesce(person.name, members.name), email = excluded.email, created_at = now(), deleted_at = null
    returning * into member;
    perform set_config('crm.act_context', $1 ->> 'context', true);
    perform crm.note_act(joined.id, 'member.joined', crm.target('member', member.id, member.name) || crm.target('invitation', invitation.id, invitation.email),
      jsonb_build_object('role', jsonb_build_object('from', null, 'to', member.role)), actor);
    answer := json_build_object('member', crm.member_as_shown(member) -> 'record', 'workspace', json_build_object('id', joined.id, 'name', joined.name));
    if ($1 -> 'dry_run')::jsonb::boolean then
      raise exception using errcode = 'AN002', message = 'undo';
    end if;
  exception when sqlstate 'AN002' then
    null;
  end;
  return answer;
end;
$$;
grant execute on function api.accept_invitation(json) to crm_auth;

-- Mails: queued in the transaction of what they tell, so that one is sent if and only if that has come to be, and sent by the
-- worker. A row has what its text is made of and no secret: links are derived when it is sent.

create table crm.mails (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid references crm.workspaces (id) on delete cascade,
  -- A file of shared/mail/texts, and what it says of this one.
  template text not null,
  details jsonb not null,
  recipient text not null check (length(recipient) between 3 and 254),
  state text not null default 'queued' check (state in ('queued', 'sent', 'failed')),
  error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  -- Nobody takes it before: its lease ends then, or the pause after an attempt.
  due_at timestamptz not null default clock_timestamp(),
  lease uuid,
  attempts integer not null default 0
);
comment on table crm.mails is 'Mails that wait to be sent, and for 30 days what became of the others.';
create index mails_created_at on crm.mails (created_at);
create index mails_of_workspace on crm.mails (workspace_id, created_at);
create index mails_due on crm.mails (due_at) where state = 'queued';
alter table crm.mails enable row level security;
alter table crm.mails force row level security;

-- Sends a mail once the transaction has committed. A workspace has only so many a day: whom they reach has asked for none.
create function crm.send_mail(workspace uuid, template text, recipient text, details jsonb) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
  max_per_day constant integer := 200;
  max_to_one constant integer := 5;
  of_a_day record;
  mail uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended('mails:' || workspace, 0));
  select count(*) as count, min(created_at) as first_at,
    count(*) filter (where is_to_one) as to_one, min(created_at) filter (where is_to_one) as first_to_one
  into of_a_day
  from (
    select created_at, lower(mails.recipient) = lower(send_mail.recipient) as is_to_one
    from crm.mails where workspace_id = workspace and created_at > now() - interval '24 hours'
  ) as listed;
  if of_a_day.count >= max_per_day or of_a_day.to_one >= max_to_one then
    perform crm.fail('too_many_mails', jsonb_build_object('max_per_day', max_per_day, 'max_to_one', max_to_one,
      'retry_after', ceil(extract(epoch from case when of_a_day.count >= max_per_day then of_a_day.first_at else of_a_day.first_to_one end
        + interval '24 hours' - now()))));
  end if;
  insert into crm.mails (workspace_id, template, recipient, details) values (workspace, template, recipient, details) returning id into mail;
  return mail;
end;
$$;

-- Tells people of a workspace what has happened in it, once the transaction has committed: the member whose it is, if {"type", "id"}
-- is one, else the owners. An event says the same, so nothing fails because somebody has had many mails: they get no further one.
-- Nobody waits for their turn here, so where two happen at one instant one more may go out.
create function crm.send_notice(workspace uuid, template text, details jsonb, whose jsonb default null) returns void
language plpgsql
set search_path = ''
as $$
declare
  max_notices constant integer := 10; -- a day, to one address
  reader constant uuid := (
    select id from crm.members
    where workspace_id = workspace and whose ->> 'type' = 'user' and user_id = (whose ->> 'id')::uuid and deleted_at is null
  );
begin
  insert into crm.mails (workspace_id, template, recipient, details)
  select distinct on (lower(member.email)) told.id, send_notice.template, member.email,
    jsonb_build_object('workspace_name', told.name) || send_notice.details
  from crm.workspaces as told
  join crm.members as member on member.workspace_id = told.id and member.user_id is not null and member.deleted_at is null
  where told.id = workspace and told.state <> 'deleting' and case when reader is null then member.role = 'owner' else member.id = reader end
    and (
      select count(*) from crm.mails as sent
      where sent.workspace_id = workspace and sent.created_at > now() - interval '24 hours' and lower(sent.recipient) = lower(member.email)
    ) < max_notices
  order by lower(member.email);
end;
$$;

-- The worker -------------------------------------------------------------------------------------

-- Claims the mail that has been due longest under the token {"lease"} for 30 seconds, if it is one of {"templates"}. Null
-- when none waits.
create function api.claim_mail(json) returns json
language sql volatile security definer
set search_path = ''
as $$
  update crm.mails
  set lease = ($1 ->> 'lease')::uuid, due_at = clock_timestamp() + interval '30 seconds', attempts = attempts + 1
  where id = (
    select id from crm.mails
    where state = 'queued' and due_at <= clock_timestamp() and template in (select json_array_elements_text($1 -> 'templates'))
    order by due_at limit 1
    for update skip locked
  )
  returning json_build_object('id', id, 'template', template, 'recipient', recipient, 'details', details, 'attempts', attempts);
$$;

-- Notes that the mail {"id", "lease"} was sent.
create function api.finish_mail(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.mails set state = 'sent', sent_at = clock_timestamp(), lease = null
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and state = 'queued';
$$;

-- Gives the mail {"id", "lease"} back, for whoever claims it after {"wait"} seconds.
create function api.release_mail(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.mails set lease = null, due_at = clock_timestamp() + ($1 ->> 'wait')::integer * interval '1 second'
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and state = 'queued';
$$;

-- Gives the mail {"id", "lease"} up, with an {"error"}.
create function api.fail_mail(json) returns void
language sql volatile security definer
set search_path = ''
as $$
  update crm.mails set state = 'failed', error = ($1 -> 'error')::jsonb, lease = null
  where id = ($1 ->> 'id')::uuid and lease = ($1 ->> 'lease')::uuid and state = 'queued';
$$;

grant execute on function api.claim_mail(json), api.finish_mail(json), api.release_mail(json), api.fail_mail(json) to crm_worker;

-- Deletes mails after 30 days, those that nobody could send by then too.
create function crm.purge_mails(max_rows integer) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  changed integer;
begin
  perform pg_advisory_xact_lock(hashtextextended('purge', 0));
  delete from crm.mails where id in (
    select id from crm.mails where created_at < now() - interval '30 days' order by created_at limit max_rows
  );
  get diagnostics changed = row_count;
  return changed;
end;
$$;

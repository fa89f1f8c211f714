-- Tasks: what somebody has to do.

create table crm.tasks (
  like crm.record including all,
  title text collate "und-x-icu" not null check (length(title) between 1 and 255),
  description text check (length(description) between 1 and 10000),
  type text not null default 'todo' check (type in ('todo', 'call', 'email', 'meeting', 'follow_up')),
  status text not null default 'open' check (status in ('open', 'in_progress', 'completed', 'cancelled')),
  priority crm.priority not null default 'normal',
  due_at timestamptz,
  remind_at timestamptz,
  assignee_id uuid,
  completed_at timestamptz,
  contact_id uuid,
  company_id uuid,
  deal_id uuid,
  search_text text not null generated always as (crm.searchable(title)) stored,
  filter_text text not null generated always as (crm.filterable('external_id', external_id, 'title', title)) stored,
  constraint tasks_assignee_id_fkey foreign key (workspace_id, assignee_id) references crm.members (workspace_id, id),
  constraint tasks_contact_id_fkey foreign key (workspace_id, contact_id)
    references crm.contacts (workspace_id, id) on delete set null (contact_id),
  constraint tasks_company_id_fkey foreign key (workspace_id, company_id)
    references crm.companies (workspace_id, id) on delete set null (company_id),
  constraint tasks_deal_id_fkey foreign key (workspace_id, deal_id)
    references crm.deals (workspace_id, id) on delete set null (deal_id)
);
comment on table crm.tasks is 'completed_at follows the status; the trigger check_task sees to it.';

-- order by <field>, id
create index tasks_due_at on crm.tasks (workspace_id, due_at, id) where deleted_at is null;
create index tasks_remind_at on crm.tasks (workspace_id, remind_at, id) where deleted_at is null;
create index tasks_completed_at on crm.tasks (workspace_id, completed_at, id) where deleted_at is null;
create index tasks_title on crm.tasks (workspace_id, title, id) where deleted_at is null;
create index tasks_priority_id on crm.tasks (workspace_id, priority, id) where deleted_at is null;
create index tasks_priority_created_at on crm.tasks (workspace_id, priority desc, created_at, id) where deleted_at is null;
create index tasks_status_id on crm.tasks (workspace_id, status, id) where deleted_at is null;

-- <field> = …, newest first; a person's open tasks by their time
create index tasks_status on crm.tasks (workspace_id, status, created_at, id) where deleted_at is null;
create index tasks_type on crm.tasks (workspace_id, type, created_at, id) where deleted_at is null;
create index tasks_priority on crm.tasks (workspace_id, priority, created_at, id) where deleted_at is null;
create index tasks_assignee_id on crm.tasks (workspace_id, assignee_id, created_at, id);
create index tasks_assignee_status_due_at on crm.tasks (workspace_id, assignee_id, status, due_at, id) where deleted_at is null;
create index tasks_status_due_at on crm.tasks (workspace_id, status, due_at, id) where deleted_at is null;
create index tasks_contact_id on crm.tasks (workspace_id, contact_id, created_at, id);
create index tasks_company_id on crm.tasks (workspace_id, company_id, created_at, id);
create index tasks_deal_id on crm.tasks (workspace_id, deal_id, created_at, id);

create index tasks_search_text on crm.tasks using gin (workspace_id, search_text extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512) where deleted_at is null;

create function crm.check_task() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.remind_at > new.due_at then
    perform crm.refuse(new.id, 'reminder_after_due', '{"field": "remind_at"}');
    return null;
  end if;
  if tg_op = 'UPDATE' and old.status = 'cancelled' and new.status = 'completed' then
    perform crm.refuse(new.id, 'task_cancelled');
    return null;
  end if;
  if new.status <> 'completed' then
    new.completed_at := null;
  elsif tg_op = 'INSERT' then
    new.completed_at := case when crm.claims() is null then coalesce(new.completed_at, now()) else now() end;
  elsif old.status <> 'completed' then
    new.completed_at := now();
  end if;
  return new;
end;
$$;
create trigger check_task before insert or update of status, due_at, remind_at on crm.tasks
  for each row execute function crm.check_task();

select crm.check_references_of('tasks', 'owner_id', 'members', 'assignee_id', 'members', 'contact_id', 'contacts', 'company_id', 'companies', 'deal_id', 'deals');
select crm.track_totals('tasks', 'status,type,priority', 'assignee_id,status', 'owner_id', 'contact_id', 'company_id', 'deal_id');
select crm.set_up_records('tasks');

-- Actions: the row is locked before its state is looked at, so of two that complete one task at once
-- the second sees it completed.
create function crm.set_task_status(request jsonb, record jsonb, target text) returns json
language plpgsql
set search_path = ''
as $$
declare
  task crm.tasks;
begin
  select * into task from crm.tasks
  where id = (record ->> 'id')::uuid and workspace_id = crm.workspace_for('tasks', 'write') and deleted_at is null
  for no key update;
  if task.id is null then
    perform crm.fail('not_found');
  elsif target = 'completed' and task.status = 'completed' then
    perform crm.fail('task_already_completed', jsonb_build_object('completed_at', crm.as_text(to_jsonb(task.completed_at))));
  elsif target = 'completed' and task.status = 'cancelled' then
    perform crm.fail('task_cancelled');
  elsif target = 'open' and task.status not in ('completed', 'cancelled') then
    perform crm.fail('task_not_closed', jsonb_build_object('status', task.status));
  end if;
  return crm.update_record(request, task.id, jsonb_build_object('status', target), crm.versions_of(request));
end;
$$;

create function crm.tasks_complete(request jsonb, record jsonb) returns json
language sql volatile
set search_path = ''
as $$
  select crm.set_task_status(request, record, 'completed');
$$;

create function crm.tasks_reopen(request jsonb, record jsonb) returns json
language sql volatile
set search_path = ''
as $$
  select crm.set_task_status(request, record, 'open');
$$;

grant execute on function crm.set_task_status(jsonb, jsonb, text), crm.tasks_complete(jsonb, jsonb), crm.tasks_reopen(jsonb, jsonb)
  to crm_api;

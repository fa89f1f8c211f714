-- Workspaces, their sandboxes and their members.

create table crm.workspaces (
  id uuid primary key default crm.uuid_v7(),
  parent_workspace_id uuid references crm.workspaces (id) on delete cascade,
  name text collate "und-x-icu" not null check (length(name) between 1 and 100),
  plan text not null check (plan in ('standard', 'professional', 'enterprise', 'benchmark')),
  environment text not null generated always as (
    case when parent_workspace_id is null then 'live' else 'sandbox' end
  ) stored,
  created_at timestamptz not null default now(),
  -- Of a sandbox: what it holds at first and again after a reset, and whether it can be used.
  start_from text check (start_from in ('empty', 'sample', 'configuration')),
  state text not null default 'ready' check (state in ('ready', 'resetting', 'deleting')),
  reset_at timestamptz,
  expires_at timestamptz,
  check ((parent_workspace_id is null) = (start_from is null))
);
comment on table crm.workspaces is 'A tenant. A sandbox is a workspace with a parent; it shares no record with it.';

create index workspaces_parent_workspace_id on crm.workspaces (parent_workspace_id);
create index workspaces_expires_at on crm.workspaces (expires_at) where expires_at is not null;

create table crm.members (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  -- Null when the person is gone: what they owned stays theirs.
  user_id uuid references auth.users (id) on delete set null,
  role text not null check (role in ('owner', 'admin', 'member')),
  name text collate "und-x-icu" not null check (length(name) between 1 and 200),
  email text not null check (length(email) between 3 and 254),
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  search_text text not null generated always as (crm.searchable(name, email)) stored,
  filter_text text not null generated always as (crm.filterable('name', name, 'email', email)) stored,
  unique (workspace_id, id),
  unique (workspace_id, user_id)
);
comment on table crm.members is 'A person''s place in a workspace; records are owned by members.';

create index members_user_id on crm.members (user_id);

alter table crm.workspaces enable row level security;
alter table crm.workspaces force row level security;
alter table crm.members enable row level security;
alter table crm.members force row level security;

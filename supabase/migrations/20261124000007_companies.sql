-- Companies: what contacts belong to.

create table crm.companies (
  id uuid primary key default crm.uuid_v7(),
  workspace_id uuid not null references crm.workspaces (id) on delete cascade,
  external_id text check (length(external_id) between 1 and 255),
  owner_id uuid,
  name text not null check (length(name) between 1 and 255),
  domain text check (length(domain) <= 253),
  website text check (length(website) <= 2048),
  industry text check (length(industry) <= 100),
  tags text[] not null default '{}' check (cardinality(tags) <= 50),
  custom_fields jsonb not null default '{}' check (jsonb_typeof(custom_fields) = 'object'),
  source text not null default 'api' check (source in ('api', 'import', 'ui', 'automation')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  created_by jsonb not null default '{}',
  updated_by jsonb not null default '{}',
  deleted_at timestamptz,
  search_text text not null generated always as (crm.fold(' ' || name || coalesce(' ' || domain, ''))) stored,
  unique (workspace_id, id),
  constraint companies_owner_id_fkey foreign key (workspace_id, owner_id) references crm.members (workspace_id, id)
);
comment on table crm.companies is 'Organisations. Deleted rows stay for 90 days and hold no unique value.';

create unique index companies_domain_live on crm.companies (workspace_id, domain)
  where deleted_at is null and domain is not null;
create unique index companies_external_id_live on crm.companies (workspace_id, external_id)
  where deleted_at is null and external_id is not null;
create index companies_created_at on crm.companies (workspace_id, created_at, id) where deleted_at is null;
create index companies_owner_id on crm.companies (workspace_id, owner_id, created_at, id) where deleted_at is null;
create index companies_search_text on crm.companies using gin (workspace_id, search_text extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512) where deleted_at is null;

create trigger stamp before insert or update on crm.companies for each row execute function crm.stamp();
create trigger check_references before insert or update of owner_id on crm.companies
  for each row when (new.owner_id is not null)
  execute function crm.check_references('owner_id', 'members');
select crm.track_totals('companies', 'industry');
select crm.secure_records('companies');

-- Companies: the organisations that contacts belong to and deals are made with.

create table crm.companies (
  like crm.record including all,
  name text collate "und-x-icu" not null check (length(name) between 1 and 255),
  domain text check (length(domain) between 1 and 253),
  website text check (length(website) between 1 and 2048),
  industry text collate "und-x-icu" check (length(industry) between 1 and 100),
  employee_count integer check (employee_count between 0 and 10000000),
  annual_revenue numeric check (annual_revenue >= 0 and annual_revenue < 1e15),
  currency text check (currency ~ '^[A-Z]{3}$'),
  phone text check (length(phone) between 1 and 50),
  phone_e164 text check (phone_e164 ~ '^\+[1-9][0-9]{1,14}$'),
  address jsonb check (jsonb_typeof(address) = 'object'),
  type text check (type in ('prospect', 'customer', 'partner', 'vendor', 'other')),
  lifecycle_stage text check (
    lifecycle_stage in ('subscriber', 'lead', 'mql', 'sql', 'opportunity', 'customer', 'evangelist', 'other')
  ),
  parent_company_id uuid,
  description text check (length(description) between 1 and 10000),
  linkedin_url text check (length(linkedin_url) between 1 and 2048),
  merged_into uuid,
  search_text text not null generated always as (crm.searchable(name, coalesce(crm.shown_domain(domain), '') || coalesce(' ' || domain, '') || coalesce(' ' || phone, '') || coalesce(' ' || phone_e164, ''))) stored,
  filter_text text not null generated always as (crm.filterable('external_id', external_id, 'name', name, 'domain', crm.shown_domain(domain), 'domain', domain, 'industry', industry, 'currency', currency, 'phone', phone, 'phone_e164', phone_e164)) stored,
  constraint companies_parent_company_id_fkey foreign key (workspace_id, parent_company_id)
    references crm.companies (workspace_id, id) on delete set null (parent_company_id)
);
comment on table crm.companies is 'Organisations. Deleted rows stay for 90 days and hold no unique value.';

create unique index companies_domain_live on crm.companies (workspace_id, domain)
  where deleted_at is null and domain is not null;

-- order by <field>, id
create index companies_name on crm.companies (workspace_id, name, id) where deleted_at is null;
create index companies_industry_id on crm.companies (workspace_id, industry, id) where deleted_at is null;
create index companies_employee_count on crm.companies (workspace_id, employee_count, id) where deleted_at is null;
create index companies_annual_revenue on crm.companies (workspace_id, annual_revenue, id) where deleted_at is null;
create index companies_type_id on crm.companies (workspace_id, type, id) where deleted_at is null;
create index companies_lifecycle_stage_id on crm.companies (workspace_id, lifecycle_stage, id) where deleted_at is null;

-- <field> = …, newest first
create index companies_industry on crm.companies (workspace_id, industry, created_at, id) where deleted_at is null;
create index companies_type on crm.companies (workspace_id, type, created_at, id) where deleted_at is null;
create index companies_lifecycle_stage on crm.companies (workspace_id, lifecycle_stage, created_at, id) where deleted_at is null;
create index companies_phone on crm.companies (workspace_id, phone, created_at, id) where deleted_at is null;
create index companies_phone_e164 on crm.companies (workspace_id, phone_e164, created_at, id) where deleted_at is null;
create index companies_parent_company_id on crm.companies (workspace_id, parent_company_id, created_at, id);

-- search_text like …; used by crm.run_search only
create index companies_search_text on crm.companies using gin (workspace_id, search_text extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512) where deleted_at is null;

-- Parents make trees of at most ten levels. Changes of the trees of one workspace take turns: two that
-- are fine one by one can make a cycle together. An update takes its turn before it locks its row, or
-- the other, holding the turn, would wait for that row.
create function crm.take_turn_at_hierarchy() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('hierarchy:' || coalesce(crm.claims() ->> 'workspace_id', ''), 0));
  return null;
end;
$$;
create trigger take_turn_at_hierarchy before update of parent_company_id on crm.companies
  for each statement execute function crm.take_turn_at_hierarchy();

-- Parents are locked together with their companies: both are rows of one table. One that comes back with a parent changes
-- the tree as well.
create function crm.companies_lock(workspace uuid, records json) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
  ids constant uuid[] := crm.named_in(records, '{id}');
  parents constant uuid[] := crm.named_in(records, '{parent_company_id}');
begin
  if exists (select from json_array_elements(records) as record where record -> 'parent_company_id' is not null)
    or exists (select from crm.companies where workspace_id = workspace and id = any (ids) and deleted_at is not null and parent_company_id is not null) then
    perform pg_advisory_xact_lock(hashtextextended('hierarchy:' || workspace, 0));
    perform from crm.companies
    where workspace_id = workspace and id = any (parents || ids) order by id for no key update;
  end if;
end;
$$;
select crm.check_references_of('companies', 'owner_id', 'members', 'parent_company_id', 'companies');

create function crm.check_hierarchy() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  max_levels constant integer := 10;
  levels_above integer;
  levels_below integer;
begin
  -- One that comes back brings what is below it, and may find what is above it moved.
  if tg_op = 'UPDATE' and new.parent_company_id is not distinct from old.parent_company_id
    and (old.deleted_at is null or new.deleted_at is not null) then
    return new;
  end if;
  if not exists (
    select from crm.companies where id = new.parent_company_id and workspace_id = new.workspace_id and deleted_at is null
  ) then
    return new; -- check_references says so
  end if;
  perform pg_advisory_xact_lock(hashtextextended('hierarchy:' || new.workspace_id, 0));
  if exists (
    with recursive ancestors as (
      select new.parent_company_id as id
      union
      select company.parent_company_id from crm.companies as company join ancestors on ancestors.id = company.id
      where company.parent_company_id is not null and company.workspace_id = new.workspace_id
    )
    select from ancestors where id = new.id
  ) then
    perform crm.refuse(new.id, 'circular_reference', jsonb_build_object('field', 'parent_company_id'));
    return null;
  end if;
  with recursive ancestors as (
    select new.parent_company_id as id, 1 as level
    union all
    select company.parent_company_id, level + 1 from crm.companies as company join ancestors on ancestors.id = company.id
    where company.parent_company_id is not null and level <= max_levels and company.workspace_id = new.workspace_id
  )
  select max(level) into levels_above from ancestors;
  with recursive descendants as (
    select new.id as id, 1 as level
    union all
    select company.id, level + 1 from crm.companies as company join descendants on company.parent_company_id = descendants.id
    where level <= max_levels and company.workspace_id = new.workspace_id and company.deleted_at is null
  )
  select max(level) into levels_below from descendants;
  if levels_above + levels_below > max_levels then
    perform crm.refuse(new.id, 'hierarchy_too_deep', jsonb_build_object('field', 'parent_company_id', 'max_levels', max_levels));
    return null;
  end if;
  return new;
end;
$$;
create trigger check_hierarchy before insert or update of parent_company_id, deleted_at on crm.companies
  for each row when (new.parent_company_id is not null) execute function crm.check_hierarchy();

create function crm.check_company_values() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.annual_revenue is not null and new.currency is null then
    perform crm.refuse(new.id, 'currency_required', '{"field": "currency"}');
    return null;
  end if;
  if new.annual_revenue is not null then
    new.annual_revenue := crm.money_of(new.id, 'annual_revenue', new.annual_revenue, new.currency);
    if new.annual_revenue is null then
      return null;
    end if;
  end if;
  return new;
end;
$$;
create trigger check_values before insert or update of annual_revenue, currency on crm.companies
  for each row execute function crm.check_company_values();

select crm.track_totals('companies', 'industry,type', 'lifecycle_stage', 'owner_id');
select crm.set_up_records('companies');

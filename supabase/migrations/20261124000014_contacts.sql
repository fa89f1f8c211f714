-- Contacts: the people a workspace knows.

create table crm.contacts (
  like crm.record including all,
  email text not null check (length(email) between 3 and 254),
  first_name text collate "und-x-icu" check (length(first_name) between 1 and 100),
  last_name text collate "und-x-icu" check (length(last_name) between 1 and 100),
  phone text check (length(phone) between 1 and 50),
  phone_e164 text check (phone_e164 ~ '^\+[1-9][0-9]{1,14}$'),
  company_id uuid,
  job_title text check (length(job_title) between 1 and 200),
  department text check (length(department) between 1 and 200),
  status text not null default 'active' check (status in ('active', 'inactive', 'unsubscribed', 'bounced')),
  lifecycle_stage text check (
    lifecycle_stage in ('subscriber', 'lead', 'mql', 'sql', 'opportunity', 'customer', 'evangelist', 'other')
  ),
  lead_source text check (length(lead_source) between 1 and 100),
  address jsonb check (jsonb_typeof(address) = 'object'),
  linkedin_url text check (length(linkedin_url) between 1 and 2048),
  website text check (length(website) between 1 and 2048),
  timezone text check (length(timezone) <= 64),
  locale text check (length(locale) between 1 and 100),
  birthday date,
  do_not_contact boolean not null default false,
  score integer check (score between 0 and 100),
  last_activity_at timestamptz,
  merged_into uuid,
  email_key text not null generated always as (lower(email)) stored,
  search_text text not null generated always as (crm.searchable(coalesce(first_name || ' ', '') || coalesce(last_name, ''), 
    coalesce(last_name || ' ', '') || coalesce(first_name || ' ', '') || email || coalesce(' ' || phone, '') || coalesce(' ' || phone_e164, '')
      || coalesce(' ' || job_title, '')
  )) stored,
  filter_text text not null generated always as (crm.filterable('external_id', external_id, 'email', email, 'first_name', first_name, 'last_name', last_name, 'phone', phone, 'phone_e164', phone_e164, 'job_title', job_title, 'lead_source', lead_source)) stored,
  constraint contacts_company_id_fkey foreign key (workspace_id, company_id)
    references crm.companies (workspace_id, id) on delete set null (company_id)
);
comment on table crm.contacts is 'People. Deleted rows stay for 90 days and hold no unique value.';

-- A live email belongs to one contact of the workspace; also serves sort=email.
create unique index contacts_email_live on crm.contacts (workspace_id, email_key) where deleted_at is null;

-- order by <field>, id, in both directions, with and without a bound on the field
create index contacts_last_activity_at on crm.contacts (workspace_id, last_activity_at, id) where deleted_at is null;
create index contacts_first_name on crm.contacts (workspace_id, first_name, id) where deleted_at is null;
create index contacts_last_name on crm.contacts (workspace_id, last_name, id) where deleted_at is null;
create index contacts_score on crm.contacts (workspace_id, score, id) where deleted_at is null;
create index contacts_status_id on crm.contacts (workspace_id, status, id) where deleted_at is null;
create index contacts_lifecycle_stage_id on crm.contacts (workspace_id, lifecycle_stage, id) where deleted_at is null;
create index contacts_birthday on crm.contacts (workspace_id, birthday, id) where deleted_at is null;

-- <field> = …, newest first
create index contacts_status on crm.contacts (workspace_id, status, created_at, id) where deleted_at is null;
create index contacts_lifecycle_stage on crm.contacts (workspace_id, lifecycle_stage, created_at, id) where deleted_at is null;
create index contacts_company_id on crm.contacts (workspace_id, company_id, created_at, id);
create index contacts_job_title on crm.contacts (workspace_id, job_title, created_at, id) where deleted_at is null;
create index contacts_lead_source on crm.contacts (workspace_id, lead_source, created_at, id) where deleted_at is null;
create index contacts_phone on crm.contacts (workspace_id, phone, created_at, id) where deleted_at is null;
create index contacts_phone_e164 on crm.contacts (workspace_id, phone_e164, created_at, id) where deleted_at is null;
create index contacts_do_not_contact on crm.contacts (workspace_id, created_at, id) where deleted_at is null and do_not_contact;

-- search_text like …; used by crm.run_search only. A short pending list: what waits in it is scanned by
-- every search, which at the default of 4 MB triples its time.
create index contacts_search_text on crm.contacts using gin (workspace_id, search_text extensions.gin_trgm_ops)
  with (gin_pending_list_limit = 512) where deleted_at is null;

select crm.check_references_of('contacts', 'owner_id', 'members', 'company_id', 'companies');
select crm.track_totals('contacts', 'status,lifecycle_stage,do_not_contact', 'owner_id', 'company_id');
select crm.set_up_records('contacts');

-- last_activity_at follows the activities, which is no change that anybody made.
drop trigger stamp on crm.contacts;
create trigger stamp before insert or update of
  external_id, owner_id, tags, custom_fields, source, email, first_name, last_name, phone, phone_e164, company_id,
  job_title, department, status, lifecycle_stage, lead_source, address, linkedin_url, website, timezone, locale,
  birthday, do_not_contact, score, merged_into, deleted_at
  on crm.contacts for each row execute function crm.stamp();

-- Companies show how many contacts they have, also to a key that may not read contacts.
drop policy "requests read the totals of contacts they may read" on crm.contacts_by_company_id;
create policy "requests count the contacts that they may read or whose companies they may" on crm.contacts_by_company_id
  for select to crm_api
  using (workspace_id = (select coalesce(crm.workspace_for('contacts', 'read'), crm.workspace_for('companies', 'read'))));
create function crm.companies_contacts_count(workspace_id uuid, company_id uuid) returns bigint
language sql stable
set search_path = ''
as $$
  select coalesce(sum(slot.records), 0)::bigint
  from crm.contacts_by_company_id as slot
  where slot.workspace_id = companies_contacts_count.workspace_id
    and slot.cell = jsonb_build_array(companies_contacts_count.company_id)::text;
$$;
grant execute on function crm.companies_contacts_count(uuid, uuid) to crm_api;
select crm.show_records('companies');

-- The stored phones and countries of the live records that {"keys": {field: […]}} name by id or by a unique value, for
-- numbers that can't be read without: [{"id", …the fields, "phone", "country"}].
create function api.read_phones(json) returns json
language plpgsql
set search_path = ''
set statement_timeout = '2s'
as $$
declare
  source constant crm.resources := crm.resource_of($1 ->> 'resource');
  workspace constant uuid := crm.require_workspace(source.scope, 'write');
  field text;
  walks text[] := '{}';
  answer json;
begin
  if not '{phone,address}' <@ crm.columns_of(source) then
    perform crm.malformed('resource');
  end if;
  for field in select json_object_keys($1 -> 'keys') loop
    if field <> 'id' and not source.facts -> 'unique' ? field then
      perform crm.malformed('keys');
    end if;
    walks := walks || format('select * from crm.%I where workspace_id = $1 and deleted_at is null and %I = any (array(select json_array_elements_text($2 -> %L))%s)',
      source.name, crm.key_column(source.name, field), field, case field when 'id' then '::uuid[]' else '' end);
  end loop;
  if walks = '{}' then
    perform crm.malformed('keys');
  end if;
  execute format('select coalesce(json_agg(json_build_object(''id'', id, ''phone'', phone, ''country'', address ->> ''country''%s)), ''[]'') from (%s) as found',
    (select string_agg(format(', %1$L, %1$I', name), '') from json_object_keys($1 -> 'keys') as name where name <> 'id'),
    array_to_string(walks, ' union all '))
  into answer using workspace, $1 -> 'keys';
  return answer;
end;
$$;
grant execute on function api.read_phones(json) to crm_api;

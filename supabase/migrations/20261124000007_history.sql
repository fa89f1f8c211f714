-- Who changed what when: a row per changed field, written in the transaction of the change, where its event is made too
-- (crm.tell_versions). Creation needs none, the record has created_at and created_by; deletion and restoring are changes of
-- deleted_at.

-- A time as the API shows it: UTC, six places, a Z.
create function crm.show_time(at timestamptz) returns text
language sql immutable parallel safe -- whatever the session's zone is; no "set search_path", to be inlined
as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
$$;

-- A number or time of JSON as the API shows it.
create function crm.as_text(value jsonb) returns jsonb
language sql immutable parallel safe
set search_path = ''
as $$
  select to_jsonb(case
    when value #>> '{}' ~ '^\d{4}-\d\d-\d\dT' then crm.show_time((value #>> '{}')::timestamptz)
    else value #>> '{}'
  end);
$$;
grant execute on function crm.show_time(timestamptz), crm.as_text(jsonb) to crm_api;

create function crm.keep_history(resource text, scope text) returns void
language plpgsql
set search_path = ''
as $$
declare
  history constant text := resource || '_history';
begin
  insert into crm.resources values (history, scope);
  execute format($ddl$
    create table crm.%1$I (
      id uuid primary key default crm.uuid_v7(),
      workspace_id uuid not null,
      record_id uuid not null,
      field text not null,
      filter_text text not null generated always as (e'\x02field=' || crm.fold(field)) stored,
      "from" jsonb,
      "to" jsonb,
      version bigint not null,
      changed_at timestamptz not null default now(),
      changed_by jsonb not null,
      foreign key (workspace_id, record_id) references crm.%2$I (workspace_id, id) on delete cascade
    );
    comment on table crm.%1$I is 'Each change of a field of %2$s: from, to, when, by whom.';
    create index on crm.%1$I (workspace_id, record_id, changed_at, id);
    alter table crm.%1$I enable row level security;
    alter table crm.%1$I force row level security;
    grant select on crm.%1$I to crm_api;
    create policy %3$I on crm.%1$I for select to crm_api
      using (workspace_id = (select crm.workspace_for(%4$L, 'read')));
  $ddl$, history, resource, 'requests read the history of ' || resource || ' they may read', scope);
end;
$$;

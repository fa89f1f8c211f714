-- Who changed what when: a row per changed field, written in the transaction of the change. Creation
-- needs none, the record has created_at and created_by; deletion and restoring are changes of deleted_at.

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
  omitted constant text[] := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass
      and (attgenerated <> '' or attname in ('version', 'created_at', 'updated_at', 'created_by', 'updated_by', 'last_activity_at'))
  );
  -- What JSON would not show as the record does: money, which is text, and times.
  texts constant text[] := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', resource)::regclass and atttypid in ('numeric'::regtype, 'timestamptz'::regtype)
  );
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

  execute format($ddl$
    create function crm.%1$I() returns trigger
    language plpgsql security definer
    set search_path = ''
    set timezone = 'UTC'
    set enable_nestloop = off -- its plan is kept: made for one row, it would compare all of thousands with all
    as $function$
    begin
      insert into crm.%2$I (workspace_id, record_id, field, "from", "to", version, changed_at, changed_by)
      select later.workspace_id, later.id, change.field,
        case when change.field = any (%5$L) then crm.as_text(change."from") else change."from" end,
        case when change.field = any (%5$L) then crm.as_text(change."to") else change."to" end,
        later.version, later.updated_at, later.updated_by
      from new_rows as later
      join old_rows as earlier on earlier.id = later.id
      -- Once each, for "offset 0". No function of ours: that would double the time of it all.
      cross join lateral (select to_jsonb(earlier) - %3$L::text[] as before, to_jsonb(later) - %3$L::text[] as after offset 0) as states
      cross join lateral (
        select field, before -> field as "from", value as "to"
        from jsonb_each(after) as given (field, value)
        where field <> 'custom_fields' and value is distinct from before -> field
        union all
        select 'custom_fields.' || field, earlier_one.value, later_one.value
        from jsonb_each(before -> 'custom_fields') as earlier_one (field, value)
        full join jsonb_each(after -> 'custom_fields') as later_one (field, value) using (field)
        where before -> 'custom_fields' <> after -> 'custom_fields' and earlier_one.value is distinct from later_one.value
      ) as change
      where later.version <> earlier.version;
      return null;
    end;
    $function$;
    create trigger note_changes after update on crm.%4$I
      referencing old table as old_rows new table as new_rows
      for each statement execute function crm.%1$I();
  $ddl$, 'note_changes_of_' || resource, history, omitted, resource, texts);
end;
$$;

-- count(*) over a million rows takes 150 ms; adding up a few dozen cells takes 0.1 ms. For each facet
-- set, a list of columns, the table <resource>_by_<columns> has a cell per combination of their values
-- with the number of live records that have it, kept in the transaction of the change. A cell is split
-- into slots: a writer takes any slot that nobody holds, or adds one, so that writers never wait for
-- each other; the sum over the slots is exact.
--
-- Everything is written out when the migration runs, so that the triggers' plans are cached.
create function crm.track_totals(resource text, variadic facet_sets text[]) returns void
language plpgsql
set search_path = ''
as $$
declare
  facet_set text;
  tally text;
  facets text;
  facet_types text;
  event text;
begin
  foreach facet_set in array facet_sets loop
    tally := resource || '_by_' || replace(facet_set, ',', '_');
    select string_agg(quote_ident(facet), ', ' order by place),
           string_agg(format('%I %s', facet, format_type(atttypid, atttypmod)), ', ' order by place)
    into facets, facet_types
    from regexp_split_to_table(facet_set, ',') with ordinality as listed (facet, place)
    join pg_catalog.pg_attribute on attrelid = format('crm.%I', resource)::regclass and attname = facet;

    execute format($ddl$
      create table crm.%1$I (
        id bigint generated always as identity primary key,
        workspace_id uuid not null references crm.workspaces (id) on delete cascade,
        cell text not null,
        %2$s,
        records bigint not null
      ) with (fillfactor = 50);
      comment on table crm.%1$I is 'Live records per combination of facet values, in one or more slots each.';
      create index on crm.%1$I (workspace_id, cell);
      alter table crm.%1$I enable row level security;
      alter table crm.%1$I force row level security;
      grant select on crm.%1$I to crm_api;
      create policy %3$I on crm.%1$I for select to crm_api
        using (workspace_id = (select crm.workspace_for(%4$L, 'read')));
    $ddl$, tally, facet_types, 'requests read the totals of ' || resource || ' they may read', resource);
    -- <reference> = …, of which there are as many cells as records that are referred to
    if facet_set like '%\_id%' then
      execute format('create index on crm.%I (workspace_id, %I)', tally, split_part(facet_set, ',', 1));
    end if;

    execute format($ddl$
      create function crm.%1$I(workspace_id uuid, %2$s, delta bigint) returns void
      language plpgsql security definer
      set search_path = ''
      as $function$
      #variable_conflict use_variable
      declare
        this_cell constant text := jsonb_build_array(%3$s);
      begin
        update crm.%4$I as slot
        set records = slot.records + delta
        where slot.id = (
          select free.id from crm.%4$I as free
          where free.workspace_id = workspace_id and free.cell = this_cell
          limit 1
          for update skip locked
        );
        if not found then
          insert into crm.%4$I (workspace_id, cell, %3$s, records) values (workspace_id, this_cell, %3$s, delta);
        end if;
      end;
      $function$;

      create function crm.%5$I() returns trigger
      language plpgsql security definer
      set search_path = ''
      as $function$
      begin
        case tg_op
          when 'INSERT' then
            perform crm.%1$I(workspace_id, %3$s, count(*))
            from new_rows where deleted_at is null group by workspace_id, %3$s;
          when 'DELETE' then
            perform crm.%1$I(workspace_id, %3$s, -count(*))
            from old_rows where deleted_at is null group by workspace_id, %3$s;
          when 'UPDATE' then
            perform crm.%1$I(workspace_id, %3$s, sum(step)::bigint)
            from (
              select workspace_id, %3$s, 1::bigint as step from new_rows where deleted_at is null
              union all
              select workspace_id, %3$s, -1 from old_rows where deleted_at is null
            ) as steps
            group by workspace_id, %3$s having sum(step) <> 0;
        end case;
        return null;
      end;
      $function$;
    $ddl$, 'add_to_' || tally, facet_types, facets, tally, 'count_' || tally);

    foreach event in array array[
      'insert on crm.%2$I referencing new table as new_rows',
      'update on crm.%2$I referencing old table as old_rows new table as new_rows',
      'delete on crm.%2$I referencing old table as old_rows'
    ] loop
      execute format('create trigger %1$I after ' || event || ' for each statement execute function crm.%3$I()',
        'count_' || split_part(event, ' ', 1) || '_' || tally, resource, 'count_' || tally);
    end loop;
  end loop;
end;
$$;

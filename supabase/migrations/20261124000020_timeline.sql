-- The timeline of a contact, company or deal: its activities, its tasks and the stage changes of its
-- deals as one list, newest first, walked by (time, id).

-- The query of a timeline: $1 the workspace, $2 the record, $3 and $4 the position to go on after, $5 the limit. A page
-- ends early at 1 MB, as crm.render_read's.
create function crm.render_timeline(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  max_rows constant integer := 101;
  subject constant text := shape ->> 'subject'; -- contact, company, deal
  bound constant text := case when (shape ->> 'continued')::boolean then ' and (%1$I, id) < ($3, $4)' else '' end;
  deals constant text := case subject
    when 'contact' then $sql$
      (select id from crm.deals where workspace_id = $1 and deleted_at is null and primary_contact_id = $2
       union select id from crm.deals where workspace_id = $1 and deleted_at is null
         and contacts @> jsonb_build_array(jsonb_build_object('contact_id', $2)))$sql$
    when 'company' then '(select id from crm.deals where workspace_id = $1 and deleted_at is null and company_id = $2)'
    when 'deal' then '(select $2 as id)'
  end;
  parts text[] := '{}';
  totals text[] := '{}';
  kind text;
  source text;
  at text;
begin
  perform crm.allow_only(shape, 'subject', 'types', 'columns', 'total', 'continued');
  for kind in select distinct jsonb_array_elements_text(shape -> 'types') loop
    if kind = 'stage_change' then
      parts := parts || format($sql$
        (select 'stage_change' as type, change.id, change.changed_at as occurred_at, row_to_json(change) as data
         from %1$s as deal cross join lateral (
           select %2$s from crm.stage_changes where workspace_id = $1 and deal_id = deal.id%3$s
           order by changed_at desc, id desc limit %4$s
         ) as change
         order by change.changed_at desc, change.id desc limit %4$s)$sql$,
        deals, crm.render_shown(crm.resource_of('stage_changes'), 'stage_changes', shape -> 'columns' -> kind),
        format(bound, 'changed_at'), max_rows);
      totals := totals || format(
        '(select count(*) from %s as deal join crm.stage_changes as change on change.workspace_id = $1 and change.deal_id = deal.id)', deals);
      continue;
    end if;
    source := case kind when 'activity' then 'activities' when 'task' then 'tasks' end;
    at := case kind when 'activity' then 'occurred_at' when 'task' then 'created_at' end;
    if source is null or deals is null then
      perform crm.malformed('timeline');
    end if;
    parts := parts || format($sql$
      (select %1$L as type, id, %2$I as occurred_at, (select row_to_json(shown) from (select %3$s) as shown) as data
       from crm.%4$I as record where workspace_id = $1 and deleted_at is null and %5$I = $2%6$s
       order by %2$I desc, id desc limit %7$s)$sql$,
      kind, at, crm.render_shown(crm.resource_of(source), 'record', shape -> 'columns' -> kind),
      source, subject || '_id', format(bound, at), max_rows);
    totals := totals || format(
      '(select coalesce(sum(records), 0) from crm.%I where workspace_id = $1 and cell = jsonb_build_array($2)::text)',
      source || '_by_' || subject || '_id');
  end loop;
  return format($query$
    select json_build_object(
      'rows', coalesce(json_agg(line) filter (where fits), '[]'), 'cut', coalesce(not bool_and(fits), false), 'total', %s)
    from (
      select line, sum(octet_length(line::text)) over (rows unbounded preceding) - octet_length(line::text) < 1024 * 1024 as fits
      from (
        select row_to_json(entry) as line
        from (select type, id, occurred_at, data from (%s) as entries order by occurred_at desc, id desc limit $5) as entry
        offset 0 -- each line is made once, as in crm.render_read
      ) as lines
    ) as sized
  $query$,
    case when (shape ->> 'total')::boolean then array_to_string(totals, ' + ') else 'null' end, array_to_string(parts, ' union all '));
end;
$$;

-- {"shape": {subject, types, columns, total, continued}, "id", "limit", "after": [time, id]}.
-- Shows the kinds of entries that the key may read; past the policies, as crm.run_search is and for its reason.
create function api.read_timeline(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan -- how many entries the record has decides the plan
set statement_timeout = '2s'
as $$
declare
  request constant jsonb := $1;
  resource constant text := case request -> 'shape' ->> 'subject' when 'contact' then 'contacts' when 'company' then 'companies' when 'deal' then 'deals' end;
  workspace constant uuid := crm.require_workspace((crm.resource_of(resource)).scope, 'read');
  shape constant jsonb := request -> 'shape' || jsonb_build_object('types', (
    select coalesce(jsonb_agg(kind), '[]')
    from jsonb_array_elements_text(request -> 'shape' -> 'types') as kind
    where crm.workspace_for(case kind when 'stage_change' then 'deals' when 'task' then 'tasks' else 'activities' end, 'read') is not null
  ));
  statement text := crm.statement_name('timeline', shape::text);
  known boolean;
  answer json;
begin
  execute format('select true from crm.%I where id = $1 and workspace_id = $2 and deleted_at is null', resource)
  into known using (request ->> 'id')::uuid, workspace;
  if known is null then
    perform crm.fail('not_found');
  elsif shape -> 'types' = '[]' then
    return '{"rows": [], "total": 0}';
  end if;
  if not crm.is_prepared(statement) then
    statement := crm.prepare(statement, 'uuid, uuid, timestamptz, uuid, bigint', crm.render_timeline(shape));
  end if;
  execute format('execute %I (%L, %L, %L, %L, %L)', statement, workspace, request ->> 'id', request -> 'after' ->> 0, request -> 'after' ->> 1, request ->> 'limit')
  into answer;
  return answer;
end;
$$;

grant execute on function api.read_timeline(json) to crm_api;

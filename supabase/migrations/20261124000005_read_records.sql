-- The one read path. The API sends what it parsed from the URL or the search body as a plan; this
-- file turns the plan into one query, run with the caller's rights under row-level security.
-- Names reach the query through %I, values as parameters: no value can change what is asked.

-- A condition of the plan as SQL; "value" is the number of a parameter, or a list of them. Inner
-- nodes: {"and": […]}, {"or": […]}, {"not": …}. Leaves:
--   {"column", "op": "eq|ne|gt|gte|lt|lte", "value"}      ne is true for null, as a person means it
--   {"column", "op": "in|nin", "value": […]}
--   {"column", "op": "null|not_null"}
--   {"column", "op": "like", "value"}                     of the folded column: no case, no accents
--   {"op": "text", "value"}                               search_text, which is folded, matches a pattern
--   {"op": "has_any|has_none", "value"}                   tags overlap with a text[]
--   {"row": […columns], "op": "lt|gt", "value": […]}      a keyset bound, as one row comparison
create function crm.render_condition(node jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  op constant text := node ->> 'op';
  name constant text := quote_ident(node ->> 'column');
  parameter constant text := '$' || (node ->> 'value');
  list text;
begin
  case
    when node ? 'and' or node ? 'or' then
      select string_agg(crm.render_condition(child), case when node ? 'and' then ' and ' else ' or ' end)
      into list
      from jsonb_array_elements(coalesce(node -> 'and', node -> 'or')) as child;
      return '(' || coalesce(list, (node ? 'and')::text) || ')';
    when node ? 'not' then
      return '(not coalesce(' || crm.render_condition(node -> 'not') || ', false))';
    when jsonb_typeof(node -> 'value') = 'array' then
      select string_agg('$' || number, ', ') into list from jsonb_array_elements_text(node -> 'value') as number;
  else
  end case;

  return '(' || case op
    when 'in' then name || ' in (' || list || ')'
    when 'nin' then name || ' is null or ' || name || ' not in (' || list || ')'
    when 'null' then name || ' is null'
    when 'not_null' then name || ' is not null'
    when 'like' then 'crm.fold(' || name || ') like ' || parameter
    when 'text' then 'search_text like ' || parameter
    when 'has_any' then 'tags && ' || parameter
    when 'has_none' then 'not tags && ' || parameter
    when 'ne' then name || ' is null or ' || name || ' <> ' || parameter
    when 'eq' then name || ' = ' || parameter
    else coalesce(
      '(' || (select string_agg(quote_ident(member), ', ') from jsonb_array_elements_text(node -> 'row') as member) || ')',
      name
    ) || case op when 'gt' then ' > ' when 'gte' then ' >= ' when 'lt' then ' < ' when 'lte' then ' <= ' end
      || coalesce('(' || list || ')', parameter)
  end || ')';
end;
$$;

-- The query of a plan's shape.
create function crm.render_read(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  resource constant text := shape ->> 'resource';
  source constant text := format('from crm.%I where workspace_id = $1 and deleted_at is null', resource);
  output text;
  pages text;
  total text := 'null';
begin
  select string_agg('record.' || quote_ident(name), ', ') into output
  from jsonb_array_elements_text(shape -> 'columns') as name;

  select output || coalesce(string_agg(format(
    ', (select row_to_json(related) from (
         select %s from crm.%I as related
         where related.id = record.%I and related.workspace_id = $1 and related.deleted_at is null
       ) as related) as %I',
    (select string_agg('related.' || quote_ident(name), ', ') from jsonb_array_elements_text(include -> 'columns') as name),
    include ->> 'resource', include ->> 'column', include ->> 'as'), ''), '')
  into output
  from jsonb_array_elements(shape -> 'include') as include;

  select string_agg(format('(select * %s%s order by %s limit %s)',
    source,
    ' and ' || crm.render_condition(segment -> 'where'),
    (
      select string_agg(quote_ident(sort ->> 0) || case sort ->> 1 when 'desc' then ' desc' when 'desc_nulls_last' then ' desc nulls last' else ' asc' end,
        ', ' order by place)
      from jsonb_array_elements(segment -> 'order') with ordinality as sorts (sort, place)
    ),
    (shape ->> 'limit')::integer), ' union all ' order by place)
  into pages
  from jsonb_array_elements(shape -> 'segments') with ordinality as segments (segment, place);

  if shape -> 'total' ? 'tally' then
    total := format('(select coalesce(sum(records), 0) from crm.%I where workspace_id = $1%s)',
      shape -> 'total' ->> 'tally', ' and ' || crm.render_condition(shape -> 'total' -> 'where'));
  elsif shape ? 'total' then
    total := format('(select count(*) %s%s)', source, ' and ' || crm.render_condition(shape -> 'total' -> 'where'));
  end if;

  return format(
    'select json_build_object(
       ''rows'', coalesce((select json_agg(page) from (select %s from (%s) as record limit %s) as page), ''[]''),
       ''total'', %s)',
    output, pages, (shape ->> 'limit')::integer, total);
end;
$$;

-- Runs a plan's query with the rights of whoever calls this; $1 of the query is the workspace.
create function crm.run_read(kind text, plan json, workspace uuid) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  shape constant text := plan -> 'shape';
  statement text := kind || md5(shape);
  call text;
  answer json;
begin
  if not crm.is_prepared(statement) then
    statement := crm.prepare(statement, 'uuid', crm.render_read(shape::jsonb));
  end if;
  select format('execute %I (%L%s)', statement, workspace, string_agg(', ' || quote_nullable(value), '' order by place))
  into call
  from json_array_elements_text(plan -> 'values') with ordinality as given (value, place);
  execute call into answer;
  return answer;
end;
$$;

-- As run_read, but past the policies. Row-level security lets only leakproof operators use an index
-- before the policy, and LIKE and && are not: at a million rows that is the difference between 5 ms and
-- 800 ms. Tenancy rests on two things that tests/database/isolation.test.ts holds down: the workspace is
-- the one that the request's live key may read, and every part of a rendered query is confined to it.
create function crm.run_search(plan json) returns json
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan -- how rare a pattern is decides the plan
as $$
begin
  return crm.run_read('search_', plan, crm.require_workspace(plan -> 'shape' ->> 'resource', 'read'));
end;
$$;

-- One page, and the total when asked for. The argument is {"shape", "values"}: what the query looks
-- like, and the parameters it runs with, $2 being the first of them.
--
--   resource   table in crm
--   columns    […] what to return
--   include    [{"as", "resource", "column", "columns"}] related records, by their id in `column`
--   segments   [{"where", "order": [["column", "asc" | "desc" | "desc_nulls_last"], …]}] walked one
--              after the other: a nullable sort is two segments, so that one index serves both
--              directions; `desc nulls last` fits no index and is for fields after the first
--   limit      rows at most over all segments
--   total      {"tally", "where"} adds up the cells of a tally, {"where"} counts rows, absent leaves it out
--   search     true when a condition looks into text or arrays
--
-- Answers {"rows": […], "total": n | null}. Volatile, because only volatile functions may prepare.
create function api.read_records(json) returns json
language plpgsql
set search_path = ''
as $$
begin
  if ($1 -> 'shape' ->> 'search')::boolean then
    return crm.run_search($1);
  end if;
  return crm.run_read('read_', $1, crm.require_workspace($1 -> 'shape' ->> 'resource', 'read'));
end;
$$;

grant execute on function crm.render_condition(jsonb), crm.render_read(jsonb), crm.run_read(text, json, uuid),
  crm.run_search(json), api.read_records(json) to crm_api;

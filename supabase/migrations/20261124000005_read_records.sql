-- The one read path. The API sends what it parsed from the URL or the search body as a plan; this
-- file turns the plan into one query, run with the caller's rights under row-level security.
-- Names reach the query through %I, values as parameters: no value can change what is asked.

-- Row-level security lets only leakproof operators use an index before the policy, and LIKE and &&
-- are not; so these two find the ids in the request's own workspace and nothing else about them.
create function crm.ids_with_text(resource text, patterns text[]) returns setof uuid
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query execute format(
    'select id from crm.%I where workspace_id = %L and deleted_at is null and search_text like all (%L::text[])',
    resource, crm.require_workspace(resource, 'read'), patterns);
end;
$$;

create function crm.ids_with_tags(resource text, tags text[]) returns setof uuid
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return query execute format(
    'select id from crm.%I where workspace_id = %L and deleted_at is null and tags && %L::text[]',
    resource, crm.require_workspace(resource, 'read'), tags);
end;
$$;

-- A condition of the plan as SQL; "value" is the number of a parameter, or a list of them. Inner
-- nodes: {"and": […]}, {"or": […]}, {"not": …}. Leaves:
--   {"column", "op": "eq|ne|gt|gte|lt|lte", "value"}      ne is true for null, as a person means it
--   {"column", "op": "in|nin", "value": […]}
--   {"column", "op": "null|not_null"}
--   {"column", "op": "like", "value"}                     of the folded column: no case, no accents
--   {"op": "text", "value"}                               search_text matches all patterns (text[])
--   {"op": "has_any|has_none", "value"}                   tags overlap with a text[]
--   {"row": […columns], "op": "lt|gt", "value": […]}      a keyset bound, as one row comparison
create function crm.render_condition(resource text, node jsonb) returns text
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
      select string_agg(crm.render_condition(resource, child), case when node ? 'and' then ' and ' else ' or ' end)
      into list
      from jsonb_array_elements(coalesce(node -> 'and', node -> 'or')) as child;
      return '(' || coalesce(list, (node ? 'and')::text) || ')';
    when node ? 'not' then
      return '(not coalesce(' || crm.render_condition(resource, node -> 'not') || ', false))';
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
    when 'text' then format('id in (select crm.ids_with_text(%L, %s))', resource, parameter)
    when 'has_any' then format('id in (select crm.ids_with_tags(%L, %s))', resource, parameter)
    when 'has_none' then format('id not in (select crm.ids_with_tags(%L, %s))', resource, parameter)
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
    ' and ' || crm.render_condition(resource, segment -> 'where'),
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
      shape -> 'total' ->> 'tally', ' and ' || crm.render_condition(resource, shape -> 'total' -> 'where'));
  elsif shape ? 'total' then
    total := format('(select count(*) %s%s)', source, ' and ' || crm.render_condition(resource, shape -> 'total' -> 'where'));
  end if;

  return format(
    'select json_build_object(
       ''rows'', coalesce((select json_agg(page) from (select %s from (%s) as record limit %s) as page), ''[]''),
       ''total'', %s)',
    output, pages, (shape ->> 'limit')::integer, total);
end;
$$;

-- One page, and the total when asked for. The argument is {"shape", "values"}: what the query looks
-- like, and the parameters it runs with, $2 being the first of them ($1 is the workspace).
--
--   resource   table in crm
--   columns    […] what to return
--   include    [{"as", "resource", "column", "columns"}] related records, by their id in `column`
--   segments   [{"where", "order": [["column", "asc" | "desc" | "desc_nulls_last"], …]}] walked one
--              after the other: a nullable sort is two segments, so that one index serves both
--              directions; `desc nulls last` fits no index and is for fields after the first
--   limit      rows at most over all segments
--   total      {"tally", "where"} adds up the cells of a tally, {"where"} counts rows, absent leaves it out
--
-- Answers {"rows": […], "total": n | null}. Volatile, because only volatile functions may prepare.
create function api.read_records(json) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  shape constant text := $1 -> 'shape';
  statement text := 'read_' || md5(shape);
  call text;
  answer json;
begin
  if not crm.is_prepared(statement) then
    statement := crm.prepare(statement, 'uuid', crm.render_read(shape::jsonb));
  end if;
  select format('execute %I (%L%s)', statement, crm.require_workspace($1 -> 'shape' ->> 'resource', 'read'),
    string_agg(', ' || quote_nullable(value), '' order by place))
  into call
  from json_array_elements_text($1 -> 'values') with ordinality as given (value, place);
  execute call into answer;
  return answer;
end;
$$;

grant execute on function crm.ids_with_text(text, text[]), crm.ids_with_tags(text, text[]),
  crm.render_condition(text, jsonb), crm.render_read(jsonb), api.read_records(json) to crm_api;

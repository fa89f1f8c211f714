-- The one read path. The API sends what it parsed from the URL or the search body as a plan; this
-- file turns the plan into one query, run with the caller's rights under row-level security.
-- Names reach the query through %I, values as parameters: no value can change what is asked.

-- Statements -----------------------------------------------------------------------------------

-- Queries are built from the facts that the API sends, and planning is the larger part of a short one.
-- Sessions belong to PostgREST's pool and requests repeat few shapes, so each session prepares a shape
-- once. That it did is noted in a setting of the session: asking pg_prepared_statements, or trying and
-- catching the failure, costs more than a short read.
create function crm.is_prepared(statement text) returns boolean
language sql stable
as $$
  select coalesce(current_setting('crm.' || statement, true), '') <> '';
$$;

-- Prepares a query and answers the name to execute it by. A session keeps the first hundred; the
-- others take turns in one statement, so that no caller can fill the memory of a session.
create function crm.prepare(statement text, parameter_types text, query text) returns text
language plpgsql
set search_path = ''
as $$
begin
  if (select count(*) from pg_catalog.pg_prepared_statements where from_sql) >= 100 then
    statement := 'another';
  end if;
  if exists (select from pg_catalog.pg_prepared_statements as prepared where prepared.name = prepare.statement) then
    execute format('deallocate %I', statement);
  end if;
  execute format('prepare %I (%s) as %s', statement, parameter_types, query);
  if statement <> 'another' then
    perform set_config('crm.' || statement, 'prepared', false);
  end if;
  return statement;
end;
$$;

grant execute on function crm.is_prepared(text), crm.prepare(text, text, text) to crm_api;

-- Queries -------------------------------------------------------------------------------------

-- A condition of the plan as SQL; "value" is the number of a parameter, or a list of them. Inner
-- nodes: {"and": […]}, {"or": […]}, {"not": …}. Leaves:
--   {"column", "op": "eq|ne|gt|gte|lt|lte", "value"}      ne is true for null, as a person means it
--   {"column", "op": "in|nin", "value": […]}
--   {"column", "op": "null|not_null"}
--   {"column", "op": "like", "value"}                     of the folded column: no case, no accents
--   {"op": "text", "value"}                               search_text, which is folded, matches a pattern
--   {"op": "has_any|has_none", "value"}                   tags overlap with a text[]
--   {"row": […columns], "op": "lt|gt", "value": […]}      a keyset bound, as one row comparison
--   {"related", "column", "where", "few"}                 a related record in that table satisfies `where`; few:
--                                                         its ids are looked up first, for an index on `column`, and
--                                                         more than 1,000 of them tell nothing: a list that long
--                                                         would be compared with row by row
--   {"custom": field, "kind", "op", "value"}              the record has such a value of the custom field, whose
--                                                         number of a parameter `field` is; "negated" if it must not
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
  if node ? 'related' then
    list := format('select id from crm.%I where workspace_id = $1 and deleted_at is null and %s', node ->> 'related', crm.render_condition(node -> 'where'));
    return case
      when (node -> 'few')::boolean then format(
        '(%I = any (array(select id from (select id, count(*) over () as found from (%s limit 1001) as first) as counted where found <= 1000)))',
        node ->> 'column', list)
      else format('(%I in (%s))', node ->> 'column', list)
    end;
  elsif node ? 'custom' then
    return format('(id %s (select record_id from crm.custom_values where field_id = $%s and workspace_id = $1%s))',
      case when (node -> 'negated')::boolean then 'not in' else 'in' end, node ->> 'custom',
      ' and ' || crm.render_condition(node - 'custom' - 'negated' || jsonb_build_object('column', (node ->> 'kind') || '_value')));
  end if;
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

-- The table that a segment walks. Custom fields that it is sorted by are columns of it: {"name", "field",
-- "kind", "use"}, where a walk over the values themselves ("values") serves the records that have one, in
-- the order of an index; "none" is the records without one, "look up" is for fields after the first.
create function crm.render_source(resource text, custom jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  kind text;
  source text := format('crm.%I as record', resource);
  columns text := 'record.*';
  conditions text := 'true';
  sort jsonb;
begin
  if custom is null then
    return format('crm.%I', resource);
  end if;
  for sort in select jsonb_array_elements(custom) loop
    kind := case sort ->> 'kind' when 'number' then 'numeric' when 'time' then 'timestamptz' else 'text' end;
    case sort ->> 'use'
      when 'values' then
        source := format('crm.custom_values as value join %s on record.id = value.record_id', source);
        columns := columns || format(', value.%I as %I, value.record_id as custom_record_id', (sort ->> 'kind') || '_value', sort ->> 'name');
        conditions := conditions || format(' and value.field_id = $%s', sort ->> 'field');
      when 'none' then
        columns := columns || format(', null::%s as %I, null::uuid as custom_record_id', kind, sort ->> 'name');
        conditions := conditions || format(
          ' and not exists (select from crm.custom_values as other where other.field_id = $%s and other.record_id = record.id)', sort ->> 'field');
      when 'look up' then
        columns := columns || format(
          ', (select other.%I from crm.custom_values as other where other.field_id = $%s and other.record_id = record.id) as %I',
          (sort ->> 'kind') || '_value', sort ->> 'field', sort ->> 'name');
    end case;
  end loop;
  return format('(select %s from %s where %s) as sorted', columns, source, conditions);
end;
$$;

-- The query of a plan's shape.
create function crm.render_read(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  resource constant text := shape ->> 'resource';
  live constant text := case when exists (
    select from pg_catalog.pg_attribute where attrelid = format('crm.%I', resource)::regclass and attname = 'deleted_at'
  ) then 'workspace_id = $1 and deleted_at is null' else 'workspace_id = $1' end;
  output text := crm.render_columns(resource, 'record', array(select jsonb_array_elements_text(shape -> 'columns')));
  pages text;
  total text := 'null';
begin
  select output || coalesce(string_agg(format(', record.%1$I::text as %1$I', name), ''), '') into output
  from jsonb_array_elements_text(shape -> 'custom_columns') as name;

  select output || coalesce(string_agg(format(
    ', (select row_to_json(related) from (
         select %s from crm.%I as related
         where related.id = record.%I and related.workspace_id = $1 and related.deleted_at is null
       ) as related) as %I',
    crm.render_columns(include ->> 'resource', 'related', array(select jsonb_array_elements_text(include -> 'columns'))),
    include ->> 'resource', include ->> 'column', include ->> 'as'), ''), '')
  into output
  from jsonb_array_elements(shape -> 'include') as include;

  select string_agg(format('(select * from %s where %s%s order by %s limit %s)',
    crm.render_source(resource, segment -> 'custom'), live,
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
    total := format('(select count(*) from crm.%I where %s%s)', resource, live, ' and ' || crm.render_condition(shape -> 'total' -> 'where'));
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
  return crm.run_read('search_', plan, crm.require_workspace(plan -> 'shape' ->> 'scope', 'read'));
end;
$$;

-- One page, and the total when asked for. The argument is {"shape", "values"}: what the query looks
-- like, and the parameters it runs with, $2 being the first of them.
--
--   resource   table in crm
--   scope      the resource whose read scope it takes
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
  return crm.run_read('read_', $1, crm.require_workspace($1 -> 'shape' ->> 'scope', 'read'));
end;
$$;

grant execute on function crm.render_condition(jsonb), crm.render_source(text, jsonb), crm.render_read(jsonb), crm.run_read(text, json, uuid),
  crm.run_search(json), api.read_records(json) to crm_api;

-- The one read path. The API sends what it parsed from the URL or the search body as a plan; this
-- file turns the plan into one query, run with the caller's rights under row-level security.
-- Names reach the query through %I, values as parameters: no value can change what is asked.

-- Statements -----------------------------------------------------------------------------------

-- Queries are built from the facts that the API sends, and planning is the larger part of a short one.
-- Sessions belong to PostgREST's pool and requests repeat few shapes, so each session prepares a shape
-- once. Which ones it has is noted in a setting of the session, newest last: asking pg_prepared_statements, or
-- trying and catching the failure, costs more than a short read.
create function crm.is_prepared(statement text) returns boolean
language sql stable
as $$
  select strpos(' ' || coalesce(current_setting('crm.prepared', true), '') || ' ', ' ' || statement || ' ') > 0;
$$;

-- Prepares a query and answers the name to execute it by. A session keeps the last hundred that are not too long, so
-- that no caller can fill its memory, and what others ask often is soon there again; a long one is kept for one use.
-- A setting is undone with its transaction and a statement is not: only statements that no setting names any more
-- are dropped, so that none is ever missing.
create function crm.prepare(statement text, parameter_types text, query text) returns text
language plpgsql
set search_path = ''
as $$
declare
  max_statements constant integer := 100;
  max_length constant integer := 12000;
  kept text[] := coalesce(string_to_array(nullif(current_setting('crm.prepared', true), ''), ' '), '{}');
  orphan text;
begin
  for orphan in select name from pg_catalog.pg_prepared_statements where from_sql and name <> all (kept) loop
    execute format('deallocate %I', orphan);
  end loop;
  if length(query) > max_length then
    statement := 'another';
  else
    if cardinality(kept) >= max_statements then
      kept := kept[cardinality(kept) - max_statements * 4 / 5 + 1:];
    end if;
    perform set_config('crm.prepared', array_to_string(kept || statement, ' '), false);
  end if;
  execute format('prepare %I (%s) as %s', statement, parameter_types, query);
  return statement;
end;
$$;

grant execute on function crm.is_prepared(text), crm.prepare(text, text, text) to crm_api;

-- Prices ---------------------------------------------------------------------------------------

-- Takes one of the two places that a workspace has for what is dear, over all sessions, until the transaction ends.
create function crm.take_heavy_place(workspace uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  for place in 1..2 loop
    if pg_try_advisory_xact_lock(hashtextextended(format('heavy:%s:%s', workspace, place), 0)) then
      return;
    end if;
  end loop;
  perform crm.fail('too_many_concurrent_requests');
end;
$$;

-- What a query may cost, in the planner's units, before it is run: too much is refused, much takes one of the
-- workspace's heavy places.
create function crm.weigh(call text, workspace uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  heavy constant numeric := 3000;
  hopeless constant numeric := 150000;
  plan json;
  cost numeric;
begin
  execute 'explain (format json) ' || call into plan;
  cost := plan -> 0 -> 'Plan' ->> 'Total Cost';
  if cost > hopeless then
    perform crm.fail('query_too_expensive', '{"reason": "estimated"}');
  elsif cost > heavy then
    perform crm.take_heavy_place(workspace);
  end if;
end;
$$;

grant execute on function crm.take_heavy_place(uuid), crm.weigh(text, uuid) to crm_api;

-- Queries -------------------------------------------------------------------------------------

-- Only the function sends plans, but nothing here relies on that: what names a resource, a column, an operator or a
-- parameter is looked up or is an error, and no text of a plan becomes SQL.
create function crm.malformed(what text) returns void
language plpgsql
set search_path = ''
as $$
begin
  raise exception using errcode = '22023', message = 'malformed plan', detail = what;
end;
$$;

-- A resource that plans may name.
create function crm.resource_of(name text) returns crm.resources
language plpgsql stable security definer
set search_path = ''
as $$
declare
  found crm.resources;
begin
  select * into found from crm.resources where resources.name = resource_of.name;
  if found.name is null then
    perform crm.malformed('resource');
  end if;
  return found;
end;
$$;

-- $n, of the number of a parameter.
create function crm.parameter(number jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  if number is null or jsonb_typeof(number) <> 'number' or number::text !~ '^[1-9][0-9]{0,3}$' then
    perform crm.malformed('parameter');
  end if;
  return '$' || number::text;
end;
$$;

-- A condition of the plan as SQL; "value" is the number of a parameter. Inner nodes: {"and": […]}, {"or": […]},
-- {"not": …}. Leaves:
--   {"column", "op": "eq|ne|gt|gte|lt|lte", "value"}      ne is true for null, as a person means it
--   {"column", "op": "in|nin", "value"}                   the parameter is a list
--   {"column", "op": "null|not_null"}
--   {"column", "op": "like", "value"}                     of a folded column
--   {"op": "text", "value"}                               search_text matches a pattern
--   {"op": "filter", "match": "like|regex", "value"}      filter_text matches a pattern, which names the field
--   {"op": "has_any|has_none", "value"}                   tags overlap with a list
--   {"op": "has_contact", "value"}                        a deal's primary or other contact
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
  rendered text;
begin
  if node is null or node = 'null' then
    return 'true'; -- there is none
  elsif jsonb_typeof(node) <> 'object' or node = '{}' or (node ? 'and' and node ? 'or') then
    perform crm.malformed('condition');
  elsif node ? 'and' or node ? 'or' then
    select string_agg(crm.render_condition(child), case when node ? 'and' then ' and ' else ' or ' end)
    into rendered
    from jsonb_array_elements(coalesce(node -> 'and', node -> 'or')) as child;
    return '(' || coalesce(rendered, (node ? 'and')::text) || ')';
  elsif node ? 'not' then
    return '(not coalesce(' || crm.render_condition(node -> 'not') || ', false))';
  elsif node ? 'related' then
    rendered := format('select id from crm.%I where workspace_id = $1 and deleted_at is null and %s',
      (crm.resource_of(node ->> 'related')).name, crm.render_condition(node -> 'where'));
    return case
      when (node -> 'few')::boolean then format(
        '(%s = any (array(select id from (select id, count(*) over () as found from (%s limit 1001) as first) as counted where found <= 1000)))',
        name, rendered)
      else format('(%s in (%s))', name, rendered)
    end;
  elsif node ? 'custom' then
    if node ->> 'kind' not in ('text', 'fold', 'number', 'time') then
      perform crm.malformed('kind');
    end if;
    return format('(id %s (select record_id from crm.custom_values where field_id = %s and workspace_id = $1 and %s))',
      case when (node -> 'negated')::boolean then 'not in' else 'in' end, crm.parameter(node -> 'custom'),
      crm.render_condition(node - 'custom' - 'negated' || jsonb_build_object('column', (node ->> 'kind') || '_value')));
  elsif node ? 'row' then
    if coalesce(op, '') not in ('lt', 'gt') or jsonb_array_length(node -> 'row') <> jsonb_array_length(node -> 'value') then
      perform crm.malformed('row');
    end if;
    return format('((%s) %s (%s))',
      (select string_agg(quote_ident(member), ', ') from jsonb_array_elements_text(node -> 'row') as member),
      case op when 'gt' then '>' else '<' end,
      (select string_agg(crm.parameter(number), ', ') from jsonb_array_elements(node -> 'value') as number));
  end if;

  rendered := case op
    when 'null' then name || ' is null'
    when 'not_null' then name || ' is not null'
    when 'in' then name || ' = any (' || crm.parameter(node -> 'value') || ')'
    when 'nin' then name || ' is null or ' || name || ' <> all (' || crm.parameter(node -> 'value') || ')'
    when 'like' then name || ' like ' || crm.parameter(node -> 'value')
    when 'text' then 'search_text like ' || crm.parameter(node -> 'value')
    when 'filter' then case node ->> 'match' when 'like' then 'filter_text like ' when 'regex' then 'filter_text ~ ' end
      || crm.parameter(node -> 'value')
    when 'has_any' then 'tags && crm.spelled($1, ' || crm.parameter(node -> 'value') || ')'
    when 'has_none' then 'not tags && crm.spelled($1, ' || crm.parameter(node -> 'value') || ')'
    when 'has_contact' then replace('primary_contact_id = $n::uuid or contacts @> jsonb_build_array(jsonb_build_object(''contact_id'', $n::uuid))',
      '$n', crm.parameter(node -> 'value'))
    when 'eq' then name || ' = ' || crm.parameter(node -> 'value')
    when 'ne' then name || ' is null or ' || name || ' <> ' || crm.parameter(node -> 'value')
    when 'gt' then name || ' > ' || crm.parameter(node -> 'value')
    when 'gte' then name || ' >= ' || crm.parameter(node -> 'value')
    when 'lt' then name || ' < ' || crm.parameter(node -> 'value')
    when 'lte' then name || ' <= ' || crm.parameter(node -> 'value')
  end;
  if rendered is null then
    perform crm.malformed('operator');
  end if;
  return '(' || rendered || ')';
end;
$$;

-- The order of a segment: [["column", "asc" | "desc" | "desc_nulls_last"], …].
create function crm.render_order(sorts jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  sort jsonb;
  rendered text[] := '{}';
begin
  for sort in select jsonb_array_elements(sorts) loop
    rendered := rendered || (quote_ident(sort ->> 0)
      || case sort ->> 1 when 'asc' then ' asc' when 'desc' then ' desc' when 'desc_nulls_last' then ' desc nulls last' end);
  end loop;
  if rendered = '{}' or array_position(rendered, null) is not null then
    perform crm.malformed('order');
  end if;
  return array_to_string(rendered, ', ');
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
  elsif exists (select from jsonb_array_elements(custom) as given where given ->> 'kind' not in ('text', 'number', 'time')) then
    perform crm.malformed('kind');
  end if;
  for sort in select jsonb_array_elements(custom) loop
    kind := case sort ->> 'kind' when 'number' then 'numeric' when 'time' then 'timestamptz' else 'text' end;
    case sort ->> 'use'
      when 'values' then
        source := format('crm.custom_values as value join %s on record.id = value.record_id', source);
        columns := columns || format(', value.%I as %I, value.record_id as custom_record_id', (sort ->> 'kind') || '_value', sort ->> 'name');
        conditions := conditions || format(' and value.field_id = %s', crm.parameter(sort -> 'field'));
      when 'none' then
        columns := columns || format(', null::%s as %I, null::uuid as custom_record_id', kind, sort ->> 'name');
        conditions := conditions || format(
          ' and not exists (select from crm.custom_values as other where other.field_id = %s and other.record_id = record.id)', crm.parameter(sort -> 'field'));
      when 'look up' then
        columns := columns || format(
          ', (select other.%I from crm.custom_values as other where other.field_id = %s and other.record_id = record.id) as %I',
          (sort ->> 'kind') || '_value', crm.parameter(sort -> 'field'), sort ->> 'name');
      else
        perform crm.malformed('use');
    end case;
  end loop;
  return format('(select %s from %s where %s) as sorted', columns, source, conditions);
end;
$$;

-- The rows of a plan that its "deleted" asks for: each part has indexes of its own, so each is walked for itself.
create function crm.parts_of(resource text, deleted text) returns text[]
language sql stable
set search_path = ''
as $$
  select case
    when not exists (
      select from pg_catalog.pg_attribute where attrelid = format('crm.%I', resource)::regclass and attname = 'deleted_at'
    ) then array['true']
    when deleted = 'only' then array['deleted_at > now() - interval ''90 days''']
    when deleted = 'include' then array['deleted_at is null', 'deleted_at > now() - interval ''90 days''']
    else array['deleted_at is null']
  end;
$$;

-- The rows of a plan's segments, in order. How many are asked for at most, 101 or an export's 2,001, is a constant,
-- which tells the planner to walk an index; how many there are to be is $2.
create function crm.render_page(shape jsonb, max_rows integer) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  resource constant text := (crm.resource_of(shape ->> 'resource')).name;
  segment jsonb;
  pages text[] := '{}';
  walks text[];
begin
  for segment in select jsonb_array_elements(shape -> 'segments') loop
    walks := array(
      select format('(select * from %s where workspace_id = $1 and %s and %s order by %s limit %s)',
        crm.render_source(resource, segment -> 'custom'), part, crm.render_condition(segment -> 'where'),
        crm.render_order(segment -> 'order'), max_rows)
      from unnest(crm.parts_of(resource, shape ->> 'deleted')) as part
    );
    pages := pages || case cardinality(walks)
      when 1 then walks[1]
      else format('(select * from (%s) as parts order by %s limit %s)',
        array_to_string(walks, ' union all '), crm.render_order(segment -> 'order'), max_rows)
    end;
  end loop;
  if pages = '{}' then
    perform crm.malformed('segments');
  end if;
  return array_to_string(pages, ' union all ');
end;
$$;

-- The total of a plan; null when it asks for none.
create function crm.render_total(resource text, shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  total constant jsonb := shape -> 'total';
begin
  if total is null then
    return 'null';
  elsif not total ? 'tally' then
    return format('(select count(*) from crm.%I where workspace_id = $1 and (%s) and %s)', resource,
      array_to_string(crm.parts_of(resource, shape ->> 'deleted'), ' or '), crm.render_condition(total -> 'where'));
  elsif starts_with(total ->> 'tally', resource || '_by_') then
    return format('(select coalesce(sum(records), 0) from crm.%I where workspace_id = $1 and %s)',
      total ->> 'tally', crm.render_condition(total -> 'where'));
  end if;
  perform crm.malformed('tally');
end;
$$;

-- The query of a plan's shape. A page ends early at 2 MB, with one row at least.
create function crm.render_read(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  resource constant text := (crm.resource_of(shape ->> 'resource')).name;
  output text := crm.render_columns(resource, 'record', array(select jsonb_array_elements_text(shape -> 'columns')));
begin
  select output || coalesce(string_agg(format(', record.%1$I::text as %1$I', name), ''), '') into output
  from jsonb_array_elements_text(shape -> 'custom_columns') as name;

  select output || coalesce(string_agg(format(
    ', (select row_to_json(related) from (
         select %s from crm.%I as related
         where related.id = record.%I and related.workspace_id = $1 and related.deleted_at is null
       ) as related) as %I',
    crm.render_columns(include ->> 'resource', 'related', array(select jsonb_array_elements_text(include -> 'columns'))),
    (crm.resource_of(include ->> 'resource')).name, include ->> 'column', include ->> 'as'), ''), '')
  into output
  from jsonb_array_elements(shape -> 'include') as include;

  return format($query$
    select json_build_object(
      'rows', coalesce(json_agg(line) filter (where fits), '[]'),
      'cut', coalesce(not bool_and(fits), false),
      'total', %s)
    from (
      select line, sum(octet_length(line::text)) over (rows unbounded preceding) - octet_length(line::text) < 2 * 1024 * 1024 as fits
      from (select row_to_json(page) as line from (select %s from (%s) as record limit $2) as page) as lines
    ) as sized
  $query$, crm.render_total(resource, shape), output, crm.render_page(shape, 101));
end;
$$;

-- The call of a plan's query: $1 is the workspace, the plan's values are $2 and those after it.
create function crm.render_call(statement text, plan json, workspace uuid) returns text
language sql stable
set search_path = ''
as $$
  select format('execute %I (%L%s)', statement, workspace, string_agg(', ' || quote_nullable(value), '' order by place))
  from json_array_elements_text(plan -> 'values') with ordinality as given (value, place);
$$;

-- Runs a plan's query with the rights of whoever calls this.
create function crm.run_read(kind text, plan json, workspace uuid, weighed boolean default false) returns json
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
  call := crm.render_call(statement, plan, workspace);
  if weighed then
    perform crm.weigh(call, workspace);
  end if;
  execute call into answer;
  return answer;
end;
$$;

-- The workspace in which the request may read what a plan names: its resource and those that it reaches into.
create function crm.workspace_of_plan(shape jsonb) returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  workspace constant uuid := crm.require_workspace((crm.resource_of(shape ->> 'resource')).scope, 'read');
  named text;
begin
  for named in
    select related #>> '{}' from jsonb_path_query(shape, '$.**.related') as related
    union
    select include ->> 'resource' from jsonb_array_elements(shape -> 'include') as include
  loop
    perform crm.require_workspace((crm.resource_of(named)).scope, 'read');
  end loop;
  return workspace;
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
  return crm.run_read('search_', plan, crm.workspace_of_plan((plan -> 'shape')::jsonb), true);
end;
$$;

-- One page, and the total when asked for. The argument is {"shape", "values"}: what the query looks
-- like, and the parameters it runs with: $2 is the first of them, and how many rows at most.
--
--   resource   one of crm.resources, whose read scope it takes
--   columns    […] what to return
--   include    [{"as", "resource", "column", "columns"}] related records, by their id in `column`
--   segments   [{"where", "order": [["column", "asc" | "desc" | "desc_nulls_last"], …]}] walked one
--              after the other: a nullable sort is two segments, so that one index serves both
--              directions; `desc nulls last` fits no index and is for fields after the first
--   deleted    "only" | "include" what was deleted in the last 90 days
--   total      {"tally", "where"} adds up the cells of a tally, {"where"} counts rows, absent leaves it out
--   search     true when a condition looks into text or arrays
--
-- Answers {"rows": […], "cut": whether the page ended for its size, "total": n | null}. Volatile, because only
-- volatile functions may prepare. PostgREST applies the timeout to the transaction before it calls.
create function api.read_records(json) returns json
language plpgsql
set search_path = ''
set statement_timeout = '2s'
as $$
begin
  if ($1 -> 'shape' ->> 'search')::boolean then
    return crm.run_search($1);
  end if;
  return crm.run_read('read_', $1, crm.workspace_of_plan(($1 -> 'shape')::jsonb));
end;
$$;

grant execute on function crm.malformed(text), crm.resource_of(text), crm.parameter(jsonb), crm.render_condition(jsonb), crm.render_order(jsonb),
  crm.render_source(text, jsonb), crm.parts_of(text, text), crm.render_page(jsonb, integer), crm.render_total(text, jsonb), crm.render_read(jsonb),
  crm.render_call(text, json, uuid), crm.run_read(text, json, uuid, boolean), crm.workspace_of_plan(jsonb), crm.run_search(json),
  api.read_records(json) to crm_api;

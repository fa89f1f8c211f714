-- The one read path. The API sends what it parsed from the URL or the search body as a plan; this
-- file turns the plan into one query, run with the caller's rights under row-level security.
-- Names reach the query through %I, values as parameters: no value can change what is asked.

-- Statements -----------------------------------------------------------------------------------

-- Queries are built from the facts that the API sends, and planning is the larger part of a short one.
-- Sessions belong to PostgREST's pool and requests repeat few shapes, so each session prepares a shape
-- once. Which ones it has is noted in a setting of the session, newest last: asking pg_prepared_statements, or
-- trying and catching the failure, costs more than a short read.
-- The name of a statement: of its kind and whatever else makes it what it is. What callers send is part of that, so
-- nobody must be able to find two that share a name.
create function crm.statement_name(kind text, shape text) returns text
language sql immutable
set search_path = ''
as $$
  select kind || '_' || encode(sha256(convert_to(shape, 'UTF8')), 'base64');
$$;

-- Whether the session has the statement. One that was used is moved behind the newest, unless it is among those.
create function crm.is_prepared(statement text) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  kept constant text := ' ' || coalesce(current_setting('crm.prepared', true), '') || ' ';
  place constant integer := strpos(kept, ' ' || statement || ' ');
begin
  if place > 0 and place < length(kept) / 2 then
    perform set_config('crm.prepared', btrim(overlay(kept placing '' from place for length(statement) + 1)) || ' ' || statement, false);
  end if;
  return place > 0;
end;
$$;

-- Prepares a query and answers the name to execute it by. A session keeps the hundred that were used last and are not
-- too long, so that no caller can fill its memory; a long one is kept for one use.
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

grant execute on function crm.statement_name(text, text), crm.is_prepared(text), crm.prepare(text, text, text) to crm_api;

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
-- workspace's heavy places. docs/adr/0009 has what was measured.
create function crm.weigh(call text, workspace uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  heavy constant numeric := 6000;
  hopeless constant numeric := 500000;
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

-- Plans ---------------------------------------------------------------------------------------

-- Only the function sends plans, but nothing here relies on that: what a plan names is looked up, what it has beside
-- that is an error, and no text of it becomes SQL.
create function crm.malformed(what text) returns void
language plpgsql
set search_path = ''
as $$
begin
  raise exception using errcode = '22023', message = 'malformed plan', detail = what;
end;
$$;

-- Refuses an object that has other members than these: an unknown word must not be what silently drops a condition.
create function crm.allow_only(given jsonb, variadic names text[]) returns void
language plpgsql
set search_path = ''
as $$
begin
  if jsonb_typeof(given) is distinct from 'object' then
    perform crm.malformed('no object');
  elsif given - names <> '{}' then
    perform crm.malformed('unknown member');
  end if;
end;
$$;

-- A name that a plan gives to a column of its answer.
create function crm.given_name(name text) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  if name is null or name !~ '^[a-z][a-z0-9_]{0,62}$' then
    perform crm.malformed('name');
  end if;
  return quote_ident(name);
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

-- The columns of a resource that plans may name: those that it shows, and those that are computed for it by
-- crm.<resource>_<name>(workspace_id, id).
create function crm.columns_of(source crm.resources) returns text[]
language plpgsql stable -- keeps its plan, as a session asks this for every query that it renders
set search_path = ''
as $$
begin
  return array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', source.name)::regclass and attnum > 0 and not attisdropped
      and attname <> all (source.internal || '{workspace_id, search_text, filter_text}'::text[]) and attname not like '%\_key'
    union all
    select substring(proname from length(source.name) + 2) from pg_catalog.pg_proc
    where proname between (source.name || '_')::name and (source.name || '_~')::name -- a range of the index of names
      and pronamespace = 'crm'::regnamespace and oidvectortypes(proargtypes) = 'uuid, uuid'
  );
end;
$$;

-- What conditions and orders may look at: the columns that are no computation, the forms in which they are compared
-- (<column>_key), and what is searched, which is no column to compare.
create function crm.comparable_of(source crm.resources) returns text[]
language plpgsql stable
set search_path = ''
as $$
declare
  columns constant text[] := crm.columns_of(source); -- looked up once, not for each attribute
begin
  return array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = format('crm.%I', source.name)::regclass and attnum > 0 and not attisdropped
      and (attname in ('search_text', 'filter_text') or regexp_replace(attname, '_key$', '') = any (columns))
  );
end;
$$;

-- Columns as a plan asks for them, all of which must be there. A cursor takes what was compared (<column>_key) along.
create function crm.render_shown(source crm.resources, alias text, given jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  names constant text[] := array(select jsonb_array_elements_text(given));
begin
  if names = '{}' or names && '{search_text, filter_text}' or not coalesce(names <@ (crm.columns_of(source) || crm.comparable_of(source)), false) then
    perform crm.malformed('columns');
  end if;
  return crm.render_columns(source.name, alias, names);
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

-- A column of those that may be compared.
create function crm.compared(name text, comparable text[]) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  if name in ('search_text', 'filter_text') or not coalesce(name = any (comparable), false) then
    perform crm.malformed('column');
  end if;
  return quote_ident(name);
end;
$$;

-- A condition of the plan as SQL, over columns of those that are comparable; "value" is the number of a parameter. Inner
-- nodes: {"and": […]}, {"or": […]}, {"not": …}. Leaves:
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
create function crm.render_condition(node jsonb, comparable text[]) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  op constant text := node ->> 'op';
  needs constant text := case op
    when 'text' then 'search_text' when 'filter' then 'filter_text'
    when 'has_any' then 'tags' when 'has_none' then 'tags' when 'has_contact' then 'primary_contact_id'
  end;
  related crm.resources;
  name text;
  value text;
  rendered text;
begin
  if node is null or node = 'null' then
    return 'true'; -- there is none
  elsif node = '{}' then
    perform crm.malformed('condition');
  elsif node ? 'and' or node ? 'or' then
    perform crm.allow_only(node, case when node ? 'and' then 'and' else 'or' end);
    select string_agg(crm.render_condition(child, comparable), case when node ? 'and' then ' and ' else ' or ' end)
    into rendered
    from jsonb_array_elements(coalesce(node -> 'and', node -> 'or')) as child;
    return '(' || coalesce(rendered, (node ? 'and')::text) || ')';
  elsif node ? 'not' then
    perform crm.allow_only(node, 'not');
    return '(not coalesce(' || crm.render_condition(node -> 'not', comparable) || ', false))';
  elsif node ? 'related' then
    perform crm.allow_only(node, 'related', 'column', 'where', 'few');
    related := crm.resource_of(node ->> 'related');
    name := crm.compared(node ->> 'column', comparable);
    rendered := format('select id from crm.%I where workspace_id = $1 and %s and %s',
      related.name, (crm.parts_of(related.name, null))[1], crm.render_condition(node -> 'where', crm.comparable_of(related)));
    return case
      when (node -> 'few')::boolean then format(
        '(%s = any (array(select id from (select id, count(*) over () as found from (%s limit 1001) as first) as counted where found <= 1000)))',
        name, rendered)
      else format('(%s in (%s))', name, rendered)
    end;
  elsif node ? 'custom' then
    perform crm.allow_only(node, 'custom', 'kind', 'negated', 'op', 'value');
    return format('(id %s (select record_id from crm.custom_values where field_id = %s and workspace_id = $1 and %s))',
      case when (node -> 'negated')::boolean then 'not in' else 'in' end, crm.parameter(node -> 'custom'),
      crm.render_condition(node - 'custom' - 'negated' - 'kind' || jsonb_build_object('column', (node ->> 'kind') || '_value'),
        '{text_value, fold_value, number_value, time_value}'));
  elsif node ? 'row' then
    perform crm.allow_only(node, 'row', 'op', 'value');
    if coalesce(op, '') not in ('lt', 'gt') or node -> 'row' = '[]'
      or jsonb_array_length(node -> 'row') is distinct from jsonb_array_length(node -> 'value') then
      perform crm.malformed('row');
    end if;
    return format('((%s) %s (%s))',
      (select string_agg(crm.compared(member, comparable), ', ') from jsonb_array_elements_text(node -> 'row') as member),
      case op when 'gt' then '>' else '<' end,
      (select string_agg(crm.parameter(number), ', ') from jsonb_array_elements(node -> 'value') as number));
  end if;

  case
    when needs is not null then
      if op = 'filter' then
        perform crm.allow_only(node, 'op', 'match', 'value');
      else
        perform crm.allow_only(node, 'op', 'value');
      end if;
      if needs <> all (comparable) then
        perform crm.malformed('operator');
      end if;
    when op in ('null', 'not_null') then
      perform crm.allow_only(node, 'column', 'op');
      name := crm.compared(node ->> 'column', comparable);
    else
      perform crm.allow_only(node, 'column', 'op', 'value');
      name := crm.compared(node ->> 'column', comparable);
  end case;
  value := case when op not in ('null', 'not_null') then crm.parameter(node -> 'value') end;
  rendered := case op
    when 'null' then name || ' is null'
    when 'not_null' then name || ' is not null'
    when 'in' then name || ' = any (' || value || ')'
    when 'nin' then name || ' is null or ' || name || ' <> all (' || value || ')'
    when 'like' then name || ' like ' || value
    when 'text' then 'search_text like ' || value
    when 'filter' then case node ->> 'match' when 'like' then 'filter_text like ' when 'regex' then 'filter_text ~ ' end || value
    when 'has_any' then 'tags && crm.spelled($1, ' || value || ')'
    when 'has_none' then 'not tags && (select crm.spelled($1, ' || value || '))' -- once, not for each record
    when 'has_contact' then replace(
      'primary_contact_id = $n::uuid or contacts @> jsonb_build_array(jsonb_build_object(''contact_id'', $n::uuid))', '$n', value)
    when 'eq' then name || ' = ' || value
    when 'ne' then name || ' is null or ' || name || ' <> ' || value
    when 'gt' then name || ' > ' || value
    when 'gte' then name || ' >= ' || value
    when 'lt' then name || ' < ' || value
    when 'lte' then name || ' <= ' || value
  end;
  if rendered is null then
    perform crm.malformed('operator');
  end if;
  return '(' || rendered || ')';
end;
$$;

-- The order of a segment: [["column", "asc" | "desc" | "desc_nulls_last"], …].
create function crm.render_order(sorts jsonb, comparable text[]) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  sort jsonb;
  rendered text[] := '{}';
begin
  for sort in select jsonb_array_elements(sorts) loop
    if jsonb_array_length(sort) <> 2 then
      perform crm.malformed('order');
    end if;
    rendered := rendered || (crm.compared(sort ->> 0, comparable)
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
  source text := format('crm.%I as record', resource);
  columns text := 'record.*';
  conditions text := 'true';
  is_first boolean := true;
  name text;
  kind text;
  field text;
  value_column text;
  sort jsonb;
begin
  if custom is null then
    return format('crm.%I', resource);
  end if;
  for sort in select jsonb_array_elements(custom) loop
    perform crm.allow_only(sort, 'name', 'field', 'kind', 'use');
    name := crm.given_name(sort ->> 'name');
    field := crm.parameter(sort -> 'field');
    kind := case sort ->> 'kind' when 'number' then 'numeric' when 'time' then 'timestamptz' when 'text' then 'text' end;
    value_column := (sort ->> 'kind') || '_value';
    if kind is null or name !~ '^custom_[0-9]$' then
      perform crm.malformed('kind');
    elsif sort ->> 'use' = 'look up' then
      columns := columns || format(
        ', (select other.%I from crm.custom_values as other where other.field_id = %s and other.record_id = record.id) as %s', value_column, field, name);
    elsif not is_first then
      perform crm.malformed('use');
    elsif sort ->> 'use' = 'values' then
      source := format('crm.custom_values as value join %s on record.id = value.record_id', source);
      columns := columns || format(', value.%I as %s, value.record_id as custom_record_id', value_column, name);
      conditions := conditions || format(' and value.field_id = %s', field);
    elsif sort ->> 'use' = 'none' then
      columns := columns || format(', null::%s as %s, null::uuid as custom_record_id', kind, name);
      conditions := conditions || format(
        ' and not exists (select from crm.custom_values as other where other.field_id = %s and other.record_id = record.id)', field);
    else
      perform crm.malformed('use');
    end if;
    is_first := false;
  end loop;
  return format('(select %s from %s where %s) as sorted', columns, source, conditions);
end;
$$;

-- The rows of a plan that its "deleted" asks for: each part has indexes of its own, so each is walked for itself.
create function crm.parts_of(resource text, deleted text) returns text[]
language plpgsql stable
set search_path = ''
as $$
declare
  live constant text := 'deleted_at is null';
  gone constant text := 'deleted_at > now() - interval ''90 days''';
  is_deletable constant boolean := exists (
    select from pg_catalog.pg_attribute where attrelid = format('crm.%I', resource)::regclass and attname = 'deleted_at'
  );
begin
  if deleted is null then
    return array[case when is_deletable then live else 'true' end];
  elsif not is_deletable or deleted not in ('only', 'include') then
    perform crm.malformed('deleted');
  end if;
  return case deleted when 'only' then array[gone] else array[live, gone] end;
end;
$$;

-- The names of the custom fields that a plan's segments are sorted by, which are columns of all of them or of none.
create function crm.custom_names(shape jsonb) returns text[]
language plpgsql stable
set search_path = ''
as $$
declare
  found jsonb;
  different integer;
begin
  select min(signature::text)::jsonb, count(distinct signature) into found, different
  from (
    select coalesce(jsonb_path_query_array(segment, '$.custom[*].name'), '[]') || coalesce(jsonb_path_query_array(segment, '$.custom[*].kind'), '[]')
      || to_jsonb(segment -> 'custom' -> 0 ->> 'use' is distinct from 'look up') as signature
    from jsonb_array_elements(shape -> 'segments') as segment
  ) as signatures;
  if different > 1 then
    perform crm.malformed('custom');
  end if;
  return array(select name #>> '{}' from jsonb_path_query(shape, '$.segments[0].custom[*].name') as name);
end;
$$;

-- The rows of a plan's segments, in order. How many are asked for at most, 101 or an export's 2,001, is a constant,
-- which tells the planner to walk an index; how many there are to be is $2.
create function crm.render_page(shape jsonb, max_rows integer) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  source constant crm.resources := crm.resource_of(shape ->> 'resource');
  names constant text[] := crm.custom_names(shape);
  comparable constant text[] := crm.comparable_of(source) || names || case when names <> '{}' then 'custom_record_id' end;
  segment jsonb;
  pages text[] := '{}';
  walks text[];
  ordered text;
begin
  for segment in select jsonb_array_elements(shape -> 'segments') loop
    perform crm.allow_only(segment, 'custom', 'where', 'order');
    ordered := crm.render_order(segment -> 'order', comparable);
    walks := array(
      select format('(select * from %s where workspace_id = $1 and %s and %s order by %s limit %s)',
        crm.render_source(source.name, segment -> 'custom'), part, crm.render_condition(segment -> 'where', comparable), ordered, max_rows)
      from unnest(crm.parts_of(source.name, shape ->> 'deleted')) as part
    );
    pages := pages || case cardinality(walks)
      when 1 then walks[1]
      else format('(select * from (%s) as parts order by %s limit %s)', array_to_string(walks, ' union all '), ordered, max_rows)
    end;
  end loop;
  if pages = '{}' then
    perform crm.malformed('segments');
  end if;
  return array_to_string(pages, ' union all ');
end;
$$;

-- The total of a plan; null when it asks for none.
create function crm.render_total(source crm.resources, shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  total constant jsonb := shape -> 'total';
  tally constant text := total ->> 'tally';
  facets text[];
begin
  if total is null then
    return 'null';
  end if;
  perform crm.allow_only(total, 'tally', 'where');
  if not total ? 'tally' then
    return format('(select count(*) from crm.%I where workspace_id = $1 and (%s) and %s)', source.name,
      array_to_string(crm.parts_of(source.name, shape ->> 'deleted'), ' or '),
      crm.render_condition(total -> 'where', crm.comparable_of(source)));
  end if;
  facets := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = to_regclass(format('crm.%I', tally)) and attnum > 0 and attname <> all ('{id, workspace_id, cell, records}')
  );
  if facets = '{}' or tally <> source.name || '_by_' || array_to_string(facets, '_') then
    perform crm.malformed('tally');
  end if;
  return format('(select coalesce(sum(records), 0) from crm.%I where workspace_id = $1 and %s)', tally, crm.render_condition(total -> 'where', facets));
end;
$$;

-- The query of a plan's shape. A page ends early at 1 MB, with one row at least. `offset 0` has each line made once,
-- where it would be made anew wherever it is named: that is half of what a page costs.
create function crm.render_read(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  source constant crm.resources := crm.resource_of(shape ->> 'resource');
  output text := crm.render_shown(source, 'record', shape -> 'columns');
  included crm.resources;
  include jsonb;
  name text;
begin
  perform crm.allow_only(shape, 'resource', 'columns', 'include', 'custom_columns', 'segments', 'deleted', 'total', 'search');
  for name in select jsonb_array_elements_text(shape -> 'custom_columns') loop
    output := output || format(', record.%1$s::text as %1$s', crm.compared(name, crm.custom_names(shape)));
  end loop;
  for include in select jsonb_array_elements(shape -> 'include') loop
    perform crm.allow_only(include, 'as', 'resource', 'column', 'columns');
    included := crm.resource_of(include ->> 'resource');
    output := output || format(
      ', (select row_to_json(related) from (
           select %s from crm.%I as related where related.id = record.%s and related.workspace_id = $1 and %s
         ) as related) as %s',
      crm.render_shown(included, 'related', include -> 'columns'), included.name,
      crm.compared(include ->> 'column', crm.comparable_of(source)), (crm.parts_of(included.name, null))[1], crm.given_name(include ->> 'as'));
  end loop;
  return format($query$
    select json_build_object(
      'rows', coalesce(json_agg(line) filter (where fits), '[]'),
      'cut', coalesce(not bool_and(fits), false),
      'event_position', crm.event_position($1),
      'updated_through', nullif(current_setting('crm.updated_through', true), ''),
      'total', %s)
    from (
      select line, sum(octet_length(line::text)) over (rows unbounded preceding) - octet_length(line::text) < 1024 * 1024 as fits
      from (select row_to_json(page) as line from (select %s from (%s) as record limit $2) as page offset 0) as lines
    ) as sized
  $query$, crm.render_total(source, shape), output, crm.render_page(shape, 101));
end;
$$;

-- The call that runs a plan's query, prepared: $1 is the workspace, the plan's values are $2 and those after it. Of a
-- kind is what crm.render_<kind> makes of the shape. Weighed, it is refused where it would cost too much.
create function crm.call_of(kind text, plan json, workspace uuid, weighed boolean) returns text
language plpgsql
set search_path = ''
as $$
declare
  shape constant text := plan -> 'shape';
  size constant integer := json_array_length(plan -> 'values');
  chosen text := crm.statement_name(kind, size || shape);
  query text;
  call text;
begin
  if crm.is_prepared(chosen) is distinct from true then
    query := case kind
      when 'read' then crm.render_read(shape::jsonb)
      when 'export' then crm.render_export(shape::jsonb)
      when 'summary' then crm.render_deal_summary(shape::jsonb)
    end;
    begin
      chosen := crm.prepare(chosen, 'uuid', query);
    exception when syntax_error_or_access_rule_violation then
      perform crm.malformed(sqlerrm); -- types that don't fit the operator, parameters that are not used
    end;
    if not exists (select from pg_catalog.pg_prepared_statements as prepared where prepared.name = chosen and cardinality(parameter_types) = size + 1) then
      perform crm.malformed('values');
    end if;
  end if;
  select format('execute %I (%L%s)', chosen, workspace, string_agg(', ' || quote_nullable(value), '' order by place)) into call
  from json_array_elements_text(plan -> 'values') with ordinality as given (value, place);
  if weighed then
    perform crm.weigh(call, workspace);
  end if;
  return call;
end;
$$;

-- The workspace in which the request may read what a plan names: its resource and those that it reaches into. Where the
-- scope depends on the row (imports, jobs), row-level security decides, and nothing may go past it.
create function crm.workspace_of_plan(shape jsonb) returns uuid
language plpgsql stable security definer
set search_path = ''
as $$
declare
  source constant crm.resources := crm.resource_of(shape ->> 'resource');
  workspace uuid;
  related crm.resources;
  named text;
begin
  if source.scope is not null then
    workspace := crm.require_workspace(source.scope, 'read');
  elsif (shape -> 'search')::boolean then
    perform crm.malformed('search');
  else
    workspace := crm.require_current_workspace('read');
  end if;
  for named in
    select node #>> '{}' from jsonb_path_query(shape, '$.**.related') as node
    union
    select include ->> 'resource' from jsonb_array_elements(shape -> 'include') as include
  loop
    related := crm.resource_of(named);
    if related.scope is null then
      perform crm.malformed('resource');
    end if;
    perform crm.require_workspace(related.scope, 'read');
  end loop;
  return workspace;
end;
$$;

-- Whether a plan asks for more than a walk along an index from its beginning, with a total that is added up.
create function crm.is_dear(shape jsonb) returns boolean
language sql immutable
set search_path = ''
as $$
  select shape ? 'deleted' or jsonb_array_length(shape #> '{segments,0,order}') > 2
    or (not coalesce(shape -> 'total' ? 'tally', false) and shape @? '$.segments[*].where');
$$;

-- Runs a plan with the rights of whoever calls this.
create function crm.run_read(plan json, workspace uuid, weighed boolean) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  answer json;
begin
  execute crm.call_of('read', plan, workspace, weighed) into answer;
  return answer;
end;
$$;

-- As run_read, but past the policies. Row-level security lets only leakproof operators use an index
-- before the policy, and LIKE and && are not: at a million rows that is the difference between 5 ms and
-- 800 ms. Tenancy rests on two things that tests/database/isolation.test.ts and plan_fuzz.test.ts hold down: the
-- workspace is the one that the request's live key may read, and every part of a rendered query is confined to it.
create function crm.run_search(plan json) returns json
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan -- how rare a pattern is decides the plan
as $$
begin
  return crm.run_read(plan, crm.workspace_of_plan((plan -> 'shape')::jsonb), true);
end;
$$;

-- One page, and the total when asked for. The argument is {"shape", "values"}: what the query looks
-- like, and the parameters it runs with: $2 is the first of them, and how many rows at most.
--
--   resource   one of crm.resources, whose read scope it takes
--   columns    […] what to return
--   include    [{"as", "resource", "column", "columns"}] related records, by their id in `column`
--   segments   [{"custom", "where", "order": [["column", "asc" | "desc" | "desc_nulls_last"], …]}] walked one
--              after the other: a nullable sort is two segments, so that one index serves both
--              directions; `desc nulls last` fits no index and is for fields after the first
--   custom_columns  […] custom fields that the segments are sorted by, to return them as text
--   deleted    "only" | "include" what was deleted in the last 90 days
--   total      {"tally", "where"} adds up the cells of a tally, {"where"} counts rows, absent leaves it out
--   search     true when a condition looks into text or arrays
--
-- and {"bookmark": true} beside them asks for "updated_through". Answers {"rows": […], "cut": whether the page ended for
-- its size, "event_position", "updated_through", "total": n | null}. Volatile, because only volatile functions may prepare. PostgREST applies the timeout to the transaction before it calls.
create function api.read_records(json) returns json
language plpgsql
set search_path = ''
set statement_timeout = '2s'
as $$
declare
  shape constant jsonb := $1 -> 'shape'; -- parsed once
begin
  if ($1 ->> 'bookmark')::boolean then
    perform set_config('crm.updated_through', crm.show_time(crm.updated_through()), true); -- before what is read is looked at
  end if;
  if (shape ->> 'search')::boolean then
    return crm.run_search($1);
  end if;
  return crm.run_read($1, crm.workspace_of_plan(shape), crm.is_dear(shape));
end;
$$;

grant execute on function crm.malformed(text), crm.allow_only(jsonb, text[]), crm.given_name(text), crm.resource_of(text), crm.columns_of(crm.resources),
  crm.comparable_of(crm.resources), crm.render_shown(crm.resources, text, jsonb), crm.parameter(jsonb), crm.compared(text, text[]),
  crm.render_condition(jsonb, text[]), crm.render_order(jsonb, text[]), crm.render_source(text, jsonb), crm.parts_of(text, text),
  crm.custom_names(jsonb), crm.render_page(jsonb, integer), crm.render_total(crm.resources, jsonb), crm.render_read(jsonb),
  crm.call_of(text, json, uuid, boolean), crm.workspace_of_plan(jsonb), crm.is_dear(jsonb), crm.run_read(json, uuid, boolean), crm.run_search(json),
  api.read_records(json) to crm_api;

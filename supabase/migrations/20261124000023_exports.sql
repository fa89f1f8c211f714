-- Exports: the pages of a list as lines of text. A million rows are to pass the edge within its CPU limit, so each
-- line is made here and the function hands bytes on. Filters, search, sort and tenancy are those of the
-- lists (crm.run_read, crm.run_search).

-- PostgREST answers a value of this type as it is, where a text would be quoted as JSON.
create domain api."text/plain" as text;

-- A column as text: times in UTC with a Z, as the API shows them.
create function crm.render_text(alias text, name text, type regtype) returns text
language sql immutable
set search_path = ''
as $$
  select format(
    case type when 'timestamptz'::regtype then 'crm.show_time(%1$I.%2$I)' else '%1$I.%2$I::text' end,
    alias, name);
$$;

-- A text as a spreadsheet must not run it: what would be a formula gets an apostrophe in front, which spreadsheets don't
-- show and the import takes away. Numbers and telephone numbers stay as they are.
create function crm.without_formula(value text) returns text
language sql immutable parallel safe -- no "set search_path", to be inlined
as $$
  select case when value ~ '^([=@\t\r]|[+-](?![0-9 ().,/-]*$)|''+[=@+\t\r-])' then '''' || value else value end;
$$;

-- The expression that makes a line of a row. Of CSV (RFC 4180) a cell is quoted where it must be, and objects
-- and lists are JSON; the import reads the same back. A name that is no column is computed, as in crm.render_columns.
create function crm.render_line(format text, resource text, alias text, columns text[], names text[]) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  quoted constant text := '''"'' || replace(%1$s, ''"'', ''""'') || ''"''';
  result text;
begin
  select case format
    when 'csv' then 'concat_ws('','', ' || string_agg(coalesce(cell, ''''''), ', ' order by place) || ') || e''\r\n'''
    else '(select row_to_json(line) from (select ' || string_agg(format('%s as %I', value, names[place::integer]), ', ' order by place) || ') as line)::text || e''\n'''
  end
  into result
  from (
    select listed.name, place,
      case
        when atttypid is null then format('to_jsonb(%s)', computed)
        when atttypid in ('numeric'::regtype, 'timestamptz'::regtype) then crm.render_text(alias, listed.name, atttypid)
        else format('%I.%I', alias, listed.name)
      end as value,
      format('coalesce(%s, '''')', case
        when atttypid is null then format(quoted, format('to_jsonb(%s)::text', computed))
        when typcategory = 'A' then format('case when %1$I.%2$I = ''{}'' then ''[]'' else %3$s end', alias, listed.name,
          format(quoted, format('to_json(%I.%I)::text', alias, listed.name)))
        when atttypid in ('json'::regtype, 'jsonb'::regtype) then format(quoted, format('%I.%I::text', alias, listed.name))
        when typcategory = 'S' then format('case when %1$s ~ ''[",\r\n]|^\s|\s$'' then %2$s else %1$s end',
          format('crm.without_formula(%I.%I)', alias, listed.name), format(quoted, format('crm.without_formula(%I.%I)', alias, listed.name)))
        else crm.render_text(alias, listed.name, atttypid)
      end) as cell
    from unnest(columns) with ordinality as listed (name, place)
    left join pg_catalog.pg_attribute
      on attrelid = format('crm.%I', resource)::regclass and attname = listed.name and attnum > 0 and not attisdropped
    left join pg_catalog.pg_type on pg_type.oid = atttypid
    cross join lateral format('crm.%1$I(%2$I.workspace_id, %2$I.id)', resource || '_' || listed.name, alias) as computed
  ) as cells;
  return result;
end;
$$;

-- The query of an export's page: a line of JSON that says where the page ended, and the page's lines. A page
-- ends early at 4 MB, because two of them are in the function's memory at once.
create function crm.render_export(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  source constant crm.resources := crm.resource_of(shape ->> 'resource');
  columns constant text[] := array(select jsonb_array_elements_text(shape -> 'columns'));
  names constant text[] := array(select jsonb_array_elements_text(shape -> 'names'));
  sorted constant text[] := crm.comparable_of(source) || crm.custom_names(shape);
begin
  perform crm.allow_only(shape, 'resource', 'columns', 'include', 'custom_columns', 'segments', 'deleted', 'search', 'format', 'names', 'position');
  if coalesce(shape ->> 'format', '') not in ('csv', 'ndjson') then
    perform crm.malformed('format');
  elsif columns = '{}' or not coalesce(columns <@ crm.columns_of(source), false) then
    perform crm.malformed('columns');
  elsif cardinality(names) <> cardinality(columns) or exists (select from unnest(names) as name where name !~ '^[a-z0-9_]{1,63}$') then
    perform crm.malformed('names');
  end if;
  return format($query$
    select json_build_object(
        'rows', count(*) filter (where fits),
        'last', (array_agg(position) filter (where fits))[count(*) filter (where fits)],
        'has_more', count(*) = $2 or not bool_and(fits),
        'event_position', crm.event_position($1)
      )::text || e'\n' || coalesce(string_agg(line, '') filter (where fits), '')
    from (
      select line, position, sum(octet_length(line)) over (rows unbounded preceding) - octet_length(line) < 4 * 1024 * 1024 as fits
      from (
        select %s as line, json_build_array(%s) as position from (%s) as record limit $2
        offset 0 -- each line is made once, as in crm.render_read
      ) as lines
    ) as page
  $query$,
    crm.render_line(shape ->> 'format', source.name, 'record', columns, names),
    (select string_agg(format('record.%s::text', crm.compared(name, sorted)), ', ' order by place)
     from jsonb_array_elements_text(shape -> 'position') with ordinality as listed (name, place)),
    crm.render_page(shape, 2000));
end;
$$;

-- Runs it with the rights of whoever calls this, as crm.run_read. A dear page takes a heavy place.
create function crm.run_export(plan json, workspace uuid) returns text
language plpgsql
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
  answer text;
begin
  execute crm.call_of('export', plan, workspace, true) into answer;
  return answer;
end;
$$;

-- As run_export, but past the policies, for the same reason and within the same bounds as crm.run_search.
create function crm.export_search(plan json) returns text
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
begin
  return crm.run_export(plan, crm.workspace_of_plan((plan -> 'shape')::jsonb));
end;
$$;

-- One page of an export. The argument is that of api.read_records, without include and total, and with
--
--   format     "csv" | "ndjson"
--   columns    […] in the order of the cells
--   names      […] what each is called in a line of NDJSON
--   position   […] the columns whose values, as text, say where the page ended
--
-- Answers a line {"rows", "last": […] | null, "has_more", "event_position"} and the lines of the page.
create function api.export_records(json) returns api."text/plain"
language plpgsql
set search_path = ''
set statement_timeout = '4s' -- pages are large, and a file that is under way is broken off by one that fails
as $$
begin
  if ($1 -> 'shape' ->> 'search')::boolean then
    return crm.export_search($1);
  end if;
  return crm.run_export($1, crm.workspace_of_plan(($1 -> 'shape')::jsonb));
end;
$$;

grant execute on function crm.without_formula(text), crm.render_text(text, text, regtype), crm.render_line(text, text, text, text[], text[]),
  crm.render_export(jsonb), crm.run_export(json, uuid), crm.export_search(json), api.export_records(json) to crm_api;

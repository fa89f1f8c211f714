-- Search over everything: what a person typed, found in all resources that the key may read, best first.

-- How well a record answers what was typed: 6 that is its name; 5 its name begins with it, whole words; 4 has it as
-- whole words (an email address, a last name); 3 begins with it; 2 each word begins a word; 1 it is in there.
create function crm.search_score(search_text text, phrase text, word_starts text[]) returns integer
language sql immutable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select case
    when starts_with(search_text, ' ' || phrase || ' #') then 6
    when starts_with(search_text, ' ' || phrase || ' ') then 5
    when strpos(search_text, ' ' || phrase || ' ') > 0 then 4
    when starts_with(search_text, ' ' || phrase) then 3
    when search_text like all (word_starts) then 2
    else 1
  end;
$$;

-- {"types": [{"type", "table", "columns"}], "patterns", "phrase", "word_starts", "limit", "total",
--  "after": [score, created_at, id]}. Of each type the newest 2,000 hits are scored, and what is called exactly that;
-- "bounded" says that there are more, and then the total is of these only. Past the policies, as crm.run_search is
-- and for its reason; a type that the key may not read is left out.
create function api.search_everything(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan -- how rare a pattern is decides the plan
set statement_timeout = '2s'
as $$
declare
  max_scored constant integer := 2000;
  request constant jsonb := $1;
  workspace constant uuid := crm.require_current_workspace('read');
  word_starts constant text[] := array(select jsonb_array_elements_text(request -> 'word_starts'));
  conditions constant text := (
    select string_agg(format('search_text like %L', pattern), ' and ') from jsonb_array_elements_text(request -> 'patterns') as pattern
  );
  kind jsonb;
  source crm.resources;
  hits text[] := '{}';
  shown text[] := '{}';
  query text;
  answer json;
begin
  perform crm.allow_only(request, 'types', 'patterns', 'phrase', 'word_starts', 'limit', 'total', 'after');
  if conditions is null or request ->> 'phrase' is null or coalesce((request ->> 'limit')::integer not between 1 and 101, true)
    or (select count(distinct listed ->> 'table') < count(*) from jsonb_array_elements(request -> 'types') as listed) then
    perform crm.malformed('search');
  end if;
  for kind in select jsonb_array_elements(request -> 'types') loop
    perform crm.allow_only(kind, 'type', 'table', 'columns');
    source := crm.resource_of(kind ->> 'table');
    if source.scope is null or not '{search_text,created_at}' <@ crm.comparable_of(source) then
      perform crm.malformed('table');
    end if;
    continue when crm.workspace_for(source.scope, 'read') is null;
    hits := hits || format($sql$
      (select %1$L as type, id, created_at, search_text from crm.%2$I
       where workspace_id = %3$L and deleted_at is null and %4$s order by created_at desc, id desc limit %5$s)$sql$,
      kind ->> 'type', source.name, workspace, conditions, max_scored + 1);
    hits := hits || format($sql$
      (select %1$L as type, id, created_at, search_text from crm.%2$I
       where workspace_id = %3$L and deleted_at is null and search_text like %4$L limit 100)$sql$,
      kind ->> 'type', source.name, workspace, ' ' || replace(replace(replace(request ->> 'phrase', '\', '\\'), '%', '\%'), '_', '\_') || ' #%');
    shown := shown || format(
      'when %L then (select row_to_json(shown) from (select %s from crm.%I as record where record.id = page.id) as shown)',
      kind ->> 'type', crm.render_shown(source, 'record', kind -> 'columns'), source.name);
  end loop;
  if hits = '{}' then
    return '{"rows": [], "total": 0}';
  end if;
  query := format($query$
    with found as materialized (
      select distinct on (id) type, id, created_at, crm.search_score(search_text, %1$L, %2$L) as score from (%3$s) as hit
    )
    select json_build_object(
      'rows', coalesce(json_agg(line) filter (where fits), '[]'), 'cut', coalesce(not bool_and(fits), false),
      'total', %4$s, 'bounded', exists (select from found group by type having count(*) > %5$s))
    from (
      select line, sum(octet_length(line::text)) over (rows unbounded preceding) - octet_length(line::text) < 1024 * 1024 as fits
      from (
        select json_build_object('type', page.type, 'id', page.id, 'score', page.score, 'created_at', page.created_at,
          'data', case page.type %6$s end) as line
        from (select * from found%7$s order by score desc, created_at desc, id desc limit %8$s) as page
        offset 0 -- each line is made once, as in crm.render_read
      ) as lines
    ) as sized
  $query$,
    request ->> 'phrase', word_starts, array_to_string(hits, ' union all '),
    case when (request ->> 'total')::boolean then '(select count(*) from found)' else 'null' end, max_scored,
    array_to_string(shown, ' '),
    case when request ? 'after' then format(' where (score, created_at, id) < (%L::integer, %L::timestamptz, %L::uuid)',
      request -> 'after' ->> 0, request -> 'after' ->> 1, request -> 'after' ->> 2) else '' end,
    (request ->> 'limit')::integer);
  perform crm.weigh(query, workspace);
  execute query into answer;
  return answer;
end;
$$;

grant execute on function api.search_everything(json) to crm_api;

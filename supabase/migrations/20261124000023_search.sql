-- Search over everything: what a person typed, found in all resources that the key may read, best first.

-- How well a record answers what was typed: 6 that is its name; 5 its search text begins with it, whole words; 4 has it as
-- whole words (an email address, a last name); 3 begins with it; 2 each word begins a word; 1 it is in there.
create function crm.search_score(title text, search_text text, phrase text, word_starts text[]) returns integer
language sql immutable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select case
    when crm.fold(title) = phrase then 6
    when starts_with(search_text || ' ', ' ' || phrase || ' ') then 5
    when strpos(search_text || ' ', ' ' || phrase || ' ') > 0 then 4
    when starts_with(search_text, ' ' || phrase) then 3
    when search_text like all (word_starts) then 2
    else 1
  end;
$$;

-- {"types": [{"type", "table", "scope", "title", "columns"}], "patterns", "phrase", "word_starts", "limit", "total",
--  "after": [score, created_at, id]}. Every hit is scored, so the order and the total are exact. Past the
-- policies, as crm.run_search is and for its reason; a type that the key may not read is left out.
create function api.search_everything(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan -- how rare a pattern is decides the plan
as $$
declare
  request constant jsonb := $1;
  workspace constant uuid := crm.current_workspace('read');
  patterns constant text[] := array(select jsonb_array_elements_text(request -> 'patterns'));
  word_starts constant text[] := array(select jsonb_array_elements_text(request -> 'word_starts'));
  page_size constant integer := request ->> 'limit';
  conditions constant text := (
    select string_agg(format('search_text like %L', pattern), ' and ') from unnest(patterns) as pattern
  );
  kind jsonb;
  hits text[] := '{}';
  shown text[] := '{}';
  answer json;
begin
  if workspace is null then
    perform crm.fail('invalid_api_key');
  end if;
  for kind in select jsonb_array_elements(request -> 'types') loop
    continue when crm.workspace_for(kind ->> 'scope', 'read') is null;
    hits := hits || format(
      '(select %L as type, id, created_at, crm.search_score(concat_ws('' '', %s), search_text, $2, $3) as score
        from crm.%I where workspace_id = $1 and deleted_at is null and %s)',
      kind ->> 'type', (select string_agg(quote_ident(name), ', ' order by place) from jsonb_array_elements_text(kind -> 'title') with ordinality as listed (name, place)),
      kind ->> 'table', conditions);
    shown := shown || format(
      'when %L then (select row_to_json(shown) from (select %s from crm.%I as record where record.id = page.id) as shown)',
      kind ->> 'type', crm.render_columns(kind ->> 'table', 'record', array(select jsonb_array_elements_text(kind -> 'columns'))),
      kind ->> 'table');
  end loop;
  if hits = '{}' then
    return '{"rows": [], "total": 0}';
  end if;
  execute format($query$
    with hit as materialized (%1$s)
    select json_build_object(
      'rows', coalesce((
        select json_agg(json_build_object('type', page.type, 'id', page.id, 'score', page.score, 'created_at', page.created_at,
          'data', case page.type %2$s end))
        from (
          select * from hit %3$s order by score desc, created_at desc, id desc limit %4$s
        ) as page
      ), '[]'),
      'total', %5$s)
  $query$,
    array_to_string(hits, ' union all '), array_to_string(shown, ' '),
    case when request ? 'after' then 'where (score, created_at, id) < ($4, $5, $6)' else '' end,
    page_size, case when (request ->> 'total')::boolean then '(select count(*) from hit)' else 'null' end)
  into answer
  using workspace, request ->> 'phrase', word_starts,
    (request -> 'after' ->> 0)::integer, (request -> 'after' ->> 1)::timestamptz, (request -> 'after' ->> 2)::uuid;
  return answer;
end;
$$;

grant execute on function api.search_everything(json) to crm_api;

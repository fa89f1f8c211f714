-- The summary of deals: how many, how much, how likely, by whatever they are grouped by. Money of
-- different currencies is never added up: each group has one currency.

-- Every column that a summary groups by, adds up or filters on most: it is read from the index alone.
create index deals_summary on crm.deals
  (workspace_id, stage_id, pipeline_id, owner_id, status, currency, expected_close_date) include (amount, weighted_amount)
  where deleted_at is null;

-- The query of a summary; conditions as in crm.render_condition. `month` is that of expected_close_date.
create function crm.render_deal_summary(shape jsonb) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  groups constant text[] := array(select given from jsonb_array_elements_text(shape -> 'group_by') as given where given <> 'currency');
  sources text := '';
  names text := '';
  shown text := '';
  name text;
  source text;
begin
  perform crm.allow_only(shape, 'group_by', 'where', 'search');
  foreach name in array groups loop
    if name not in ('stage_id', 'pipeline_id', 'owner_id', 'status', 'company_id', 'type', 'priority', 'month', 'closed_month', 'created_month') then
      perform crm.malformed('group_by');
    end if;
    source := case name when 'month' then 'expected_close_date' when 'closed_month' then 'closed_at' when 'created_month' then 'created_at' end;
    sources := sources || case when source is null then quote_ident(name) else format('date_trunc(''month'', %I)::date', source) end
      || format(' as %I, ', name);
    names := names || quote_ident(name) || ', ';
    -- Months are written once per group, not once per deal.
    shown := shown || case when source is null then quote_ident(name) else format('to_char(%1$I, ''YYYY-MM'') as %1$I', name) end || ', ';
  end loop;
  return format($query$
    select coalesce(json_agg(summary), '[]') from (
      select %3$s currency, count, amount, weighted_amount
      from (
        select %2$s currency, count(*) as count, coalesce(sum(amount), 0)::text as amount, coalesce(sum(weighted_amount), 0)::text as weighted_amount
        from (
          select %1$s currency, amount, weighted_amount
          from crm.deals where workspace_id = $1 and deleted_at is null%4$s
        ) as deal
        group by %2$s currency
      ) as totals
      order by %2$s currency
    ) as summary
  $query$, sources, names, shown, ' and ' || crm.render_condition(shape -> 'where', crm.comparable_of(crm.resource_of('deals'))));
end;
$$;

create function crm.run_deal_summary(plan json, workspace uuid) returns json
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
declare
  answer json;
begin
  execute crm.call_of('summary', plan, workspace, true) into answer;
  return answer;
end;
$$;

-- Past the policies, as crm.run_search is and for its reason.
create function crm.search_deal_summary(plan json) returns json
language plpgsql security definer
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
begin
  return crm.run_deal_summary(plan, crm.workspace_of_plan((plan -> 'shape')::jsonb || '{"resource": "deals"}'));
end;
$$;

-- {"shape": {"group_by": […], "where", "search"}, "values": […]}; search as in api.read_records.
create function api.summarize_deals(json) returns json
language plpgsql
set search_path = ''
set statement_timeout = '2s'
as $$
begin
  if ($1 -> 'shape' ->> 'search')::boolean then
    return crm.search_deal_summary($1);
  end if;
  return crm.run_deal_summary($1, crm.workspace_of_plan(($1 -> 'shape')::jsonb || '{"resource": "deals"}'));
end;
$$;

grant execute on function crm.render_deal_summary(jsonb), crm.run_deal_summary(json, uuid), crm.search_deal_summary(json), api.summarize_deals(json) to crm_api;

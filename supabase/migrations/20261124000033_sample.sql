-- What a sandbox that starts from `sample` has: a small sales team's book, always the same, its times counted back from now. Addresses
-- end in .example and phone numbers are kept for fiction, so that nothing sent or dialled reaches anybody.

create function crm.fill_with_sample(workspace uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  claims constant text := current_setting('request.jwt.claims', true);
  team constant uuid[] := array(select id from crm.members where workspace_id = workspace and deleted_at is null order by created_at, id limit 6);
  pipeline constant uuid := (select id from crm.pipelines where workspace_id = workspace and is_default);
  stages constant uuid[] := array(select id from crm.stages where pipeline_id = pipeline order by position);
  first_names constant text[] := regexp_split_to_array(
    'Amelia, Noah, Sofia, Liam, Ingrid, Mateo, Priya, Oscar, Hannah, Yusuf, Clara, Felix, Zoe, Henrik,
    Leila, Marcus, Elena, Tobias, Nadia, Samuel, Freya, Jonas, Aisha, Theo, Camille, Rafael, Mina,
    Edward, Sunniva, Hugo, Beatriz, Callum, Tara, Anton, Miriam, Julian, Nora, Isaac, Lucia, Erik,
    Paula, Dmitri, Grace, Ravi, Simone, Viktor, Alma, Kofi', ',\s*');
  last_names constant text[] := regexp_split_to_array(
    'Archer, Berg, Castillo, Doyle, Eriksen, Fontaine, Gupta, Hale, Iversen, Jansen, Keller, Laurent,
    Moreau, Nilsen, Osman, Park, Quinn, Rossi, Sandoval, Tanaka, Ueda, Visser, Whitfield, Young, Abbott,
    Baptiste, Costa, Drummond, Engel, Farrell, Grant, Holm, Ibrahim, Joshi, Klein, Lindqvist, Mercer,
    Novak, Okoye, Pereira, Rhodes, Schmidt, Torres, Usman, Vance, Weber, Yilmaz, Zeller', ',\s*');
  companies uuid[];
  contacts uuid[];
  deals uuid[];
begin
  -- Outside a request times are kept as they are given, and the system is who wrote it.
  perform set_config('request.jwt.claims', '', true);

  insert into crm.custom_fields (workspace_id, resource, key, label, type, options) values
    (workspace, 'companies', 'segment', 'Segment', 'select', '{Startup,SMB,Enterprise}'),
    (workspace, 'contacts', 'preferred_channel', 'Preferred channel', 'select', '{Email,Phone,Video}'),
    (workspace, 'deals', 'competitor', 'Competitor', 'text', '{}');

  with made as (
    insert into crm.companies (workspace_id, owner_id, name, domain, website, industry, employee_count, annual_revenue, currency, address, type,
      lifecycle_stage, tags, custom_fields, created_at)
    select workspace, team[1 + n % cardinality(team)], name, domain, 'https://' || domain, industry, employees, employees * 140000, 'USD',
      jsonb_build_object('city', city, 'country', country), type, stage,
      case when employees > 500 then '{key-account}'::text[] when type = 'partner' then '{partner}' else '{}' end,
      jsonb_build_object('segment', case when employees < 50 then 'Startup' when employees < 500 then 'SMB' else 'Enterprise' end),
      now() - (200 - n * 6) * interval '1 day'
    from (values
      (1, 'Northwind Outdoor', 'northwind-outdoor.example', 'Retail', 180, 'Portland', 'US', 'customer', 'customer'),
      (2, 'Halden Robotics', 'halden-robotics.example', 'Manufacturing', 420, 'Oslo', 'NO', 'customer', 'customer'),
      (3, 'Brightwater Clinics', 'brightwater-clinics.example', 'Healthcare', 950, 'Bristol', 'GB', 'customer', 'customer'),
      (4, 'Cobalt Analytics', 'cobalt-analytics.example', 'Software', 75, 'Berlin', 'DE', 'prospect', 'opportunity'),
      (5, 'Meridian Freight', 'meridian-freight.example', 'Logistics', 1300, 'Rotterdam', 'NL', 'prospect', 'opportunity'),
      (6, 'Juniper & Sons', 'juniper-sons.example', 'Construction', 60, 'Leeds', 'GB', 'prospect', 'lead'),
      (7, 'Solara Energy', 'solara-energy.example', 'Energy', 240, 'Seville', 'ES', 'customer', 'customer'),
      (8, 'Papyrus Publishing', 'papyrus-publishing.example', 'Media', 35, 'Lyon', 'FR', 'prospect', 'lead'),
      (9, 'Kestrel Aviation', 'kestrel-aviation.example', 'Transport', 510, 'Denver', 'US', 'prospect', 'opportunity'),
      (10, 'Lumen Lighting', 'lumen-lighting.example', 'Manufacturing', 140, 'Eindhoven', 'NL', 'customer', 'customer'),
      (11, 'Quarry Bank', 'quarry-bank.example', 'Finance', 2100, 'Dublin', 'IE', 'prospect', 'opportunity'),
      (12, 'Tidewater Foods', 'tidewater-foods.example', 'Food', 330, 'Boston', 'US', 'customer', 'customer'),
      (13, 'Atlas Legal', 'atlas-legal.example', 'Legal', 48, 'London', 'GB', 'partner', 'other'),
      (14, 'Fernhill Schools', 'fernhill-schools.example', 'Education', 270, 'Cardiff', 'GB', 'prospect', 'lead'),
      (15, 'Polaris Games', 'polaris-games.example', 'Software', 110, 'Stockholm', 'SE', 'prospect', 'opportunity'),
      (16, 'Vireo Textiles', 'vireo-textiles.example', 'Manufacturing', 86, 'Porto', 'PT', 'prospect', 'lead'),
      (17, 'Granite Peak Insurance', 'granite-peak.example', 'Insurance', 640, 'Zurich', 'CH', 'customer', 'customer'),
      (18, 'Harbour Lane Hotels', 'harbour-lane.example', 'Hospitality', 390, 'Copenhagen', 'DK', 'prospect', 'opportunity'),
      (19, 'Ember Ceramics', 'ember-ceramics.example', 'Manufacturing', 22, 'Delft', 'NL', 'prospect', 'lead'),
      (20, 'Wexford Motors', 'wexford-motors.example', 'Automotive', 730, 'Detroit', 'US', 'customer', 'customer'),
      (21, 'Clearfield Farms', 'clearfield-farms.example', 'Agriculture', 58, 'Des Moines', 'US', 'prospect', 'lead'),
      (22, 'Sable Security', 'sable-security.example', 'Software', 95, 'Tallinn', 'EE', 'partner', 'other'),
      (23, 'Orchid Biotech', 'orchid-biotech.example', 'Healthcare', 160, 'Basel', 'CH', 'prospect', 'opportunity'),
      (24, 'Beacon Nonprofit Network', 'beacon-network.example', 'Nonprofit', 18, 'Toronto', 'CA', 'prospect', 'lead')
    ) as given (n, name, domain, industry, employees, city, country, type, stage)
    returning id, created_at
  )
  select array_agg(id order by created_at) into companies from made;

  with made as (
    insert into crm.contacts (workspace_id, owner_id, email, first_name, last_name, phone, phone_e164, company_id, job_title, lifecycle_stage,
      lead_source, score, tags, custom_fields, created_at)
    select workspace, company.owner_id, lower(first_names[n] || '.' || last_names[n]) || '@' || company.domain, first_names[n], last_names[n],
      '+1 202-555-01' || lpad(n::text, 2, '0'), '+120255501' || lpad(n::text, 2, '0'), company.id,
      ('{Head of Operations,Buyer,Chief Executive,IT Manager,Finance Director,Project Lead,Founder,Office Manager}'::text[])[1 + n % 8],
      company.lifecycle_stage, ('{Website,Referral,Trade fair,Webinar}'::text[])[1 + n % 4], 20 + n * 37 % 80,
      case n % 6 when 0 then '{newsletter,vip}'::text[] when 3 then '{newsletter}' else '{}' end,
      jsonb_build_object('preferred_channel', ('{Email,Phone,Video}'::text[])[1 + n % 3]), company.created_at + n * interval '7 hours'
    from generate_series(1, 48) as n join crm.companies as company on company.id = companies[(n + 1) / 2]
    returning id, created_at
  )
  select array_agg(id order by created_at) into contacts from made;

  -- Open, won and lost ones, two of three in the open stages; who is asked is who the company has.
  with made as (
    insert into crm.deals (workspace_id, owner_id, name, pipeline_id, stage_id, amount, currency, expected_close_date, closed_at, lost_reason,
      company_id, primary_contact_id, type, priority, tags, custom_fields, created_at, stage_entered_at)
    select workspace, company.owner_id,
      company.name || ' – ' || ('{Starter package,Annual licence,Rollout,Support plan,Expansion}'::text[])[1 + n % 5], pipeline, stages[place],
      (1 + n * 7 % 23) * 1500, 'USD', (now() + (n * 5 % 60 - case when place > 3 then 60 else 0 end) * interval '1 day')::date,
      case when place > 3 then now() - n * interval '2 days' end,
      case place when 5 then ('{Price,Chose a competitor,No budget this year}'::text[])[1 + n % 3] end,
      company.id, contacts[(n - 1) % 24 * 2 + 1], ('{new,renewal,upsell}'::text[])[1 + n % 3], (enum_range(null::crm.priority))[1 + n % 4],
      case when n % 9 = 0 then '{vip}'::text[] else '{}' end,
      case when n % 4 = 0 then '{"competitor": "Contoso CRM"}'::jsonb else '{}' end,
      now() - (65 + n) * interval '1 day', now() - n * interval '2 days'
    from generate_series(1, 30) as n
    cross join lateral (select ('{1,1,2,2,3,3,4,4,5}'::integer[])[1 + n % 9] as place) as way
    join crm.companies as company on company.id = companies[(n - 1) % 24 + 1]
    returning id, created_at
  )
  select array_agg(id order by created_at desc) into deals from made;

  insert into crm.tasks (workspace_id, owner_id, assignee_id, title, type, status, priority, due_at, completed_at, contact_id, company_id, deal_id, created_at)
  select workspace, deal.owner_id, deal.owner_id,
    ('{Send the proposal to,Call back,Prepare the demo for,Check the contract with}'::text[])[1 + n % 4] || ' ' || contact.first_name || ' ' || contact.last_name,
    ('{email,call,meeting,follow_up}'::text[])[1 + n % 4], case when n % 3 = 0 then 'completed' when n % 8 = 1 then 'in_progress' else 'open' end,
    (enum_range(null::crm.priority))[1 + n % 4], now() + (n - 10) * interval '19 hours',
    case when n % 3 = 0 then now() - n * interval '5 hours' end, contact.id, deal.company_id, deal.id, now() - (n + 12) * interval '1 day'
  from generate_series(1, 24) as n
  join crm.deals as deal on deal.id = deals[n]
  join crm.contacts as contact on contact.id = deal.primary_contact_id;

  insert into crm.activities (workspace_id, owner_id, type, occurred_at, direction, subject, body, duration_seconds, outcome, contact_id, company_id, deal_id, created_at)
  select workspace, deal.owner_id, kind.type, happened.at, kind.direction, kind.subject || ' ' || contact.first_name || ' ' || contact.last_name, kind.body,
    kind.seconds, kind.outcome, contact.id, deal.company_id, deal.id, happened.at
  from generate_series(1, 72) as nth
  join (values
    (0, 'call', 'outbound', 'First call with', 'Interested; wants numbers for a team of ten.', 540, 'connected'),
    (1, 'email', 'inbound', 'Reply from', 'Thanks for the offer. Could you break the price down by seat?', null, null),
    (2, 'meeting', null, 'Demo for', 'Showed pipelines and reports. Open question: the import of their old data.', 2700, 'completed'),
    (3, 'note', null, 'About', 'Decides together with finance; budget is settled at the end of the quarter.', null, null)
  ) as kind (n, type, direction, subject, body, seconds, outcome) on kind.n = nth % 4
  cross join lateral (select now() - (73 - nth) * interval '15 hours' as at) as happened
  join crm.deals as deal on deal.id = deals[1 + nth % 30]
  join crm.contacts as contact on contact.id = deal.primary_contact_id;

  perform set_config('request.jwt.claims', coalesce(claims, ''), true);
end;
$$;

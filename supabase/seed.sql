-- One demo customer per plan, the standard one with a sandbox. Deterministic; no keys: those are made
-- at the first start, and never stand in a file of the repository.

insert into auth.users (id, email) values
  ('00000000-0000-7000-8000-0000000000a1', 'olivia@standard.example'),
  ('00000000-0000-7000-8000-0000000000a2', 'sam@standard.example'),
  ('00000000-0000-7000-8000-0000000000a3', 'petra@professional.example'),
  ('00000000-0000-7000-8000-0000000000a4', 'emil@enterprise.example');

insert into crm.workspaces (id, parent_workspace_id, name, plan) values
  ('00000000-0000-7000-8000-000000000001', null, 'Standard Demo', 'standard'),
  ('00000000-0000-7000-8000-000000000002', null, 'Professional Demo', 'professional'),
  ('00000000-0000-7000-8000-000000000003', null, 'Enterprise Demo', 'enterprise'),
  ('00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-000000000001', 'Standard Demo (sandbox)', 'standard');

insert into crm.members (id, workspace_id, user_id, role, name, email) values
  ('00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a1', 'owner', 'Olivia Owner', 'olivia@standard.example'),
  ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a2', 'member', 'Sam Seller', 'sam@standard.example'),
  ('00000000-0000-7000-8000-0000000000b3', '00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-0000000000a3', 'owner', 'Petra Professional', 'petra@professional.example'),
  ('00000000-0000-7000-8000-0000000000b4', '00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-0000000000a4', 'owner', 'Emil Enterprise', 'emil@enterprise.example'),
  ('00000000-0000-7000-8000-0000000000b5', '00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-0000000000a1', 'owner', 'Olivia Owner', 'olivia@standard.example');

insert into crm.companies (id, workspace_id, owner_id, name, domain, industry) values
  ('00000000-0000-7000-8000-0000000000c1', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000b1', 'Northwind Traders', 'northwind.example', 'Wholesale'),
  ('00000000-0000-7000-8000-0000000000c2', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000b2', 'Contoso Robotics', 'contoso.example', 'Manufacturing');

insert into crm.contacts (workspace_id, owner_id, company_id, email, first_name, last_name, job_title, phone, phone_e164, status, lifecycle_stage, score, tags, created_at)
select
  '00000000-0000-7000-8000-000000000001',
  (array['00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-0000000000b2', null])[1 + n % 3]::uuid,
  (array['00000000-0000-7000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000c2'])[1 + n % 2]::uuid,
  lower(first_name || '.' || last_name || n || '@example.com'),
  first_name,
  last_name,
  (array['Head of Sales', 'Engineer', 'Founder', 'Buyer', 'Office Manager'])[1 + n % 5],
  '+1 (212) 555-' || lpad((n * 37 % 10000)::text, 4, '0'),
  '+1212555' || lpad((n * 37 % 10000)::text, 4, '0'),
  (array['active', 'active', 'active', 'inactive', 'unsubscribed'])[1 + n % 5],
  (array['lead', 'mql', 'sql', 'opportunity', 'customer'])[1 + n % 5],
  n * 13 % 101,
  (array['{newsletter}', '{newsletter,vip}', '{}'])[1 + n % 3]::text[],
  timestamptz '2026-01-01 09:00:00+00' + n * interval '7 hours 13 minutes'
from generate_series(1, 60) as n
cross join lateral (
  select
    (array['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Donald', 'Radia', 'José', 'Margaret', 'Tim'])[1 + n % 10] as first_name,
    (array['Byron', 'Hopper', 'Mathison', 'Liskov', 'Perlman', 'Hamilton', 'Valim'])[1 + n % 7] as last_name
) as person;

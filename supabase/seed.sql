-- One demo customer per plan, the standard one with a sandbox, and who works there. Deterministic. Records
-- come from scripts/seed, keys are made at the first start and never stand in a file of the repository.

insert into auth.users (id, email) values
  ('00000000-0000-7000-8000-0000000000a1', 'olivia@standard.example'),
  ('00000000-0000-7000-8000-0000000000a2', 'sam@standard.example'),
  ('00000000-0000-7000-8000-0000000000a5', 'amara@standard.example'),
  ('00000000-0000-7000-8000-0000000000a3', 'petra@professional.example'),
  ('00000000-0000-7000-8000-0000000000a4', 'emil@enterprise.example');

insert into crm.workspaces (id, parent_workspace_id, name, plan) values
  ('00000000-0000-7000-8000-000000000001', null, 'Standard Demo', 'standard'),
  ('00000000-0000-7000-8000-000000000002', null, 'Professional Demo', 'professional'),
  ('00000000-0000-7000-8000-000000000003', null, 'Enterprise Demo', 'enterprise'),
  ('00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-000000000001', 'Standard Demo (sandbox)', 'standard');

insert into crm.members (id, workspace_id, user_id, role, name, email) values
  ('00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a1', 'owner', 'Olivia Bennett', 'olivia@standard.example'),
  ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a2', 'member', 'Sam Okafor', 'sam@standard.example'),
  ('00000000-0000-7000-8000-0000000000b6', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a5', 'admin', 'Amara Diallo', 'amara@standard.example'),
  ('00000000-0000-7000-8000-0000000000b3', '00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-0000000000a3', 'owner', 'Petra Novak', 'petra@professional.example'),
  ('00000000-0000-7000-8000-0000000000b4', '00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-0000000000a4', 'owner', 'Emil Sandberg', 'emil@enterprise.example'),
  ('00000000-0000-7000-8000-0000000000b5', '00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-0000000000a1', 'owner', 'Olivia Bennett', 'olivia@standard.example');

-- Users: the members of a workspace as the API shows them.

create index members_name on crm.members (workspace_id, name, id) where deleted_at is null;
create index members_email on crm.members (workspace_id, email, id) where deleted_at is null;
create index members_created_at on crm.members (workspace_id, created_at, id) where deleted_at is null;

create view api.users with (security_invoker = true) as
  select id, name, email, role, created_at from crm.members where deleted_at is null;
grant select on api.users to crm_api;

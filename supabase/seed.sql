-- One demo customer per plan, the standard one with a sandbox, and who works there: on this machine, and on a preview branch.
-- Deterministic. Records come from scripts/seed; keys and passwords never stand in a file of the repository.

-- What a branch lacks of what its project's migrations have made.
select crm.restore_resources(), crm.restore_acts();
select crm.schedule();

-- As if they had signed up and confirmed their addresses. Hosted Auth reads no user who lacks one of these values, the empty
-- ones too.
with people as (
  insert into auth.users (id, email, aud, role, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    confirmation_token, recovery_token, email_change, email_change_token_new, created_at, updated_at)
  select id::uuid, email, 'authenticated', 'authenticated', now(), '{"provider": "email", "providers": ["email"]}', '{}', '', '', '', '', now(), now()
  from (values
    ('00000000-0000-7000-8000-0000000000a1', 'olivia@standard.example'),
    ('00000000-0000-7000-8000-0000000000a2', 'sam@standard.example'),
    ('00000000-0000-7000-8000-0000000000a5', 'amara@standard.example'),
    ('00000000-0000-7000-8000-0000000000a3', 'petra@professional.example'),
    ('00000000-0000-7000-8000-0000000000a4', 'emil@enterprise.example')
  ) as person (id, email)
  returning id, email
)
insert into auth.identities (id, provider, provider_id, user_id, identity_data, created_at, updated_at)
select id, 'email', id::text, id, jsonb_build_object('sub', id, 'email', email, 'email_verified', true), now(), now() from people;

insert into crm.workspaces (id, parent_workspace_id, name, plan, start_from) values
  ('00000000-0000-7000-8000-000000000001', null, 'Standard Demo', 'standard', null),
  ('00000000-0000-7000-8000-000000000002', null, 'Professional Demo', 'professional', null),
  ('00000000-0000-7000-8000-000000000003', null, 'Enterprise Demo', 'enterprise', null),
  ('00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-000000000001', 'Standard Demo (sandbox)', 'standard', 'empty');

-- Who is in a workspace is in its sandboxes as well.
insert into crm.members (id, workspace_id, user_id, role, name, email) values
  ('00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a1', 'owner', 'Olivia Bennett', 'olivia@standard.example'),
  ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a2', 'member', 'Sam Okafor', 'sam@standard.example'),
  ('00000000-0000-7000-8000-0000000000b6', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a5', 'admin', 'Amara Diallo', 'amara@standard.example'),
  ('00000000-0000-7000-8000-0000000000b3', '00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-0000000000a3', 'owner', 'Petra Novak', 'petra@professional.example'),
  ('00000000-0000-7000-8000-0000000000b4', '00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-0000000000a4', 'owner', 'Emil Sandberg', 'emil@enterprise.example');

-- What only hosted Auth has, and what opens a branch: a password for everybody and a key of the sandbox, out of the Vault.
do $$
declare
  sandbox constant uuid := '00000000-0000-7000-8000-000000000004';
  password text;
  api_key text;
begin
  if to_regclass('vault.decrypted_secrets') is null then
    return; -- On this machine scripts/stack makes both.
  end if;
  update auth.users set instance_id = '00000000-0000-0000-0000-000000000000' where instance_id is null;
  select decrypted_secret into password from vault.decrypted_secrets where name = 'preview_password';
  select decrypted_secret into api_key from vault.decrypted_secrets where name = 'preview_api_key';
  if password is null or api_key is null then
    raise notice 'Nobody has a password or there is no key: PREVIEW_PASSWORD and PREVIEW_API_KEY are not both set (README, Preview branches).';
  end if;
  if password is not null then
    update auth.users set encrypted_password = extensions.crypt(password, extensions.gen_salt('bf', 10)) where email like '%.example';
  end if;
  if api_key !~ '^anx_test_[0-9A-Za-z]{36}$' then
    raise exception 'PREVIEW_API_KEY is not a key of a sandbox, which begins with anx_test_ (README, Preview branches).';
  end if;
  insert into crm.api_keys (workspace_id, name, prefix, last_four, key_hash, scope)
  select sandbox, 'Preview', 'anx_test', right(api_key, 4), sha256(convert_to(api_key, 'UTF8')), 'full_access'
  where api_key is not null;
end;
$$;

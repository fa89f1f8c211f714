-- Keys that somebody has found in public.

-- Revokes those that are good still of {"source", "context", "keys": [{"key_hash", "url"}]}, once each: {"source"} has found
-- them, at that address. Who looks after their workspaces is told by mail, however many it has sent. Answers the hashes that
-- are of keys of ours, those that were revoked before too.
create function api.report_leaked_keys(json) returns json
language plpgsql security definer
set search_path = ''
set timezone = 'UTC'
as $$
declare
  report constant jsonb := $1;
  leak record;
begin
  perform set_config('crm.act_context', report ->> 'context', true);
  -- The workspaces first, as whoever deletes a sandbox has it before its keys.
  perform from crm.workspaces where id in (
    select key.workspace_id from jsonb_to_recordset(report -> 'keys') as given (key_hash text)
    join crm.api_keys as key on key.key_hash = decode(given.key_hash, 'hex')
  ) order by id for key share;
  for leak in
    select key, nullif(given.url, '') as url
    from jsonb_to_recordset(report -> 'keys') as given (key_hash text, url text)
    join crm.api_keys as key on key.key_hash = decode(given.key_hash, 'hex')
    where key.revoked_at is null and coalesce(key.expires_at > now(), true)
    order by key.id
    for no key update of key
  loop
    perform crm.revoke_api_key((leak.key).id, crm.actor());
    perform crm.note_act((leak.key).workspace_id, 'api_key.leaked', crm.target('api_key', (leak.key).id, (leak.key).name), jsonb_build_object(
      'source', jsonb_build_object('from', null, 'to', report -> 'source'),
      'url', jsonb_build_object('from', null, 'to', leak.url)));
    insert into crm.mails (workspace_id, template, recipient, details)
    select distinct on (lower(member.email)) workspace.id, 'leaked_key', member.email, jsonb_build_object(
      'workspace_name', workspace.name, 'key_name', (leak.key).name, 'last_four', (leak.key).last_four, 'url', leak.url, 'revoked_at', now())
    from crm.workspaces as workspace
    join crm.members as member on member.workspace_id in (workspace.id, workspace.parent_workspace_id)
    where workspace.id = (leak.key).workspace_id and member.role in ('owner', 'admin') and member.deleted_at is null
    order by lower(member.email);
  end loop;
  return (
    select coalesce(json_agg(given.key_hash), '[]')
    from jsonb_to_recordset(report -> 'keys') as given (key_hash text)
    where exists (select from crm.api_keys as key where key.key_hash = decode(given.key_hash, 'hex'))
  );
end;
$$;
grant execute on function api.report_leaked_keys(json) to crm_auth;

-- What runs by the clock, and what Postgres writes down about it.

-- Deletes all that has outlived its promise, some rows in each transaction; the last of each kind, which finds nothing, gives back
-- its lock too. And tells of the keys that are about to. Without a search_path of its own, which a procedure that commits can't have.
create procedure crm.purge_all(max_rows integer default 250)
language plpgsql
as $$
begin
  while crm.purge(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  while crm.purge_imports(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  while crm.purge_mails(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  while crm.purge_sandboxes(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  while crm.purge_sign_ins(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  while crm.purge_webhooks(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  while crm.watch_api_keys(max_rows) > 0 loop
    commit;
  end loop;
  commit;
  perform crm.watch_webhooks();
  commit;
  perform crm.forget_events();
  commit;
  perform crm.keep_weeks();
  commit;
end;
$$;

-- Has the function carry on the jobs of all workspaces. Where it is and what proves us are in the Vault, which
-- `supabase db push` fills from config.toml before it migrates; without them there is nobody to call.
create function crm.call_drain() returns void
language plpgsql
set search_path = ''
as $$
declare
  base_url text;
  secret text;
begin
  select decrypted_secret into base_url from vault.decrypted_secrets where name = 'public_api_url';
  select decrypted_secret into secret from vault.decrypted_secrets where name = 'cron_secret';
  if base_url is null or secret is null then
    raise warning 'the Vault lacks public_api_url or cron_secret (README, The road to production)';
    return;
  end if;
  perform net.http_post(url := base_url || '/internal/drain', headers := jsonb_build_object('X-Cron-Secret', secret));
end;
$$;

-- Schedules all of it, where there is something to schedule it with. Called by the seed of a preview branch too, which has
-- the extensions of its project, but no rows.
create function crm.schedule() returns void
language plpgsql
set search_path = ''
as $$
begin
  if to_regnamespace('cron') is not null and to_regnamespace('net') is not null then
    perform cron.schedule('purge', '*/5 * * * *', 'call crm.purge_all()');
    perform cron.schedule('drain', '10 seconds', 'select crm.call_drain()');
    perform cron.schedule('forget_runs', '17 3 * * *', $forget$
      delete from cron.job_run_details where end_time < now() - interval '7 days'
    $forget$);
  end if;
end;
$$;

-- pg_cron and pg_net are the platform's. Where they can't be had, as in the local stack, its own timer does both.
do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_cron') then
    create extension if not exists pg_cron;
    create extension if not exists pg_net;
  end if;
end;
$$;
select crm.schedule();

-- Postgres' log gets no customer's values: they would stand in DETAIL, HINT, QUERY and CONTEXT of an error. Who may not
-- set that, as the owner of a hosted project, keeps errors of requests out of the log; the function logs them by code.
do $$
begin
  alter role authenticator set log_error_verbosity = 'terse';
exception when insufficient_privilege then
  begin
    alter role authenticator set log_min_messages = 'log';
  exception when insufficient_privilege then
    raise warning 'errors of requests may be in Postgres'' log with values in them';
  end;
end;
$$;

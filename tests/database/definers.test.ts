import { expect, test } from "vitest";
import { generateApiKey, hashApiKey } from "../../shared/auth/key_format.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

// Functions that run with their owner's rights are the only ways past row-level security: each is named
// here with who may call it, so that a new one is a decision and not an accident.

const ROLES = ["anon", "authenticated", "crm_api", "crm_auth", "crm_worker"];

test("each function that runs past the policies is known, and callable by whom it is for", async () => {
  const rows = await database()`
    select nspname || '.' || proname as name,
           array(select role from unnest(${ROLES}::text[]) as role where has_function_privilege(role, pg_proc.oid, 'execute')) as callers
    from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
    where nspname in ('crm', 'api') and prosecdef and prorettype <> 'trigger'::regtype
      and proname not like 'add\\_to\\_%\\_by\\_%'
    order by name`;
  expect(Object.fromEntries(rows.map((row) => [row["name"], row["callers"]]))).toEqual({
    // Of a key that may read the resource they are about; they ask for the workspace themselves.
    "api.custom_fields_of": ["crm_api"],
    "api.read_timeline": ["crm_api"],
    "api.search_everything": ["crm_api"],
    "crm.export_search": ["crm_api"],
    "crm.run_search": ["crm_api"],
    "crm.search_deal_summary": ["crm_api"],
    // Writes that reach further than the scope of their key: they ask for it themselves.
    "crm.merge_records": ["crm_api"],
    "crm.revert_merge": ["crm_api"],
    "crm.tags_merge": ["crm_api"],
    "api.cancel_job": ["crm_api"],
    // What roles decide of: they ask for the right themselves.
    "api.act": ["crm_api"],
    "api.used_permissions": ["crm_api"],
    // What a plan names, and whether the key may read it.
    "crm.resource_of": ["crm_api"],
    "crm.workspace_of_plan": ["crm_api"],
    // Parts of such writes and reads, given what was found under the policies. Requests can't name them: crm is not exposed.
    "crm.bytes_uploaded": ["crm_api"],
    "crm.unfinished_imports": ["crm_api"],
    "crm.custom_fields_move_to": ["crm_api"],
    "crm.first_stage": ["crm_api"],
    "crm.pipelines_move_to": ["crm_api"],
    "crm.stage_before": ["crm_api"],
    "crm.stages_move_to": ["crm_api"],
    "crm.transitions_of": ["crm_api"],
    "crm.forget_unused_tags": ["crm_api"],
    "crm.register_tags": ["crm_api"],
    "crm.spelled": ["crm_api"],
    "crm.start_job": ["crm_api"],
    "crm.take_locks": ["crm_api"],
    // For other definers alone.
    "api.claim_webhook": ["crm_worker"],
    "api.settle_webhook": ["crm_worker"],
    "crm.event_position": ["crm_api"],
    "crm.has_endpoints": ["crm_api"],
    "crm.oldest_event": ["crm_api"],
    "crm.publish": ["crm_api"],
    "crm.readable_scopes": ["crm_api"],
    "crm.emit": [],
    "crm.add_to_tag_counts": [],
    "crm.change_tags": [],
    "crm.count_references": [],
    "crm.count_tagged": [],
    "crm.find_last_activity": [],
    "crm.give_references_back": [],
    "crm.give_tag_back": [],
    "crm.job_delete_sandbox": [],
    "crm.job_give_tag_back": [],
    "crm.job_merge": [],
    "crm.job_move_deals": [],
    "crm.job_move_values": [],
    "crm.job_replace_tags": [],
    "crm.job_reset_sandbox": [],
    "crm.job_revert_merge": [],
    "crm.lost_tag": [],
    "crm.move_custom_values": [],
    "crm.move_references": [],
    "crm.activities_lock": [],
    "crm.companies_lock": [],
    "crm.contacts_lock": [],
    "crm.deals_lock": [],
    "crm.stages_lock": [],
    "crm.tasks_lock": [],
    "crm.lock_merged": [],
    "crm.lock_named": [],
    "crm.send_mail": [],
    "crm.place_deals_of": [],
    "crm.replace_tags": [],
    "crm.restore_tag": [],
    "crm.stage_like": [],
    // Who asks.
    "api.find_api_key": ["crm_auth"],
    "api.find_memberships": ["crm_auth"],
    "api.report_leaked_keys": ["crm_auth"],
    "api.accept_invitation": ["crm_auth"],
    "api.note_use": ["crm_auth"],
    "crm.current_workspace": ["crm_api"],
    "crm.refuse_credential": ["crm_api"],
    "crm.require_report_room": ["crm_api"],
    "crm.require_workspace": ["crm_api"],
    "crm.workspace_for": ["crm_api"],
    // The worker's: it takes jobs of all workspaces, and does them with the rights of whose they are.
    "api.advance_job": ["crm_worker"],
    "api.claim_import": ["crm_worker"],
    "api.claim_job": ["crm_worker"],
    "api.fail_job": ["crm_worker"],
    "api.release_job": ["crm_worker"],
    "api.fail_import": ["crm_worker"],
    "api.release_import": ["crm_worker"],
    "api.claim_mail": ["crm_worker"],
    "api.finish_mail": ["crm_worker"],
    "api.release_mail": ["crm_worker"],
    "api.fail_mail": ["crm_worker"],
    // For the clock alone.
    "crm.forget_events": [],
    "crm.keep_weeks": [],
    "crm.purge": [],
    "crm.purge_imports": [],
    "crm.purge_mails": [],
    "crm.purge_sign_ins": [],
    "crm.purge_webhooks": [],
    "crm.purge_sandboxes": [],
  });
});

test("no trigger function and nothing that keeps the tallies can be called by a request", async () => {
  const callable = await database()`
    select proname from pg_proc, unnest(${ROLES}::text[]) as role
    where pronamespace = 'crm'::regnamespace and (prorettype = 'trigger'::regtype or proname like 'add\\_to\\_%')
      and has_function_privilege(role, pg_proc.oid, 'execute')`;
  expect(callable).toEqual([]);
});

test("each function that runs past the policies pins its search_path", async () => {
  const loose = await database()`
    select proname from pg_proc
    where pronamespace in ('crm'::regnamespace, 'api'::regnamespace) and prosecdef
      and not coalesce(proconfig @> array['search_path=""'], false)`;
  expect(loose).toEqual([]);
});

test("each view runs with the rights of who asks", async () => {
  const views = await database()`
    select relname from pg_class
    where relnamespace in ('crm'::regnamespace, 'api'::regnamespace) and relkind in ('v', 'm')
      and not coalesce(reloptions @> array['security_invoker=true'], false)`;
  expect(views).toEqual([]);
});

test("our roles can't log in, bypass the policies, own anything or become each other", async () => {
  const sql = database();
  const roles = await sql`
    select rolname from pg_roles
    where rolname in ('crm_api', 'crm_auth', 'crm_worker') and not (rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`;
  expect(roles).toHaveLength(3);
  expect(
    await sql`select relname from pg_class where relowner::regrole::text in ('crm_api', 'crm_auth', 'crm_worker')`,
  ).toEqual([]);
  const memberships = await sql`
    select roleid::regrole::text as role, member::regrole::text as member from pg_auth_members
    where roleid::regrole::text in ('crm_api', 'crm_auth', 'crm_worker') or member::regrole::text in ('crm_api', 'crm_auth', 'crm_worker')`;
  expect(
    memberships.map((row) => `${row["member"]} → ${row["role"]}`).filter((text) => !text.startsWith("authenticator →")),
  ).toEqual([]);
});

test("every table that holds a tenant's rows names the workspace in each policy", async () => {
  const policies = await database()`
    select tablename, policyname, coalesce(qual, '') || coalesce(with_check, '') as rule, roles::text from pg_policies where schemaname = 'crm'`;
  expect(policies.length).toBeGreaterThan(5);
  for (const { tablename, policyname, rule, roles } of policies) {
    expect(rule, `${tablename}: ${policyname}`).toMatch(
      /(workspace_id|id) =[^,]*\( SELECT (COALESCE\()?crm\.(workspace_for|current_workspace)\(/,
    );
    expect(String(roles)).toBe("{crm_api}");
  }
});

test("of a key only its SHA-256 is at rest, in no column and no log of an answer more", async () => {
  const { key, workspaceId } = await createWorkspace();
  const sql = database();
  const [row] = await sql`select * from crm.api_keys where workspace_id = ${workspaceId}`;
  expect(Buffer.from(row?.["key_hash"]).toString("hex")).toBe(hashApiKey(key));
  expect(JSON.stringify(row)).not.toContain(key.slice(9, -4));
});

test("a key is found by its hash alone: an unknown hash finds nothing", async () => {
  const [row] = await database()`select api.find_api_key(${generateApiKey("live").hashHex}) as found`;
  expect(row?.["found"]).toBeNull();
});

-- How requests write each resource (crm.facts_of), and who may do what beside that, generated from shared/resources by `npm run gen:facts`; a test compares the
-- two. Do not edit.

insert into crm.resources (name, facts) values ('contacts', '{
  "singular": "contact",
  "columns": ["id","external_id","owner_id","tags","custom_fields","source","version","created_at","updated_at","created_by","updated_by","email","first_name","last_name","phone","phone_e164","company_id","job_title","department","status","lifecycle_stage","lead_source","address","linkedin_url","website","timezone","locale","birthday","do_not_contact","score","last_activity_at"],
  "writable": ["external_id","owner_id","tags","custom_fields","email","first_name","last_name","phone","company_id","job_title","department","status","lifecycle_stage","lead_source","address","linkedin_url","website","timezone","locale","birthday","do_not_contact","score","phone_e164"],
  "fixed": [],
  "objects": ["custom_fields","address"],
  "derived": {"phone_e164":"phone"},
  "unique": ["email","external_id"],
  "within": {},
  "defaults": {"tags":[],"custom_fields":{},"status":"active","do_not_contact":false},
  "actions": {"merge":["ids","prefer"],"revert_merge":["merge_id"]},
  "movable": false
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('companies', '{
  "singular": "company",
  "columns": ["id","external_id","owner_id","tags","custom_fields","source","version","created_at","updated_at","created_by","updated_by","name","domain","website","industry","employee_count","annual_revenue","currency","phone","phone_e164","address","type","lifecycle_stage","parent_company_id","description","linkedin_url","contacts_count","open_deals_count"],
  "writable": ["external_id","owner_id","tags","custom_fields","name","domain","website","industry","employee_count","annual_revenue","currency","phone","address","type","lifecycle_stage","parent_company_id","description","linkedin_url","phone_e164"],
  "fixed": [],
  "objects": ["custom_fields","address"],
  "derived": {"phone_e164":"phone"},
  "unique": ["external_id","domain"],
  "within": {},
  "defaults": {"tags":[],"custom_fields":{}},
  "actions": {"merge":["ids","prefer"],"revert_merge":["merge_id"]},
  "movable": false
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('pipelines', '{
  "singular": "pipeline",
  "columns": ["id","external_id","owner_id","tags","custom_fields","source","version","created_at","updated_at","created_by","updated_by","name","position","is_default","currency","rules","stages"],
  "writable": ["external_id","owner_id","tags","custom_fields","name","position","is_default","currency","rules","given_stages"],
  "fixed": ["given_stages"],
  "objects": ["custom_fields","rules"],
  "derived": {},
  "unique": ["name","external_id"],
  "within": {},
  "defaults": {"tags":[],"custom_fields":{},"is_default":false,"rules":{}},
  "actions": {},
  "movable": true
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('stages', '{
  "singular": "stage",
  "columns": ["id","version","created_at","updated_at","created_by","updated_by","pipeline_id","name","type","probability","position","required_fields","rotting_days"],
  "writable": ["pipeline_id","name","type","probability","position","required_fields","rotting_days"],
  "fixed": [],
  "objects": [],
  "derived": {},
  "unique": ["name"],
  "within": {"name":["pipeline_id"]},
  "defaults": {"type":"open","required_fields":[]},
  "actions": {},
  "movable": true
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('deals', '{
  "singular": "deal",
  "columns": ["id","external_id","owner_id","tags","custom_fields","source","version","created_at","updated_at","created_by","updated_by","name","pipeline_id","stage_id","status","amount","currency","probability","weighted_amount","expected_close_date","closed_at","lost_reason","company_id","primary_contact_id","contacts","type","priority","stage_entered_at"],
  "writable": ["external_id","owner_id","tags","custom_fields","name","pipeline_id","stage_id","amount","currency","probability","expected_close_date","lost_reason","company_id","primary_contact_id","contacts","type","priority"],
  "fixed": [],
  "objects": ["custom_fields"],
  "derived": {},
  "unique": ["external_id"],
  "within": {},
  "defaults": {"tags":[],"custom_fields":{},"contacts":[],"priority":"normal"},
  "actions": {"move":["stage_id","lost_reason"],"win":[],"lose":["lost_reason"],"reopen":[]},
  "movable": false
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('tasks', '{
  "singular": "task",
  "columns": ["id","external_id","owner_id","tags","custom_fields","source","version","created_at","updated_at","created_by","updated_by","title","description","type","status","priority","due_at","remind_at","assignee_id","completed_at","contact_id","company_id","deal_id"],
  "writable": ["external_id","owner_id","tags","custom_fields","title","description","type","status","priority","due_at","remind_at","assignee_id","contact_id","company_id","deal_id"],
  "fixed": [],
  "objects": ["custom_fields"],
  "derived": {},
  "unique": ["external_id"],
  "within": {},
  "defaults": {"tags":[],"custom_fields":{},"type":"todo","status":"open","priority":"normal"},
  "actions": {"complete":[],"reopen":[]},
  "movable": false
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('activities', '{
  "singular": "activity",
  "columns": ["id","external_id","owner_id","tags","custom_fields","source","version","created_at","updated_at","created_by","updated_by","type","occurred_at","direction","subject","body","duration_seconds","outcome","data","contact_id","company_id","deal_id"],
  "writable": ["external_id","owner_id","tags","custom_fields","type","occurred_at","direction","subject","body","duration_seconds","outcome","data","contact_id","company_id","deal_id"],
  "fixed": [],
  "objects": ["custom_fields","data"],
  "derived": {},
  "unique": ["external_id"],
  "within": {"external_id":["type"]},
  "defaults": {"tags":[],"custom_fields":{},"data":{}},
  "actions": {},
  "movable": false
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('tags', '{
  "singular": "tag",
  "columns": ["id","version","created_at","updated_at","created_by","updated_by","name","count"],
  "writable": ["name"],
  "fixed": [],
  "objects": [],
  "derived": {},
  "unique": ["name"],
  "within": {},
  "defaults": {},
  "actions": {"merge":["ids"]},
  "movable": false
}')
on conflict (name) do update set facts = excluded.facts;

insert into crm.resources (name, facts) values ('custom_fields', '{
  "singular": "custom_field",
  "columns": ["id","version","created_at","updated_at","created_by","updated_by","resource","key","label","type","options","required"],
  "writable": ["resource","key","label","type","options","required"],
  "fixed": ["resource","key","type"],
  "objects": [],
  "derived": {},
  "unique": ["key"],
  "within": {"key":["resource"]},
  "defaults": {"options":[],"required":false},
  "actions": {},
  "movable": true
}')
on conflict (name) do update set facts = excluded.facts;

-- Who may do what beside records, by role, and for keys (shared/rights.ts).
create function crm.rights() returns jsonb
language sql immutable parallel safe -- no "set search_path": a setting would keep it from being inlined
as $$
  select '{
    "webhooks": {"owner":"write","admin":"write","member":"read","key":"scope"},
    "api_keys": {"owner":"write","admin":"write","member":"read","key":"own"},
    "members": {"owner":"write","admin":"write","member":"read","key":"none"},
    "invitations": {"owner":"write","admin":"write","member":"read","key":"none"},
    "sandboxes": {"owner":"write","admin":"write","member":"read","key":"none"},
    "audit_log": {"owner":"read","admin":"read","member":"none","key":"none"}
  }'::jsonb;
$$;
grant execute on function crm.rights() to crm_api;

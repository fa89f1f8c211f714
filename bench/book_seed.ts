import type postgres from "postgres";

/** The resources that a book of business is made of, in the order of their references. */
export const BOOK = ["companies", "contacts", "deals", "tasks", "activities"] as const;
export type BookResource = (typeof BOOK)[number];

/** Entries that the first contact's timeline has beside everybody's own. */
export const LONG_TIMELINE = 10_000;

/**
 * Fills a workspace with `size` records of each resource, related to each other one to one. Past the
 * triggers, with the indexes built afterwards: a million rows of each would take an hour otherwise. What
 * the triggers keep (tallies, stage changes) is added up at the end.
 */
export async function seedBook(
  sql: postgres.Sql,
  workspaceId: string,
  size: number,
  { timelineEntries, progress }: { timelineEntries: number; progress: (line: string) => void },
): Promise<void> {
  const session = await sql.reserve();
  await session`set session_replication_role = replica`;
  try {
    for (const resource of BOOK) {
      const startedAt = performance.now();
      const indexes = size >= 100_000 ? await dropIndexes(session, resource) : [];
      await session.unsafe(INSERTS[resource], [workspaceId, size]);
      if (resource === "activities") await session.unsafe(LONG_TIMELINE_INSERT, [workspaceId, timelineEntries]);
      for (const definition of indexes) await session.unsafe(definition);
      await addUpTallies(session, resource, workspaceId);
      if (resource === "deals") await session.unsafe(STAGE_CHANGES_INSERT, [workspaceId]);
      await session.unsafe(`analyze crm.${resource}`);
      if (size >= 100_000)
        progress(
          `  ${size.toLocaleString("en-US")} ${resource} after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`,
        );
    }
    await session`analyze crm.stage_changes`;
  } finally {
    await session`set session_replication_role = origin`;
    session.release();
  }
}

/** Drops what only speeds reading up, and answers how to make it again. */
async function dropIndexes(sql: postgres.ReservedSql, table: string): Promise<string[]> {
  const rows = await sql`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
    where indrelid = ${`crm.${table}`}::regclass and not indisunique`;
  for (const row of rows) await sql.unsafe(`drop index ${row["name"]}`);
  return rows.map((row) => row["definition"]);
}

/** The totals that the triggers would have kept (`crm.track_totals`). */
export async function addUpTallies(sql: postgres.Sql, resource: string, workspaceId: string): Promise<void> {
  const tallies = await sql`
    select relname as name, string_agg(quote_ident(attname), ', ' order by attnum) as facets
    from pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
    where relnamespace = 'crm'::regnamespace and relkind = 'r' and starts_with(relname, ${`${resource}_by_`})
      and attname not in ('id', 'workspace_id', 'cell', 'records')
    group by relname`;
  for (const { name, facets } of tallies)
    await sql.unsafe(
      `insert into crm.${name} (workspace_id, cell, ${facets}, records)
       select workspace_id, jsonb_build_array(${facets})::text, ${facets}, count(*)
       from crm.${resource} where workspace_id = $1 and deleted_at is null group by workspace_id, ${facets}`,
      [workspaceId],
    );
}

/** The id of a workspace's i-th record of a resource: time-ordered (version 7), as all ids are. */
function idOf(resource: BookResource, i = "i"): string {
  const time = `lpad(to_hex(1700000000000 + ${i}), 12, '0')`;
  const random = `md5('${resource}' || $1 || ${i})`;
  return `(substr(${time}, 1, 8) || '-' || substr(${time}, 9, 4) || '-7' || substr(${random}, 1, 3) || '-8' || substr(${random}, 4, 3)
    || '-' || substr(${random}, 7, 12))::uuid`;
}

const CREATED_AT = "now() - (3000000 - i) * interval '7.3 seconds'";
const NUMBERS = "(select i, abs(hashint8(i)) as hash from generate_series(1, $2::bigint) as i) as numbers";
const STAGES = `(
  select pipeline_id, array_agg(id order by position) as ids, array_agg(type order by position) as types
  from crm.stages where workspace_id = $1::uuid group by pipeline_id limit 1
) as pipeline`;

const INSERTS: Record<BookResource, string> = {
  companies: `
    insert into crm.companies (id, workspace_id, name, domain, industry, employee_count, annual_revenue, currency, type, lifecycle_stage, created_at)
    select ${idOf("companies")}, $1::uuid,
      (array['North', 'Blue', 'Alpha', 'Quantum', 'Green', 'Iron', 'Solar', 'Delta', 'Silver', 'Urban'])[1 + hash % 10] || ' '
        || (array['Systems', 'Foods', 'Logistics', 'Robotics', 'Media', 'Health', 'Energy', 'Textiles'])[1 + hash / 10 % 8] || ' ' || i,
      'company' || i || '.example',
      (array['Software', 'Retail', 'Manufacturing', 'Finance', 'Healthcare', 'Education', null])[1 + hash % 7],
      hash % 5000, (hash % 100000)::numeric * 100, 'USD',
      (array['prospect', 'customer', 'partner', 'vendor', null])[1 + hash % 5],
      (array['lead', 'opportunity', 'customer', null])[1 + hash % 4], ${CREATED_AT}
    from ${NUMBERS}`,
  contacts: `
    insert into crm.contacts (id, workspace_id, email, first_name, last_name, phone, phone_e164, company_id, job_title, status, lifecycle_stage, score, created_at)
    select ${idOf("contacts")}, $1::uuid, 'person' || i || '@company' || i || '.example',
      (array['Maria', 'James', 'Anna', 'Wei', 'Fatima', 'John', 'Olga', 'Pedro', 'Aisha', 'Lukas', 'Emma', 'Noah', 'Yuki', 'Ivan', 'Chloé'])[1 + hash % 15],
      (array['Smith', 'Müller', 'Garcia', 'Kowalski', 'Tanaka', 'Rossi', 'Novak', 'Silva', 'Khan', 'Nguyen'])[1 + hash / 15 % 10] || i % 997,
      '+1 212 555 ' || lpad((i % 10000)::text, 4, '0'), '+1212555' || lpad((i % 10000)::text, 4, '0'),
      ${idOf("companies")}, (array['Engineer', 'Buyer', 'Consultant', null])[1 + hash % 4],
      (array['active', 'active', 'inactive', 'bounced'])[1 + hash % 4], (array['lead', 'customer', null])[1 + hash % 3], hash % 101, ${CREATED_AT}
    from ${NUMBERS}`,
  deals: `
    insert into crm.deals (id, workspace_id, name, pipeline_id, stage_id, status, amount, currency, probability, expected_close_date,
      company_id, primary_contact_id, priority, created_at, stage_entered_at)
    select ${idOf("deals")}, $1::uuid, 'Contract ' || i, pipeline.pipeline_id, pipeline.ids[1 + hash % 5], pipeline.types[1 + hash % 5],
      (hash % 1000000)::numeric / 100, (array['USD', 'EUR'])[1 + hash % 2], hash % 101, date '2026-01-01' + (hash % 360)::integer,
      ${idOf("companies")}, ${idOf("contacts")}, (enum_range(null::crm.priority))[1 + hash % 4], ${CREATED_AT}, ${CREATED_AT}
    from ${NUMBERS} cross join ${STAGES}`,
  tasks: `
    insert into crm.tasks (id, workspace_id, title, type, status, priority, due_at, contact_id, company_id, deal_id, created_at)
    select ${idOf("tasks")}, $1::uuid, 'Call back ' || i, (array['todo', 'call', 'email', 'meeting', 'follow_up'])[1 + hash % 5],
      (array['open', 'in_progress', 'completed', 'cancelled'])[1 + hash % 4], (enum_range(null::crm.priority))[1 + hash % 4],
      now() + (hash % 1000 - 500) * interval '1 hour', ${idOf("contacts")}, ${idOf("companies")}, ${idOf("deals")}, ${CREATED_AT}
    from ${NUMBERS}`,
  activities: `
    insert into crm.activities (id, workspace_id, type, occurred_at, subject, body, contact_id, company_id, deal_id, created_at)
    select ${idOf("activities")}, $1::uuid, (array['note', 'call', 'email', 'meeting', 'sms'])[1 + hash % 5], ${CREATED_AT},
      (array['Intro call', 'Follow-up', 'Pricing', 'Contract review', 'Support'])[1 + hash / 5 % 5],
      'They asked about ' || (array['delivery', 'pricing', 'support', 'security', 'training'])[1 + hash / 25 % 5] || ' for order ' || i,
      ${idOf("contacts")}, ${idOf("companies")}, ${idOf("deals")}, ${CREATED_AT}
    from ${NUMBERS}`,
};

/** Entries of the first contact, over its whole life. */
const LONG_TIMELINE_INSERT = `
  insert into crm.activities (workspace_id, type, occurred_at, subject, contact_id, created_at)
  select $1::uuid, 'note', now() - i * interval '1 hour', 'Entry ' || i, ${idOf("contacts", "1")}, now() - i * interval '1 hour'
  from generate_series(1, $2::bigint) as i`;

const STAGE_CHANGES_INSERT = `
  insert into crm.stage_changes (workspace_id, deal_id, pipeline_id, to_stage_id, status, changed_at, changed_by)
  select workspace_id, id, pipeline_id, stage_id, status, stage_entered_at, '{"type": "system", "id": null}'
  from crm.deals where workspace_id = $1::uuid`;

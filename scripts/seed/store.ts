import type postgres from "postgres";
import type { Batch } from "./batch.ts";
import type { Deal } from "./deals.ts";
import type { Pools } from "./pools.ts";
import { slug } from "./pools.ts";
import { type Ground, iso } from "./recipe.ts";
import { CUSTOM_FIELDS, type Member, makeMembers, PIPELINES, type Pipeline } from "./setup.ts";

type Sql = postgres.Sql | postgres.TransactionSql;

/** What a workspace has that records refer to; adds what is missing of it, and leaves alone what is there. */
export async function prepareGround(
  sql: Sql,
  { workspaceId, pools, colleagues }: { workspaceId: string; pools: Pools; colleagues: number },
): Promise<Ground> {
  const [workspace] = await sql<{ domain: string | null; name: string }[]>`
    select name, (
      select split_part(email, '@', 2) from crm.members where workspace_id = workspace.id order by created_at, id limit 1
    ) as domain
    from crm.workspaces as workspace where id = ${workspaceId}`;
  if (workspace === undefined) throw new Error(`There is no workspace ${workspaceId}.`);
  const domain = workspace.domain ?? `${slug(workspace.name)}.example`;
  await addMembers(sql, workspaceId, makeMembers(pools, workspaceId, domain, colleagues));
  await addPipelines(sql, workspaceId);
  await addCustomFields(sql, workspaceId);
  return {
    workspaceId,
    members: await sql<Member[]>`
      select id, name, email from crm.members where workspace_id = ${workspaceId} and deleted_at is null order by id`,
    pipelines: await readPipelines(sql, workspaceId),
    customFields: await readCustomFields(sql, workspaceId),
  };
}

/** Inserts a batch's companies, which all else refers to. */
export async function insertCompanies(sql: Sql, { companies }: Batch): Promise<void> {
  await insertRows(sql, "companies", companies);
}

/** Inserts all else of a batch. */
export async function insertRecords(
  sql: postgres.TransactionSql,
  { contacts, deals, tasks, activities }: Batch,
): Promise<void> {
  await insertRows(sql, "contacts", contacts);
  await insertRows(
    sql,
    "deals",
    deals.map(({ row }) => row),
  );
  await insertStageChanges(sql, deals);
  await insertRows(sql, "tasks", tasks);
  await insertRows(sql, "activities", activities);
}

// All rows of a kind have the same columns; the table says their types.
async function insertRows(sql: Sql, table: string, rows: readonly object[]): Promise<void> {
  if (rows[0] === undefined) return;
  const columns = Object.keys(rows[0]).join(", ");
  await sql.unsafe(
    `insert into crm.${table} (${columns}) select ${columns} from jsonb_populate_recordset(null::crm.${table}, $1)`,
    [sql.json(rows as postgres.JSONValue)],
  );
  await analyzeOnce(sql, table);
}

// Without statistics the checks of references look through all there is. Later on autovacuum sees to it.
async function analyzeOnce(sql: Sql, table: string): Promise<void> {
  const [fresh] = await sql`select from pg_class where oid = ${`crm.${table}`}::regclass and reltuples < 0`;
  if (fresh !== undefined) await sql.unsafe(`analyze crm.${table}`);
}

// The trigger notes that a deal began in the stage where it is; it has come a longer way.
async function insertStageChanges(sql: Sql, deals: readonly Deal[]): Promise<void> {
  const steps = deals.flatMap(({ row, steps }) =>
    steps.map(({ stage, at }, place) => ({
      workspace_id: row.workspace_id,
      deal_id: row.id,
      pipeline_id: row.pipeline_id,
      from_stage_id: steps[place - 1]?.stage.id ?? null,
      to_stage_id: stage.id,
      status: stage.type,
      changed_at: iso(at),
    })),
  );
  if (steps.length === 0) return;
  await sql`
    with steps as materialized (select * from jsonb_populate_recordset(null::crm.stage_changes, ${sql.json(steps)})),
    completed as (
      update crm.stage_changes as change set from_stage_id = step.from_stage_id
      from steps as step
      where change.workspace_id = step.workspace_id and change.deal_id = step.deal_id and change.to_stage_id = step.to_stage_id
    )
    insert into crm.stage_changes (workspace_id, deal_id, pipeline_id, from_stage_id, to_stage_id, status, changed_at, changed_by)
    select step.workspace_id, step.deal_id, step.pipeline_id, step.from_stage_id, step.to_stage_id, step.status, step.changed_at, crm.actor()
    from steps as step
    join crm.deals as deal on deal.workspace_id = step.workspace_id and deal.id = step.deal_id
    where deal.stage_id <> step.to_stage_id`;
}

async function addMembers(sql: Sql, workspaceId: string, members: ReturnType<typeof makeMembers>): Promise<void> {
  const known = await sql`select user_id from crm.members where workspace_id = ${workspaceId}`;
  for (const { id, user_id, role, name, email } of members) {
    if (known.some((member) => member["user_id"] === user_id)) continue;
    await sql`insert into auth.users (id, email) values (${user_id}, ${email}) on conflict do nothing`;
    await sql`
      insert into crm.members (id, workspace_id, user_id, role, name, email)
      values (${id}, ${workspaceId}, ${user_id}, ${role}, ${name}, ${email})`;
  }
}

async function addPipelines(sql: Sql, workspaceId: string): Promise<void> {
  for (const { name, given_stages } of PIPELINES) {
    await sql`
      insert into crm.pipelines (workspace_id, name, given_stages)
      select ${workspaceId}, ${name}, ${sql.json(given_stages)}
      where not exists (
        select from crm.pipelines where workspace_id = ${workspaceId} and name = ${name} and deleted_at is null
      )`;
  }
}

async function readPipelines(sql: Sql, workspaceId: string): Promise<Pipeline[]> {
  return await sql<Pipeline[]>`
    select pipeline.id, pipeline.name, (
      select json_agg(json_build_object('id', id, 'type', type, 'probability', probability) order by position, id)
      from crm.stages where workspace_id = pipeline.workspace_id and pipeline_id = pipeline.id and deleted_at is null
    ) as stages
    from crm.pipelines as pipeline
    where workspace_id = ${workspaceId} and deleted_at is null
      and (is_default or name in ${sql(PIPELINES.map(({ name }) => name))})
    order by position, id`;
}

async function addCustomFields(sql: Sql, workspaceId: string): Promise<void> {
  for (const { resource, key, label, type, options } of CUSTOM_FIELDS) {
    await sql`
      insert into crm.custom_fields (workspace_id, resource, key, label, type, options)
      values (${workspaceId}, ${resource}, ${key}, ${label}, ${type}, ${options as unknown as string[]})
      on conflict (workspace_id, resource, key) where deleted_at is null do nothing`;
  }
}

// A key that someone has defined otherwise gets no values of ours.
async function readCustomFields(sql: Sql, workspaceId: string): Promise<Set<string>> {
  const rows = await sql<{ resource: string; key: string; type: string; options: string[] }[]>`
    select resource, key, type, options from crm.custom_fields
    where workspace_id = ${workspaceId} and deleted_at is null`;
  const isOurs = (field: (typeof CUSTOM_FIELDS)[number]) =>
    rows.some(
      ({ resource, key, type, options }) =>
        resource === field.resource &&
        key === field.key &&
        type === field.type &&
        field.options.every((option) => options.includes(option)),
    );
  return new Set(CUSTOM_FIELDS.filter(isOurs).map(({ resource, key }) => `${resource}.${key}`));
}

import { expect } from "vitest";
import type { Answer } from "./client.ts";
import { FEED_TABLES } from "./feed.ts";
import { database } from "./stack.ts";
import { createWorkspace, freshEmail } from "./workspace.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into records of every shape.
export type Made = Record<string, any>;

export type SalesTeam = Awaited<ReturnType<typeof createSalesTeam>>;

let serial = 0;

/** A name that nobody has used in this run. */
export function freshName(what: string): string {
  serial += 1;
  return `${what} ${process.pid}-${serial}`;
}

/** A workspace of its own with a short way to make each thing that a sales team has. */
export async function createSalesTeam() {
  const workspace = await createWorkspace();
  const { client, workspaceId } = workspace;

  async function make(path: string, body: Made): Promise<Made> {
    const answer = await client.post(path, body);
    expect(answer.status, `${path} ${JSON.stringify(body)} → ${JSON.stringify(answer.body)}`).toBe(201);
    return answer.data;
  }

  async function read(path: string): Promise<Made> {
    const answer = await client.get(path);
    expect(answer.status, `${path} → ${JSON.stringify(answer.body)}`).toBe(200);
    return answer.data;
  }

  return {
    ...workspace,
    make,
    read,
    contact: (fields: Made = {}) => make("/contacts", { email: freshEmail(), ...fields }),
    company: (fields: Made = {}) => make("/companies", { name: freshName("Company"), ...fields }),
    deal: (fields: Made = {}) => make("/deals", { name: freshName("Deal"), ...fields }),
    task: (fields: Made = {}) => make("/tasks", { title: freshName("Task"), ...fields }),
    activity: (fields: Made) => make("/activities", { type: "note", ...fields }),
    tag: (name = freshName("tag")) => make("/tags", { name }),
    field: (resource: string, type: string, more: Made = {}) =>
      make("/custom_fields", { resource, type, key: freshName("f").replace(/\W/g, "_"), label: "Field", ...more }),
    /** A pipeline with its stages by name; unless given, two open ones, one won and one lost. */
    async pipeline(fields: Made = {}): Promise<{ id: string; stage: Record<string, string>; pipeline: Made }> {
      const pipeline = await make("/pipelines", {
        name: freshName("Pipeline"),
        stages: [
          { name: "first", probability: 10 },
          { name: "second", probability: 60 },
          { name: "won", type: "won" },
          { name: "lost", type: "lost" },
        ],
        ...fields,
      });
      const stage = Object.fromEntries(pipeline["stages"].map(({ name, id }: Made) => [name, id]));
      return { id: pipeline["id"], stage, pipeline };
    },
    snapshot: () => snapshotOf(workspaceId),
  };
}

/** What an answer was refused with. */
export function refusal({ status, error }: Answer): { status: number; code: string | undefined } {
  return { status, code: error?.code };
}

/** The statuses of answers, sorted. */
export function statuses(answers: readonly Answer[]): number[] {
  return answers.map(({ status }) => status).sort((a, b) => a - b);
}

/** Runs a call that must be refused, and proves that nothing of the workspace has changed. */
export async function expectRefused(
  team: Pick<SalesTeam, "workspaceId">,
  call: () => Promise<Answer>,
  expected: { status: number; code: string | undefined; details?: unknown },
): Promise<Answer> {
  const before = await fingerprintOf(team.workspaceId);
  const answer = await call();
  expect({ ...refusal(answer), ...("details" in expected && { details: answer.error?.details }) }).toEqual(expected);
  expect(await fingerprintOf(team.workspaceId)).toEqual(before);
  return answer;
}

let tables: Promise<string[]> | undefined;

/** The tables that hold a workspace's rows, whatever there are. Who was there, and when, is nobody's data; events move, and only grow. */
function tenantTables(): Promise<string[]> {
  tables ??= database()`
    select relation.relname as name from pg_class as relation
    join pg_attribute as attribute on attribute.attrelid = relation.oid and attribute.attname = 'workspace_id'
    where relation.relnamespace = 'crm'::regnamespace and relation.relkind = 'r' and relation.relname not in ('api_keys', 'api_key_uses', 'sign_ins')
      and relation.relname !~ ${FEED_TABLES}
    order by relation.relname`.then((rows) => rows.map((row) => row["name"]));
  return tables;
}

async function fromEachTable(workspaceId: string, query: (table: string) => string): Promise<Made[]> {
  const queries = (await tenantTables()).map(query);
  return database().unsafe(queries.join(" union all "), [workspaceId], { prepare: true });
}

/** Every row of a workspace, by table. */
export async function snapshotOf(workspaceId: string): Promise<Record<string, Made[]>> {
  const rows = await fromEachTable(
    workspaceId,
    (table) => `
      (select '${table}' as name, to_jsonb(record) as row from crm.${table} as record where workspace_id = $1
       order by to_jsonb(record) ->> 'id', to_jsonb(record)::text)`,
  );
  const snapshot: Record<string, Made[]> = {};
  for (const { name, row } of rows) {
    snapshot[name] ??= [];
    snapshot[name].push(row);
  }
  return snapshot;
}

/** What tells whether any row of a workspace was written in between: one number per table. */
async function fingerprintOf(workspaceId: string): Promise<Record<string, string>> {
  const rows = await fromEachTable(
    workspaceId,
    (table) => `
      (select '${table}' as name, coalesce(sum(hashtextextended(ctid::text || xmin::text, 0)), 0)::text as written
       from crm.${table} where workspace_id = $1)`,
  );
  const [told] = await database()`
    select (select count(*) from crm.events where workspace_id = ${workspaceId})
      + (select count(*) from crm.outbox where workspace_id = ${workspaceId}) as events`;
  return Object.fromEntries([...rows.map(({ name, written }) => [name, written]), ["events", told?.["events"]]]);
}

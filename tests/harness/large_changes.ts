import { expect } from "vitest";
import type { Client } from "./client.ts";
import { database } from "./stack.ts";
import { freshEmail, type TestKey } from "./workspace.ts";

/** More than a request changes by itself. */
export const MANY = 2_600;

/** What is asked for, and whether all of its records are as they should be in the end. */
export interface LargeChange {
  request(client: Client): ReturnType<Client["post"]>;
  /** Counts those that are as they were, and those that are as they should be. */
  count(): Promise<{ before: number; after: number }>;
}

type Prepare = (workspace: TestKey) => Promise<LargeChange>;

async function countWhere(workspaceId: string, table: string, before: string, after: string) {
  const sql = database();
  const [row] = await sql`
    select count(*) filter (where ${sql.unsafe(before)})::integer as before, count(*) filter (where ${sql.unsafe(after)})::integer as after
    from ${sql(`crm.${table}`)} where workspace_id = ${workspaceId}`;
  return row as unknown as { before: number; after: number };
}

async function idOf(answer: ReturnType<Client["post"]>): Promise<string> {
  const { status, body, data } = await answer;
  expect(status, JSON.stringify(body)).toBe(201);
  return data.id;
}

/** Contacts with a tag, and the tag's id. */
async function tagged({ workspaceId, client }: TestKey, name: string): Promise<string> {
  await database()`
    insert into crm.contacts (workspace_id, email, tags)
    select ${workspaceId}, 'tagged' || n || '@test.example', array[${name}] from generate_series(1, ${MANY}) as n`;
  return (await client.get(`/tags?name=${name}`)).data[0].id;
}

/** Each kind of change that may be too large for a request, with records that make it so. */
export const LARGE_CHANGES: Record<string, Prepare> = {
  "a tag is renamed": async (workspace) => {
    const id = await tagged(workspace, "old");
    return {
      request: (client) => client.patch(`/tags/${id}`, { name: "new" }),
      count: () => countWhere(workspace.workspaceId, "contacts", "tags = '{old}'", "tags = '{new}'"),
    };
  },
  "a tag is deleted": async (workspace) => {
    const id = await tagged(workspace, "old");
    return {
      request: (client) => client.delete(`/tags/${id}`),
      count: () => countWhere(workspace.workspaceId, "contacts", "tags = '{old}'", "tags = '{}'"),
    };
  },
  "tags are merged": async (workspace) => {
    const loser = await tagged(workspace, "old");
    const winner = await idOf(workspace.client.post("/tags", { name: "new" }));
    return {
      request: (client) => client.post(`/tags/${winner}/merge`, { ids: [loser] }),
      count: () => countWhere(workspace.workspaceId, "contacts", "tags = '{old}'", "tags = '{new}'"),
    };
  },
  "contacts are merged": async ({ workspaceId, client }) => {
    const winner = await idOf(client.post("/contacts", { email: freshEmail() }));
    const loser = await idOf(client.post("/contacts", { email: freshEmail() }));
    await database()`
      insert into crm.activities (workspace_id, type, subject, contact_id)
      select ${workspaceId}, 'note', 'Note ' || n, ${loser} from generate_series(1, ${MANY}) as n`;
    return {
      request: (one) => one.post(`/contacts/${winner}/merge`, { ids: [loser] }),
      count: () => countWhere(workspaceId, "activities", `contact_id = '${loser}'`, `contact_id = '${winner}'`),
    };
  },
  "a stage's deals are moved": async ({ workspaceId, client }) => {
    const pipeline = (await client.get("/pipelines")).data[0];
    const [from, to] = pipeline.stages;
    await database()`
      insert into crm.deals (workspace_id, name, pipeline_id, stage_id)
      select ${workspaceId}, 'Deal ' || n, ${pipeline.id}, ${from.id} from generate_series(1, ${MANY}) as n`;
    return {
      request: (one) => one.delete(`/pipelines/${pipeline.id}/stages/${from.id}?move_to=${to.id}`),
      count: () => countWhere(workspaceId, "deals", `stage_id = '${from.id}'`, `stage_id = '${to.id}'`),
    };
  },
  "a custom field's values are moved": async ({ workspaceId, client }) => {
    const define = (key: string) =>
      idOf(client.post("/custom_fields", { resource: "contacts", key, label: key, type: "text" }));
    const [from, to] = [await define("from_here"), await define("to_there")];
    await database()`
      insert into crm.contacts (workspace_id, email, custom_fields)
      select ${workspaceId}, 'valued' || n || '@test.example', '{"from_here": "v"}' from generate_series(1, ${MANY}) as n`;
    return {
      request: (one) => one.delete(`/custom_fields/${from}?move_to=${to}`),
      count: () =>
        countWhere(
          workspaceId,
          "contacts",
          `custom_fields = '{"from_here": "v"}'`,
          `custom_fields = '{"to_there": "v"}'`,
        ),
    };
  },
};

/** A job once it has ended. */
export async function endOfJob(client: Client, id: string, timeoutMs = 150_000): Promise<Record<string, unknown>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { data } = await client.get(`/jobs/${id}`);
    if (["succeeded", "failed", "cancelled"].includes(data.state)) return data;
    if (Date.now() > deadline) throw new Error(`The job has not ended: ${JSON.stringify(data)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

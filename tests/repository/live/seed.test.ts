import { beforeAll, describe, expect, test } from "vitest";
import { seedDemo } from "../../../scripts/seed/demo.ts";
import { growWorkspace } from "../../../scripts/seed/grow.ts";
import { database } from "../../harness/stack.ts";
import { createWorkspace } from "../../harness/workspace.ts";

const TABLES = ["companies", "contacts", "pipelines", "deals", "tasks", "activities", "tags", "custom_fields"];

test("a first start gives each demo workspace records of every kind, and the sandbox none", async () => {
  const rollback = new Error("The stack of the tests stays as it is.");
  const counts: Record<string, Record<string, number>> = {};
  const seeding = database().begin(async (transaction) => {
    await seedDemo(transaction, Date.now());
    for (const table of TABLES) {
      const rows = await transaction<{ plan: string; count: number }[]>`
        select workspace.environment || ' ' || workspace.plan as plan, count(record.id)::integer as count
        from crm.workspaces as workspace
        left join crm.${transaction(table)} as record on record.workspace_id = workspace.id
        where workspace.id <= '00000000-0000-7000-8000-000000000004' group by 1`;
      for (const { plan, count } of rows) counts[plan] = { ...counts[plan], [table]: count };
    }
    throw rollback;
  });
  await expect(seeding).rejects.toBe(rollback);

  const { "sandbox standard": sandbox, ...live } = counts;
  expect(sandbox).toEqual({ ...Object.fromEntries(TABLES.map((table) => [table, 0])), pipelines: 1 });
  expect(live["live standard"]).toMatchObject({ contacts: 1500, companies: 150, pipelines: 3 });
  for (const counted of Object.values(live)) expect(Math.min(...Object.values(counted))).toBeGreaterThan(0);
});

describe("a workspace that npm run seed has grown", async () => {
  const grown = await createWorkspace();
  const lines: string[] = [];
  const growTo = (contacts: number) =>
    growWorkspace(database(), { workspaceId: grown.workspaceId, contacts, now: Date.now() }, (line) =>
      lines.push(line),
    );
  const totalOf = async (path: string) => (await grown.client.get(`/${path}?limit=1`)).meta.total;

  beforeAll(async () => {
    await growTo(60);
  });

  test.each([...TABLES, "users"])("has %s, as the API shows them", async (resource) => {
    expect(await totalOf(resource)).toBeGreaterThan(0);
  });

  test("has deals with a way through the stages that ends where they are", async () => {
    const { data: deals } = await grown.client.get("/deals?limit=20");
    for (const { id, stage_id, created_at, stage_entered_at } of deals) {
      const { data: changes } = await grown.client.get(`/deals/${id}/stage_history?sort=changed_at`);
      const passed = changes.map((change: { to_stage_id: string }) => change.to_stage_id);
      expect(changes.map((change: { from_stage_id: string | null }) => change.from_stage_id)).toEqual([
        null,
        ...passed.slice(0, -1),
      ]);
      expect(passed.at(-1)).toBe(stage_id);
      expect(changes[0].changed_at).toBe(created_at);
      expect(changes.at(-1).changed_at).toBe(stage_entered_at);
    }
  });

  test("grows further from where it is, and not when it is large enough", async () => {
    expect(await growTo(90)).toBeGreaterThan(30);
    expect(await totalOf("contacts")).toBe(90);
    expect(await growTo(90)).toBe(0);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^90 of 90 contacts, [\d,]+ a second$/);
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { contacts } from "../../shared/resources/contacts.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

// Exact totals are added up from tables that triggers keep (crm.track_totals): they must be what counting gives.

type Workspace = TestKey & { ownerId: string };

const status = fc.constantFrom("active", "inactive", "bounced");
const stage = fc.constantFrom(null, "lead", "customer");
const pick = fc.nat({ max: 1000 });
const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const), status, lifecycle_stage: stage, owned: fc.boolean() }),
  fc.record({ do: fc.constant("bulk" as const), count: fc.integer({ min: 1, max: 20 }), status }),
  fc.record({ do: fc.constant("update" as const), pick, status, lifecycle_stage: stage, owned: fc.boolean() }),
  fc.record({ do: fc.constant("delete" as const), pick }),
  fc.record({ do: fc.constant("restore" as const), pick }),
  fc.record({ do: fc.constant("dry run" as const), status }),
  fc.record({ do: fc.constant("aborted" as const), status }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function take(one: Step, { client, ownerId }: Workspace, ids: string[]): Promise<void> {
  const id = "pick" in one ? ids[one.pick % Math.max(1, ids.length)] : undefined;
  const owner_id = "owned" in one && one.owned ? ownerId : null;
  switch (one.do) {
    case "create": {
      const { do: _do, owned: _owned, ...fields } = one;
      ids.push((await client.post("/contacts", { email: freshEmail(), owner_id, ...fields })).data.id);
      return;
    }
    case "bulk": {
      const records = Array.from({ length: one.count }, () => ({ email: freshEmail(), status: one.status }));
      const { data } = await client.post("/contacts/bulk", { records });
      ids.push(...data.map((each: { data: { id: string } }) => each.data.id));
      return;
    }
    case "update":
      if (id)
        await client.patch(`/contacts/${id}`, { status: one.status, lifecycle_stage: one.lifecycle_stage, owner_id });
      return;
    case "delete":
      if (id) await client.delete(`/contacts/${id}`);
      return;
    case "restore":
      if (id) await client.post(`/contacts/${id}/restore`);
      return;
    case "dry run":
      await client.post("/contacts?dry_run=true", { email: freshEmail(), status: one.status });
      return;
    case "aborted":
      await client.post("/contacts/bulk?atomic=true", {
        records: [{ email: freshEmail(), status: one.status }, { email: "bad" }],
      });
  }
}

/** What the tallies of a workspace say, and what counting says, cell by cell. */
async function cells(workspaceId: string, facets: string[]) {
  const sql = database();
  const tally = sql(`crm.contacts_by_${facets.join("_")}`);
  const kept = await sql`
    select ${sql(facets)}, sum(records)::int as records from ${tally}
    where workspace_id = ${workspaceId} group by ${sql(facets)} having sum(records) <> 0 order by ${sql(facets)}`;
  const counted = await sql`
    select ${sql(facets)}, count(*)::int as records from crm.contacts
    where workspace_id = ${workspaceId} and deleted_at is null group by ${sql(facets)} order by ${sql(facets)}`;
  return { kept: [...kept], counted: [...counted] };
}

test("after any writes, many at a time, each cell of each tally is what counting gives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const workspace = await createWorkspace();
      const ids: string[] = [];
      const left = [...steps];
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let one = left.pop(); one !== undefined; one = left.pop()) await take(one, workspace, ids);
        }),
      );
      for (const facets of contacts.facetSets) {
        const { kept, counted } = await cells(workspace.workspaceId, [...facets]);
        expect(kept).toEqual(counted);
      }
    }),
    { numRuns: 10 },
  );
});

test("writers of one cell don't wait for each other: it has slots, and their sum is exact", async () => {
  const { client, workspaceId } = await createWorkspace();
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => client.post("/contacts", { email: freshEmail() })),
  );
  expect(answers.every(({ status }) => status === 201)).toBe(true);
  expect((await client.get("/contacts")).meta.total).toBe(200);
  for (const facets of contacts.facetSets) {
    const { kept } = await cells(workspaceId, [...facets]);
    expect(kept.map((cell) => cell["records"])).toEqual([200]);
  }
});

test("rows that SQL inserts and deletes are counted too", async () => {
  const { client, workspaceId } = await createWorkspace();
  const sql = database();
  await sql`
    insert into crm.contacts (workspace_id, email, status)
    select ${workspaceId}, 'import-' || n || '@test.example', 'inactive' from generate_series(1, 500) as n`;
  expect((await client.get("/contacts?status=inactive")).meta.total).toBe(500);
  await sql`delete from crm.contacts where workspace_id = ${workspaceId} and email like 'import-1%'`;
  const [row] = await sql`select count(*)::int as live from crm.contacts where workspace_id = ${workspaceId}`;
  expect((await client.get("/contacts?status=inactive")).meta.total).toBe(row?.["live"]);
});

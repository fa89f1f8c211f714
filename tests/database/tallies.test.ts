import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { isNullable, type Resource } from "../../shared/resources/define.ts";
import { type RecordData, Records } from "../harness/records.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

// Exact totals are added up from tables that triggers keep (crm.track_totals): they must be what counting gives.

const tallied = resources.filter(({ facetSets }) => facetSets.length > 0);

const pick = fc.nat({ max: 1000 });
/** Which of a field's values each facet takes, by its place among them. */
const values = fc.array(pick, { minLength: 4, maxLength: 4 });
const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const), values }),
  fc.record({ do: fc.constant("bulk" as const), count: fc.integer({ min: 1, max: 20 }), values }),
  fc.record({ do: fc.constant("update" as const), pick, values }),
  fc.record({ do: fc.constant("delete" as const), pick }),
  fc.record({ do: fc.constant("restore" as const), pick }),
  fc.record({ do: fc.constant("dry run" as const), values }),
  fc.record({ do: fc.constant("aborted" as const), values }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The fields of a resource's facets that a request can set, each with values for it. */
async function facetsOf(resource: Resource, records: Records): Promise<[string, unknown[]][]> {
  const names = [...new Set(resource.facetSets.flat())].filter((name) => !resource.fields[name]?.readOnly);
  return Promise.all(
    names.map(async (name): Promise<[string, unknown[]]> => {
      const field = resource.fields[name];
      const nulls = field !== undefined && isNullable(field) ? [null] : [];
      return [name, [...nulls, ...(await records.samples(resource, name))]];
    }),
  );
}

async function take(one: Step, resource: Resource, records: Records, ids: string[]): Promise<void> {
  const { client } = records;
  const { path } = resource;
  const id = "pick" in one ? ids[one.pick % Math.max(1, ids.length)] : undefined;
  const facets: RecordData = {};
  if ("values" in one) {
    const chosen = await facetsOf(resource, records);
    chosen.forEach(([name, known], index) => {
      const place = one.values[index % one.values.length] ?? 0;
      if (place % 3 > 0) facets[name] = known[place % known.length];
    });
  }
  switch (one.do) {
    case "create":
      ids.push((await records.create(resource, facets)).id);
      return;
    case "bulk": {
      const bodies = await Promise.all(Array.from({ length: one.count }, () => records.body(resource, facets)));
      const { data } = await client.post(`${path}/bulk`, { records: bodies });
      ids.push(...data.map((each: { data: { id: string } }) => each.data.id));
      return;
    }
    case "update":
      if (id) await client.patch(`${path}/${id}`, await records.change(resource, facets));
      return;
    case "delete":
      if (id) await client.delete(`${path}/${id}`);
      return;
    case "restore":
      if (id) await client.post(`${path}/${id}/restore`);
      return;
    case "dry run":
      await client.post(`${path}?dry_run=true`, await records.body(resource, facets));
      return;
    case "aborted":
      await client.post(`${path}/bulk?atomic=true`, { records: [await records.body(resource, facets), {}] });
  }
}

/** What the tallies of a workspace say, and what counting says, cell by cell. */
async function cells({ table }: Resource, workspaceId: string, facets: readonly string[]) {
  const sql = database();
  const columns = sql([...facets]);
  const kept = await sql`
    select ${columns}, sum(records)::int as records from ${sql(`crm.${table}_by_${facets.join("_")}`)}
    where workspace_id = ${workspaceId} group by ${columns} having sum(records) <> 0 order by ${columns}`;
  const counted = await sql`
    select ${columns}, count(*)::int as records from ${sql(`crm.${table}`)}
    where workspace_id = ${workspaceId} and deleted_at is null group by ${columns} order by ${columns}`;
  // Each in the order of its text: a tally has none of the alphabet's.
  const ordered = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).sort();
  return { kept: ordered(kept), counted: ordered(counted) };
}

async function expectExact(resource: Resource, workspaceId: string): Promise<void> {
  for (const facets of resource.facetSets) {
    const { kept, counted } = await cells(resource, workspaceId, facets);
    expect(kept, facets.join()).toEqual(counted);
  }
}

test("each facet set that is declared has its table, and each such table is declared", async () => {
  const rows = await database()`
    select relname from pg_class where relnamespace = 'crm'::regnamespace and relkind = 'r' and relname ~ '_by_'`;
  const declared = tallied.flatMap(({ table, facetSets }) =>
    facetSets.map((facets) => `${table}_by_${facets.join("_")}`),
  );
  expect(rows.map((row) => row["relname"]).sort()).toEqual(declared.sort());
});

describe.each(tallied.map((resource) => [resource.plural, resource] as const))("%s", (_plural, resource) => {
  test("after any writes, many at a time, each cell of each tally is what counting gives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), async (steps) => {
        const records = new Records(await createWorkspace());
        const ids: string[] = [];
        const left = [...steps];
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let one = left.pop(); one !== undefined; one = left.pop()) await take(one, resource, records, ids);
          }),
        );
        await expectExact(resource, records.workspace.workspaceId);
      }),
      { numRuns: 3 },
    );
  });

  test("rows that SQL inserts, changes and deletes are counted too", async () => {
    const records = new Records(await createWorkspace());
    const { workspaceId } = records.workspace;
    const ids = await records.insert(resource, await records.rows(resource, 60));
    await expectExact(resource, workspaceId);
    const sql = database();
    const table = sql(`crm.${resource.table}`);
    await sql`update ${table} set deleted_at = now() where id = any (${ids.slice(0, 20)})`;
    await sql`delete from ${table} where id = any (${ids.slice(10, 30)})`;
    await expectExact(resource, workspaceId);
    const [row] =
      await sql`select count(*)::int as live from ${table} where workspace_id = ${workspaceId} and deleted_at is null`;
    expect((await records.client.get(resource.path)).meta.total).toBe(row?.["live"]);
  });
});

test("writers of one cell don't wait for each other: it has slots, and their sum is exact", async () => {
  const records = new Records(await createWorkspace());
  const made = await Promise.all(Array.from({ length: 200 }, () => records.create(contacts)));
  expect((await records.client.get("/contacts")).meta.total).toBe(made.length);
  for (const facets of contacts.facetSets) {
    const { kept } = await cells(contacts, records.workspace.workspaceId, facets);
    expect(kept.map((cell) => JSON.parse(cell).records)).toEqual([200]);
  }
});

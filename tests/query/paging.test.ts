import fc from "fast-check";
import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

const SORTABLE = [
  "created_at",
  "updated_at",
  "last_activity_at",
  "first_name",
  "last_name",
  "score",
  "status",
  "lifecycle_stage",
  "birthday",
  "email",
];

/** Few different values, so that ties and nulls are everywhere. */
const row = fc.record({
  first_name: fc.constantFrom(null, "Ann", "ann", "Bo", "Zoë"),
  last_name: fc.constantFrom(null, "Smith", "smith", "Ångström"),
  score: fc.constantFrom(null, 0, 50, 100),
  lifecycle_stage: fc.constantFrom(null, "lead", "customer"),
  status: fc.constantFrom("active", "inactive"),
  birthday: fc.constantFrom(null, "1990-01-01", "1990-01-02"),
  last_activity_at: fc.constantFrom(null, "2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z"),
  created_at: fc.constantFrom("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z", "2026-01-02T00:00:00Z"),
});

const sort = fc
  .uniqueArray(fc.record({ field: fc.constantFrom(...SORTABLE), descending: fc.boolean() }), {
    selector: (key) => key.field,
    minLength: 1,
    maxLength: 3,
  })
  .map((keys) => keys.map(({ field, descending }) => (descending ? "-" : "") + field).join(","));

test("a walk gives each row that existed throughout exactly once and in order, while rows come and go", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 40 }),
      sort,
      fc.integer({ min: 1, max: 7 }),
      async (rows, order, limit) => {
        const sql = database();
        const { client, workspaceId } = await createWorkspace();
        const insert = async (values: Record<string, unknown>) => {
          const [made] =
            await sql`insert into crm.contacts ${sql({ ...values, workspace_id: workspaceId, email: freshEmail() })} returning id`;
          return String(made?.["id"]);
        };
        const stable: string[] = [];
        for (const values of rows) stable.push(await insert(values));
        const doomed = await insert(rows[0] ?? {});
        // The order at rest, in one page, is what the walk in small pages must follow.
        const atRest = (await client.get(`/contacts?sort=${order}&limit=100`)).data.map(
          (record: { id: string }) => record.id,
        );
        expect(atRest).toHaveLength(rows.length + 1);

        const seen: string[] = [];
        let cursor: string | null = null;
        for (let pages = 0; ; pages++) {
          const page = await client.get(
            `/contacts?sort=${order}&limit=${limit}${cursor === null ? "" : `&cursor=${cursor}`}`,
          );
          expect(page.meta.has_more).toBe(page.meta.next_cursor !== null);
          if (page.meta.has_more) expect(page.data).toHaveLength(limit);
          seen.push(...page.data.map((record: { id: string }) => record.id));
          cursor = page.meta.next_cursor;
          if (cursor === null) break;
          if (pages === 0) await sql`update crm.contacts set deleted_at = now() where id = ${doomed}`;
          if (pages < 5) await insert(rows[pages % rows.length] ?? {});
        }
        const known = new Set(stable);
        expect(seen.filter((id) => known.has(id))).toEqual(atRest.filter((id: string) => known.has(id)));
        expect(new Set(seen).size).toBe(seen.length);
      },
    ),
    { numRuns: 40 },
  );
});

test("nulls come last in both directions, and id breaks ties", async () => {
  const { client, workspaceId } = await createWorkspace();
  const sql = database();
  for (const score of [null, 5, 5, null, 1])
    await sql`insert into crm.contacts ${sql({ workspace_id: workspaceId, email: freshEmail(), score })}`;
  const scores = async (order: string) =>
    (await client.get(`/contacts?sort=${order}`)).data.map((record: { score: number | null }) => record.score);
  expect(await scores("score")).toEqual([1, 5, 5, null, null]);
  expect(await scores("-score")).toEqual([5, 5, 1, null, null]);
  const ids = (await client.get("/contacts?sort=score&fields=id,score")).data;
  expect(ids[1].id < ids[2].id).toBe(true);
});

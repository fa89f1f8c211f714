import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const rows = (count: number) => `select from generate_series(1, ${count})`;

test("a question that can't end in time is refused before it is asked", async () => {
  const { workspaceId } = await createWorkspace();
  await expect(database()`select crm.weigh(${rows(1_000_000_000)}, ${workspaceId})`).rejects.toThrow(
    "query_too_expensive",
  );
});

test("a workspace asks two dear questions at once; cheap ones are not counted, nor another's", async () => {
  const [{ workspaceId }, other] = await Promise.all([createWorkspace(), createWorkspace()]);
  const weigh = (count: number, workspace = workspaceId) => database()`select crm.weigh(${rows(count)}, ${workspace})`;
  await database().begin(async (first) => {
    await first`select crm.weigh(${rows(5_000_000)}, ${workspaceId})`;
    await weigh(5_000_000);
    await database().begin(async (second) => {
      await second`select crm.weigh(${rows(5_000_000)}, ${workspaceId})`;
      await expect(weigh(5_000_000)).rejects.toThrow("too_many_concurrent_requests");
      await weigh(1_000);
      await weigh(5_000_000, other.workspaceId);
    });
  });
});

test.each([
  "/contacts?score[gte]=50&status=active&sort=last_name",
  "/contacts?deleted=include&sort=-updated_at",
  "/contacts?company.industry=Retail&sort=score,last_name,-created_at",
  "/contacts?first_name[contains]=a",
  "/contacts?search=ada",
  "/contacts?tags[nin]=vip",
  "/search?q=e",
  "/deals/summary?group_by=month,owner_id",
])("%s of a small workspace takes no place of dear questions", async (path) => {
  const { client, workspaceId } = await createWorkspace();
  await client.post("/contacts", { email: "ada@example.com", first_name: "Ada" });
  await database().begin(async (transaction) => {
    for (const place of [1, 2])
      await transaction`select pg_advisory_xact_lock(hashtextextended(${`heavy:${workspaceId}:${place}`}, 0))`;
    expect((await client.get(path)).status).toBe(200);
  });
});

test("a total by reference is looked up, of however many records are referred to", async () => {
  const tallies = await database()`
    select relname, attname from pg_class join pg_attribute on attrelid = pg_class.oid and attnum = 4 and attname like '%\\_id'
    where relnamespace = 'crm'::regnamespace and relkind = 'r' and relname ~ '_by_'`;
  expect(tallies.map(({ relname }) => relname)).toContain("activities_by_contact_id");
  const unindexed = await database()`
    select tally.relname from pg_class as tally
    where relname = any (${tallies.map(({ relname }) => relname)}) and not exists (
      select from pg_index where indrelid = tally.oid and indkey::text = '2 4')`;
  expect(unindexed).toEqual([]);
});

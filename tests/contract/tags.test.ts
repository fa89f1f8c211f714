import { beforeAll, expect, test } from "vitest";
import {
  createSalesTeam,
  expectRefused,
  freshName,
  type Made,
  refusal,
  type SalesTeam,
} from "../harness/sales_team.ts";
import { database } from "../harness/stack.ts";
import { createKey, freshEmail } from "../harness/workspace.ts";

let team: SalesTeam;
beforeAll(async () => {
  team = await createSalesTeam();
});

const names = () => {
  const [one, two, three] = ["a", "b", "c"].map(freshName);
  return { one: String(one), two: String(two), three: String(three) };
};

async function tagNamed(name: string): Promise<Made | undefined> {
  return (await team.client.get(`/tags?${new URLSearchParams({ "name[eq]": name })}`)).data[0];
}
const countOf = async (name: string) => (await tagNamed(name))?.["count"];

/** Records of each resource that carry the tags. */
async function tagged(tags: string[]): Promise<string[]> {
  const company = await team.company({ tags });
  return [
    `/companies/${company["id"]}`,
    `/contacts/${(await team.contact({ tags }))["id"]}`,
    `/deals/${(await team.deal({ tags }))["id"]}`,
    `/tasks/${(await team.task({ tags }))["id"]}`,
    `/activities/${(await team.activity({ tags, company_id: company["id"] }))["id"]}`,
    `/pipelines/${(await team.pipeline({ tags })).id}`,
  ];
}
const tagsOf = async (path: string) => (await team.read(path))["tags"];

/** Every tag of a live record is a tag with the number of records that carry it; other tags have none. */
async function expectExactCounts(workspaceId: string): Promise<void> {
  const sql = database();
  const carried = await sql`
    select name, count(*)::int as count from (
      ${["contacts", "companies", "deals", "tasks", "activities", "pipelines"]
        .map(
          (table) =>
            sql`select unnest(tags) as name from ${sql(`crm.${table}`)} where workspace_id = ${workspaceId} and deleted_at is null`,
        )
        .reduce((all, one) => sql`${all} union all ${one}`)}
    ) as listed group by name order by name`;
  const known = await sql`
    select tag.name, crm.tags_count(tag.workspace_id, tag.id)::int as count from crm.tags as tag
    where workspace_id = ${workspaceId} and deleted_at is null order by name`;
  const shown = Object.fromEntries(known.filter(({ count }) => count !== 0).map(({ name, count }) => [name, count]));
  expect(shown).toEqual(Object.fromEntries(carried.map(({ name, count }) => [name, count])));
}

test("a tag appears with the first record that carries it, and counts the live ones of every resource", async () => {
  const { one, two } = names();
  const paths = await tagged([one, two]);
  expect([await countOf(one), await countOf(two)]).toEqual([paths.length, paths.length]);
  await team.client.patch(String(paths[1]), { tags: [two] });
  await team.client.delete(String(paths[2]));
  expect([await countOf(one), await countOf(two)]).toEqual([paths.length - 2, paths.length - 1]);
  await team.client.post(`${paths[2]}/restore`);
  expect(await countOf(one)).toBe(paths.length - 1);
  await team.client.patch("/contacts/bulk", {
    records: [{ id: String(paths[1]).split("/")[2], tags: [] }],
  });
  expect([await countOf(one), await countOf(two)]).toEqual([paths.length - 1, paths.length - 1]);
  const unused = await team.tag();
  expect(unused).toMatchObject({ count: 0, version: 1 });
});

test("a rename reaches every record, also one that is deleted now and comes back later", async () => {
  const { one, two, three } = names();
  const paths = await tagged([two, one, three]);
  const gone = await team.contact({ tags: [one] });
  await team.client.delete(`/contacts/${gone["id"]}`);
  const tag = await tagNamed(one);
  const renamed = freshName("renamed");
  const { data } = await team.client.patch(`/tags/${tag?.["id"]}`, { name: renamed });
  expect(data).toMatchObject({ id: tag?.["id"], name: renamed, count: paths.length, version: 2 });
  for (const path of paths) expect(await tagsOf(path)).toEqual([two, renamed, three]);
  expect(await tagNamed(one)).toBeUndefined();
  expect((await team.client.post(`/contacts/${gone["id"]}/restore`)).data.tags).toEqual([renamed]);
  expect(await countOf(renamed)).toBe(paths.length + 1);
  expect((await team.client.get(`/contacts?tags=${renamed}`)).meta.total).toBe(2);
});

test("a name is held by one tag: creating or renaming to it is 409 with its id, and no record changes", async () => {
  const { one, two } = names();
  const paths = await tagged([one]);
  const [held, other] = [await tagNamed(one), await team.tag(two)];
  const taken = {
    status: 409,
    code: "duplicate_name",
    details: { field: "name", existing_id: held?.["id"] },
  };
  await expectRefused(team, () => team.client.post("/tags", { name: one }), taken);
  await expectRefused(team, () => team.client.patch(`/tags/${other["id"]}`, { name: one }), taken);
  for (const name of ["", " ", "x".repeat(101), null, 5])
    await expectRefused(team, () => team.client.post("/tags", { name }), { status: 400, code: "validation_error" });
  await expectRefused(team, () => team.client.post("/tags", { name: freshName("t"), count: 5 }), {
    status: 400,
    code: "read_only_field",
  });
  expect((await team.client.patch(`/tags/${held?.["id"]}`, { name: one.toUpperCase() })).data.count).toBe(paths.length);
});

test("a deleted tag is taken from every record; restoring gives it back to them, and the next record makes a new one", async () => {
  const { one, two } = names();
  const paths = await tagged([one, two]);
  const gone = await team.task({ tags: [one] });
  await team.client.delete(`/tasks/${gone["id"]}`);
  const tag = await tagNamed(one);
  expect((await team.client.delete(`/tags/${tag?.["id"]}`)).data).toEqual({ id: tag?.["id"] });
  for (const path of paths) expect(await tagsOf(path)).toEqual([two]);
  expect((await team.client.post(`/tasks/${gone["id"]}/restore`)).data.tags).toEqual([]);
  expect((await team.client.get(`/tags/${tag?.["id"]}`)).status).toBe(404);
  expect((await team.client.post(`/tags/${tag?.["id"]}/restore`)).data).toMatchObject({
    name: one,
    count: paths.length + 1,
  });
  for (const path of paths) expect((await tagsOf(path)).toSorted()).toEqual([one, two].toSorted());
  await team.client.delete(`/tags/${tag?.["id"]}`);
  await team.contact({ tags: [one] });
  expect(await tagNamed(one)).toMatchObject({ count: 1 });
  await expectRefused(team, () => team.client.post(`/tags/${tag?.["id"]}/restore`), {
    status: 409,
    code: "duplicate_name",
  });
});

test("a merge puts one name in the place of the others, once per record", async () => {
  const { one, two, three } = names();
  const all = await tagged([one, two, three]);
  const only = await team.contact({ tags: [three] });
  const gone = await team.contact({ tags: [two] });
  await team.client.delete(`/contacts/${gone["id"]}`);
  const [a, b, c] = [await tagNamed(one), await tagNamed(two), await tagNamed(three)];
  const path = `/tags/${a?.["id"]}/merge`;
  const ids = [b?.["id"], c?.["id"]];
  const dry = await team.client.post(`${path}?dry_run=true`, { ids });
  expect(dry.data.count).toBe(all.length + 1);
  expect(await countOf(three)).toBe(all.length + 1);
  const { data } = await team.client.post(path, { ids });
  expect(data).toMatchObject({ id: a?.["id"], name: one, count: all.length + 1 });
  for (const record of all) expect(await tagsOf(record)).toEqual([one]);
  expect(await tagsOf(`/contacts/${only["id"]}`)).toEqual([one]);
  expect((await team.client.post(`/contacts/${gone["id"]}/restore`)).data.tags).toEqual([one]);
  expect((await team.client.get(`/tags/${b?.["id"]}`)).status).toBe(404);

  await expectRefused(team, () => team.client.post(path, { ids: [a?.["id"]] }), { status: 422, code: "self_merge" });
  await expectRefused(team, () => team.client.post(path, { ids }), { status: 422, code: "reference_not_found" });
  await expectRefused(team, () => team.client.post(path, { ids, prefer: "newest" }), {
    status: 400,
    code: "unknown_field",
  });
  expect((await team.client.post(`/tags/${b?.["id"]}/merge`, { ids: [a?.["id"]] })).status).toBe(404);
});

test("a key for tags alone renames them on records that it may not read; a reader may not", async () => {
  const { one } = names();
  const [path = ""] = await tagged([one]);
  const tag = await tagNamed(one);
  const key = async (permissions: Record<string, "read" | "write">) =>
    (await createKey({ workspaceId: team.workspaceId, scope: "custom", permissions })).client;
  const renamed = freshName("renamed");
  await expectRefused(
    team,
    async () => (await key({ tags: "read", companies: "write" })).patch(`/tags/${tag?.["id"]}`, { name: renamed }),
    { status: 403, code: "insufficient_scope" },
  );
  const writer = await key({ tags: "write" });
  expect((await writer.patch(`/tags/${tag?.["id"]}`, { name: renamed })).data.count).toBe(6);
  expect(await tagsOf(path)).toEqual([renamed]);
  const other = await createSalesTeam();
  expect(refusal(await other.client.patch(`/tags/${tag?.["id"]}`, { name: "x" })).status).toBe(404);
});

test("counts are exact after many have written at once, renamed, merged and deleted tags among them", async () => {
  const busy = await createSalesTeam();
  const pool = Array.from({ length: 6 }, (_, n) => `tag ${n}`);
  const pick = (n: number) =>
    [String(pool[n % 6]), String(pool[(n * 5 + 1) % 6])].filter((name, i, all) => all.indexOf(name) === i);
  const contacts = await Promise.all(Array.from({ length: 12 }, (_, n) => busy.contact({ tags: pick(n) })));
  for (let round = 0; round < 4; round++) {
    const tags: Made[] = (await busy.client.get("/tags?limit=100")).data;
    const id = (n: number) => tags[n % tags.length]?.["id"];
    const answers = await Promise.all([
      ...contacts.slice(0, 6).map((one, n) => busy.client.patch(`/contacts/${one["id"]}`, { tags: pick(n + round) })),
      ...Array.from({ length: 6 }, (_, n) => busy.client.post("/contacts", { email: freshEmail(), tags: pick(n) })),
      busy.client.post("/companies/bulk", {
        records: Array.from({ length: 10 }, (_, n) => ({ name: freshName("C"), tags: pick(n) })),
      }),
      busy.client.patch(`/tags/${id(0)}`, { name: `renamed ${round}` }),
      busy.client.post(`/tags/${id(1)}/merge`, { ids: [id(2)] }),
      busy.client.delete(`/tags/${id(3)}`),
      busy.client.delete(`/contacts/${contacts[6 + round]?.["id"]}`),
    ]);
    for (const { status, body } of answers) expect([200, 201, 404, 422], JSON.stringify(body)).toContain(status);
    await expectExactCounts(busy.workspaceId);
  }
});

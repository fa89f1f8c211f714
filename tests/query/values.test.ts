import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { fold } from "../../shared/query/fold.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

let key: TestKey;
beforeAll(async () => {
  key = await createWorkspace();
});

/** Everything that means something in SQL, LIKE, PostgREST, arrays, JSON and URLs. */
const hostile = fc
  .string({ unit: fc.constantFrom(..."\",()'.:*%_\\{}[]&=+#?/;-$ ", "a", "é", "🙂"), minLength: 1, maxLength: 12 })
  .filter((text) => text.trim() !== "")
  .map((text) => text.trimEnd());

test("a filter value can't change what is asked: it matches the rows that hold it, and no other", async () => {
  await fc.assert(
    fc.asyncProperty(hostile, hostile, async (value, decoy) => {
      const source = `x${value}`;
      const made = await key.client.post("/contacts", {
        email: freshEmail(),
        lead_source: source,
        first_name: source,
        tags: [source],
      });
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      if (decoy !== value)
        await key.client.post("/contacts", {
          email: freshEmail(),
          lead_source: `x${decoy}`,
          first_name: `x${decoy}`,
          tags: [`x${decoy}`],
        });
      const encoded = encodeURIComponent(source);
      for (const query of [`lead_source[eq]=${encoded}`, `first_name[eq]=${encoded}`]) {
        const { data, status, body } = await key.client.get(`/contacts?${query}&limit=100`);
        expect(status, JSON.stringify(body)).toBe(200);
        expect(
          data.map((record: { id: string }) => record.id),
          query,
        ).toContain(made.data.id);
        for (const record of data) expect(record.first_name).toBe(source);
      }
      const contains = await key.client.get(`/contacts?first_name[contains]=${encoded}&limit=100`);
      expect(contains.data.map((record: { id: string }) => record.id)).toContain(made.data.id);
      for (const record of contains.data) expect(fold(record.first_name)).toContain(fold(source));
      const tagged = await key.client.post("/contacts/search", {
        filter: { field: "tags", op: "eq", value: source },
        limit: 100,
      });
      expect(tagged.data.map((record: { id: string }) => record.id)).toContain(made.data.id);
      for (const record of tagged.data) expect(record.tags[0].toLowerCase()).toBe(source.toLowerCase());
    }),
    { numRuns: 60 },
  );
});

test("search words are taken literally, whatever stands between them", async () => {
  const { client } = await createWorkspace();
  await client.post("/contacts", { email: freshEmail(), first_name: "100%_sure\\" });
  await client.post("/contacts", { email: freshEmail(), first_name: "100 surely" });
  for (const [words, count] of [
    ["100%25_sure", 2],
    ["100%25%25x", 0],
    ["sure_ly", 0],
    ["sure\\\\", 2],
    ["100", 2],
    ["SURE", 2],
  ] as const) {
    expect((await client.get(`/contacts?search=${words}`)).meta.total, words).toBe(count);
  }
});

test("text is folded in SQL as it is in the API", async () => {
  const sql = database();
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom(..."aÀéÖßñçŠžÅøİıﬁ Ω漢字🙂"), maxLength: 20 }), async (text) => {
      const [row] = await sql`select crm.fold(${text}) as folded`;
      expect(row?.["folded"]).toBe(fold(text));
    }),
    { numRuns: 200 },
  );
});

test("an exact total is what counting gives, for any combination of filters", async () => {
  const { client, workspaceId, ownerId } = await createWorkspace();
  const sql = database();
  const statuses = ["active", "inactive", "bounced"];
  for (let i = 0; i < 60; i++) {
    await sql`insert into crm.contacts ${sql({
      workspace_id: workspaceId,
      email: freshEmail(),
      status: statuses[i % 3] ?? "",
      lifecycle_stage: i % 4 === 0 ? null : "lead",
      owner_id: i % 5 === 0 ? ownerId : null,
      score: i,
    })}`;
  }
  const all = await client.all("/contacts?limit=100");
  const some = all.slice(0, 20).map((record) => record["id"]);
  await client.call("/contacts/bulk", { method: "DELETE", body: { ids: some } });
  await client.patch("/contacts/bulk", {
    records: all.slice(20, 30).map((record) => ({ id: record["id"], status: "unsubscribed" })),
  });
  await client.post(`/contacts/${some[0]}/restore`);
  const condition = fc.constantFrom(
    "status=active",
    "status=active,bounced",
    "status[ne]=active",
    "status[nin]=active,bounced",
    "lifecycle_stage=lead",
    "lifecycle_stage[is_null]=true",
    "lifecycle_stage[ne]=lead",
    `owner_id=${ownerId}`,
    "owner_id[is_null]=true",
    "score[gte]=30",
    "score[lt]=50",
    "tags[ne]=x",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(condition, { maxLength: 3, selector: (text) => text.replace(/=.*/, "") }),
      async (conditions) => {
        const query = conditions.join("&");
        const { meta } = await client.get(`/contacts?${query}&limit=100`);
        expect(meta.total, query).toBe((await client.all(`/contacts?${query}&limit=100`)).length);
      },
    ),
    { numRuns: 40 },
  );
});

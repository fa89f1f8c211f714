import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { fold } from "../../shared/query/fold.ts";
import { plainText } from "../../shared/resources/plain_text.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

// Below the one property of values.test.ts: each operator, each place a value can stand in, and cursors.

const HOSTILE = [
  "a,b",
  "(a)",
  '"a"',
  "a.b:c",
  "*",
  "%",
  "_",
  "a%b_c",
  "\\",
  "\\'",
  "'; drop table crm.contacts; --",
  "' or '1'='1",
  "$1",
  "$$",
  "{a,b}",
  '{"a"}',
  "null",
  "is.null",
  "eq.a",
  "not.and(a.eq.b)",
  "a&status=active",
  "?x=1#y",
  "+ +",
  "é🙂‮\u200b",
  "﷽",
  "%27%00",
  "-- ",
  "E'\\n'",
  "line\nbreak\ttab",
].map(plainText);

let key: TestKey;
const idOf = new Map<string, string>();

beforeAll(async () => {
  key = await createWorkspace();
  const records = HOSTILE.map((text) => ({ email: freshEmail(), lead_source: text, first_name: text, tags: [text] }));
  const { status, data } = await key.client.post("/contacts/bulk", { records });
  expect(status).toBe(201);
  data.forEach((one: { data: { id: string; lead_source: string } }) => {
    idOf.set(one.data.lead_source, one.data.id);
  });
});

async function leaf(field: string, op: string, value: unknown): Promise<string[]> {
  const filter = { field, op, value };
  const { status, data, body } = await key.client.post("/contacts/search", { filter, limit: 100, fields: ["id"] });
  expect(status, JSON.stringify(body)).toBe(200);
  return data.map((record: { id: string }) => record.id).sort();
}

test.each(HOSTILE)(
  "%j is only a value: eq, ne, in, nin and tags see exactly the record that holds it",
  async (text) => {
    const id = idOf.get(text);
    const others = [...idOf.values()].filter((other) => other !== id).sort();
    for (const field of ["lead_source", "first_name", "tags"]) {
      expect(await leaf(field, "eq", text), field).toEqual([id]);
      expect(await leaf(field, "ne", text), field).toEqual(others);
      expect(await leaf(field, "in", [text, "absent"]), field).toEqual([id]);
      expect(await leaf(field, "nin", [text]), field).toEqual(others);
    }
    const parameter = encodeURIComponent(text);
    const { data, meta } = await key.client.get(`/contacts?lead_source[eq]=${parameter}&fields=id`);
    expect({ data, total: meta.total }).toEqual({ data: [{ id }], total: 1 });
  },
);

test("contains and starts_with find what JavaScript finds in the folded texts", async () => {
  for (const part of HOSTILE.flatMap((text) => [text, text.slice(0, 1), text.slice(-2)])) {
    const matching = (is: (text: string) => boolean) =>
      HOSTILE.filter(is)
        .map((text) => idOf.get(text))
        .sort();
    for (const field of ["lead_source", "first_name"]) {
      expect(await leaf(field, "contains", part), part).toEqual(matching((text) => fold(text).includes(fold(part))));
      expect(await leaf(field, "starts_with", part), part).toEqual(
        matching((text) => fold(text).startsWith(fold(part))),
      );
    }
  }
});

test("a cursor that stands on such a value goes on behind it, in both directions", async () => {
  for (const sort of ["first_name", "-first_name", "first_name,-created_at"]) {
    const whole = (await key.client.get(`/contacts?sort=${sort}&limit=100`)).data;
    const walked = await key.client.all(`/contacts?sort=${sort}&limit=1`);
    expect(
      walked.map(({ id }) => id),
      sort,
    ).toEqual(whole.map((record: { id: string }) => record.id));
    expect(walked).toHaveLength(HOSTILE.length);
  }
});

test("a text written is the text read, character by character", async () => {
  const text = fc
    .string({ unit: "binary", minLength: 1, maxLength: 40 })
    .filter((value) => value.isWellFormed() && !value.includes("\0") && plainText(value) !== "");
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      const { status, data } = await key.client.post("/contacts?dry_run=true", {
        email: freshEmail(),
        job_title: value,
        tags: [value],
        address: { street: value },
      });
      expect(status).toBe(201);
      const kept = plainText(value);
      expect({ job_title: data.job_title, tags: data.tags, address: data.address }).toEqual({
        job_title: kept,
        tags: [kept],
        address: { street: kept },
      });
    }),
    { numRuns: 100 },
  );
});

test("a name can't be a value's way in: sort, fields and operators are words of a list", async () => {
  for (const query of [
    "sort=first_name;select",
    'sort="first_name"',
    "sort=first_name%20desc",
    "sort=(select%201)",
    "fields=id,*",
    "fields=workspace_id",
    "fields=deleted_at",
    "fields=search_text",
    "include=api_keys",
    "include=company(*)",
    "email[eq,x]=1",
    "email[__proto__]=1",
    "or=(id.eq.1)",
    "select=*",
    "workspace_id=1",
    "deleted_at[is_null]=false",
  ]) {
    expect((await key.client.get(`/contacts?${query}`)).status, query).toBe(400);
  }
});

test("afterwards the table stands and no other workspace has lost or gained a row", async () => {
  const [row] =
    await database()`select count(*)::int as live from crm.contacts where workspace_id = ${key.workspaceId} and deleted_at is null`;
  expect(row?.["live"]).toBe(HOSTILE.length);
});

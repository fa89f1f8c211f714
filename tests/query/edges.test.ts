import { beforeAll, describe, expect, test } from "vitest";
import { createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

// Values that the API's types and Postgres's types might see differently: each is answered or refused, never a 500.

let key: TestKey;
beforeAll(async () => {
  key = await createWorkspace();
  await key.client.post("/contacts", { email: freshEmail(), first_name: "Ann", score: 1 });
});

describe("in filters", () => {
  test.each([
    ...["+14:00", "+15:59", "+16:00", "+23:59", "-16:00", "-23:59"].map(
      (offset) => ["created_at", "gte", `2026-01-01T00:00:00${offset}`] as const,
    ),
    ["created_at", "gte", "0001-01-01T00:00:00+14:00"],
    ["created_at", "lte", "9999-12-31T23:59:59.999999999999Z"],
    ["created_at", "lte", "9999-12-31T23:59:59-14:00"],
    ["created_at", "gte", "2026-01-01T00:00Z"],
    ["created_at", "gte", "2026-01-01T24:00:00Z"],
    ["created_at", "gte", "2026-12-31T23:59:60Z"],
    ["created_at", "gte", "2026-01-01T00:00:00.Z"],
    ["birthday", "gte", "0001-01-01"],
    ["birthday", "lte", "9999-12-31"],
    ["birthday", "eq", "2024-02-29"],
    ["birthday", "eq", "2023-02-29"],
    ["score", "lt", "2147483647"],
    ["score", "gt", "-2147483647"],
    ["score", "gt", "-2147483648"],
    ["score", "eq", "-0"],
    ["score", "eq", "007"],
    ["owner_id", "eq", "00000000-0000-0000-0000-000000000000"],
    ["owner_id", "eq", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    ["id", "eq", "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"],
    ["first_name", "eq", "x".repeat(1000)],
    ["first_name", "contains", "%".repeat(1000)],
    ["tags", "eq", "\\".repeat(100)],
  ] as const)("%s[%s]=%s", async (field, operator, value) => {
    const { status, body } = await key.client.get(`/contacts?${field}[${operator}]=${encodeURIComponent(value)}`);
    expect([200, 400], JSON.stringify(body)).toContain(status);
  });
});

test.each([
  ["birthday", "0001-01-01"],
  ["birthday", "9999-12-31"],
  ["score", 100.0],
  ["external_id", "🙂".repeat(127)],
  ["first_name", "🙂".repeat(50)],
  ["lead_source", "\u0301"],
  ["timezone", "Etc/GMT+12"],
  ["locale", "zh-Hant-TW"],
  ["phone", "+1".padEnd(50, "2")],
  ["phone", "+999999999999999"],
  ["website", `https://x.example/${"a".repeat(2029)}`],
  ["website", "https://user:pass@[::1]:8443/?q=a%20b#c"],
  ["tags", Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(100, "x"))],
])("a contact with %s = %j is written and read as it was given", async (field, value) => {
  const { status, data, body } = await key.client.post("/contacts", { email: freshEmail(), [field]: value });
  expect(status, JSON.stringify(body).slice(0, 300)).toBe(201);
  expect(data[field]).toEqual(value);
  expect((await key.client.get(`/contacts/${data.id}`)).data[field]).toEqual(value);
});

test("an email of 254 characters is taken, one of 255 is not", async () => {
  const email = (length: number) =>
    `${"a".repeat(60)}@${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.`.padEnd(length, "e");
  expect((await key.client.post("/contacts?dry_run=true", { email: email(254) })).status).toBe(201);
  expect((await key.client.post("/contacts?dry_run=true", { email: email(255) })).error.details).toHaveProperty(
    "email",
  );
});

test("a search for what folds away to nothing is refused, not a search for everything", async () => {
  for (const search of ["\u0301", " \u0301 \u0300 "]) {
    const { status } = await key.client.get(`/contacts?search=${encodeURIComponent(search)}`);
    expect(status, JSON.stringify(search)).toBe(400);
  }
});

test("an id in another case is the same id: a bulk request may not repeat it", async () => {
  const { data } = await key.client.post("/contacts", { email: freshEmail(), first_name: "Case" });
  const ids = [data.id, data.id.toUpperCase()];
  const removed = await key.client.call("/contacts/bulk", { method: "DELETE", body: { ids } });
  expect({ status: removed.status, code: removed.error?.code }).toEqual({ status: 400, code: "validation_error" });
  const patched = await key.client.patch("/contacts/bulk", { records: ids.map((id) => ({ id, score: 5 })) });
  expect({ status: patched.status, code: patched.error?.code }).toEqual({ status: 400, code: "validation_error" });
});

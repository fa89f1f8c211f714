import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { CustomField } from "../../shared/query/query_context.ts";
import { resources } from "../../shared/resources/all.ts";
import { companies } from "../../shared/resources/companies.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { deals } from "../../shared/resources/deals.ts";
import type { Field, Resource } from "../../shared/resources/define.ts";
import { type EventFilter, matches, parseEventFilter } from "../../shared/webhooks/filter.ts";
import { OPERATORS } from "../harness/evaluate.ts";
import { type RecordData, Records } from "../harness/records.ts";
import { samplesOf } from "../harness/samples.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// What an endpoint's filter finds among events is what the same tree finds among records.

const ROWS = 14;
const searchable = resources.filter(({ operations }) => operations.includes("create") && operations.includes("search"));

const idsOf = (records: readonly RecordData[]) => records.map(({ id }) => String(id)).sort();

/** As the dispatcher gets it: from the database, after JSON. */
const kept = (filter: EventFilter): EventFilter => JSON.parse(JSON.stringify(filter));

async function definitionsOf(records: Records, { plural }: Resource): Promise<CustomField[]> {
  const rows = await database()`
    select id, key, type from crm.custom_fields
    where workspace_id = ${records.workspace.workspaceId} and resource = ${plural} and deleted_at is null`;
  const kinds: Record<string, CustomField["kind"]> = { number: "number", datetime: "time" };
  return rows.map(({ id, key, type }) => ({ id, key, type, kind: kinds[type] ?? "text" }));
}

/** Compares the two over all records of a path. */
async function compare(
  records: Records,
  { resource, path, all, tree }: { resource: Resource; path: string; all: readonly RecordData[]; tree: unknown },
): Promise<number> {
  const customFields = await definitionsOf(records, resource);
  const filter = kept(parseEventFilter(resource, tree, { customFields, mayRead: () => true }));
  const found = all.filter((data) => matches(filter, { data, changes: null }));
  const { status, data, body } = await records.client.post(`${path}/search`, { filter: tree, sort: "id", limit: 100 });
  expect(status, `${JSON.stringify(tree)} ${JSON.stringify(body)}`).toBe(200);
  expect({ tree, ids: idsOf(found) }).toEqual({ tree, ids: idsOf(data) });
  return found.length;
}

describe.each(searchable.map((resource) => ({ name: resource.plural, resource })))("$name", ({ resource }) => {
  let records: Records;
  let path: string;
  let all: RecordData[];
  let fields: [string, Field][];

  beforeAll(async () => {
    records = new Records(await createWorkspace());
    path = await records.path(resource);
    const ids = await records.insert(resource, await records.rows(resource, ROWS));
    if (resource.customizable) {
      const [few, many] = await records.samples(resource, "custom_fields");
      const changes = ids.slice(0, 6).map((id, index) => ({ id, custom_fields: index % 2 ? few : many }));
      expect((await records.client.patch(`${path}/bulk`, { records: changes })).status).toBe(200);
    }
    all = await records.client.all(`${path}?limit=100`);
    const custom = (await definitionsOf(records, resource)).map(({ key }): [string, Field] => [
      `custom_fields.${key}`,
      { schema: z.number(), filter: "decimal" },
    ]);
    fields = [...Object.entries(resource.fields).filter(([, { filter }]) => filter), ...custom];
  });

  const shownOf = (record: RecordData, name: string) =>
    name.startsWith("custom_fields.")
      ? (record["custom_fields"] as RecordData)[name.slice("custom_fields.".length)]
      : record[name];

  /** Values that a comparison with a field may have: what records show, in other letters too, and what none does. */
  const valuesOf = (name: string, field: Field): unknown[] => {
    const held = all
      .flatMap((record) => shownOf(record, name))
      .filter((value) => value !== null && value !== undefined);
    const absent = field.filter === "reference" ? [randomUUID()] : samplesOf(field).flat();
    return [...new Set([...held, ...absent])];
  };

  /** Comparisons of every field with every operator that it has. */
  const leaves = () =>
    fields.flatMap(([name, field]) => {
      const values = valuesOf(name, field);
      return OPERATORS[field.filter ?? "text"].flatMap((op): RecordData[] => {
        if (op === "is_null") return [true, false].map((value) => ({ field: name, op, value }));
        if (op === "in" || op === "nin") return [{ field: name, op, value: values.slice(0, 3) }];
        const asked =
          op === "contains" || op === "starts_with" ? values.map((value) => String(value).slice(0, 4)) : values;
        const days = field.filter === "timestamp" ? asked.map((value) => String(value).slice(0, 10)) : [];
        return [...asked.slice(0, 4), ...days.slice(0, 2)]
          .filter((value) => value !== "")
          .map((value) => ({ field: name, op, value }));
      });
    });

  test("each comparison alone, and what it is not", async () => {
    let found = 0;
    for (const leaf of leaves())
      for (const tree of [leaf, { not: leaf }]) found += await compare(records, { resource, path, all, tree });
    expect(found).toBeGreaterThan(ROWS);
  });

  test("trees of them", async () => {
    const leaf = fc.constantFrom(...leaves());
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaf, tie("all"), tie("any"), tie("none")),
      all: fc.record({ and: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }) }),
      any: fc.record({ or: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }) }),
      none: fc.record({ not: tie("tree") }),
    }));
    await fc.assert(
      fc.asyncProperty(tree, async (one) => void (await compare(records, { resource, path, all, tree: one }))),
      { numRuns: 40, seed: 7 },
    );
  });
});

describe("what is compared otherwise than letter by letter", () => {
  let records: Records;
  beforeAll(async () => {
    records = new Records(await createWorkspace());
  });

  const check = async (resource: Resource, bodies: RecordData[], trees: RecordData[]) => {
    const path = await records.path(resource);
    for (const body of bodies) {
      const { status, body: answer } = await records.client.post(path, body);
      expect(status, JSON.stringify(answer)).toBe(201);
    }
    const all = await records.client.all(`${path}?limit=100`);
    for (const tree of trees) {
      expect(await compare(records, { resource, path, all, tree }), JSON.stringify(tree)).toBeGreaterThan(0);
      await compare(records, { resource, path, all, tree: { not: tree } });
    }
  };

  test("names, addresses and tags of contacts", async () => {
    const email = freshEmail();
    await check(
      contacts,
      [
        { email: `Zoe.${email}`, first_name: "Zoë", last_name: "O’Brien", tags: ["VIP", "Größe"] },
        { email: freshEmail(), first_name: "ΠΑΠΑΔΟΠΟΥΛΟΣ", last_name: "Straße", phone: "+49 30 1234" },
        { email: freshEmail() },
      ],
      [
        { field: "first_name", op: "contains", value: "ZOE" },
        { field: "last_name", op: "starts_with", value: "o'b" },
        { field: "first_name", op: "contains", value: "παπαδοπουλος" },
        { field: "last_name", op: "contains", value: "STRASSE" },
        { field: "first_name", op: "eq", value: "Zoë" },
        { field: "first_name", op: "ne", value: "Zoë" },
        { field: "first_name", op: "nin", value: ["Zoë", "x"] },
        { field: "email", op: "eq", value: `ZOE.${email.toUpperCase()}` },
        { field: "tags", op: "eq", value: "vip" },
        { field: "tags", op: "contains", value: "GRÖßE" },
        { field: "tags", op: "nin", value: ["vip"] },
        { field: "company_id", op: "is_null", value: true },
        { field: "created_at", op: "eq", value: new Date().toISOString().slice(0, 10) },
        { field: "created_at", op: "gt", value: "2026-03-21T12:30:00+02:00" },
      ],
    );
  });

  test("domains and money of companies", async () => {
    await check(
      companies,
      [
        {
          name: "Bücher",
          domain: "bücher.example",
          annual_revenue: "900000000000000.01",
          currency: "EUR",
        },
        { name: "Acme", domain: "www.acme.example", annual_revenue: "10", currency: "EUR" },
        { name: "None" },
      ],
      [
        { field: "domain", op: "contains", value: "BÜCH" },
        { field: "domain", op: "contains", value: "xn--" },
        { field: "domain", op: "starts_with", value: "https://www.acme.example/about" },
        { field: "domain", op: "eq", value: "https://ACME.example" },
        { field: "annual_revenue", op: "eq", value: "10.000" },
        { field: "annual_revenue", op: "gte", value: 9.5 },
        { field: "annual_revenue", op: "lt", value: "10.0000001" },
        { field: "annual_revenue", op: "ne", value: "10" },
      ],
    );
  });

  test("custom fields of every type", async () => {
    const types = ["text", "number", "boolean", "date", "datetime", "select", "multi_select", "url", "email"];
    for (const type of types) {
      const options = /select/.test(type) ? { options: ["a", "B", "c"] } : {};
      const made = await records.client.post("/custom_fields", {
        resource: "contacts",
        key: `its_${type}`,
        label: type,
        type,
        ...options,
      });
      expect(made.status, JSON.stringify(made.body)).toBe(201);
    }
    const of = (type: string, op: string, value: unknown) => ({ field: `custom_fields.its_${type}`, op, value });
    await check(
      contacts,
      [
        {
          email: freshEmail(),
          custom_fields: {
            its_text: "Größe",
            its_number: 10.5,
            its_boolean: true,
            its_date: "2026-05-01",
            its_datetime: "2026-05-01T10:00:00+02:00",
            its_select: "B",
            its_multi_select: ["a", "B"],
            its_url: "https://a.example/Ä",
            its_email: "Ann@A.example",
          },
        },
        { email: freshEmail(), custom_fields: { its_number: 2, its_multi_select: ["c"] } },
      ],
      [
        of("text", "contains", "GROSSE"),
        of("text", "ne", "Größe"),
        of("number", "eq", "10.50"),
        of("number", "gt", 9),
        of("number", "nin", [2]),
        of("boolean", "eq", true),
        of("date", "gte", "2026-05-01"),
        of("datetime", "eq", "2026-05-01"),
        of("datetime", "eq", "2026-05-01T08:00:00Z"),
        of("datetime", "ne", "2026-05-01"),
        of("select", "in", ["B", "x"]),
        of("multi_select", "eq", "a"),
        of("multi_select", "ne", "a"),
        of("multi_select", "contains", "b"),
        of("url", "starts_with", "https://a"),
        of("email", "eq", "ann@a.EXAMPLE"),
        of("email", "is_null", true),
      ],
    );
  });

  test("who takes part in a deal", async () => {
    const [one = "", other = ""] = await records.some("contacts");
    await check(
      deals,
      [
        { name: "First", primary_contact_id: one },
        { name: "Second", contacts: [{ contact_id: other, role: "buyer" }] },
        { name: "Third" },
      ],
      [
        { field: "contact_id", op: "eq", value: one },
        { field: "contact_id", op: "in", value: [one, other] },
        { field: "contact_id", op: "nin", value: [one, other] },
      ],
    );
  });
});

import { describe, expect, test } from "vitest";
import { parseFilterTree, parseSearch, parseUrlFilter } from "../../shared/query/filter.ts";
import { fold } from "../../shared/query/fold.ts";
import { type CustomField, PLAIN_CONTEXT } from "../../shared/query/query_context.ts";
import { activities } from "../../shared/resources/activities.ts";
import { contacts } from "../../shared/resources/contacts.ts";

const url = (name: string, operator: string | undefined, value: string) =>
  parseUrlFilter(contacts, PLAIN_CONTEXT, { name, operator, raw: value });
const refused = { code: "invalid_filter" };

describe("a filter of the URL", () => {
  test("takes commas as several values without an operator, and as they are with eq", () => {
    expect(url("lead_source", undefined, "a,b")).toEqual({
      column: "lead_source",
      op: "in",
      values: ["a", "b", "a,b"],
    });
    expect(url("lead_source", "in", "a\\,b,c")).toEqual({ column: "lead_source", op: "in", values: ["a,b", "c"] });
    expect(url("lead_source", "eq", "a,b")).toEqual({ column: "lead_source", op: "eq", value: "a,b" });
    expect(url("lead_source", undefined, "a")).toEqual({ column: "lead_source", op: "eq", value: "a" });
    expect(url("lead_source", "nin", "a,b,a")).toEqual({ column: "lead_source", op: "nin", values: ["a", "b"] });
  });

  test("compares emails in the form they are unique in", () => {
    expect(url("email", undefined, "ANN@X.co")).toEqual({ column: "email_key", op: "eq", value: "ann@x.co" });
  });

  test("escapes what LIKE would read as a pattern", () => {
    expect(url("lead_source", "contains", "5%_\\")).toEqual({
      op: "filter",
      match: "regex",
      pattern: "\x02lead_source=[^\x02]*5\\%\\_\\\\",
    });
    expect(url("lead_source", "starts_with", "5%_\\")).toEqual({
      op: "filter",
      match: "like",
      pattern: "%\x02lead\\_source=5\\%\\_\\\\%",
    });
  });

  test("reads a timestamp whose + arrived as a space, and a day as the whole of it", () => {
    expect(url("created_at", "gte", "2026-03-21T10:30:00 02:00")).toMatchObject({
      value: "2026-03-21T08:30:00.000000Z",
    });
    expect(url("created_at", "lt", "2026-03-21")).toMatchObject({ op: "lt", value: "2026-03-21T00:00:00Z" });
    expect(url("created_at", "lte", "2026-03-21")).toMatchObject({ op: "lt", value: "2026-03-22T00:00:00Z" });
    expect(url("created_at", "eq", "2026-03-21")).toMatchObject({
      or: [
        {
          and: [
            { op: "gte", value: "2026-03-21T00:00:00Z" },
            { op: "lt", value: "2026-03-22T00:00:00Z" },
          ],
        },
      ],
    });
  });

  test.each([
    ["status", undefined, ""],
    ["status", undefined, "active,"],
    ["score", undefined, "1.5"],
    ["score", "gt", "99999999999"],
    ["score", "gt", "2147483648"],
    ["score", "gt", "NaN"],
    ["score", "contains", "1"],
    ["owner_id", undefined, "me"],
    ["birthday", undefined, "2026-02-30"],
    ["birthday", undefined, "0000-01-01"],
    ["created_at", "gte", "yesterday"],
    ["created_at", "gte", "2026-03-21T10:30:00"],
    ["created_at", "gte", "infinity"],
    ["created_at", "gte", "2026-03-21T10:30:00+16:00"],
    ["do_not_contact", undefined, "1"],
    ["tags", undefined, ""],
    ["tags", "is_null", "true"],
    ["score", "is_null", "1"],
    ["score", "EQ", "1"],
    ["department", undefined, "x"],
    ["deleted_at", "is_null", "false"],
    ["workspace_id", undefined, "x"],
    ["toString", undefined, "x"],
    [
      "id",
      "in",
      Array.from({ length: 101 }, (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`).join(),
    ],
  ])("%s[%s]=%s is refused", (name, operator, value) => {
    expect(() => url(name, operator, value)).toThrow(expect.objectContaining(refused));
  });
});

describe("a filter tree", () => {
  const leaf = { field: "score", op: "eq", value: 1 };
  test("keeps its shape", () => {
    expect(parseFilterTree(contacts, { not: { or: [leaf, { and: [leaf] }] } }, PLAIN_CONTEXT)).toEqual({
      not: {
        or: [{ column: "score", op: "eq", value: "1" }, { and: [{ column: "score", op: "eq", value: "1" }] }],
      },
    });
  });

  test.each<[unknown, string]>([
    [null, "filter"],
    [{}, "filter.field"],
    [{ and: [leaf, { or: [leaf, 7] }] }, "filter.and.1.or.1"],
    [{ and: {} }, "filter.and"],
    [{ field: "score" }, "filter.op"],
    [{ field: "score", op: "in", value: 1 }, "filter"],
    [{ field: "score", op: "eq", value: [1] }, "filter"],
    [{ field: "score", op: "eq", value: null }, "filter"],
    [{ field: "score", op: "eq" }, "filter"],
    [{ field: "score", op: "in", value: [] }, "filter"],
    [{ field: "score", op: "is_null", value: ["true"] }, "filter"],
    [{ not: leaf, and: [leaf] }, "filter"],
  ])("%j is refused, naming the place", (tree, at) => {
    expect(() => parseFilterTree(contacts, tree, PLAIN_CONTEXT)).toThrow(
      expect.objectContaining({ ...refused, details: { [at]: [expect.any(String)] } }),
    );
  });
});

describe("a related record's field", () => {
  test("is compared in its table, whose scope the key needs", () => {
    const expected = { related: "companies", scope: "companies", column: "company_id" };
    const where = { column: "industry", op: "eq", value: "Tools" };
    expect(url("company.industry", undefined, "Tools")).toEqual({ ...expected, where });
    const leaf = { field: "company.industry", op: "eq", value: "Tools" };
    expect(parseFilterTree(contacts, leaf, PLAIN_CONTEXT)).toEqual({ ...expected, where });
  });

  test.each([
    "company.nothing",
    "company.description",
    "company",
    "company.",
    ".industry",
    "company.owner.name",
    "company_id.industry",
    "custom_fields.shoe_size",
    "custom_fields.",
  ])("%s is refused", (name) => {
    expect(() => url(name, undefined, "x")).toThrow(expect.objectContaining(refused));
  });
});

describe("a custom field", () => {
  const define = (key: string, type: CustomField["type"], kind: CustomField["kind"]): CustomField => ({
    id: `id of ${key}`,
    key,
    type,
    kind,
  });
  const context = {
    ...PLAIN_CONTEXT,
    customFields: [
      define("size", "number", "number"),
      define("colour", "select", "text"),
      define("seen", "datetime", "time"),
    ],
  };
  const custom = (key: string, operator: string | undefined, raw: string) =>
    parseUrlFilter(contacts, context, { name: `custom_fields.${key}`, operator, raw });

  test("is compared as its type says; ne, nin and is_null ask for records without such a value", () => {
    const size = { custom: "id of size", kind: "number" };
    expect(custom("size", "gte", "41.5")).toEqual({ ...size, negated: false, compare: { op: "gte", value: "41.5" } });
    expect(custom("size", "ne", "41")).toEqual({ ...size, negated: true, compare: { op: "eq", value: "41" } });
    expect(custom("size", "nin", "41,42")).toEqual({
      ...size,
      negated: true,
      compare: { op: "in", values: ["41", "42"] },
    });
    expect(custom("size", "is_null", "true")).toEqual({ ...size, negated: true, compare: { op: "not_null" } });
    expect(custom("colour", "contains", "Re")).toMatchObject({ compare: { op: "like", pattern: "%re%" } });
    expect(custom("seen", "lt", "2026-03-21")).toMatchObject({ compare: { op: "lt", value: "2026-03-21T00:00:00Z" } });
  });

  test.each([
    ["size", "contains", "4"],
    ["size", undefined, "big"],
    ["colour", "gt", "red"],
    ["seen", "gte", "yesterday"],
    ["nothing", undefined, "x"],
  ])("custom_fields.%s[%s]=%s is refused", (key, operator, value) => {
    expect(() => custom(key, operator, value)).toThrow(expect.objectContaining(refused));
  });
});

test("a search is the words typed; a phone number is its digits, however it is written", () => {
  const patterns = (text: string) => parseSearch(activities, text, PLAIN_CONTEXT);
  expect(patterns("  Ann   LEE ")).toEqual({
    and: [
      { op: "text", pattern: "%ann%" },
      { op: "text", pattern: "%lee%" },
    ],
  });
  expect(patterns("li")).toEqual({ and: [{ op: "text", pattern: "% li%" }] });
  for (const phone of ["(212) 555-0199", "+1 212.555.0199", "2125550199"])
    expect(patterns(phone)).toEqual({ and: [{ op: "text", pattern: expect.stringContaining("2125550199%") }] });
  for (const phone of ["+49 (0) 711 1234567", "0049 711 1234567", "tel:+497111234567", "\u202a+49 711 1234567\u202c"])
    expect(patterns(phone)).toEqual({ and: [{ op: "text", pattern: "%497111234567%" }] });
});

test("a contact is searched for by its company's words too, by a key that may read companies", () => {
  const own = { op: "text", pattern: "%acme%" };
  const related = { related: "companies", scope: "companies", column: "company_id", where: own, few: true };
  expect(parseSearch(contacts, "Acme", PLAIN_CONTEXT)).toEqual({ and: [{ or: [own, related] }] });
  const mayRead = (scope: string) => scope === "contacts";
  expect(parseSearch(contacts, "Acme", { ...PLAIN_CONTEXT, mayRead })).toEqual({ and: [own] });
});

test.each(["", "   ", "\u0301", "x".repeat(501), 7, null, {}])("a search for %j is refused", (text) => {
  expect(() => parseSearch(contacts, text, PLAIN_CONTEXT)).toThrow(
    expect.objectContaining({ code: "validation_error" }),
  );
});

test("folding drops case, accents and ligatures, and nothing else", () => {
  expect(fold("José ÅNGSTRÖM Łódź Straße ﬁ İ 漢字 _%")).toBe("jose angstrom lodz strasse fi i 漢字 _%");
});

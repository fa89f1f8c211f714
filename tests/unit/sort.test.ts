import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Condition } from "../../shared/query/filter.ts";
import { PLAIN_CONTEXT } from "../../shared/query/query_context.ts";
import { parseSort, type SortKey, segments, sortText } from "../../shared/query/sort.ts";
import { contacts } from "../../shared/resources/contacts.ts";

type Row = Record<string, string | null>;

// Conditions and orders as SQL means them, so that a walk can be proven without a database.
function holds(row: Row, condition: Condition): boolean {
  if ("and" in condition) return condition.and.every((child) => holds(row, child));
  if ("or" in condition) return condition.or.some((child) => holds(row, child));
  if ("row" in condition) {
    const at = condition.row.findIndex((column, index) => row[column] !== condition.values[index]);
    if (at < 0) return false;
    const [mine, bound] = [row[condition.row[at] ?? ""] ?? "", condition.values[at] ?? ""];
    return condition.op === "gt" ? mine > bound : mine < bound;
  }
  if (!("column" in condition) || "related" in condition) throw new Error("no such condition in a walk");
  const value = row[condition.column] ?? null;
  if (condition.op === "null") return value === null;
  if (condition.op === "not_null") return value !== null;
  if (value === null || !("value" in condition)) return false;
  const { value: bound } = condition;
  return {
    eq: value === bound,
    ne: value !== bound,
    gt: value > bound,
    gte: value >= bound,
    lt: value < bound,
    lte: value <= bound,
  }[condition.op];
}

function compare(a: Row, b: Row, keys: readonly SortKey[]): number {
  for (const { column, descending } of keys) {
    const [left, right] = [a[column] ?? null, b[column] ?? null];
    if (left === right) continue;
    if (left === null) return 1;
    if (right === null) return -1;
    return (left < right ? -1 : 1) * (descending ? -1 : 1);
  }
  return 0;
}

const value = fc.option(fc.constantFrom("a", "b", "c"), { nil: null });
const rows = fc
  .array(fc.record({ x: value, y: value, z: fc.constantFrom("a", "b") }), { maxLength: 25 })
  .map((all): Row[] => all.map((row, index) => ({ ...row, id: String(index).padStart(3, "0") })));
const keys = fc
  .tuple(fc.shuffledSubarray(["x", "y", "z"], { minLength: 1 }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
  .map(([columns, directions]): SortKey[] =>
    [...columns, "id"].map((column, index) => ({
      name: column,
      column,
      descending: directions[index] ?? false,
      nullable: column === "x" || column === "y",
    })),
  );

test("walking segment by segment after each row gives every row once, nulls last, for any sort", () => {
  fc.assert(
    fc.property(rows, keys, (all, sort) => {
      const page = (after?: (string | null)[]) =>
        segments(sort, after).flatMap(({ where, order }) =>
          all.filter((row) => where === undefined || holds(row, where)).sort((a, b) => compare(a, b, order)),
        );
      const expected = [...all].sort((a, b) => compare(a, b, sort));
      expect(page()).toEqual(expected);
      expected.forEach((row, index) => {
        expect(page(sort.map(({ column }) => row[column] ?? null))).toEqual(expected.slice(index + 1));
      });
    }),
    { numRuns: 300 },
  );
});

describe("the sort parameter", () => {
  test("defaults to newest first, and ends in id in the direction of the last field", () => {
    expect(sortText(parseSort(contacts))).toBe("-created_at,-id");
    expect(sortText(parseSort(contacts, "-score,first_name"))).toBe("-score,first_name,id");
    expect(sortText(parseSort(contacts, "id"))).toBe("id");
    expect(sortText(parseSort(contacts, "score,-id"))).toBe("score,-id");
  });

  test("takes a custom field by its key, but none that may have several values", () => {
    const customFields = [
      { id: "1", key: "size", type: "number", kind: "number" } as const,
      { id: "2", key: "hobbies", type: "multi_select", kind: "text" } as const,
    ];
    const sorted = (text: string) => sortText(parseSort(contacts, text, { ...PLAIN_CONTEXT, customFields }));
    expect(sorted("-custom_fields.size,email")).toBe("-custom_fields.size,email,id");
    for (const text of ["custom_fields.hobbies", "custom_fields.other"])
      expect(() => sorted(text)).toThrow(expect.objectContaining({ code: "invalid_sort" }));
  });

  test("compares emails without regard to case", () => {
    expect(sortText(parseSort(contacts, "email"))).toBe("email,id");
  });

  test.each([
    "",
    "-",
    "+score",
    "score,",
    "score,score",
    "score,-score",
    "Score",
    "deleted_at",
    "__proto__",
    "email_key",
    "score desc",
  ])("%j is refused", (text) =>
    expect(() => parseSort(contacts, text)).toThrow(expect.objectContaining({ code: "invalid_sort" })),
  );
});

import { expect, test } from "vitest";
import { PLAIN_CONTEXT } from "../../shared/query/query_context.ts";
import { resources } from "../../shared/resources/all.ts";
import { deals } from "../../shared/resources/deals.ts";
import { filteredResource, matches, parseEventFilter } from "../../shared/webhooks/filter.ts";

const context = {
  ...PLAIN_CONTEXT,
  customFields: [{ id: "1", key: "size", type: "number", kind: "number" } as const],
};
const event = {
  data: { status: "won", amount: "1000.00", custom_fields: { size: 5 } },
  changes: { stage_id: { from: "a", to: "b" }, "custom_fields.size": { from: 4, to: 5 } },
};

test.each<[unknown, boolean]>([
  [{ changed: ["stage_id"] }, true],
  [{ changed: ["amount"] }, false],
  [{ changed: ["amount", "stage_id"] }, true],
  [{ changed: ["custom_fields.size"] }, true],
  [{ changed: ["custom_fields"] }, true],
  [{ not: { changed: ["stage_id"] } }, false],
  [{ and: [{ changed: ["stage_id"] }, { field: "status", op: "eq", value: "won" }] }, true],
  [{ and: [{ changed: ["amount"] }, { field: "status", op: "eq", value: "won" }] }, false],
  [{ or: [{ changed: ["amount"] }, { field: "custom_fields.size", op: "gte", value: 5 }] }, true],
])("%j is %s of an event with two changes", (tree, expected) => {
  expect(matches(parseEventFilter(deals, tree, context), event)).toBe(expected);
});

test("an event without changes has changed nothing", () => {
  const filter = parseEventFilter(deals, { changed: ["stage_id"] }, context);
  expect([null, {}].map((changes) => matches(filter, { data: event.data, changes }))).toEqual([false, false]);
});

const nested = (depth: number): unknown => (depth === 0 ? { changed: ["name"] } : { not: nested(depth - 1) });

test.each<[string, unknown, string, RegExp]>([
  ["an unknown field", { changed: ["stage"] }, "filter.changed.0", /Did you mean stage_id\?/],
  ["no field", { changed: [] }, "filter.changed", /list of 1 to 100/],
  [
    "something beside",
    { changed: ["name"], op: "eq" },
    "filter.changed",
    /Allowed: field, op, value, and, or, not, changed/,
  ],
  ["a related field", { field: "company.industry", op: "eq", value: "x" }, "filter", /does not exist/],
  ["a field of none", { field: "amuont", op: "eq", value: 1 }, "filter", /Did you mean amount\?/],
  ["another operator", { field: "amount", op: "contains", value: "1" }, "filter", /does not work on amount/],
  ["a value of another type", { and: [{ field: "amount", op: "gt", value: "x" }] }, "filter.and.0", /decimal/],
  ["depth", nested(5), "filter.not.not.not.not.not", /deeper than 5/],
  ["fifty-one", { or: Array(51).fill({ changed: ["name"] }) }, "filter.or.50", /more than 50/],
  [
    "size",
    {
      or: Array(40).fill({
        field: "name",
        op: "in",
        value: Array.from({ length: 100 }, (_, n) => `${n}`.padEnd(40, "x")),
      }),
    },
    "filter",
    /longer than 64 kB/,
  ],
])("%s is refused", (_what, tree, at, sentence) => {
  expect(() => parseEventFilter(deals, tree, context)).toThrow(
    expect.objectContaining({
      code: "invalid_filter",
      message: expect.stringMatching(sentence),
      details: { [at]: [expect.any(String)] },
    }),
  );
});

test("events are filtered that are of one resource's records", () => {
  expect(filteredResource(["deal.*", "deal.won"], resources).plural).toBe("deals");
  for (const events of [["*"], ["deal.*", "contact.created"], ["api_key.*"], ["import.completed"], ["deal.won", "*"]])
    expect(() => filteredResource(events, resources)).toThrow(/one resource's records/);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { contacts } from "../../shared/resources/contacts.ts";
import { createWorkspace } from "../harness/workspace.ts";

const CASES = 10_000;
const PARALLEL = 25;

const nasty = fc.constantFrom<unknown>(
  "",
  " ",
  "\0",
  "\ud800",
  "__proto__",
  "constructor",
  "null",
  "undefined",
  "NaN",
  "-0",
  "1e309",
  "9007199254740993",
  "‮",
  "'; drop table contacts; --",
  "a".repeat(10_000),
  -1,
  0,
  1e308,
  2 ** 53,
  0.1,
  true,
  null,
  [],
  {},
  [[]],
  [null],
  { a: { b: {} } },
  "00000000-0000-0000-0000-000000000000",
  "2026-02-30",
  "0000-01-01",
  "99999-01-01T00:00:00Z",
);
const anything = fc.oneof(nasty, fc.string({ unit: "binary" }), fc.jsonValue(), fc.uuid());
const text = fc.oneof(nasty.map(String), fc.string({ unit: "binary" }), fc.string());
const fieldName = fc.oneof(fc.constantFrom(...contacts.names.all), text);
let serial = 0;
const email = fc.constant(null).map(() => `fuzz-${serial++}@test.example`);
const body = fc.oneof(
  // Valid but for what may stand beside the email, so that it gets as far as the database.
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        email,
        fc.dictionary(
          fc.constantFrom(
            "first_name",
            "lead_source",
            "phone",
            "job_title",
            "tags",
            "external_id",
            "birthday",
            "score",
          ),
          anything,
          { maxKeys: 2 },
        ),
      )
      .map(([address, rest]) => ({ ...rest, email: address })),
  },

  { weight: 4, arbitrary: fc.dictionary(fieldName, anything, { maxKeys: 6 }) },
  { weight: 1, arbitrary: anything },
);
const id = fc.oneof(fc.uuid(), text.map(encodeURIComponentSafely), fc.constant("bulk"), fc.constant("search"));
const operator = fc.constantFrom(
  "",
  "[eq]",
  "[ne]",
  "[gt]",
  "[gte]",
  "[lt]",
  "[in]",
  "[nin]",
  "[contains]",
  "[starts_with]",
  "[is_null]",
  "[x]",
  "[",
);
const parameter = fc.tuple(
  fc.oneof(
    fieldName,
    fc.constantFrom("limit", "cursor", "sort", "search", "fields", "include", "dry_run", "atomic", "on_conflict"),
  ),
  operator,
  text,
);
const query = fc
  .array(parameter, { maxLength: 3 })
  .map((parameters) =>
    parameters
      .map(([name, op, value]) => `${encodeURIComponentSafely(name)}${op}=${encodeURIComponentSafely(value)}`)
      .join("&"),
  );
const filter = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: "small" },
    fc.record(
      {
        field: fieldName,
        op: fc.oneof(fc.constantFrom("eq", "in", "gt", "contains", "is_null"), text),
        value: anything,
      },
      { requiredKeys: [] },
    ),
    fc.record({ and: fc.array(tie("node"), { maxLength: 3 }) }),
    fc.record({ not: tie("node") }),
    anything,
  ),
})).node;
const headerValue = fc.string({ unit: fc.constantFrom(..."abcXYZ019\"',;=*/ .:-_%{}"), maxLength: 40 });
const headers = fc.dictionary(
  fc.constantFrom(
    "if-match",
    "if-none-match",
    "idempotency-key",
    "content-type",
    "x-workspace-id",
    "x-forwarded-for",
    "accept",
  ),
  headerValue,
  { maxKeys: 2 },
);

const request = fc.oneof(
  fc.record({ method: fc.constant("GET"), path: query.map((q) => `/contacts?${q}`), headers }),
  fc.record({ method: fc.constant("GET"), path: fc.tuple(id, query).map(([i, q]) => `/contacts/${i}?${q}`), headers }),
  fc.record({
    method: fc.constantFrom("POST", "PATCH", "PUT", "DELETE"),
    path: fc.tuple(id, query).map(([i, q]) => `/contacts/${i}?${q}`),
    body,
    headers,
  }),
  fc.record({ method: fc.constant("POST"), path: query.map((q) => `/contacts?${q}`), body, headers }),
  fc.record({
    method: fc.constant("POST"),
    path: fc.constant("/contacts/search"),
    body: fc.oneof(
      filter.map((tree) => ({ filter: tree })),
      body,
    ),
    headers,
  }),
  fc.record({
    method: fc.constantFrom("POST", "PATCH"),
    path: fc.constant("/contacts/bulk"),
    body: fc.oneof(
      fc.array(body, { maxLength: 4 }).map((records) => ({ records })),
      body,
    ),
    headers,
  }),
  fc.record({
    method: fc.constant("DELETE"),
    path: fc.constant("/contacts/bulk"),
    body: fc.array(fc.oneof(fc.uuid(), anything), { maxLength: 4 }).map((ids) => ({ ids })),
    headers,
  }),
);

function encodeURIComponentSafely(value: string): string {
  return encodeURIComponent(value.toWellFormed()).slice(0, 3000);
}

test(`no request, however strange, is answered 5xx: ${CASES} cases`, { timeout: 120_000 }, async () => {
  const { client } = await createWorkspace();
  const cases = fc.sample(request, CASES);
  const failures: unknown[] = [];
  let next = 0;
  const statuses = new Map<number, number>();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      while (next < cases.length) {
        const one = cases[next++];
        if (one === undefined) continue;
        const sent = "body" in one ? { ...one, body: JSON.stringify(one.body) ?? "" } : one;
        const answer = await client.call(one.path, sent);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        if (answer.status >= 500) failures.push({ ...sent, answer: answer.body });
      }
    }),
  );
  expect(failures.slice(0, 3)).toEqual([]);
  // The cases reach every layer: some succeed, most are refused for a reason of their own.
  for (const status of [200, 201, 400, 404, 405]) expect(statuses.get(status) ?? 0, `of ${status}`).toBeGreaterThan(0);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { routes } from "../../functions/api/routes.ts";
import type { Route } from "../../shared/http/route.ts";
import { resourceNamed, resources } from "../../shared/resources/all.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { type RecordData, Records } from "../harness/records.ts";
import { pathParameters, resourceOfRoute } from "../harness/route_paths.ts";
import { freshValue, samplesOf } from "../harness/samples.ts";
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
const PARAMETERS = [
  "limit",
  "cursor",
  "sort",
  "search",
  "fields",
  "include",
  "dry_run",
  "atomic",
  "on_conflict",
  "move_to",
  "group_by",
  "types",
  "q",
  "format",
];

/** What a resource's requests are made of: records that are there, and bodies that are valid. */
interface Known {
  resource: Resource;
  ids: string[];
  bodies: RecordData[];
}

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

/** Requests to one route: mostly with what it takes, and something wrong in it. */
function requestsTo(route: Route, known: Map<string, Known>) {
  const resource = resourceOfRoute(route) ?? contacts;
  const related = Object.entries(resource.include).flatMap(([name, include]) =>
    Object.keys(resourceNamed(include.resource).fields).map((field) => `${name}.${field}`),
  );
  const fieldName = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...resource.names.all) },
    { weight: 1, arbitrary: fc.constantFrom("custom_fields.size", ...related, ...resource.names.all) },
    { weight: 1, arbitrary: text },
  );
  const anyId = fc.constantFrom(...[...known.values()].flatMap(({ ids }) => ids));
  const [prefix = ""] = route.operation.split(".");
  const idOf = (plural: string) => {
    const own = known.get(plural)?.ids ?? [];
    return fc.oneof(
      { weight: 6, arbitrary: own.length > 0 ? fc.constantFrom(...own) : anyId },
      { weight: 1, arbitrary: anyId },
      { weight: 1, arbitrary: fc.uuid() },
      {
        weight: 1,
        arbitrary: fc.oneof(text.map(encodeURIComponentSafely), fc.constantFrom("bulk", "search", "summary")),
      },
    );
  };
  const path = fc
    .tuple(...pathParameters(route).map(([name, plural = prefix]) => idOf(plural).map((id) => [name, id] as const)))
    .map((ids) => ids.reduce((below, [name, id]) => below.replace(`{${name}}`, () => id), route.path));
  const query = fc
    .array(fc.tuple(fc.oneof(fieldName, fc.constantFrom(...PARAMETERS)), operator, fc.oneof(text, anyId, fieldName)), {
      maxLength: 3,
    })
    .map((given) =>
      given
        .map(([name, op, value]) => `${encodeURIComponentSafely(name)}${op}=${encodeURIComponentSafely(value)}`)
        .join("&"),
    );
  return fc.record({
    method: fc.oneof(
      { weight: 20, arbitrary: fc.constant(route.method) },
      { weight: 1, arbitrary: fc.constantFrom("PUT", "POST", "PATCH", "DELETE", "GET") },
    ),
    path: fc
      .tuple(path, fc.oneof({ weight: 2, arbitrary: fc.constant("") }, { weight: 1, arbitrary: query }))
      .map((parts) => parts.join("?")),
    headers: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: headers }),
    body: bodyOf(route, known.get(resource.plural) ?? { resource, ids: [], bodies: [] }, fieldName, anyId),
  });
}

/** What is sent to a route that takes a body: an object of its shape, spoiled in some place or whole. */
function bodyOf(
  { operation, maxBodyBytes }: Route,
  { resource, bodies }: Known,
  fieldName: fc.Arbitrary<string>,
  anyId: fc.Arbitrary<string>,
): fc.Arbitrary<unknown> {
  if (maxBodyBytes === undefined) return fc.constant(undefined);
  const member = fieldName.chain((name) => fieldValue(resource, name, anyId).map((value) => [name, value] as const));
  const some = (maxLength: number) => fc.array(member, { maxLength }).map(Object.fromEntries);
  const valid = fc.constantFrom(...bodies, {}).map((body) => freshened(resource, body));
  const record = fc.oneof(
    // Valid but for what stands beside it, so that it gets as far as the database.
    { weight: 3, arbitrary: fc.tuple(valid, some(2)).map(([body, rest]) => ({ ...body, ...rest })) },
    { weight: 1, arbitrary: valid },
    { weight: 2, arbitrary: some(6) },
    { weight: 1, arbitrary: anything },
  );
  const idList = fc.array(fc.oneof({ weight: 3, arbitrary: anyId }, { weight: 1, arbitrary: anything }), {
    maxLength: 4,
  });
  const verb = operation === "imports.create" ? operation : (operation.split(".").at(-1) ?? "");
  const byVerb: Record<string, fc.Arbitrary<unknown>> = {
    bulkCreate: fc.array(record, { maxLength: 4 }).map((all) => ({ records: all })),
    bulkUpdate: fc
      .array(
        fc.tuple(record, anyId).map(([one, id]) => ({ ...Object(one), id })),
        { maxLength: 4 },
      )
      .map((all) => ({ records: all })),
    bulkDelete: idList.map((ids) => ({ ids })),
    search: fc.oneof(
      treeOf(fieldName).map((tree) => ({ filter: tree })),
      fc.dictionary(
        fc.constantFrom("filter", "search", "sort", "limit", "cursor", "fields", "include", "x"),
        anything,
        { maxKeys: 3 },
      ),
    ),
    merge: fc.record(
      { ids: idList, prefer: fc.oneof(fc.constantFrom("primary", "newest"), anything) },
      { requiredKeys: ["ids"] },
    ),
    move: fc.record({ stage_id: fc.oneof(anyId, anything) }),
    "imports.create": fc.record(
      {
        resource: fc.oneof(fc.constantFrom("contacts", "deals"), anything),
        format: fc.oneof(fc.constantFrom("csv", "json"), anything),
        x: anything,
      },
      { requiredKeys: ["resource", "format"] },
    ),
    addPart: fc.record({
      part: fc.oneof(fc.nat(2), anything),
      content: fc.oneof(text, fc.constant("email\nann@a.example\n"), anything),
    }),
    lose: fc.record({ lost_reason: fc.oneof(text, anything) }, { requiredKeys: [] }),
  };
  return fc.oneof(
    { weight: 5, arbitrary: byVerb[verb] ?? record },
    { weight: 1, arbitrary: fc.oneof(record, anything) },
  );
}

/** A value for a field: mostly one that it takes. */
function fieldValue({ fields }: Resource, name: string, anyId: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  const samples = field === undefined ? [] : [...samplesOf(field), null];
  const fitting = field?.references === undefined ? fc.constantFrom(...samples, null) : anyId;
  return fc.oneof({ weight: 2, arbitrary: fitting }, { weight: 1, arbitrary: anything });
}

/** A body with unique values that nobody has yet. */
function freshened({ fields }: Resource, body: RecordData): RecordData {
  const unique = Object.entries(fields).filter(([name, field]) => field.unique && Object.hasOwn(body, name));
  return { ...body, ...Object.fromEntries(unique.map(([name, field]) => [name, freshValue(field)])) };
}

function treeOf(fieldName: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => ({
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
}

function encodeURIComponentSafely(value: string): string {
  return encodeURIComponent(value.toWellFormed()).slice(0, 3000);
}

/** Some records of every resource, and bodies to make more. */
async function prepare(records: Records): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  for (const resource of resources) {
    const canCreate = resource.operations.includes("create");
    const ids = await records.insert(resource, await records.rows(resource, 8));
    const made = canCreate ? await records.createMany(resource, 4) : [];
    const bodies = canCreate ? await records.bodies(resource, 3) : [];
    known.set(resource.plural, { resource, ids: [...ids, ...made.map(({ id }) => id)], bodies });
  }
  const { client } = records;
  const [winner, loser] = known.get("contacts")?.ids ?? [];
  const merged = await client.post(`/contacts/${winner}/merge`, { ids: [loser] });
  known.set("merges", { resource: contacts, ids: [merged.meta.merge_id], bodies: [] });
  const imports = [1, 2].map(
    async () => (await client.post("/imports", { resource: "contacts", format: "csv" })).data.id,
  );
  known.set("imports", { resource: contacts, ids: await Promise.all(imports), bodies: [] });
  return known;
}

test(`no request, however strange, is answered 5xx: ${CASES} cases over every route`, {
  timeout: 120_000,
}, async () => {
  const records = new Records(await createWorkspace());
  const known = await prepare(records);
  const perRoute = Math.ceil(CASES / routes.length);
  // Route by route in turn, so that what one deletes is what the next one looks for.
  const byRoute = routes.map((route) => fc.sample(requestsTo(route, known), perRoute));
  const cases = Array.from({ length: perRoute }, (_, turn) => byRoute.map((requests) => requests[turn])).flat();
  const failures: unknown[] = [];
  const statuses = new Map<number, number>();
  let next = 0;
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      while (next < cases.length) {
        const one = cases[next++];
        if (one === undefined) continue;
        const { body, ...rest } = one;
        const sent = body === undefined || rest.method === "GET" ? rest : { ...rest, body: JSON.stringify(body) ?? "" };
        const answer = await records.client.call(one.path, sent);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        if (answer.status >= 500) failures.push({ ...sent, answer: answer.body });
      }
    }),
  );
  expect(failures.slice(0, 3)).toEqual([]);
  // The cases reach every layer: many succeed, the others are refused for reasons of their own.
  for (const status of [200, 201, 207, 400, 404, 405, 409, 422])
    expect(statuses.get(status) ?? 0, `of ${status}`).toBeGreaterThan(0);
});

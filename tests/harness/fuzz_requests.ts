import fc from "fast-check";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import type { Route } from "../../shared/http/route.ts";
import { resources } from "../../shared/resources/all.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import type { Resource } from "../../shared/resources/define.ts";
import type { RecordData, Records } from "./records.ts";
import { pathParameters, resourceOfRoute } from "./route_paths.ts";
import { freshValue, samplesOf } from "./samples.ts";

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

// Strange already as bytes: what no JSON library and no fetch would send.

const deep = fc
  .integer({ min: 1, max: 3000 })
  .chain((levels) =>
    fc.constantFrom(
      `${'{"and":['.repeat(levels)}${"]}".repeat(levels)}`,
      `{"filter":${'{"not":'.repeat(levels)}{"field":"score","op":"eq","value":1}${"}".repeat(levels)}}`,
      `{"email":${"[".repeat(levels)}${"]".repeat(levels)}}`,
    ),
  );
const brokenJson = fc
  .tuple(
    fc.jsonValue(),
    fc.nat(),
    fc.constantFrom("", ",", "}", "]", '"', "\\", "\\u0000", "\\ud800", "1e999", "-", "\0", "\ufeff"),
  )
  .map(([value, at, piece]) => {
    const text = JSON.stringify({ email: "x@y.example", custom_fields: value, records: [value], filter: value }) ?? "";
    const place = at % text.length;
    return text.slice(0, place) + piece + text.slice(place);
  });
const strangeJson = fc.constantFrom(
  '{"__proto__":{"email":"a@b.co"},"constructor":{"prototype":{}}}',
  '{"email":"a@b.co","email":null}',
  `{"email":"a@b.co","score":1e400}`,
  `{"email":"a@b.co","score":${"9".repeat(400)}}`,
  `{"email":"a@b.co","score":-0.0}`,
  `{"email":"${"a".repeat(300)}@b.co"}`,
  '{"email":"a@b.co","first_name":"\\udc00\\ud800"}',
  '{"email":"a@b.co","\\u0000":1}',
  '{"":""}',
  '{"ids":["__proto__",{},[],null,1e308]}',
  '{"records":[[],{},null,1,"x",{"id":{}},{"email":{"toString":1}}]}',
);
const brokenBody = fc
  .oneof(deep, brokenJson, strangeJson, fc.string(), fc.json())
  .map((text) => Buffer.from(text))
  .chain((bytes) =>
    fc.constantFrom(bytes, bytes.subarray(0, bytes.length / 2), Buffer.concat([bytes, Buffer.from([0xff])])),
  );

const pathEnd = fc.oneof(
  fc.constant(""),
  fc
    .array(
      fc.constantFrom(
        "%",
        "%00",
        "%ff",
        "%ZZ",
        "%c0%80",
        "..",
        "/",
        "?",
        "&",
        "=",
        "[",
        "]",
        ";",
        "a",
        "id",
        "limit",
        "cursor",
        "%ed%a0%80",
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join("")),
  fc.base64String({ maxLength: 60 }).map((text) => `?cursor=${encodeURIComponent(text)}`),
);
const anyMethod = fc.constantFrom(undefined, "GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "PUT");
const printable = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 60,
});
const brokenHeaders = fc.dictionary(
  fc.constantFrom(
    "authorization",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "content-type",
    "accept",
    "x-workspace-id",
    "x-forwarded-proto",
    "x-forwarded-for",
    "origin",
    "access-control-request-headers",
    "x-request-id",
    "range",
    "expect",
  ),
  fc.oneof(
    printable,
    fc.constantFrom(
      "Bearer",
      "Bearer ",
      "Bearer a.b.c",
      `Bearer ${generateApiKey("live").key}`,
      "*",
      '""',
      "https",
      "application/json;;;",
      "::1",
      "999.1.1.1, x",
    ),
  ),
  { maxKeys: 3 },
);

/** What a resource's requests are made of: records that are there, and bodies that are valid. */
export interface Known {
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

/** A request as it is sent, with what fetch would refuse or repair. */
export interface FuzzRequest {
  method: string;
  /** Below `/api`. */
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
}

/**
 * Requests to one route: mostly with what it takes and something wrong in it, some broken as bytes already.
 * `foreign` are ids of another workspace.
 */
export function requestsTo(
  route: Route,
  known: Map<string, Known>,
  foreign: readonly string[],
): fc.Arbitrary<FuzzRequest> {
  const shaped = shapedRequestsTo(route, known, foreign);
  const sent = shaped.map(({ method, path, headers, body }): FuzzRequest => {
    const bytes = body === undefined || method === "GET" ? {} : { body: Buffer.from(JSON.stringify(body) ?? "") };
    return { method, path: `/v1${path}`, headers, ...bytes };
  });
  const broken = fc.record({
    request: sent,
    method: anyMethod,
    rest: pathEnd,
    headers: brokenHeaders,
    bytes: brokenBody,
  });
  return fc.oneof(
    { weight: 5, arbitrary: sent },
    {
      weight: 1,
      arbitrary: broken.map(({ request, method, rest, headers, bytes }) => ({
        method: method ?? request.method,
        path: request.path + rest,
        headers,
        ...(!["GET", "HEAD"].includes(method ?? request.method) && { body: bytes }),
      })),
    },
  );
}

function shapedRequestsTo(route: Route, known: Map<string, Known>, foreign: readonly string[]) {
  const resource = resourceOfRoute(route) ?? contacts;
  const related = Object.entries(resource.include).flatMap(([name, include]) =>
    Object.keys(include.resource().fields).map((field) => `${name}.${field}`),
  );
  const fieldName = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...resource.names.all) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("custom_fields.size", "custom_fields.__proto__", ...related, ...resource.names.all),
    },
    { weight: 1, arbitrary: text },
  );
  const ownId = fc.constantFrom(...[...known.values()].flatMap(({ ids }) => ids));
  const foreignId = fc.constantFrom(...foreign);
  const anyId = fc.oneof({ weight: 5, arbitrary: ownId }, { weight: 1, arbitrary: foreignId });
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
    headers: fc.oneof(
      { weight: 4, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: headers },
      // Few keys, so that others' bodies and routes come with the same.
      { weight: 1, arbitrary: fc.constantFrom("a", "b", "c").map((key) => ({ "idempotency-key": key })) },
    ),
    body: bodyOf(route, known.get(resource.plural) ?? { resource, ids: [], bodies: [] }, fieldName, anyId),
  });
}

/** What is sent to a route that takes a body: an object of its shape, spoiled in some place or whole. */
function bodyOf(
  { operation, body }: Route,
  { resource, bodies }: Known,
  fieldName: fc.Arbitrary<string>,
  anyId: fc.Arbitrary<string>,
): fc.Arbitrary<unknown> {
  if (body === null) return fc.constant(undefined);
  const member = fieldName.chain((name) => fieldValue(resource, name, anyId).map((value) => [name, value] as const));
  const some = (maxLength: number) => fc.array(member, { maxLength }).map(Object.fromEntries);
  const valid = fc.constantFrom(...bodies, {}).map((one) => freshened(resource, one));
  const record = fc.oneof(
    // Valid but for what stands beside it, so that it gets as far as the database.
    { weight: 3, arbitrary: fc.tuple(valid, some(2)).map(([body, rest]) => ({ ...body, ...rest })) },
    { weight: 4, arbitrary: valid },
    {
      weight: 3,
      arbitrary: fc.tuple(valid, fc.nat(), anything).map(([body, at, value]) => changedAt(body, at, value)),
    },
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

/** A body with one of its leaves, however deep, in another shape. */
function changedAt(body: RecordData, at: number, value: unknown): unknown {
  const copy = structuredClone(body);
  const places: [holder: Record<string, unknown>, name: string][] = [];
  const walk = (holder: object) => {
    for (const [name, member] of Object.entries(holder)) {
      places.push([holder as Record<string, unknown>, name]);
      if (typeof member === "object" && member !== null) walk(member);
    }
  };
  walk(copy);
  const [holder, name] = places[at % places.length] ?? [];
  if (holder !== undefined && name !== undefined) holder[name] = value;
  return copy;
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
export async function prepareFuzz(records: Records): Promise<Map<string, Known>> {
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

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { generateApiKey } from "../../shared/auth/key_format.ts";
import { MAX_BODY_VALUES } from "../../shared/bounds.ts";
import { type CallOptions, Client } from "../harness/client.ts";
import { stack } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

interface Case extends CallOptions {
  name: string;
  /** Below /v1; `~` stands for the base. */
  path?: string;
  as?: keyof typeof clients;
  status: number;
  code: string;
  details?: unknown;
  message?: RegExp;
  responseHeaders?: Record<string, string | RegExp>;
}

const clients = {} as Record<
  "mine" | "readOnly" | "contactsRead" | "dealsOnly" | "other" | "expired" | "revoked" | "keyless",
  Client
>;
const taken = freshEmail();
const known = { id: "", foreignId: "", deletedId: "" };

beforeAll(async () => {
  const { functionUrl } = stack();
  const mine = await createWorkspace();
  const other = await createWorkspace();
  const { workspaceId } = mine;
  clients.mine = mine.client;
  clients.other = other.client;
  clients.keyless = new Client(functionUrl, null);
  clients.readOnly = (await createKey({ workspaceId, scope: "read_only" })).client;
  clients.contactsRead = (await createKey({ workspaceId, scope: "custom", permissions: { contacts: "read" } })).client;
  clients.dealsOnly = (await createKey({ workspaceId, scope: "custom", permissions: { deals: "write" } })).client;
  clients.expired = (await createKey({ workspaceId, expiresAt: new Date(Date.now() - 1000) })).client;
  clients.revoked = (await createKey({ workspaceId, revokedAt: new Date() })).client;
  known.id = (await mine.client.post("/contacts", { email: taken, external_id: "taken" })).data.id;
  known.foreignId = (await other.client.post("/contacts", { email: freshEmail() })).data.id;
  known.deletedId = (await mine.client.post("/contacts", { email: freshEmail() })).data.id;
  await mine.client.delete(`/contacts/${known.deletedId}`);
});

const authorization = (value: string) => ({ headers: { authorization: value } });
const flip = (key: string) => key.slice(0, -1) + (key.endsWith("A") ? "B" : "A");
const post = (body: unknown, headers: Record<string, string> = {}) => ({
  method: "POST",
  path: "/contacts",
  body,
  headers,
});
const required = { email: ["The email field is required."] };

const cases: Case[] = [
  { name: "no Authorization header", as: "keyless", status: 401, code: "missing_api_key" },
  {
    name: "the bare key",
    as: "keyless",
    ...authorization(generateApiKey("live").key),
    status: 401,
    code: "malformed_authorization",
    message: /bare key/,
  },
  {
    name: "another scheme",
    as: "keyless",
    ...authorization("Basic eDp5"),
    status: 401,
    code: "malformed_authorization",
    message: /scheme/,
  },
  {
    name: "extra white space",
    as: "keyless",
    ...authorization(`Bearer  ${generateApiKey("live").key}`),
    status: 401,
    code: "malformed_authorization",
    message: /white space/,
  },
  {
    name: "Bearer without a key",
    as: "keyless",
    ...authorization("Bearer"),
    status: 401,
    code: "malformed_authorization",
  },
  {
    name: "a wrong checksum",
    as: "keyless",
    ...authorization(`Bearer ${flip(generateApiKey("live").key)}`),
    status: 401,
    code: "invalid_api_key",
  },
  {
    name: "an unknown key",
    as: "keyless",
    ...authorization(`Bearer ${generateApiKey("live").key}`),
    status: 401,
    code: "invalid_api_key",
  },
  { name: "a revoked key", as: "revoked", status: 401, code: "invalid_api_key" },
  { name: "an expired key", as: "expired", status: 401, code: "expired_api_key" },
  {
    name: "a forged session",
    as: "keyless",
    ...authorization("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
    status: 401,
    code: "invalid_session",
  },
  {
    name: "a write with a read-only key",
    as: "readOnly",
    ...post({ email: freshEmail() }),
    status: 403,
    code: "insufficient_scope",
    details: { required_scope: "contacts:write", granted: "read_only" },
  },
  {
    name: "a write with a key that may read",
    as: "contactsRead",
    ...post({ email: freshEmail() }),
    status: 403,
    code: "insufficient_scope",
    details: { required_scope: "contacts:write", granted: { contacts: "read" } },
  },
  {
    name: "a read with a key for other resources",
    as: "dealsOnly",
    status: 403,
    code: "insufficient_scope",
    details: { required_scope: "contacts:read", granted: { deals: "write" } },
  },
  {
    name: "an embedded record outside the scope",
    as: "contactsRead",
    path: "/contacts?include=company",
    status: 403,
    code: "insufficient_scope",
    details: { required_scope: "companies:read", granted: { contacts: "read" } },
  },
  { name: "an unknown id", path: `/contacts/${randomUUID()}`, status: 404, code: "not_found", details: {} },
  { name: "an id that is no UUID", path: "/contacts/42", status: 404, code: "not_found", details: {} },
  { name: "an unknown path", path: "/nothing", status: 404, code: "not_found" },
  {
    name: "an unknown version",
    path: "~/v9/contacts",
    status: 404,
    code: "unknown_version",
    details: { supported: ["v1"] },
  },
  {
    name: "a wrong method",
    method: "PUT",
    status: 405,
    code: "method_not_allowed",
    responseHeaders: { allow: "GET, HEAD, POST, OPTIONS" },
  },
  {
    name: "a wrong method on a fixed path",
    path: "/contacts/bulk",
    status: 405,
    code: "method_not_allowed",
    responseHeaders: { allow: "POST, PATCH, DELETE, OPTIONS" },
  },
  { name: "malformed JSON", ...post('{"email":'), status: 400, code: "malformed_json" },
  { name: "a body that is no object", ...post("[1]"), status: 400, code: "malformed_json" },
  {
    name: "a body nested too deep",
    ...post(`{"email":${"[".repeat(40)}${"]".repeat(40)}}`),
    status: 400,
    code: "malformed_json",
  },
  {
    name: "NUL in a text",
    ...post('{"email":"a@b.co","first_name":"a\\u0000b"}'),
    status: 400,
    code: "validation_error",
    details: { first_name: ["The first_name field has a character that can't be stored."] },
  },
  {
    name: "half a surrogate pair",
    ...post('{"email":"a@b.co","first_name":"\\ud800"}'),
    status: 400,
    code: "validation_error",
  },
  {
    name: "another content type",
    ...post("email=a", { "content-type": "application/x-www-form-urlencoded" }),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a body over 1 MiB",
    ...post({ email: freshEmail(), first_name: "x".repeat(1024 * 1024) }),
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "a bulk body of more values than can be worked on",
    method: "POST",
    path: "/contacts/bulk",
    body: { records: Array.from({ length: MAX_BODY_VALUES }, () => ({})) },
    status: 413,
    code: "payload_too_large",
    details: { max_values: MAX_BODY_VALUES },
  },
  {
    name: "a bulk body over 5 MiB",
    method: "POST",
    path: "/contacts/bulk",
    body: { records: [{ first_name: "x".repeat(5 * 1024 * 1024) }] },
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "a missing required field",
    ...post({}),
    status: 400,
    code: "validation_error",
    details: required,
    message: /^The email field is required\.$/,
  },
  {
    name: "null in a required field",
    ...post({ email: null }),
    status: 400,
    code: "validation_error",
    details: { email: ["The email field may not be null."] },
  },
  {
    name: "an unknown field",
    ...post({ email: freshEmail(), frist_name: "x" }),
    status: 400,
    code: "unknown_field",
    message: /Did you mean first_name\?/,
  },
  {
    name: "an unknown field of an object",
    ...post({ email: freshEmail(), address: { cty: "x" } }),
    status: 400,
    code: "unknown_field",
    message: /Did you mean city\?/,
  },
  {
    name: "a custom field that is not defined",
    ...post({ email: freshEmail(), custom_fields: { shoe_size: 42 } }),
    status: 400,
    code: "unknown_field",
  },
  {
    name: "a read-only field",
    ...post({ email: freshEmail(), created_at: "2026-01-01T00:00:00Z" }),
    status: 400,
    code: "read_only_field",
    details: { created_at: ["The created_at field is read-only."] },
  },
  {
    name: "an unknown parameter",
    path: "/contacts?stauts=active",
    status: 400,
    code: "unknown_parameter",
    message: /Did you mean status\?/,
  },
  {
    name: "an unknown parameter of a write",
    ...post({ email: freshEmail() }),
    path: "/contacts?dryrun=true",
    status: 400,
    code: "unknown_parameter",
    message: /Did you mean dry_run\?/,
  },
  { name: "a parameter given twice", path: "/contacts?limit=1&limit=2", status: 400, code: "validation_error" },
  {
    name: "a filter value that can't be",
    path: "/contacts?status=actve",
    status: 400,
    code: "invalid_filter",
    message: /active, inactive, unsubscribed, bounced/,
  },
  { name: "an operator that does not fit", path: "/contacts?status[gt]=active", status: 400, code: "invalid_filter" },
  { name: "a sort that does not exist", path: "/contacts?sort=-shoe_size", status: 400, code: "invalid_sort" },
  {
    name: "a sort over six fields",
    path: "/contacts?sort=email,first_name,last_name,score,status,created_at",
    status: 400,
    code: "invalid_sort",
  },
  { name: "a sort that repeats a field", path: "/contacts?sort=score,-score", status: 400, code: "invalid_sort" },
  ...["0", "101", "-1", "abc", "1e1", "", "2.5"].map((limit) => ({
    name: `limit=${limit}`,
    path: `/contacts?limit=${limit}`,
    status: 400,
    code: "validation_error",
  })),
  { name: "a made-up cursor", path: "/contacts?cursor=eyJpZCI6MTUwfQ", status: 400, code: "invalid_cursor" },
  { name: "four embedded records", path: "/contacts?include=owner,company,x,y", status: 400, code: "validation_error" },
  {
    name: "a taken email, in other letters",
    ...post({ email: taken.toUpperCase() }),
    status: 409,
    code: "duplicate_email",
  },
  {
    name: "a taken external_id",
    ...post({ email: freshEmail(), external_id: "taken" }),
    status: 409,
    code: "duplicate_external_id",
  },
  {
    name: "an owner that does not exist",
    ...post({ email: freshEmail(), owner_id: randomUUID() }),
    status: 422,
    code: "reference_not_found",
    details: { owner_id: ["The owner_id field names a record that does not exist."] },
  },
  {
    name: "a company that does not exist",
    ...post({ email: freshEmail(), company_id: randomUUID() }),
    status: 422,
    code: "reference_not_found",
  },
  {
    name: "an Idempotency-Key over 255 characters",
    ...post({ email: freshEmail() }, { "idempotency-key": "k".repeat(256) }),
    status: 400,
    code: "validation_error",
  },
  {
    name: "a flag that is neither true nor false",
    ...post({ email: freshEmail() }),
    path: "/contacts?dry_run=yes",
    status: 400,
    code: "validation_error",
  },
  {
    name: "an on_conflict that does not exist",
    ...post({ email: freshEmail() }),
    path: "/contacts?on_conflict=replace",
    status: 400,
    code: "validation_error",
  },
  {
    name: "an empty bulk",
    method: "POST",
    path: "/contacts/bulk",
    body: { records: [] },
    status: 400,
    code: "validation_error",
  },
  {
    name: "a bulk of 1,001",
    method: "DELETE",
    path: "/contacts/bulk",
    body: { ids: Array.from({ length: 1001 }, () => randomUUID()) },
    status: 400,
    code: "validation_error",
  },
];

describe("what is wrong with a request decides its status, code and details", () => {
  test.each(cases)(
    "$name → $status $code",
    async ({ as = "mine", path = "/contacts", status, code, details, message, responseHeaders = {}, ...options }) => {
      const answer = await clients[as].call(path, options);
      expect({ status: answer.status, code: answer.error?.code }, JSON.stringify(answer.body)).toEqual({
        status,
        code,
      });
      if (details !== undefined) expect(answer.error.details).toEqual(details);
      if (message !== undefined) expect(answer.error.message).toMatch(message);
      for (const [name, value] of Object.entries(responseHeaders)) expect(answer.headers.get(name)).toEqual(value);
      for (const sentences of status === 400 ? Object.values(answer.error.details).filter(Array.isArray) : []) {
        for (const sentence of sentences) if (typeof sentence === "string") expect(sentence).toMatch(/^The .+\.$/s);
      }
    },
  );
});

test("all violations are told at once, the first as the message", async () => {
  const { error } = await clients.mine.post("/contacts", {
    first_name: 7,
    website: "http://x.example",
    score: 101,
    tags: ["a", 7],
    emial: "x",
    version: 2,
  });
  expect(Object.keys(error.details).sort()).toEqual([
    "email",
    "emial",
    "first_name",
    "score",
    "tags.1",
    "version",
    "website",
  ]);
  expect(error.message).toBe(Object.values(error.details).flat()[0]);
});

test("an unknown key and a revoked one can't be told apart", async () => {
  const unknown = await clients.keyless.get("/contacts", { authorization: `Bearer ${generateApiKey("live").key}` });
  const revoked = await clients.revoked.get("/contacts");
  expect(revoked.error).toEqual(unknown.error);
});

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { isForPeople } from "../harness/routes.ts";
import { sessionToken } from "../harness/tokens.ts";
import { clientOf, useVersion, versionCases } from "../harness/versions.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

let mine: Awaited<ReturnType<typeof createWorkspace>>;
let session: string;
beforeAll(async () => {
  mine = await createWorkspace();
  session = await sessionToken(mine.userId);
});

describe.each(versionCases)("$name", ({ version, routes }) => {
  useVersion(version);

  describe("a query parameter that a route does not know is 400, never ignored", () => {
    test.each(routes.map(({ method, path, scope, body }) => ({ method, path, scope, takesBody: body !== null })))(
      "$method $path",
      async ({ method, path, scope, takesBody }) => {
        const url = `${path.replace(/\{\w+\}/g, randomUUID())}?nonsense=1`;
        const { status, error } = await clientOf(isForPeople({ scope }) ? session : mine.key).call(url, {
          method,
          ...(takesBody && { body: {} }),
        });
        expect({ status, code: error?.code }).toEqual({ status: 400, code: "unknown_parameter" });
        expect(Object.keys(error.details)).toEqual(["nonsense"]);
      },
    );
  });
});

test.each([
  ["fields=id,emial", "fields", /Did you mean email\?/],
  ["include=onwer", "include", /Did you mean owner\?/],
  ["sort=-craeted_at", "sort", /Did you mean created_at\?/],
  ["emial=x", "emial", /Did you mean email\?/],
  ["lmit=5", "lmit", /Did you mean limit\?/],
  ["email[contians]=x", "email[contians]", /contains/],
  ["email[]=x", "email[]", /Allowed/],
])("%s is refused at %s with what was probably meant, and what is allowed", async (query, at, hint) => {
  const { status, error } = await mine.client.get(`/contacts?${query}`);
  expect(status).toBe(400);
  expect(error.details).toEqual({ [at]: [error.message] });
  expect(error.message).toMatch(hint);
});

test.each([
  [{ filter: { feild: "score", op: "eq", value: 1 } }, /Did you mean field\?/],
  [{ filter: { field: "scoer", op: "eq", value: 1 } }, /Did you mean score\?/],
  [{ filter: { and: [{ field: "score", op: "eq", value: 1, extra: 2 }] } }, /extra/],
  [{ filter: { and: [], or: [] } }, /and/],
  [{ filter: [] }, /object/],
  [{ filter: { and: [] } }, /at least one/],
  [{ filters: {} }, /Did you mean filter\?/],
  [{ limit: "10" }, /limit/],
  [{ limit: 0 }, /limit/],
  [{ limit: 1.5 }, /limit/],
  [{ limit: 101 }, /limit/],
  [{ include: ["onwer"] }, /Did you mean owner\?/],
])("a search body %j is refused", async (body, hint) => {
  const { status, error } = await mine.client.post("/contacts/search", body);
  expect({ status, error: error?.code }).toEqual({ status: 400, error: expect.any(String) });
  expect(error.message).toMatch(hint);
});

test("in bulk too: a misspelt field fails its record, a misspelt member the request", async () => {
  const { status, data } = await mine.client.post("/contacts/bulk", {
    records: [{ email: freshEmail(), frist_name: "x" }, { email: freshEmail() }],
  });
  expect(status).toBe(207);
  expect(data[0].error).toMatchObject({ code: "unknown_field", message: expect.stringContaining("first_name") });
  const misspelt = await mine.client.post("/contacts/bulk", { record: [] });
  expect(misspelt.error.details).toHaveProperty("records");
  expect(misspelt.error.details.record[0]).toMatch(/Did you mean records\?/);
});

test("limit takes 1 and 100", async () => {
  for (const limit of [1, 100]) {
    expect((await mine.client.get(`/contacts?limit=${limit}`)).meta.limit).toBe(limit);
    expect((await mine.client.post("/contacts/search", { limit })).meta.limit).toBe(limit);
  }
});

test("a value outside a field's type says what would be right", async () => {
  const { error } = await mine.client.post("/contacts", {
    email: "no email",
    birthday: "2026-02-30",
    timezone: "Mars/Olympus",
    locale: "english!",
    linkedin_url: "ftp://x",
    status: "Active",
    tags: [""],
    address: { country: "Germany" },
    owner_id: "me",
    do_not_contact: "yes",
    last_name: "x".repeat(101),
  });
  expect(error.details).toEqual({
    email: ["The email field must be a valid email address."],
    birthday: ["The birthday field must be a date such as 2026-03-21."],
    timezone: ["The timezone field must be an IANA time zone such as Europe/Berlin."],
    locale: ["The locale field must be a language tag such as en-US."],
    linkedin_url: ["The linkedin_url field must be a URL that starts with https://."],
    status: ["The status field must be one of: active, inactive, unsubscribed, bounced."],
    "tags.0": ["The tags.0 field must not be empty."],
    "address.country": ["The address.country field must be a two-letter ISO country code such as US."],
    owner_id: ["The owner_id field must be a UUID."],
    do_not_contact: ["The do_not_contact field must be true or false."],
    last_name: ["The last_name field may not be longer than 100 characters."],
  });
});

test("HEAD needs the read scope, as GET does", async () => {
  const permissions = { deals: "write" } as const;
  const { client } = await createKey({ workspaceId: mine.workspaceId, scope: "custom", permissions });
  expect((await client.call("/contacts", { method: "HEAD" })).status).toBe(403);
  expect((await mine.client.call("/contacts", { method: "HEAD" })).status).toBe(200);
});

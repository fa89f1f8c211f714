import { beforeAll, describe, expect, test } from "vitest";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

let mine: Awaited<ReturnType<typeof createWorkspace>>;
beforeAll(async () => {
  mine = await createWorkspace();
});

const create = async (fields: Record<string, unknown> = {}) =>
  (await mine.client.post("/contacts", { email: freshEmail(), ...fields })).data;

// What is special about contacts; what holds for every record is in every_resource.test.ts.

test("a phone is kept as given, and in E.164 where it parses", async () => {
  expect(await create({ phone: "+49 (221) 123-4567" })).toMatchObject({
    phone: "+49 (221) 123-4567",
    phone_e164: "+492211234567",
  });
  expect(await create({ phone: "0221 1234567", address: { country: "DE" } })).toMatchObject({
    phone_e164: "+492211234567",
  });
  expect(await create({ phone: "ask for Ann" })).toMatchObject({ phone: "ask for Ann", phone_e164: null });
});

describe("an email is one person's in any letters", () => {
  test("ten at once make one contact", async () => {
    const email = freshEmail();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        mine.client.post("/contacts", { email: i % 2 ? email : email.toUpperCase() }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
  });

  test("on_conflict finds it, and its own person may write it in others", async () => {
    const held = await create({ score: 1 });
    const email = held.email.toUpperCase();
    expect((await mine.client.post("/contacts?on_conflict=return", { email, score: 2 })).data).toEqual(held);
    expect((await mine.client.post("/contacts?on_conflict=update", { email, score: 2 })).data).toMatchObject({
      id: held.id,
      email,
      score: 2,
    });
    expect((await mine.client.patch(`/contacts/${held.id}`, { email: held.email })).data.email).toBe(held.email);
  });
});

test("a 304 costs nothing", async () => {
  const { client } = await createWorkspace({ plan: "standard" });
  const { data, headers } = await client.post("/contacts", { email: freshEmail() });
  for (let turn = 0; turn < 3; turn++) {
    const unchanged = await client.get(`/contacts/${data.id}`, { "if-none-match": headers.get("etag") ?? "" });
    expect([unchanged.status, unchanged.headers.get("x-ratelimit-remaining")]).toEqual([304, "99"]);
  }
});

describe("update", () => {
  test("changes only what is sent; null clears; members of an object change one by one", async () => {
    const before = await create({
      first_name: "A",
      last_name: "B",
      address: { city: "X", street: "Y" },
      phone: "+12125550100",
    });
    const { status, data } = await mine.client.patch(`/contacts/${before.id}`, {
      first_name: null,
      phone: null,
      address: { city: "Z", state: "S" },
    });
    expect(status).toBe(200);
    expect(data).toMatchObject({
      first_name: null,
      last_name: "B",
      phone: null,
      phone_e164: null,
      address: { city: "Z", street: "Y", state: "S" },
      version: 2,
      created_at: before.created_at,
    });
    expect(data.updated_at > before.updated_at).toBe(true);
    expect((await mine.client.patch(`/contacts/${before.id}`, { address: { street: null } })).data.address).toEqual({
      city: "Z",
      state: "S",
    });
    expect((await mine.client.patch(`/contacts/${before.id}`, { address: null })).data.address).toBeNull();
  });

  test("that changes nothing keeps the version and the time", async () => {
    const before = await create({ score: 5, tags: ["x"], address: { city: "X" } });
    for (const same of [{}, { score: 5 }, { tags: ["x"] }, { address: { city: "X" } }]) {
      expect((await mine.client.patch(`/contacts/${before.id}`, same)).data).toEqual(before);
    }
  });
});

test("GET /me says what the key is", async () => {
  const sandbox = await createWorkspace({ parentId: mine.workspaceId });
  expect((await mine.client.get("/me")).data).toMatchObject({
    type: "api_key",
    id: mine.id,
    prefix: "anx_live",
    last_four: mine.key.slice(-4),
    scope: "full_access",
    permissions: null,
    expires_at: null,
    environment: "live",
    workspace: { id: mine.workspaceId, plan: "benchmark" },
  });
  expect((await sandbox.client.get("/me")).data).toMatchObject({
    prefix: "anx_test",
    environment: "sandbox",
    workspace: { plan: "benchmark" },
  });
  const custom = await createKey({
    workspaceId: mine.workspaceId,
    scope: "custom",
    permissions: { contacts: "read" },
    expiresAt: new Date("2099-01-01T00:00:00Z"),
  });
  expect((await custom.client.get("/me")).data).toMatchObject({
    scope: "custom",
    permissions: { contacts: "read" },
    expires_at: "2099-01-01T00:00:00.000000Z",
  });
});

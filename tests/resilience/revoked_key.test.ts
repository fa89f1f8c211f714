import { beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { database, stack, startAnotherFunction } from "../harness/stack.ts";
import { sessionToken } from "../harness/tokens.ts";
import { createKey, createWorkspace, freshEmail, type TestKey } from "../harness/workspace.ts";

const MAX_KNOWN_MS = 10_000;

const revoke = ({ id }: TestKey) => database()`update crm.api_keys set revoked_at = now() where id = ${id}`;
const expire = ({ id }: TestKey) =>
  database()`update crm.api_keys set expires_at = now() - interval '1 second' where id = ${id}`;

/** A key that the function knows already, and the contact that it made. */
async function knownKey(): Promise<TestKey & { contactId: string }> {
  const workspace = await createWorkspace();
  const { data, status } = await workspace.client.post("/contacts", { email: freshEmail() });
  expect(status).toBe(201);
  return { ...workspace, contactId: data.id };
}

const REQUESTS = {
  "a list": ({ client }: TestKey) => client.get("/contacts"),
  "a search": ({ client }: TestKey) => client.post("/contacts/search", { search: "jane" }),
  "a read by id": ({ client, contactId }: TestKey & { contactId: string }) => client.get(`/contacts/${contactId}`),
  "a create": ({ client }: TestKey) => client.post("/contacts", { email: freshEmail() }),
  "an update": ({ client, contactId }: TestKey & { contactId: string }) =>
    client.patch(`/contacts/${contactId}`, { score: 1 }),
  "a delete": ({ client, contactId }: TestKey & { contactId: string }) => client.delete(`/contacts/${contactId}`),
  "a bulk create": ({ client }: TestKey) => client.post("/contacts/bulk", { records: [{ email: freshEmail() }] }),
};

describe.each(Object.entries(REQUESTS))("%s with a key that the function knows as good", (_name, send) => {
  test("revoked: the next request is 401 invalid_api_key, and nothing is written", async () => {
    const key = await knownKey();
    await revoke(key);
    const { status, error } = await send(key);
    expect({ status, code: error.code }).toEqual({ status: 401, code: "invalid_api_key" });
    const rows =
      await database()`select version::integer, deleted_at from crm.contacts where workspace_id = ${key.workspaceId}`;
    expect(rows).toEqual([{ version: 1, deleted_at: null }]);
  });

  test("its expiry moved into the past: the next request is 401, and the one after that says expired_api_key", async () => {
    const key = await knownKey();
    await expire(key);
    expect((await send(key)).status).toBe(401);
    const { status, error } = await send(key);
    expect({ status, code: error.code }).toEqual({ status: 401, code: "expired_api_key" });
  });
});

test("a key that reaches its expiry is 401 expired_api_key from that moment, known or not", async () => {
  const { workspaceId } = await createWorkspace();
  const expiresAt = new Date(Date.now() + 1_500);
  const { client } = await createKey({ workspaceId, expiresAt });
  expect((await client.get("/me")).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, expiresAt.getTime() - Date.now() + 20));
  for (const path of ["/me", "/contacts"]) {
    const { status, error } = await client.get(path);
    expect({ status, code: error.code }).toEqual({ status: 401, code: "expired_api_key" });
  }
});

test("GET /me, which reads no data, refuses a revoked key within 10 s even when asked all the time", {
  retry: 2,
}, async () => {
  const key = await knownKey();
  await revoke(key);
  const revokedAt = Date.now();
  let status = 200;
  while (status === 200 && Date.now() - revokedAt < MAX_KNOWN_MS + 2_000) {
    status = (await key.client.get("/me")).status;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(status).toBe(401);
  expect(Date.now() - revokedAt).toBeLessThan(MAX_KNOWN_MS + 500);
});

describe("in a second process of the function that knows them too", () => {
  let elsewhere: string;
  beforeAll(async () => {
    elsewhere = (await startAnotherFunction()).baseUrl;
  });

  /** A key and its owner, signed in here; both known there. */
  async function knownThere() {
    const workspace = await createWorkspace();
    const owner = new Client(stack().functionUrl, await sessionToken(workspace.userId));
    const { data } = await owner.post("/api_keys", { name: "x", scope: "full_access" });
    const there = { key: new Client(elsewhere, data.key), owner: new Client(elsewhere, owner.key) };
    for (const client of [there.key, there.owner]) expect((await client.get("/contacts")).status).toBe(200);
    return { workspace, owner, keyId: data.id as string, there };
  }

  /** `GET /me` reads no data: it is answered from memory until the other process looks again. */
  async function untilNoticed(client: Client): Promise<void> {
    const before = JSON.stringify((await client.get("/me")).body.data);
    await expect
      .poll(async () => JSON.stringify((await client.get("/me")).body.data) === before, {
        timeout: MAX_KNOWN_MS + 500,
        interval: 200,
      })
      .toBe(false);
  }

  test("a key that is revoked here reads and writes nothing more there at once, and is nobody within 10 s", async () => {
    const { owner, keyId, there } = await knownThere();
    expect((await owner.delete(`/api_keys/${keyId}`)).status).toBe(200);
    const [read, written] = await Promise.all([
      there.key.get("/contacts"),
      there.key.post("/contacts", { email: freshEmail() }),
    ]);
    expect([read.error.code, written.error.code]).toEqual(["invalid_api_key", "invalid_api_key"]);
    const other = await knownThere();
    await other.owner.delete(`/api_keys/${other.keyId}`);
    await untilNoticed(other.there.key);
  });

  test("a key that is narrowed here may no more than that there", async () => {
    const { owner, keyId, there } = await knownThere();
    await owner.patch(`/api_keys/${keyId}`, { scope: "custom", permissions: { deals: "read" } });
    expect((await there.key.get("/contacts")).error.code).toBe("insufficient_scope");
    expect((await there.key.post("/deals", { name: "x" })).error.code).toBe("insufficient_scope");
    await untilNoticed(there.key);
  });

  test("a key that may be used from elsewhere only reads and writes nothing there at once, and where it may goes on", async () => {
    const { owner, keyId, there } = await knownThere();
    const from = { "x-forwarded-for": "198.51.100.7" };
    await owner.patch(`/api_keys/${keyId}`, { allowed_ips: ["198.51.100.0/24"] });
    expect((await there.key.get("/contacts")).error.code).toBe("ip_not_allowed");
    expect((await there.key.post("/contacts", { email: freshEmail() })).error.code).toBe("ip_not_allowed");
    expect((await there.key.post("/contacts", { email: freshEmail() }, from)).status).toBe(201);
    await owner.patch(`/api_keys/${keyId}`, { allowed_ips: ["198.51.100.7"] });
    expect((await there.key.get("/contacts", from)).status).toBe(200);
    expect((await there.key.get("/me", from)).status).toBe(200);
  });

  test("a member who is removed here reads nothing more there at once, and is nobody's colleague within 10 s", async () => {
    const { workspace, owner } = await knownThere();
    const colleague = await createWorkspace();
    const [member] = await database()`
      insert into crm.members (workspace_id, user_id, role, name, email)
      values (${workspace.workspaceId}, ${colleague.userId}, 'admin', 'Ada', 'ada@test.example') returning id`;
    const there = new Client(elsewhere, await sessionToken(colleague.userId));
    const headers = { "x-workspace-id": workspace.workspaceId };
    expect((await there.get("/contacts", headers)).status).toBe(200);
    await owner.delete(`/members/${member?.["id"]}`);
    expect((await there.get("/contacts", headers)).error.code).toBe("workspace_not_found");
    expect((await there.get("/me", headers)).error.code).toBe("workspace_not_found");
  });

  test("an admin who becomes a member may not administer there at once", async () => {
    const { workspace, owner, there } = await knownThere();
    const second = await createWorkspace();
    await database()`
      insert into crm.members (workspace_id, user_id, role, name, email)
      values (${workspace.workspaceId}, ${second.userId}, 'owner', 'Ada', 'ada@test.example')`;
    expect((await there.owner.get("/audit_log")).status).toBe(200);
    await database()`update crm.members set role = 'member' where user_id = ${workspace.userId} and workspace_id = ${workspace.workspaceId}`;
    expect((await there.owner.post("/api_keys", { name: "x", scope: "full_access" })).error.code).toBe(
      "insufficient_role",
    );
    expect((await there.owner.get("/audit_log")).data ?? []).toEqual([]);
    expect((await owner.get("/contacts")).status).toBe(200);
  });
});

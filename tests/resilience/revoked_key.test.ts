import { describe, expect, test } from "vitest";
import { database } from "../harness/stack.ts";
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

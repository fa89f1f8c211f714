import { expect, test } from "vitest";
import type { Client } from "../harness/client.ts";
import { database } from "../harness/stack.ts";
import { createKey, createWorkspace, freshEmail } from "../harness/workspace.ts";

const ABSENT = "00000000-0000-4000-8000-000000000000";
// Each reads or writes something; what is refused without that learns of it within ten seconds (contract §2).
const ASKED: Record<string, (client: Client, contact: string) => ReturnType<Client["get"]>> = {
  "a list": (client) => client.get("/contacts"),
  "a record": (client, contact) => client.get(`/contacts/${contact}`),
  "an absent record": (client) => client.get(`/contacts/${ABSENT}`),
  "an absent merge": (client) => client.get(`/merges/${ABSENT}`),
  "an absent import": (client) => client.get(`/imports/${ABSENT}`),
  "an absent job": (client) => client.get(`/jobs/${ABSENT}`),
  "a filter on a custom field": (client) => client.get("/contacts?custom_fields.size[gt]=1"),
  "a filter on no custom field": (client) => client.get("/contacts?custom_fields.absent=1"),
  "a sort by a custom field": (client) => client.get("/contacts?sort=-custom_fields.size"),
  "a body with a custom field": (client) =>
    client.post("/contacts", { email: freshEmail(), custom_fields: { absent: 1 } }),
  "a search of contacts": (client) =>
    client.post("/contacts/search", { filter: { field: "custom_fields.size", op: "eq", value: 1 } }),
  "a search of all": (client) => client.get("/search?q=ann"),
  "a timeline": (client, contact) => client.get(`/contacts/${contact}/timeline`),
  "a history": (client, contact) => client.get(`/contacts/${contact}/history`),
  "an export": (client) => client.get("/contacts/export?format=csv"),
  "a summary": (client) => client.get("/deals/summary?group_by=stage_id"),
  "a bulk": (client) => client.post("/contacts/bulk", { records: [{ email: freshEmail() }] }),
  "a deletion with move_to": (client) => client.delete(`/custom_fields/${ABSENT}?move_to=${ABSENT}`),
};

test("the first call after a key was revoked is 401, whatever it asks", async () => {
  const { client, workspaceId } = await createWorkspace();
  const contact = (await client.post("/contacts", { email: freshEmail() })).data.id;
  await client.post("/custom_fields", { resource: "contacts", key: "size", label: "Size", type: "number" });
  const answers = await Promise.all(
    Object.entries(ASKED).map(async ([what, ask]) => {
      const key = await createKey({ workspaceId });
      const before = (await ask(key.client, contact)).status;
      await database()`update crm.api_keys set revoked_at = now() where id = ${key.id}`;
      return [what, before === 401, (await ask(key.client, contact)).status];
    }),
  );
  expect(answers).toEqual(Object.keys(ASKED).map((what) => [what, false, 401]));
});

import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

test("who may write below the API can't forge a record's origin, version or workspace", async () => {
  const mine = await createWorkspace();
  const other = await createWorkspace();
  const { data } = await mine.client.post("/contacts", { email: freshEmail() });
  const claims = { role: "crm_api", key_id: mine.id, workspace_id: mine.workspaceId };
  const sql = database();
  await sql.begin(async (transaction) => {
    await transaction`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
    await transaction`set local role crm_api`;
    await transaction`
      update crm.contacts
      set id = gen_random_uuid(), workspace_id = ${other.workspaceId}, version = 99, created_at = '2000-01-01',
          updated_at = '2000-01-01', created_by = '{"type":"system"}', updated_by = '{"type":"system"}', score = 7
      where id = ${data.id}`;
  });
  const after = (await mine.client.get(`/contacts/${data.id}`)).data;
  expect(after).toEqual({ ...data, score: 7, version: 2, updated_at: after.updated_at });
  expect(after.updated_at > data.updated_at).toBe(true);
});

test("a record made within a request is stamped with its time and key, whatever it says of itself", async () => {
  const mine = await createWorkspace();
  const claims = { role: "crm_api", key_id: mine.id, workspace_id: mine.workspaceId };
  const rows = await database().begin(async (transaction) => {
    await transaction`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
    await transaction`set local role crm_api`;
    return transaction`
      insert into crm.contacts (workspace_id, email, version, created_at, created_by)
      values (${mine.workspaceId}, ${freshEmail()}, 50, '2000-01-01', '{"type":"system"}')
      returning version::int, created_at > now() - interval '1 minute' as recent, created_by`;
  });
  expect([...rows]).toEqual([{ version: 1, recent: true, created_by: { type: "api_key", id: mine.id } }]);
});

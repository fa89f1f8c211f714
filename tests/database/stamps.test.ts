import { describe, expect, test } from "vitest";
import { resources } from "../../shared/resources/all.ts";
import { Records } from "../harness/records.ts";
import { database } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";

const stamped = resources.filter(({ operations }) => operations.includes("create"));

describe.each(stamped.map((resource) => [resource.plural, resource] as const))("%s", (_plural, resource) => {
  test("who may write below the API can't forge a record's origin, version or workspace", async () => {
    const records = new Records(await createWorkspace());
    const other = await createWorkspace();
    const { name, values } = records.plainField(resource);
    const path = await records.path(resource);
    const before = await records.create(resource, { [name]: values[0] });
    const { id: key_id, workspaceId: workspace_id } = records.workspace;
    const claims = { role: "crm_api", key_id, workspace_id };
    await database().begin(async (transaction) => {
      await transaction`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
      await transaction`set local role crm_api`;
      const forged = {
        id: other.id,
        workspace_id: other.workspaceId,
        version: 99,
        created_at: "2000-01-01",
        updated_at: "2000-01-01",
        created_by: transaction.json({ type: "system" }),
        updated_by: transaction.json({ type: "system" }),
        [name]: values[1],
      };
      await transaction`update ${transaction(`crm.${resource.table}`)} set ${transaction(forged as never)} where id = ${before.id}`;
    });
    const after = (await records.client.get(`${path}/${before.id}`)).data;
    expect(after).toEqual({ ...before, [name]: values[1], version: 2, updated_at: after.updated_at });
    expect(after.updated_at > String(before["updated_at"])).toBe(true);
  });

  test("a record made within a request is stamped with its time and key, whatever it says of itself", async () => {
    const records = new Records(await createWorkspace());
    const { id: key_id, workspaceId: workspace_id } = records.workspace;
    const claims = { role: "crm_api", key_id, workspace_id };
    const [row = {}] = await records.wholeRows(resource, await records.rows(resource, 1, { linked: false }));
    const rows = await database().begin(async (transaction) => {
      await transaction`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
      await transaction`set local role crm_api`;
      const forged = { ...row, version: 50, created_at: "2000-01-01", created_by: { type: "system" } };
      const table = transaction(`crm.${resource.table}`);
      const columns = transaction(Object.keys(forged));
      return transaction`
        insert into ${table} (${columns})
        select ${columns} from jsonb_populate_record(null::${table}, ${transaction.json(forged as never)})
        returning version::int, created_at > now() - interval '1 minute' as recent, created_by`;
    });
    expect([...rows]).toEqual([{ version: 1, recent: true, created_by: { type: "api_key", id: key_id } }]);
  });
});

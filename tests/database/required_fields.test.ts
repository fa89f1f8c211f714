import type postgres from "postgres";
import { expect, test } from "vitest";
import { database } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

test("a field that becomes required in the middle of a transaction is required by the rest of it", async () => {
  const { workspaceId } = await createWorkspace();
  await database().begin(async (transaction) => {
    const insert = (session: postgres.TransactionSql) =>
      session`insert into crm.contacts (workspace_id, email) values (${workspaceId}, ${freshEmail()})`;
    await insert(transaction);
    await transaction`
      insert into crm.custom_fields (workspace_id, resource, key, label, type, required)
      values (${workspaceId}, 'contacts', 'budget', 'Budget', 'number', true)`;
    await expect(transaction.savepoint((session) => insert(session))).rejects.toThrow("validation_error");
    await transaction`update crm.custom_fields set required = false where workspace_id = ${workspaceId}`;
    await insert(transaction);
  });
});

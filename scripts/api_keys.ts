import type postgres from "postgres";
import { generateApiKey } from "../shared/auth/key_format.ts";

/** What a key may do, and until when. */
export interface NewKey {
  workspaceId: string;
  name: string;
  scope?: "full_access" | "read_only" | "custom";
  permissions?: Record<string, string>;
  expiresAt?: Date;
  revokedAt?: Date;
}

/**
 * Makes a key of a workspace and stores its hash. The answer is the only place that has its plaintext.
 * @throws when there is no such workspace
 */
export async function createApiKey(
  sql: postgres.Sql | postgres.TransactionSql,
  options: NewKey,
): Promise<{ id: string; key: string }> {
  const { workspaceId, name, scope = "full_access", permissions = {}, expiresAt = null, revokedAt = null } = options;
  const [workspace] = await sql`select environment from crm.workspaces where id = ${workspaceId}`;
  if (workspace === undefined) throw new Error(`There is no workspace ${workspaceId}.`);
  const { key, prefix, lastFour, hashHex } = generateApiKey(workspace["environment"] === "sandbox" ? "test" : "live");
  const [row] = await sql`
    insert into crm.api_keys (workspace_id, name, prefix, last_four, key_hash, scope, permissions, expires_at, revoked_at)
    values (${workspaceId}, ${name}, ${prefix}, ${lastFour}, decode(${hashHex}, 'hex'), ${scope}, ${sql.json(permissions)}, ${expiresAt}, ${revokedAt}) returning id`;
  return { id: row?.["id"], key };
}

import { generateApiKey } from "../../shared/auth/key_format.ts";
import type { Plan } from "../../shared/limits/plans.ts";
import { Client } from "./client.ts";
import { database, stack } from "./stack.ts";

/** A key of a workspace of its own: no suite shares data or rate limits with another. */
export interface TestKey {
  id: string;
  key: string;
  workspaceId: string;
  client: Client;
}

export interface KeyOptions {
  workspaceId: string;
  scope?: "full_access" | "read_only" | "custom";
  permissions?: Record<string, "none" | "read" | "write">;
  expiresAt?: Date;
  revokedAt?: Date;
  mode?: "live" | "test";
}

/** Mints a key in a workspace. */
export async function createKey({
  workspaceId,
  scope = "full_access",
  permissions = {},
  expiresAt,
  revokedAt,
  mode = "live",
}: KeyOptions): Promise<TestKey> {
  const sql = database();
  const { key, prefix, lastFour, hashHex } = generateApiKey(mode);
  const [row] = await sql`
    insert into crm.api_keys (workspace_id, name, prefix, last_four, key_hash, scope, permissions, expires_at, revoked_at)
    values (${workspaceId}, 'test', ${prefix}, ${lastFour}, ${Buffer.from(hashHex, "hex")}, ${scope}, ${sql.json(permissions)}, ${expiresAt ?? null}, ${revokedAt ?? null})
    returning id`;
  return { id: row?.["id"], key, workspaceId, client: new Client(stack().functionUrl, key) };
}

/** Mints a workspace with an owner and a full-access key. The `benchmark` plan's limit is out of reach. */
export async function createWorkspace({
  plan = "benchmark",
  parentId,
}: {
  plan?: Plan;
  parentId?: string;
} = {}): Promise<TestKey & { ownerId: string; userId: string }> {
  const sql = database();
  const [workspace] = await sql`
    insert into crm.workspaces (name, plan, parent_workspace_id) values ('Test', ${plan}, ${parentId ?? null}) returning id`;
  const workspaceId = workspace?.["id"];
  const [user] =
    await sql`insert into auth.users (id, email) values (gen_random_uuid(), 'owner@test.example') returning id`;
  const [member] = await sql`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${workspaceId}, ${user?.["id"]}, 'owner', 'Olive Owner', 'owner@test.example') returning id`;
  const key = await createKey({ workspaceId, mode: parentId === undefined ? "live" : "test" });
  return { ...key, ownerId: member?.["id"], userId: user?.["id"] };
}

let serial = 0;

/** An email that nobody has used in this run. */
export function freshEmail(): string {
  serial += 1;
  return `person-${process.pid}-${Date.now().toString(36)}-${serial}@test.example`;
}

import { createApiKey, type NewKey } from "../../scripts/api_keys.ts";
import type { Plan } from "../../shared/limits/plans.ts";
import type { Client } from "./client.ts";
import { database } from "./stack.ts";
import { clientOf } from "./versions.ts";

/** A key of a workspace of its own: no suite shares data or rate limits with another. */
export interface TestKey {
  id: string;
  key: string;
  workspaceId: string;
  client: Client;
}

export type KeyOptions = Omit<NewKey, "name">;

/** Mints a key in a workspace, of full access when nothing else is said. */
export async function createKey(options: KeyOptions): Promise<TestKey> {
  const { id, key } = await createApiKey(database(), { ...options, name: "test" });
  return { id, key, workspaceId: options.workspaceId, client: clientOf(key) };
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
    insert into crm.workspaces (name, plan, parent_workspace_id, start_from)
    values ('Test', ${plan}, ${parentId ?? null}, ${parentId === undefined ? null : "empty"}) returning id`;
  const workspaceId = workspace?.["id"];
  const [user] = await sql`insert into auth.users (id, email) values (gen_random_uuid(), ${freshEmail()}) returning id`;
  const [member] = await sql`
    insert into crm.members (workspace_id, user_id, role, name, email)
    values (${workspaceId}, ${user?.["id"]}, 'owner', 'Olive Owner', 'owner@test.example') returning id`;
  const key = await createKey({ workspaceId });
  return { ...key, ownerId: member?.["id"], userId: user?.["id"] };
}

let serial = 0;

/** An email that nobody has used in this run. */
export function freshEmail(): string {
  serial += 1;
  return `person-${process.pid}-${Date.now().toString(36)}-${serial}@test.example`;
}

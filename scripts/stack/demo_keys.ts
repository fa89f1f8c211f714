import { existsSync, readFileSync } from "node:fs";
import type postgres from "postgres";
import { hashApiKey } from "../../shared/auth/key_format.ts";
import type { Plan } from "../../shared/limits/plans.ts";
import { createApiKey } from "../api_keys.ts";

interface DemoKey {
  variable: string;
  plan: Plan;
  environment?: "sandbox";
  name: string;
  scope?: "read_only" | "custom";
  permissions?: Record<string, string>;
  expired?: true;
  revoked?: true;
}

const DEMO_KEYS: readonly DemoKey[] = [
  { variable: "KEY_STANDARD", plan: "standard", name: "Full access" },
  { variable: "KEY_PROFESSIONAL", plan: "professional", name: "Full access" },
  { variable: "KEY_ENTERPRISE", plan: "enterprise", name: "Full access" },
  { variable: "KEY_READ_ONLY", plan: "standard", name: "Read only", scope: "read_only" },
  {
    variable: "KEY_CONTACTS_READ",
    plan: "standard",
    name: "Contacts only",
    scope: "custom",
    permissions: { contacts: "read" },
  },
  { variable: "KEY_EXPIRED", plan: "standard", name: "Expired", expired: true },
  { variable: "KEY_REVOKED", plan: "standard", name: "Revoked", revoked: true },
  { variable: "KEY_SANDBOX", plan: "standard", environment: "sandbox", name: "Sandbox" },
];

/** The demo keys by variable: those of the env file while the database knows them all, else new ones. */
export async function demoKeys(sql: postgres.Sql, envFile: string): Promise<Record<string, string>> {
  const kept = existsSync(envFile) ? readKeys(readFileSync(envFile, "utf8")) : {};
  const hashes = DEMO_KEYS.map(({ variable }) => hashApiKey(kept[variable] ?? ""));
  const [known] =
    await sql`select count(*)::integer as count from crm.api_keys where encode(key_hash, 'hex') = any (${hashes})`;
  if (known?.["count"] === DEMO_KEYS.length) return kept;

  const keys: Record<string, string> = {};
  for (const { variable, plan, environment = "live", expired, revoked, ...options } of DEMO_KEYS) {
    const [workspace] = await sql`
      select id from crm.workspaces where plan = ${plan} and environment = ${environment} order by created_at, id limit 1`;
    const { key } = await createApiKey(sql, {
      ...options,
      workspaceId: workspace?.["id"],
      ...(expired && { expiresAt: new Date(Date.now() - 86_400_000) }),
      ...(revoked && { revokedAt: new Date() }),
    });
    keys[variable] = key;
  }
  return keys;
}

function readKeys(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split("\n")
      .map((line) => line.split("=", 2))
      .filter(([name]) => name?.startsWith("KEY_")),
  );
}

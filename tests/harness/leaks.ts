import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type postgres from "postgres";
import { isWellFormedApiKey } from "../../shared/auth/key_format.ts";

/** What only one answer, one mail or one header may ever have: keys, access tokens, tokens of invitations. */
const SECRETS = [
  /\banx_(?:live|test)_[0-9A-Za-z]{36}/g,
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/g,
  /\binv_[0-9a-f]{32}_[\w-]{43}/g,
];

/** The secrets that a text has in it: made-up keys don't count, which customers may write anywhere. */
export function secretsIn(text: string): string[] {
  return SECRETS.flatMap((pattern) => text.match(pattern) ?? []).filter(
    (found) => !found.startsWith("anx_") || isWellFormedApiKey(found),
  );
}

/** Where a secret stands that must not: in a log of the stack, or a column of ours. Each place with its first letters. */
export async function findLeaks(dataDir: string, sql: postgres.Sql, among: readonly string[] = []): Promise<string[]> {
  const leaks: string[] = [];
  const look = (place: string, text: string) => {
    const found = [...secretsIn(text), ...among.filter((secret) => text.includes(secret))];
    if (found.length > 0)
      leaks.push(`${place}: ${[...new Set(found)].map((secret) => secret.slice(0, 14)).join(", ")}`);
  };
  for (const name of readdirSync(dataDir).filter((file) => file.endsWith(".log")))
    look(name, readFileSync(join(dataDir, name), "utf8"));
  const tables =
    await sql`select relname as name from pg_class where relnamespace = 'crm'::regnamespace and relkind = 'r'`;
  for (const { name } of tables) {
    const rows = sql`select entry::text as text from ${sql(`crm.${name}`)} as entry`.cursor(5_000);
    for await (const batch of rows) look(`crm.${name}`, batch.map(({ text }) => text).join("\n"));
  }
  return [...new Set(leaks)];
}

import type postgres from "postgres";
import { makeBatch, sizeOf } from "./batch.ts";
import { makePools } from "./pools.ts";
import { makeRecipe } from "./recipe.ts";
import { insertCompanies, insertRecords, prepareGround } from "./store.ts";

/** The number that all demo data comes from. */
export const SEED = 20261124;

/** The workspaces of supabase/seed.sql that get records; the sandbox stays empty. */
export const DEMO_WORKSPACES = [
  { id: "00000000-0000-7000-8000-000000000001", contacts: 1500, colleagues: 5 },
  { id: "00000000-0000-7000-8000-000000000002", contacts: 60, colleagues: 2 },
  { id: "00000000-0000-7000-8000-000000000003", contacts: 60, colleagues: 2 },
] as const;

/** Gives the demo workspaces their records. Answers how many. */
export async function seedDemo(sql: postgres.TransactionSql, now: number): Promise<number> {
  const pools = makePools(SEED);
  let records = 0;
  for (const { id, contacts, colleagues } of DEMO_WORKSPACES) {
    const ground = await prepareGround(sql, { workspaceId: id, pools, colleagues });
    const recipe = makeRecipe({ seed: SEED, now, pools, ground });
    const batch = makeBatch(recipe, 0, contacts);
    await insertCompanies(sql, batch);
    await insertRecords(sql, batch);
    records += sizeOf(batch);
  }
  return records;
}

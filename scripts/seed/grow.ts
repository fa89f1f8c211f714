import type postgres from "postgres";
import { makeBatch, PER_CONTACT, sizeOf } from "./batch.ts";
import { SEED } from "./demo.ts";
import { makePools } from "./pools.ts";
import { makeRecipe } from "./recipe.ts";
import { insertCompanies, insertRecords, prepareGround } from "./store.ts";

const BATCH = 2500;
const SECONDS_BETWEEN_LINES = 2;
const TABLES = ["companies", "contacts", "deals", "tasks", "activities"];

export interface Growth {
  workspaceId: string;
  /** How many contacts the workspace is to have. */
  contacts: number;
  /** Today, in milliseconds. */
  now: number;
}

/**
 * Grows a workspace to that many contacts, with all other records in proportion, on all connections of
 * the pool. What was interrupted goes on where it stopped. Answers how many records it added.
 */
export async function growWorkspace(
  sql: postgres.Sql,
  { workspaceId, contacts, now }: Growth,
  progress: (line: string) => void,
): Promise<number> {
  const pools = makePools(SEED);
  const ground = await sql.begin((transaction) => prepareGround(transaction, { workspaceId, pools, colleagues: 5 }));
  const recipe = makeRecipe({ seed: SEED, now, pools, ground });
  const { there, serial } = await readExtent(sql, workspaceId);
  const ranges = rangesOf(serial, serial + contacts - there);
  const tellRate = rateOf(progress, there, contacts);
  let records = 0;
  let analyzedAt = 0;

  async function work(): Promise<void> {
    for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
      const [from, to] = range;
      // Plans that were made for the tables as they were then look through all of what they are now.
      if (from > analyzedAt * 2) {
        analyzedAt = from;
        await sql`analyze`;
      }
      const batch = makeBatch(recipe, from, to);
      // On their own: a company with a parent locks the workspace's hierarchy until its transaction ends.
      await insertCompanies(sql, batch);
      await sql.begin((transaction) => insertRecords(transaction, batch));
      records += sizeOf(batch);
      tellRate(to - from);
    }
  }
  await Promise.all(Array.from({ length: sql.options.max }, work));
  return records;
}

/** Serial numbers in batches: each the first, and the one after the last. */
function rangesOf(from: number, to: number): [number, number][] {
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / BATCH)) }, (_, place) => [
    from + place * BATCH,
    Math.min(to, from + (place + 1) * BATCH),
  ]);
}

/** After much was added: the planner learns of it, and searches no longer scan what waits in their indexes. */
export async function tidyUp(sql: postgres.Sql): Promise<void> {
  for (const table of TABLES) await sql.unsafe(`vacuum (analyze) crm.${table}`);
}

/**
 * How many contacts there are, and the first serial number that nothing was made of: neither a contact,
 * deleted ones included, nor one of the companies, which are there a moment earlier.
 */
async function readExtent(sql: postgres.Sql, workspaceId: string): Promise<{ there: number; serial: number }> {
  const [contacts] = await sql<{ there: number; last: number }[]>`
    select count(*) filter (where deleted_at is null)::integer as there,
      coalesce(max(substring(external_id from 3)::integer) filter (where external_id ~ '^C-\\d{7}$'), 0) as last
    from crm.contacts where workspace_id = ${workspaceId}`;
  const [companies] = await sql<{ last: number }[]>`
    select coalesce(max(substring(external_id from 3)::integer) filter (where external_id ~ '^A-\\d{7}$'), 0) as last
    from crm.companies where workspace_id = ${workspaceId}`;
  return {
    there: contacts?.there ?? 0,
    serial: Math.max(contacts?.last ?? 0, Math.ceil(((companies?.last ?? 0) - 0.5) / PER_CONTACT.companies)),
  };
}

function rateOf(progress: (line: string) => void, there: number, target: number): (added: number) => void {
  const startedAt = performance.now();
  let saidAt = startedAt;
  let added = 0;
  return (more) => {
    added += more;
    const now = performance.now();
    if (now - saidAt < SECONDS_BETWEEN_LINES * 1000 && there + added < target) return;
    saidAt = now;
    const perSecond = Math.round((added / (now - startedAt)) * 1000);
    progress(`${grouped(there + added)} of ${grouped(target)} contacts, ${grouped(perSecond)} a second`);
  };
}

/** 14200 → 14,200 */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

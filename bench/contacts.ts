// The contacts part: workspaces of contacts beside a small book of business, and what is measured over them, in this order.

import type { Bench } from "./bench.ts";
import { seedBook } from "./book_seed.ts";
import { measureBoot } from "./boot.ts";
import { measureFirstRequests } from "./first_requests.ts";
import { measureDepth, measureGrowth } from "./growth.ts";
import { CONNECTIONS } from "./load.ts";
import { measureMemory } from "./memory.ts";
import { measureAdded, measureReads, measureTotalOfChanged } from "./reads.ts";
import { progress, show, verdict } from "./report.ts";
import { measureSearch, measureTotals } from "./search.ts";
import { type BenchWorkspace, benchWorkspace, createAccount, createBenchWorkspace } from "./workspace.ts";
import { measureWrites } from "./writes.ts";

/** Where the API is compared with others. */
const COMPARED_SIZE = 100_000;
const BOOK_SIZE = 2_000;

/** Adds all figures of contacts to the report. */
export async function measureContacts(bench: Bench): Promise<void> {
  const { sql, quick, loads, verdicts } = bench;
  await admitAll(bench);
  // The API writes through a function; only the bench lets PostgREST write to the view itself.
  await sql`grant insert, update on api.contacts to crm_api`;
  // The bench vacuums between its parts, so that it never runs into the middle of one.
  await sql`alter table crm.contacts set (autovacuum_enabled = false)`;
  const signingKey = JSON.parse(bench.info.functionEnv["JWT_SIGNING_KEY"] ?? "");
  const workspaces: BenchWorkspace[] = [];
  for (const size of quick ? [1_000, COMPARED_SIZE] : [1_000, COMPARED_SIZE, 1_000_000]) {
    progress(`Seeding ${show(size)} contacts`);
    workspaces.push(await createBenchWorkspace(sql, size, signingKey));
  }
  const account = await createAccount(sql, "Book");
  await seedBook(sql, account.id, BOOK_SIZE, { timelineEntries: 0, progress });
  const book = await benchWorkspace(sql, account, BOOK_SIZE, signingKey);
  await tidy(bench);
  const [compared, large] = [workspaces[1], workspaces.at(-1)] as [BenchWorkspace, BenchWorkspace];

  await measureBoot(bench, compared);
  await measureFirstRequests(bench);
  await measureAdded(bench, compared);
  await measureReads(bench, compared, book);
  await measureWrites(bench, compared);
  await measureTotalOfChanged(bench, compared);
  await tidy(bench);
  await measureGrowth(bench, workspaces);
  await measureDepth(bench, large);
  await measureTotals(bench, large);
  await measureSearch(bench, large);
  await measureMemory(bench, compared);
  const errors = loads.reduce((sum, row) => sum + (row.side === "API" ? row.errors : 0), 0);
  verdicts.push(verdict("errors of the API", errors, { most: 0 }));
}

/** PostgREST alone is asked by all clients at once, with tokens of one workspace, which has four places. */
async function admitAll({ sql, info }: Bench): Promise<void> {
  await sql.unsafe(`alter role authenticator set crm.max_calls_at_once = ${CONNECTIONS}`);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'`;
  for (let attempt = 0; attempt < 50; attempt++) {
    if ((await fetch(`${info.functionUrl}/v1/health`)).ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("PostgREST did not come back.");
}

async function tidy({ sql }: Bench): Promise<void> {
  progress("Vacuum");
  await sql`vacuum analyze`;
  await sql`checkpoint`;
}

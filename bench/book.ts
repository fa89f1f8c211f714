// The whole book of business: lists of every resource at a million rows, the deal summary, search over
// everything, a long timeline, import and export.
import { type Bench, latency } from "./bench.ts";
import { BOOK, LONG_TIMELINE, seedBook } from "./book_seed.ts";
import { type Measurement, percentile, single, type Target, together } from "./load.ts";
import { progress, show, verdict } from "./report.ts";
import { type Account, createAccount } from "./workspace.ts";

/** The default list of each resource, and its most common filter and sort. */
const LISTS: Record<string, readonly string[]> = {
  contacts: ["", "status=active&sort=-created_at"],
  companies: ["", "industry=Software&sort=name"],
  deals: ["", "status=open&sort=-amount"],
  tasks: ["", "status=open&sort=due_at"],
  activities: ["", "type=call&sort=-occurred_at"],
};

const SEARCHES = [
  "kowalski77",
  "maria smith77",
  "person77777@",
  "quantum robotics 77",
  "contract 7777",
  "call back 99",
  "company777.example",
];

const TURN = 10;

/** Adds the figures of the whole book to the report; `largest` is the size of the largest one. */
export async function measureBook(bench: Bench, largest: number): Promise<void> {
  const { sql, quick } = bench;
  const sizes = quick ? [1_000, 20_000] : [1_000, 100_000, largest];
  const accounts: Account[] = [];
  for (const size of sizes) {
    progress(`Seeding a book of ${size.toLocaleString("en-US")} records of each resource`);
    const account = await createAccount(sql, `Book of ${size}`);
    await seedBook(sql, account.id, size, { timelineEntries: LONG_TIMELINE, progress });
    accounts.push(account);
  }
  progress("Vacuum");
  await sql.unsafe("vacuum analyze");
  const [small, summarized] = accounts;
  const large = accounts.at(-1);
  if (small === undefined || summarized === undefined || large === undefined) throw new Error("A book is missing.");
  await measureLists(bench, [small, sizes[0] ?? 0], [large, sizes.at(-1) ?? 0]);
  await measureSummary(bench, summarized, sizes[1] ?? 0);
  await measureSearch(bench, large, (sizes.at(-1) ?? 0) * BOOK.length);
  await measureTimeline(bench, large);
  await measureImport(bench);
  await measureExport(bench, summarized);
}

async function measureLists(
  bench: Bench,
  [small, few]: [Account, number],
  [large, many]: [Account, number],
): Promise<void> {
  for (const [resource, queries] of Object.entries(LISTS)) {
    for (const query of queries) {
      const path = `/${resource}?${query}`;
      progress(`List at ${show(many)}: ${path}`);
      const [atFew, atMany] = await inTurns(target(bench, small, path), target(bench, large, path), 100);
      bench.verdicts.push(
        verdict(
          `${path}, exact total included: p50 at ${many.toLocaleString("en-US")} ÷ at ${few.toLocaleString("en-US")}, one client`,
          percentile(atMany, 0.5) / percentile(atFew, 0.5),
          { most: 1.5 },
        ),
      );
      bench.figures.push({ name: `one client, ${path} at ${many.toLocaleString("en-US")}`, value: latency(atMany) });
    }
  }
}

async function measureSummary(bench: Bench, account: Account, deals: number): Promise<void> {
  for (const groups of ["stage_id", "owner_id,month", "currency,stage_id"]) {
    const path = `/deals/summary?group_by=${groups}`;
    progress(`Summary of ${show(deals)} deals by ${groups}`);
    await single(target(bench, account, path), 5);
    const measured = await single(target(bench, account, path), 40);
    const name = `summary of ${deals.toLocaleString("en-US")} deals by ${groups}: p50, one client`;
    if (groups === "stage_id") bench.verdicts.push(verdict(name, percentile(measured, 0.5), { most: 100 }, " ms"));
    else bench.figures.push({ name, value: latency(measured) });
  }
}

async function measureSearch(bench: Bench, account: Account, records: number): Promise<void> {
  const seen: Measurement[] = [];
  for (const words of SEARCHES) {
    progress(`Search over ${show(records)} records: ${words}`);
    const question = target(bench, account, `/search?q=${encodeURIComponent(words)}`);
    await single(question, 3);
    const measured = await single(question, 20);
    bench.figures.push({
      name: `one client, search over ${records.toLocaleString("en-US")} records, “${words}”`,
      value: latency(measured),
    });
    seen.push(measured);
  }
  bench.verdicts.push(
    verdict(
      `search over ${records.toLocaleString("en-US")} records of all resources: p50 of ${SEARCHES.length} searches, one client`,
      percentile(together(seen), 0.5),
      { most: 80 },
      " ms",
    ),
  );
}

async function measureTimeline(bench: Bench, account: Account): Promise<void> {
  const [long, short] = await bench.sql`
    select id from crm.contacts where workspace_id = ${account.id} order by created_at, id limit 2`;
  progress(`Timeline of ${LONG_TIMELINE.toLocaleString("en-US")} entries`);
  // The short one gets ten entries, the long one has its ten thousand.
  await bench.sql`
    insert into crm.activities (workspace_id, type, contact_id, subject)
    select ${account.id}, 'note', ${short?.["id"]}, 'Entry ' || n from generate_series(1, 8) as n`;
  const [ofFew, ofMany] = await inTurns(
    target(bench, account, `/contacts/${short?.["id"]}/timeline`),
    target(bench, account, `/contacts/${long?.["id"]}/timeline`),
    150,
  );
  bench.verdicts.push(
    verdict(
      `timeline of a contact, first page: p50 with ${LONG_TIMELINE.toLocaleString("en-US")} entries ÷ with 11, one client`,
      percentile(ofMany, 0.5) / percentile(ofFew, 0.5),
      { most: 1.5 },
    ),
  );
}

async function measureImport(bench: Bench): Promise<void> {
  const rows = bench.quick ? 10_000 : 100_000;
  const account = await createAccount(bench.sql, "Import");
  const line = (i: number) =>
    `ann.${i}@example.com,Ann,"Smith, ${i}",+1 212 555 ${String(i % 10_000).padStart(4, "0")},Buyer,lead,newsletter;vip`;
  const content = `email,first_name,last_name,phone,job_title,lifecycle_stage,tags\n${Array.from({ length: rows }, (_, i) => line(i)).join("\n")}\n`;
  progress(`Import of ${rows.toLocaleString("en-US")} contacts`);
  const startedAt = performance.now();
  const created = await call(bench, account, "POST", "/imports", { resource: "contacts", format: "csv" });
  const size = 4_000_000;
  for (let part = 0; part * size < content.length; part++)
    await call(bench, account, "POST", `/imports/${created.id}/parts`, {
      part,
      content: content.slice(part * size, (part + 1) * size),
    });
  await call(bench, account, "POST", `/imports/${created.id}/start`, {});
  let job = created;
  while (!["completed", "failed", "cancelled"].includes(job.status)) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    job = await call(bench, account, "GET", `/imports/${created.id}`);
  }
  if (job.created !== rows) throw new Error(`The import ended as ${JSON.stringify(job)}`);
  const seconds = (performance.now() - startedAt) / 1000;
  bench.verdicts.push(
    verdict(`import of ${rows.toLocaleString("en-US")} contacts: rows/s, upload included`, rows / seconds, {
      least: 5000,
    }),
  );
}

async function measureExport(bench: Bench, account: Account): Promise<void> {
  for (const format of ["csv", "ndjson"]) {
    progress(`Export of contacts as ${format}`);
    const startedAt = performance.now();
    const response = await fetch(`${bench.info.functionUrl}/v1/contacts/export?format=${format}`, {
      headers: { authorization: `Bearer ${account.key}` },
    });
    let lines = 0;
    for await (const chunk of response.body ?? []) for (const byte of chunk) if (byte === 10) lines += 1;
    const rows = format === "csv" ? lines - 1 : lines;
    const seconds = (performance.now() - startedAt) / 1000;
    bench.verdicts.push(
      verdict(`export of ${rows.toLocaleString("en-US")} contacts as ${format}: rows/s`, rows / seconds, {
        least: 20_000,
      }),
    );
  }
}

/** Two targets in turns, so that noise meets both alike. */
async function inTurns(first: Target, second: Target, requests: number): Promise<[Measurement, Measurement]> {
  const seen: [Measurement[], Measurement[]] = [[], []];
  for (const one of [first, second]) {
    const { errors, statuses } = await single(one, TURN);
    if (errors > 0) throw new Error(`${one.requests[0]?.path} answered ${JSON.stringify(statuses)}`);
  }
  for (let sent = 0; sent < requests; sent += TURN) {
    seen[0].push(await single(first, TURN));
    seen[1].push(await single(second, TURN));
  }
  return [together(seen[0]), together(seen[1])];
}

function target({ info }: Bench, { key }: Account, path: string): Target {
  return { url: `${info.functionUrl}/v1`, headers: { authorization: `Bearer ${key}` }, requests: [{ path }] };
}

interface Import {
  id: string;
  status: string;
  created: number;
}

async function call({ info }: Bench, { key }: Account, method: string, path: string, body?: unknown): Promise<Import> {
  const response = await fetch(`${info.functionUrl}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer.data;
}

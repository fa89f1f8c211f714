// Reads beside what does the same without us: PostgREST over the same rows, a bare chain of the API's hops around that
// (bare_chain.ts), and the same chain around the very call that the API makes, which leaves what the function adds.
import { addComparison, type Bench } from "./bench.ts";
import { callsBehind, startBareChain } from "./chain.ts";
import { percentile, perSecond, type Target, together } from "./load.ts";
import { progress, show, verdict } from "./report.ts";
import { apiReads, plainReads, type ReadName } from "./scenarios.ts";
import { inTurns, ratioOf } from "./turns.ts";
import { accessOf, type BenchWorkspace } from "./workspace.ts";

/** What is asked of the small book, as it needs more than contacts. */
const OF_THE_BOOK: readonly ReadName[] = [
  "list, company included",
  "search over everything",
  "timeline",
  "deal summary",
];
/** What the API must reach of PostgREST's requests a second. */
const LEAST: Partial<Record<ReadName, number>> = {
  "list, filter and sort": 0.6,
  "list, exact total of a filter": 4,
  "one by id": 0.55,
};

/** The API beside bare PostgREST and the bare chain. */
export async function measureReads(bench: Bench, contacts: BenchWorkspace, book: BenchWorkspace): Promise<void> {
  const { info, quick, verdicts } = bench;
  const workspaceOf = (name: ReadName) => (OF_THE_BOOK.includes(name) ? book : contacts);
  const [ofContacts, ofBook] = [await apiReads(accessOf(info, contacts)), await apiReads(accessOf(info, book))];
  const reads = Object.fromEntries(
    (Object.keys(ofContacts) as ReadName[]).map((name) => [
      name,
      (workspaceOf(name) === book ? ofBook : ofContacts)[name],
    ]),
  ) as Record<ReadName, Target>;
  const calls = await callsBehind(bench, reads, (name) => workspaceOf(name).jwt);
  const chain = await startBareChain(bench);
  for (const [name, api] of Object.entries(reads) as [ReadName, Target][]) {
    const rest: Target | undefined = (plainReads(info.restUrl, workspaceOf(name)) as Partial<Record<ReadName, Target>>)[
      name
    ];
    const targets: Record<string, Target> = {
      API: api,
      ...(rest && { PostgREST: rest, "bare chain": { ...rest, url: chain } }),
      "bare chain, same call": { ...calls[name], url: chain },
    };
    progress(name);
    const seen = await inTurns(targets, { seconds: quick ? 2 : 20, crowded: true });
    addComparison(bench, name, seen);
    const least = LEAST[name];
    const [ours, theirs] = [seen["API"]?.crowded ?? [], seen["PostgREST"]?.crowded ?? []];
    if (least === undefined) continue;
    const { ratio } = ratioOf(ours, theirs, perSecond);
    verdicts.push(verdict(`${name}: requests/s, API ÷ PostgREST`, ratio, { least }));
    const p99 = percentile(together(ours), 0.99) / percentile(together(theirs), 0.99);
    verdicts.push(verdict(`${name}: p99 of 16 clients, API ÷ PostgREST`, p99, { most: 1.5 }));
  }
}

/** PostgREST's count looks at each row that changed since the last vacuum, as some always have in a live table. */
export async function measureTotalOfChanged(bench: Bench, workspace: BenchWorkspace): Promise<void> {
  const { sql, info, quick, verdicts } = bench;
  const what: ReadName = "list, exact total of a filter";
  const name = `${what}, a tenth of the contacts changed since the last vacuum`;
  progress(name);
  await sql`
    update crm.contacts set score = (coalesce(score, 0) + 1) % 100
    where workspace_id = ${workspace.id} and abs(hashtext(id::text)) % 10 = 0`;
  await sql`analyze crm.contacts`;
  const targets = {
    API: (await apiReads(accessOf(info, workspace)))[what],
    PostgREST: plainReads(info.restUrl, workspace)[what],
  };
  const seen = await inTurns(targets, { seconds: quick ? 2 : 20, crowded: true });
  addComparison(bench, name, seen);
  const { ratio } = ratioOf(seen.API.crowded, seen.PostgREST.crowded, perSecond);
  verdicts.push(verdict(`${name}: requests/s, API ÷ PostgREST`, ratio, { least: 4 }));
}

/** What the function itself adds: its answer's time less the two round trips it waits for. */
export async function measureAdded(
  { info, quick, figures, verdicts }: Bench,
  workspace: BenchWorkspace,
): Promise<void> {
  const reads = await apiReads(accessOf(info, workspace));
  const rest = plainReads(info.restUrl, workspace);
  const redis: Target = {
    url: info.upstashUrl,
    method: "POST",
    headers: {
      authorization: `Bearer ${info.functionEnv["UPSTASH_REDIS_REST_TOKEN"]}`,
      "content-type": "application/json",
    },
    requests: [{ path: "/", body: '["INCR","bench:trip"]' }],
  };
  for (const name of ["one by id", "list, filter and sort"] as const) {
    progress(`One client: ${name}`);
    const targets = { API: reads[name], PostgREST: rest[name], Redis: redis };
    const seen = await inTurns(targets, { seconds: quick ? 2 : 10, crowded: false });
    const p50 = (side: keyof typeof targets) => percentile(together(seen[side].alone), 0.5);
    figures.push({
      name: `one client, ${name}: p50 of the API / PostgREST / Redis round trip`,
      value: `${show(p50("API"))} / ${show(p50("PostgREST"))} / ${show(p50("Redis"))} ms`,
    });
    verdicts.push(
      verdict(
        `one client, ${name}: p50 added by the function (API − PostgREST − Redis round trip)`,
        p50("API") - p50("PostgREST") - p50("Redis"),
        { most: 2 },
        " ms",
      ),
    );
  }
}

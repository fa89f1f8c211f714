// npm run bench: what the API costs beside bare PostgREST on the same tables, role and queries, and
// how that grows. Starts a stack of its own; `--quick` stops at 100,000 contacts.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { argumentsOrHelp, countOrExit } from "../scripts/arguments.ts";
import { answers } from "../scripts/stack/child.ts";
import { freePort } from "../scripts/stack/ports.ts";
import { DENO, ROOT, readSettings } from "../scripts/stack/settings.ts";
import { startStack } from "../scripts/stack/stack.ts";
import type { StackInfo } from "../scripts/stack/stack_info.ts";
import { encodeCursor } from "../shared/query/cursor.ts";
import { parseListUrl } from "../shared/query/list_query.ts";
import { sortText } from "../shared/query/sort.ts";
import { contacts } from "../shared/resources/contacts.ts";
import { measureBook } from "./book.ts";
import { boot } from "./boot.ts";
import {
  CONNECTIONS,
  load,
  type Measurement,
  median,
  percentile,
  perSecond,
  single,
  type Target,
  together,
} from "./load.ts";
import { type Figure, type LoadRow, loadRow, show, type Verdict, verdict, writeReport } from "./report.ts";
import { apiHeaders, bulkScenario, halfFailingBulk, type ScenarioName, scenarios } from "./scenarios.ts";
import { type BenchWorkspace, createBenchWorkspace } from "./workspace.ts";

const given = argumentsOrHelp({
  summary: "Measures this API beside bare PostgREST, and how that grows.",
  example: "npm run bench -- --quick",
  options: {
    "--quick": { help: "a short run, up to 100,000 contacts" },
    "--contacts": { help: "only the contacts beside PostgREST" },
    "--book": { help: "only the whole book of business" },
    "--attacks": { help: "what one workspace can do to another, instead; has a help of its own" },
    "--rows": { value: "COUNT", help: "records of each resource in the largest book; 1000000 when absent" },
  },
});
const quick = given["--quick"] !== undefined;
/** `--contacts` and `--book` measure one part; a book alone is reported in a file of its own. */
const parts = {
  contacts: given["--book"] === undefined,
  book: given["--contacts"] === undefined,
};
/** Records of each resource in the largest book. */
const largest = countOrExit(given, "--rows", 1_000_000);
const ROUNDS = quick ? 2 : 3;
const ROUND_SECONDS = quick ? 1.5 : 3;
const GROWTH_SECONDS = quick ? 2 : 4;
const WARM_UP_SECONDS = quick ? 1 : 2;
const SINGLE_REQUESTS = quick ? 500 : 1500;
const SINGLE_TURN = 50;
const SEARCH_REQUESTS = quick ? 40 : 100;
const BOOTS = quick ? 5 : 9;
const MEMORY_REQUESTS = quick ? 20_000 : 100_000;
const SIZES = quick ? [1_000, 100_000] : [1_000, 100_000, 1_000_000];
/** Where the API is compared with PostgREST. */
const COMPARED_SIZE = 100_000;
const DEEP_PAGE = quick ? 3_900 : 39_000;

const SEARCHES: readonly { what: string; text: string }[] = [
  { what: "a rare surname", text: "szczepanowski" },
  { what: "a common first name", text: "maria" },
  { what: "first and last name", text: "maria kowalski" },
  { what: "part of an email", text: "anna.smith" },
  { what: "an email's domain", text: "@northwind.com" },
  { what: "digits of a phone", text: "5550123" },
  { what: "no match", text: "quetzalcoatl" },
];

const startedAt = performance.now();
const loads: LoadRow[] = [];
const figures: Figure[] = [];
const verdicts: Verdict[] = [];
/** Requests that the function has answered in this run. */
let answered = 0;

const dataDir = mkdtempSync(join(tmpdir(), "crm-bench-"));
const stack = await startStack(
  await readSettings(
    { "--free-ports": true, "--no-seed": true, "--data-dir": dataDir },
    { ...process.env, LOG_LEVEL: "silent" },
  ),
  () => {},
);
const { info } = stack;
const sql = postgres(info.databaseUrl, { max: 1, onnotice: () => {} });
// The seeding of the book reserves a session.
const bookSql = postgres(info.databaseUrl, { max: 2, onnotice: () => {} });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));
let exitCode = 0;
try {
  await admitAll();
  await measureAll();
} catch (error) {
  console.error(error);
  exitCode = 1;
}
await end(exitCode);

async function end(code: number): Promise<never> {
  await Promise.all([sql, bookSql].map((connection) => connection.end({ timeout: 1 }).catch(() => {})));
  await stack.stop();
  rmSync(dataDir, { recursive: true, force: true });
  process.exit(code);
}

/** PostgREST alone is asked by all clients at once, with tokens of one workspace, which has four places. */
async function admitAll(): Promise<void> {
  await sql.unsafe(`alter role authenticator set crm.max_calls_at_once = ${CONNECTIONS}`);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'`;
  for (let attempt = 0; attempt < 50; attempt++) {
    if ((await fetch(`${info.functionUrl}/v1/health`)).ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("PostgREST did not come back.");
}

async function measureAll(): Promise<void> {
  if (parts.contacts) await measureContacts();
  if (parts.book) await measureBook({ sql: bookSql, info, quick, largest, progress, figures, verdicts });

  const [version] = await sql`select current_setting('server_version') as version`;
  const name = parts.contacts ? "results" : "book_results";
  const markdown = writeReport(
    {
      machine: {
        processors: cpus().length,
        "memory GB": Math.round(totalmem() / 2 ** 30),
        Postgres: version?.["version"],
        Deno: Deno.version.deno,
        Redis: info.redis,
      },
      settings: {
        clients: CONNECTIONS,
        rounds: ROUNDS,
        "seconds a round": ROUND_SECONDS,
        date: new Date().toISOString().slice(0, 10),
        mode: quick ? "quick" : "full",
      },
      loads,
      figures,
      verdicts,
    },
    name,
  );
  console.log(
    `\n${markdown}\n${((performance.now() - startedAt) / 1000).toFixed(0)} s; written to bench/${name}.md and bench/${name}.json.`,
  );
}

async function measureContacts(): Promise<void> {
  // The API writes through a function; only the bench lets PostgREST write to the view itself.
  await sql`grant insert, update on api.contacts to crm_api`;
  // The bench vacuums between its parts, so that it never runs into the middle of one.
  await sql`alter table crm.contacts set (autovacuum_enabled = false)`;
  progress(`Seeding ${SIZES.map((size) => show(size)).join(", ")} contacts`);
  const workspaces: BenchWorkspace[] = [];
  for (const size of SIZES)
    workspaces.push(await createBenchWorkspace(sql, size, info.functionEnv["JWT_SIGNING_KEY"] ?? "", progress));
  await tidy();
  const compared = workspaces.find(({ size }) => size === COMPARED_SIZE);
  const small = workspaces[0];
  const large = workspaces.at(-1);
  if (compared === undefined || small === undefined || large === undefined) throw new Error("A workspace is missing.");

  await measureBoot(compared);
  await measureOneClient(compared);
  await compare(compared);
  await compareTotalOfChanged(compared);
  await measureBulk(compared);
  await tidy();
  await measureGrowth(workspaces);
  await measureDepth(large);
  await measureTotals(large);
  await measureSearch(large);
  await measureMemory(compared);
}

/** The API, bare PostgREST and a bare chain of the same hops, in turns, so that noise meets all alike. */
async function compare(workspace: BenchWorkspace): Promise<void> {
  const chain = await startBareChain(info, workspace);
  try {
    const own = scenarios(info, workspace, info.functionUrl);
    const gateway = scenarios(info, workspace, info.apiUrl);
    const least: Partial<Record<ScenarioName, number>> = { list: 0.6, count: 4, get: 0.55, create: 0.5 };
    for (const name of Object.keys(own) as ScenarioName[]) {
      const scenario = own[name];
      const chained = name === "count" ? undefined : { ...scenario.rest, url: chain.url };
      const targets: [LoadRow["side"], Target][] = [
        ["API", scenario.api],
        ["PostgREST", scenario.rest],
        ...(chained ? [["bare chain", chained] as [LoadRow["side"], Target]] : []),
        ...(name === "list" || name === "get"
          ? [["API through the gateway", gateway[name].api] as [LoadRow["side"], Target]]
          : []),
      ];
      const seen = await inTurns(scenario.name, targets);
      const [api, rest, bare] = [seen.get("API"), seen.get("PostgREST"), seen.get("bare chain")];
      if (api === undefined || rest === undefined) continue;
      const ratio = perSecond(api) / perSecond(rest);
      const bound = least[name];
      if (bound !== undefined)
        verdicts.push(verdict(`${scenario.name}: requests/s, API ÷ PostgREST`, ratio, { least: bound }));
      else figures.push({ name: `${scenario.name}: requests/s, API ÷ PostgREST`, value: show(ratio) });
      if (bare !== undefined)
        figures.push({
          name: `${scenario.name}: requests/s, bare chain ÷ PostgREST`,
          value: show(perSecond(bare) / perSecond(rest)),
        });
      verdicts.push(
        verdict(`${scenario.name}: p99, API ÷ PostgREST`, percentile(api, 0.99) / percentile(rest, 0.99), {
          most: 1.5,
        }),
      );
    }
    verdicts.push(
      verdict(
        "errors of the API under load",
        loads.reduce((sum, row) => sum + (row.side === "API" ? row.errors : 0), 0),
        { most: 0 },
      ),
    );
  } finally {
    chain.stop();
  }
}

/** PostgREST's count looks at each row that changed since the last vacuum, as some always have in a live table. */
async function compareTotalOfChanged(workspace: BenchWorkspace): Promise<void> {
  progress("Changing a tenth of the contacts");
  await sql`
    update crm.contacts set score = (coalesce(score, 0) + 1) % 100
    where workspace_id = ${workspace.id} and abs(hashtext(id::text)) % 10 = 0`;
  await sql`analyze crm.contacts`;
  const { count } = scenarios(info, workspace, info.functionUrl);
  const name = `${count.name}, a tenth of the contacts changed since the last vacuum`;
  const seen = await inTurns(name, [
    ["API", count.api],
    ["PostgREST", count.rest],
  ]);
  const [api, rest] = [seen.get("API"), seen.get("PostgREST")];
  if (api && rest)
    verdicts.push(verdict(`${name}: requests/s, API ÷ PostgREST`, perSecond(api) / perSecond(rest), { least: 4 }));
}

async function tidy(): Promise<void> {
  progress("Vacuum");
  await sql`vacuum analyze crm.contacts`;
  await sql`checkpoint`;
}

/** What the function itself adds: its answer's time less the two round trips it waits for. */
async function measureOneClient(workspace: BenchWorkspace): Promise<void> {
  progress("One client");
  const { get, list } = scenarios(info, workspace, info.functionUrl);
  const redis: Target = {
    url: info.upstashUrl,
    method: "POST",
    paths: ["/"],
    headers: {
      authorization: `Bearer ${info.functionEnv["UPSTASH_REDIS_REST_TOKEN"]}`,
      "content-type": "application/json",
    },
    body: '["INCR","bench:trip"]',
  };
  for (const { name, api, rest } of [get, list]) {
    const seen: Record<"api" | "rest" | "redis", Measurement[]> = { api: [], rest: [], redis: [] };
    for (const target of [api, rest, redis]) await single(target, SINGLE_TURN * 2);
    for (let sent = 0; sent < SINGLE_REQUESTS; sent += SINGLE_TURN) {
      seen.api.push(await asked(single(api, SINGLE_TURN)));
      seen.rest.push(await single(rest, SINGLE_TURN));
      seen.redis.push(await single(redis, SINGLE_TURN));
    }
    const [ours, theirs, trip] = [seen.api, seen.rest, seen.redis].map((parts) => percentile(together(parts), 0.5)) as [
      number,
      number,
      number,
    ];
    figures.push({
      name: `one client, ${name}: p50 of the API / PostgREST / Redis round trip`,
      value: `${show(ours)} / ${show(theirs)} / ${show(trip)} ms`,
    });
    verdicts.push(
      verdict(
        `one client, ${name}: p50 added by the function (API − PostgREST − Redis round trip)`,
        ours - theirs - trip,
        { most: 2 },
        " ms",
      ),
    );
  }
}

async function measureBulk(workspace: BenchWorkspace): Promise<void> {
  const scenario = bulkScenario(info, workspace, info.functionUrl);
  progress(scenario.name);
  const half = halfFailingBulk(workspace, info.functionUrl);
  const seen: Record<"api" | "rest" | "half", Measurement[]> = { api: [], rest: [], half: [] };
  await single(scenario.rest, 1);
  await single(half, 1);
  const { statuses } = await asked(single(scenario.api, 1));
  // 207 would be a bulk of which some records failed.
  if (statuses["201"] !== 1) throw new Error(`Bulk answered ${JSON.stringify(statuses)}.`);
  for (let round = 0; round < ROUNDS; round++) {
    seen.api.push(await asked(single(scenario.api, 3)));
    seen.rest.push(await single(scenario.rest, 3));
    seen.half.push(await single(half, 3));
  }
  const [api, rest, failing] = [together(seen.api), together(seen.rest), together(seen.half)];
  addLoad(scenario.name, "API", api);
  addLoad(scenario.name, "PostgREST", rest);
  const ratio = percentile(failing, 50) / percentile(api, 50);
  verdicts.push(verdict("bulk of 1,000: time when half fail ÷ when none does", ratio, { most: 2 }));
  figures.push({ name: "bulk of 1,000: rows/s, API ÷ PostgREST", value: show(perSecond(api) / perSecond(rest)) });
  verdicts.push(verdict("bulk of 1,000: rows/s, one client", perSecond(api) * 1000, { least: 5000 }));
  if (api.statuses["201"] !== api.requests) throw new Error(`Bulk answered ${JSON.stringify(api.statuses)}.`);
}

/** The same requests in workspaces of growing size, in turns. */
async function measureGrowth(workspaces: readonly BenchWorkspace[]): Promise<void> {
  const names: ScenarioName[] = ["list", "count", "get", "update", "create"];
  for (const name of names) {
    const seen = new Map<number, Measurement[]>(workspaces.map(({ size }) => [size, []]));
    for (let round = 0; round < 2; round++) {
      for (const workspace of workspaces) {
        const { api } = scenarios(info, workspace, info.functionUrl)[name];
        progress(`Growth: ${name} at ${show(workspace.size)}`);
        if (round === 0) await asked(load(api, { seconds: 1 }));
        seen.get(workspace.size)?.push(await asked(load(api, { seconds: GROWTH_SECONDS / 2 })));
      }
    }
    const sizes = [...seen].map(([size, parts]) => ({ size, measured: together(parts) }));
    for (const { size, measured } of sizes)
      addLoad(`${name} at ${size.toLocaleString("en-US")} contacts`, "API", measured);
    const [first, last] = [sizes[0], sizes.at(-1)];
    if (first === undefined || last === undefined) continue;
    const ratio = percentile(last.measured, 0.5) / percentile(first.measured, 0.5);
    const what = `${name}: p50 at ${last.size.toLocaleString("en-US")} ÷ at ${first.size.toLocaleString("en-US")} contacts`;
    if (name === "list" || name === "count")
      verdicts.push(verdict(`${what}, exact total included`, ratio, { most: 1.5 }));
    else figures.push({ name: what, value: show(ratio) });
  }
}

async function measureDepth(workspace: BenchWorkspace): Promise<void> {
  const page = Math.min(DEEP_PAGE, Math.floor(workspace.size / 25));
  const name = `page ${page.toLocaleString("en-US")} of ${workspace.size.toLocaleString("en-US")}`;
  const query = "sort=-created_at&limit=25";
  const cursor = await cursorOfPage(workspace, query, page);
  const target = (path: string): Target => ({
    url: `${info.functionUrl}/v1`,
    headers: apiHeaders(workspace),
    paths: [path],
  });
  const firstPage = target(`/contacts?${query}`);
  const deepPage = target(`/contacts?${query}&cursor=${cursor.text}`);
  const shown = await (await fetch(deepPage.url + deepPage.paths[0], { headers: deepPage.headers })).json();
  if (shown.data?.[0]?.id !== cursor.firstId)
    throw new Error(`The cursor of ${name} led elsewhere: ${JSON.stringify(shown).slice(0, 300)}`);

  const seen: Record<"first" | "deep", Measurement[]> = { first: [], deep: [] };
  await asked(load(deepPage, { seconds: WARM_UP_SECONDS }));
  for (let round = 0; round < ROUNDS; round++) {
    progress(`Page 1 and ${name}`);
    seen.first.push(await asked(load(firstPage, { seconds: ROUND_SECONDS / 2 })));
    seen.deep.push(await asked(load(deepPage, { seconds: ROUND_SECONDS / 2 })));
  }
  const [first, deep] = [together(seen.first), together(seen.deep)];
  addLoad("page 1, no filter", "API", first);
  addLoad(name, "API", deep);
  // The ratio is of one client: with sixteen, p50 is mostly waiting in line.
  const alone: Record<"first" | "deep", Measurement[]> = { first: [], deep: [] };
  for (let sent = 0; sent < SINGLE_REQUESTS; sent += SINGLE_TURN) {
    alone.first.push(await asked(single(firstPage, SINGLE_TURN)));
    alone.deep.push(await asked(single(deepPage, SINGLE_TURN)));
  }
  const ratio = percentile(together(alone.deep), 0.5) / percentile(together(alone.first), 0.5);
  verdicts.push(verdict(`${name}: p50 ÷ page 1, one client`, ratio, { most: 1.2 }));
}

/** The cursor in front of a page, made as the API makes it, without walking there. */
async function cursorOfPage(
  workspace: BenchWorkspace,
  query: string,
  page: number,
): Promise<{ text: string; firstId: string }> {
  const [last, first] = await sql`
    select id, to_json(created_at) #>> '{}' as created_at from crm.contacts
    where workspace_id = ${workspace.id} and deleted_at is null
    order by created_at desc, id desc offset ${(page - 1) * 25 - 1} limit 2`;
  const { sort, where, deleted } = parseListUrl(contacts, new URLSearchParams(query));
  const scope = {
    workspace: workspace.id,
    resource: contacts.plural,
    sort: sortText(sort),
    filter: JSON.stringify([where, deleted]),
  };
  const text = encodeCursor(info.functionEnv["CURSOR_SECRET"] ?? "", scope, {
    values: [last?.["created_at"], last?.["id"]],
    total: null,
  });
  return { text, firstId: first?.["id"] };
}

/** First pages whose total is kept, and one whose total must be counted. */
async function measureTotals(workspace: BenchWorkspace): Promise<void> {
  const size = workspace.size.toLocaleString("en-US");
  for (const query of [
    "",
    "status=active",
    "status=active&lifecycle_stage=lead",
    "score[gte]=90",
    "created_at[gte]=2020-01-01T00:00:00Z&do_not_contact=false",
  ]) {
    progress(`Total at ${size}: ${query || "no filter"}`);
    const target: Target = {
      url: `${info.functionUrl}/v1`,
      headers: apiHeaders(workspace),
      paths: [`/contacts?${query}`],
    };
    const body = await (await fetch(target.url + target.paths[0], { headers: target.headers })).json();
    const measured = await asked(single(target, SEARCH_REQUESTS, quick ? 2 : 5));
    figures.push({
      name: `one client, first page with total at ${size}, ${query || "no filter"} (${body.meta?.total?.toLocaleString("en-US")} matches)`,
      value: latency(measured),
    });
  }
}

async function measureSearch(workspace: BenchWorkspace): Promise<void> {
  const size = workspace.size.toLocaleString("en-US");
  for (const { what, text } of SEARCHES) {
    progress(`Search at ${size}: ${what}`);
    const target: Target = {
      url: `${info.functionUrl}/v1`,
      headers: apiHeaders(workspace),
      paths: [`/contacts?search=${encodeURIComponent(text)}`],
    };
    const body = await (await fetch(target.url + target.paths[0], { headers: target.headers })).json();
    await asked(single(target, 5, 3));
    const measured = await asked(single(target, SEARCH_REQUESTS, quick ? 2 : 5));
    if (measured.errors > 0) throw new Error(`Search failed: ${JSON.stringify(measured.statuses)}`);
    const found = body.meta?.total?.toLocaleString("en-US");
    verdicts.push(
      verdict(
        `search at ${size}, ${what} (“${text}”, ${found} found): p50, one client`,
        percentile(measured, 0.5),
        { most: 50 },
        " ms",
      ),
    );
    figures.push({ name: `one client, search at ${size}, ${what}`, value: latency(measured) });
  }
}

async function measureBoot({ key }: BenchWorkspace): Promise<void> {
  const ours: number[] = [];
  const data: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < BOOTS; i++) {
    progress(`Boot ${i + 1} of ${BOOTS}`);
    const booted = await boot("functions/api/index.ts", info.functionEnv, key);
    ours.push(booted.firstAnswerMs);
    data.push(booted.firstDataMs ?? Number.NaN);
    bare.push((await boot("bench/bare_imports.ts", {})).firstAnswerMs);
  }
  verdicts.push(verdict("function's start to its first answer, median", median(ours), { most: 300 }, " ms"));
  figures.push({
    name: "start to first answer: median / slowest",
    value: `${show(median(ours))} / ${show(Math.max(...ours))} ms`,
  });
  figures.push({ name: "start to first list of 25, key looked up: median", value: `${show(median(data))} ms` });
  figures.push({
    name: "start of bare imports of the same packages to first answer: median",
    value: `${show(median(bare))} ms`,
  });
}

async function measureMemory(workspace: BenchWorkspace): Promise<void> {
  const { get, list } = scenarios(info, workspace, info.functionUrl);
  const pid = info.pids["function"] ?? 0;
  for (let turn = 0; answered < MEMORY_REQUESTS; turn++) {
    progress(`Memory: ${answered.toLocaleString("en-US")} of ${MEMORY_REQUESTS.toLocaleString("en-US")} requests`);
    await asked(
      load(turn % 4 === 3 ? list.api : get.api, {
        amount: Math.max(CONNECTIONS, Math.min(10_000, MEMORY_REQUESTS - answered)),
      }),
    );
  }
  figures.push({
    name: `memory of the function after ${answered.toLocaleString("en-US")} requests (RSS)`,
    value: `${show(residentMegabytes(pid))} MB`,
  });
}

// The npm package's deno is a script around the binary on some platforms: the child is what counts.
function residentMegabytes(pid: number): number {
  const kilobytes = (id: string | number) =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter((id) => id !== "");
  return Math.max(...[pid, ...children].map(kilobytes)) / 1024;
}

async function inTurns(
  name: string,
  targets: readonly [LoadRow["side"], Target][],
): Promise<Map<LoadRow["side"], Measurement>> {
  const parts = new Map<LoadRow["side"], Measurement[]>(targets.map(([side]) => [side, []]));
  for (const [side, target] of targets) {
    progress(`${name}: warming up ${side}`);
    const warm = load(target, { seconds: WARM_UP_SECONDS });
    const { errors, statuses } = await (side.startsWith("API") ? asked(warm) : warm);
    if (errors > 0) progress(`${name}: ${side} answered ${JSON.stringify(statuses)}`);
  }
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [side, target] of targets) {
      const measuring = load(target, { seconds: ROUND_SECONDS });
      const measured = await (side.startsWith("API") ? asked(measuring) : measuring);
      parts.get(side)?.push(measured);
      progress(
        `${name}, round ${round}, ${side}: ${show(perSecond(measured))}/s, p99 ${show(percentile(measured, 0.99))} ms`,
      );
    }
  }
  const seen = new Map([...parts].map(([side, measured]) => [side, together(measured)]));
  for (const [side, measured] of seen) addLoad(name, side, measured);
  return seen;
}

async function startBareChain(
  { restUrl, upstashUrl, functionEnv }: StackInfo,
  { jwt }: BenchWorkspace,
): Promise<{ url: string; stop(): void }> {
  const port = await freePort();
  const child = spawn(
    DENO,
    ["run", "-A", "--config", join(ROOT, "deno.json"), "--node-modules-dir=manual", join(ROOT, "bench/bare_chain.ts")],
    {
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        PORT: String(port),
        REST_URL: restUrl,
        JWT: jwt,
        REDIS_URL: upstashUrl,
        REDIS_TOKEN: functionEnv["UPSTASH_REDIS_REST_TOKEN"],
      },
    },
  );
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(`${url}/contacts?limit=1`).catch(() => false)); tries++) {
    if (tries > 200) throw new Error("The bare chain did not start.");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, stop: () => void (child.pid !== undefined && process.kill(-child.pid, "SIGKILL")) };
}

async function asked(measuring: Promise<Measurement>): Promise<Measurement> {
  const measured = await measuring;
  answered += measured.requests;
  return measured;
}

function addLoad(name: string, side: LoadRow["side"], measured: Measurement): void {
  loads.push(loadRow(name, side, measured));
}

function latency(measured: Measurement): string {
  return `p50 ${show(percentile(measured, 0.5))} ms, p99 ${show(percentile(measured, 0.99))} ms`;
}

function progress(line: string): void {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line.trim()}`);
}

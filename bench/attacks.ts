// npm run bench -- --attacks: what one workspace can do to another within its plan. Each row attacks two function
// processes over one database while a victim's quiet traffic goes on. `--quick` is smaller and shorter; `--rows N`
// sizes the attacker's book.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { argumentsOrHelp, countOrExit } from "../scripts/arguments.ts";
import { startFunction } from "../scripts/stack/function.ts";
import { freePort } from "../scripts/stack/ports.ts";
import { DENO, ROOT, readSettings } from "../scripts/stack/settings.ts";
import { startStack } from "../scripts/stack/stack.ts";
import type { AttackAnswers, AttackOrder } from "./attack_client.ts";
import { ATTACKS, type Attack, type Target } from "./attack_rows.ts";
import { seedBook } from "./book_seed.ts";
import { type Measurement, measurement, percentile } from "./load.ts";
import { type AttackRow, type Figure, show, type Verdict, verdict, writeReport } from "./report.ts";
import { type Account, createAccount, createKey } from "./workspace.ts";

/** What the victim's 95th percentile may become: so many times its quiet one, and so many milliseconds. */
const MAX_FACTOR = 3;
const MAX_ADDED_MS = 50;
const MAX_FUNCTION_MB = 200;
const MAX_IMPORT_WAIT_SECONDS = 3;
const SETTLE_MS = 1_500;
const VICTIM_PAUSE_MS = 15;
const SAMPLE_EVERY_MS = 50;
const LARGE_ACTIVITIES = 100;
const DEFINITIONS = 1_000;
/** Rows of each large import when nothing is scaled down. */
const IMPORT_ROWS = 200_000;

const given = argumentsOrHelp({
  summary: "Measures what one workspace can do to another within its plan.",
  example: "npm run bench -- --attacks --quick",
  options: {
    "--attacks": { help: "these measurements; without it those of bench.ts" },
    "--quick": { help: "a short run, over 10,000 records" },
    "--rows": { value: "COUNT", help: "records of the attacker; 100000 when absent" },
    "--only": { value: "TEXT", help: "the attacks whose name has it" },
  },
});
const quick = given["--quick"] !== undefined;
const rows = countOrExit(given, "--rows", quick ? 10_000 : 100_000);
const only = typeof given["--only"] === "string" ? given["--only"] : undefined;
const QUIET_MS = quick ? 3_000 : 5_000;
const ATTACK_MS = quick ? 5_000 : 8_000;
const importRows = quick ? IMPORT_ROWS / 20 : IMPORT_ROWS / 4;

const progress = (line: string) => console.error(line);
const dataDir = mkdtempSync(join(tmpdir(), "crm-attacks-"));
const stack = await startStack(
  await readSettings(
    { "--free-ports": true, "--no-seed": true, "--data-dir": dataDir },
    { ...process.env, LOG_LEVEL: "silent" },
  ),
  () => {},
);
const { info } = stack;
const sql = postgres(info.databaseUrl, { max: 2, onnotice: () => {} });
const second = await startFunction({ dataDir, port: await freePort(), env: info.functionEnv, name: "function-2" });
const bases = [`${info.functionUrl}/v1`, `${second.url}/v1`];
const functions = [info.pids["function"] ?? 0, second.child.pid];

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));
let exitCode = 0;
try {
  await measure();
} catch (error) {
  console.error(error);
  exitCode = 1;
}
await end(exitCode);

async function end(code: number): Promise<never> {
  await sql.end({ timeout: 1 }).catch(() => {});
  await second.child.stop();
  await stack.stop();
  rmSync(dataDir, { recursive: true, force: true });
  process.exit(code);
}

async function measure(): Promise<void> {
  const attacker = await createAccount(sql, "Attacker", "enterprise");
  const victim = await createAccount(sql, "Victim");
  const target = await prepare(attacker, victim);
  const seen: AttackRow[] = [];
  for (const attack of ATTACKS) {
    if (only !== undefined && !attack.name.includes(only)) continue;
    progress(attack.name);
    seen.push(await measureRow(attack, attacker, victim, target));
    progress(`  ${JSON.stringify(seen.at(-1))}`);
  }
  const figures: Figure[] = [];
  const imports = only === undefined ? [await measureImports(attacker, victim, figures)] : [];
  const [version] = await sql`select current_setting('server_version') as version`;
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
        "functions over one database": functions.length,
        "attacker's records of each resource": rows,
        "seconds a row": ATTACK_MS / 1000,
        date: new Date().toISOString().slice(0, 10),
        mode: quick ? "quick" : "full",
      },
      loads: [],
      attacks: seen,
      figures,
      verdicts: [
        verdict(
          "attacks beside which the victim's p95 stays within the bound",
          count(seen, (row) => row.met),
          {
            least: seen.length,
          },
        ),
        verdict("answers 5xx, or none, to the victim", sum(seen.map((row) => row.victimFailures)), { most: 0 }),
        verdict(
          "memory of a function, most",
          Math.max(...seen.flatMap((row) => row.peakMb)),
          { most: MAX_FUNCTION_MB },
          " MB",
        ),
        ...imports,
      ],
    },
    "attack_results",
  );
  console.log(markdown);
}

/** The attacker's book, with what the single attacks need in it. */
async function prepare(attacker: Account, victim: Account): Promise<Target> {
  progress(`Seeding ${show(rows)} of each resource`);
  await seedBook(sql, attacker.id, rows, { timelineEntries: rows, progress });
  await seedBook(sql, victim.id, 1_000, { timelineEntries: 0, progress });
  const [tag] = await sql`
    insert into crm.tags (workspace_id, name) values (${attacker.id}, 'all') returning id`;
  // Accents everywhere: what is folded must have been folded when it was written.
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    await transaction`
      update crm.contacts set first_name = 'Zoë ' || first_name, tags = array['all'] where workspace_id = ${attacker.id}`;
  });
  await sql`
    insert into crm.tag_counts (workspace_id, name, resource, records) values (${attacker.id}, 'all', 'contacts', ${rows})`;
  await sql`
    insert into crm.custom_fields (workspace_id, resource, key, label, type)
    select ${attacker.id}, 'contacts', 'field_' || n, 'Field ' || n, 'text' from generate_series(1, ${DEFINITIONS}::integer) as n`;
  const [first, large] = await sql`
    select id from crm.contacts where workspace_id = ${attacker.id} order by id limit 2`;
  await sql`
    insert into crm.activities (workspace_id, type, occurred_at, subject, contact_id, data)
    select ${attacker.id}, 'note', now() - n * interval '1 minute', 'Large ' || n, ${large?.["id"]},
      jsonb_build_object('text', (select string_agg(md5(n || '-' || part), '') from generate_series(1, 1900) as part))
    from generate_series(1, ${LARGE_ACTIVITIES}::integer) as n`;
  await sql`vacuum analyze`;
  return { contactId: first?.["id"], largeContactId: large?.["id"], tagId: tag?.["id"], importRows };
}

async function measureRow(attack: Attack, attacker: Account, victim: Account, target: Target): Promise<AttackRow> {
  await delay(SETTLE_MS);
  const quiet = await victimFor(victim, QUIET_MS);
  const baseMb = functions.map(residentMb);
  const peakMb = [...baseMb];
  const sampler = setInterval(() => {
    for (const [i, pid] of functions.entries()) peakMb[i] = Math.max(peakMb[i] ?? 0, residentMb(pid));
  }, SAMPLE_EVERY_MS);
  const { key } = await createKey(sql, attacker.id);
  const order = { name: attack.name, bases, key, milliseconds: ATTACK_MS, target };
  const over = runAttack(order);
  if (attack.after) await over;
  const [during, answers] = await Promise.all([victimFor(victim, ATTACK_MS), over]);
  clearInterval(sampler);
  const boundMs = MAX_FACTOR * percentile(quiet, 0.95) + MAX_ADDED_MS;
  return {
    name: attack.name,
    answers,
    quietP50Ms: percentile(quiet, 0.5),
    quietP95Ms: percentile(quiet, 0.95),
    p50Ms: percentile(during, 0.5),
    p95Ms: percentile(during, 0.95),
    boundMs,
    victimFailures: failuresOf(quiet) + failuresOf(during),
    addedMb: peakMb.map((peak, i) => peak - (baseMb[i] ?? 0)),
    peakMb,
    met: percentile(during, 0.95) <= boundMs,
  };
}

async function runAttack(order: AttackOrder): Promise<AttackAnswers> {
  const options = ["run", "-A", "--quiet", "--node-modules-dir=manual", "--config", join(ROOT, "deno.json")];
  const child = spawn(DENO, [...options, join(ROOT, "bench/attack_client.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(order));
  return JSON.parse(await text(child.stdout));
}

/** A small import of the victim alone, and behind six of the attacker's that repeat one email. */
async function measureImports(attacker: Account, victim: Account, figures: Figure[]): Promise<Verdict> {
  progress(`Import of 100 rows behind six of ${show(importRows)}`);
  const alone = await secondsOfImport(victim, "alone");
  const { key } = await createKey(sql, attacker.id);
  const content = `email\n${"one@x.example\n".repeat(importRows)}`;
  const large = { resource: "contacts", format: "csv", on_conflict: "update", content };
  for (let n = 0; n < 6; n++) await api(key, "/imports", large, n);
  await delay(SETTLE_MS);
  const behind = await secondsOfImport(victim, "behind");
  const scale = IMPORT_ROWS / importRows;
  const what = `import of 100 rows behind six of ${show(importRows)} that repeat one email (of 200,000: scaled down by ${scale})`;
  figures.push({
    name: `${what}: alone / behind / ratio`,
    value: `${show(alone)} s / ${show(behind)} s / ${show(behind / alone)}`,
  });
  return verdict(`${what}: what it waits longer`, behind - alone, { most: MAX_IMPORT_WAIT_SECONDS }, " s");
}

async function secondsOfImport(victim: Account, name: string): Promise<number> {
  const content = `email\n${Array.from({ length: 100 }, (_, n) => `${name}-${n}@v.example\n`).join("")}`;
  const startedAt = performance.now();
  const { data } = await api(victim.key, "/imports", { resource: "contacts", format: "csv", content });
  for (;;) {
    const { status } = (await api(victim.key, `/imports/${data["id"]}`)).data;
    if (status === "completed") return (performance.now() - startedAt) / 1000;
    if (status === "failed" || status === "cancelled") throw new Error(`The victim's import is ${status}.`);
    await delay(VICTIM_PAUSE_MS);
  }
}

async function api(key: string, path: string, body?: unknown, n = 0): Promise<{ data: Record<string, unknown> }> {
  const response = await fetch(`${bases[n % bases.length]}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "x-forwarded-proto": "https" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return await response.json();
}

/** The victim's traffic: lists, searches and creates, one after the other. */
async function victimFor(victim: Account, milliseconds: number): Promise<Measurement> {
  const until = Date.now() + milliseconds;
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  let failures = 0;
  for (let n = 0; Date.now() < until; n++) {
    const requests = [
      { path: "/contacts?limit=25&sort=-created_at" },
      { path: "/deals?status=open&limit=25" },
      { path: "/contacts", body: { email: `v-${Date.now()}-${n}@x.example`, first_name: "Vic" } },
      { path: "/contacts?search=vic&limit=10" },
    ];
    const { path, body } = requests[n % requests.length] ?? { path: "/me" };
    const startedAt = performance.now();
    try {
      const response = await fetch(`${bases[n % bases.length]}${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          authorization: `Bearer ${victim.key}`,
          "content-type": "application/json",
          "x-forwarded-proto": "https",
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      await response.arrayBuffer();
      statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    } catch {
      failures += 1;
    }
    latencies.push(performance.now() - startedAt);
    await delay(VICTIM_PAUSE_MS);
  }
  return measurement(latencies, milliseconds / 1000, statuses, failures);
}

function failuresOf({ errors, statuses }: Measurement): number {
  const refused = sum(Object.entries(statuses).map(([status, times]) => (/^[34]/.test(status) ? times : 0)));
  return errors - refused;
}

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
}

function count<T>(values: readonly T[], holds: (value: T) => boolean): number {
  return values.filter(holds).length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

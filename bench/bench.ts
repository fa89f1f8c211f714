// A run of the bench: a stack of its own, the parts that were asked for, and the report of what they saw.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { readSettings } from "../scripts/stack/settings.ts";
import { startStack } from "../scripts/stack/stack.ts";
import type { StackInfo } from "../scripts/stack/stack_info.ts";
import { measureBook } from "./book.ts";
import { measureContacts } from "./contacts.ts";
import { measureEvents } from "./events.ts";
import { CONNECTIONS, type Measurement, percentile, perSecond } from "./load.ts";
import {
  type Figure,
  type LoadRow,
  loadRow,
  progress,
  type RatioRow,
  show,
  type Verdict,
  writeReport,
} from "./report.ts";
import type { AtEnd } from "./run_to_end.ts";
import { ratioOf, type Seen } from "./turns.ts";

/** What a part measures with, and where it puts what it saw. */
export interface Bench {
  info: StackInfo;
  dataDir: string;
  sql: postgres.Sql;
  quick: boolean;
  loads: LoadRow[];
  ratios: RatioRow[];
  figures: Figure[];
  verdicts: Verdict[];
  atEnd: AtEnd;
}

export interface BenchOptions {
  quick: boolean;
  contacts: boolean;
  /** Records of each resource in the largest book, when that is measured. */
  book: number | undefined;
  events: boolean;
}

/** Measures and writes the report. */
export async function runBench(options: BenchOptions, atEnd: AtEnd): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "crm-bench-"));
  atEnd(() => rmSync(dataDir, { recursive: true, force: true }));
  const settings = await readSettings(
    { "--free-ports": true, "--no-seed": true, "--data-dir": dataDir },
    { ...process.env, LOG_LEVEL: "silent" },
  );
  const { info, stop } = await startStack(settings, () => {});
  atEnd(stop);
  // The seeding of the book reserves a session.
  const sql = postgres(info.databaseUrl, { max: 2, onnotice: () => {} });
  atEnd(() => sql.end({ timeout: 1 }));
  const { quick } = options;
  await measure({ info, dataDir, sql, quick, atEnd, loads: [], ratios: [], figures: [], verdicts: [] }, options);
}

async function measure(bench: Bench, { contacts, book, events }: BenchOptions): Promise<void> {
  if (contacts) await measureContacts(bench);
  if (book !== undefined) await measureBook(bench, book);
  if (events) await measureEvents(bench);
  const { info, sql, quick, loads, ratios, figures, verdicts } = bench;
  const [version] = await sql`select current_setting('server_version') as version`;
  const name = contacts ? "results" : book === undefined ? "event_results" : "book_results";
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
        date: new Date().toISOString().slice(0, 10),
        mode: quick ? "quick" : "full",
        "load of the machine in the last quarter of an hour": show(loadavg()[2] ?? 0),
      },
      loads,
      ratios,
      figures,
      verdicts,
    },
    name,
  );
  console.log(`\n${markdown}`);
  progress(`Written to bench/${name}.md and bench/${name}.json`);
}

/** Reports what was seen of each side, and the API's ratio to all others. */
export function addComparison({ loads, ratios }: Bench, name: string, seen: Record<string, Seen>): void {
  for (const [side, measured] of Object.entries(seen)) loads.push(loadRow(name, side, measured));
  const { API: api, ...others } = seen;
  if (api === undefined) return;
  for (const [by, other] of Object.entries(others))
    ratios.push({
      name,
      by,
      p50: ratioOf(api.alone, other.alone, (part) => percentile(part, 0.5)),
      rate: api.crowded.length === 0 ? undefined : ratioOf(api.crowded, other.crowded, perSecond),
    });
}

/** What one client waits, in words. */
export function latency(measured: Measurement): string {
  return `p50 ${show(percentile(measured, 0.5))} ms, p99 ${show(percentile(measured, 0.99))} ms`;
}

// A run of the bench: a stack of its own, the parts that were asked for, and the report of what they saw.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { readSettings } from "../scripts/stack/settings.ts";
import { startStack } from "../scripts/stack/stack.ts";
import type { StackInfo } from "../scripts/stack/stack_info.ts";
import { measureBook } from "./book.ts";
import { measureContacts } from "./contacts.ts";
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
  /** Has something done when the run ends, the latest first. */
  atEnd(work: () => Promise<void> | void): void;
}

export interface BenchOptions {
  quick: boolean;
  contacts: boolean;
  /** Records of each resource in the largest book, when that is measured. */
  book: number | undefined;
}

/** Measures, writes the report, and ends the process. */
export async function runBench(options: BenchOptions): Promise<never> {
  const dataDir = mkdtempSync(join(tmpdir(), "crm-bench-"));
  const ends: (() => Promise<void> | void)[] = [() => rmSync(dataDir, { recursive: true, force: true })];
  async function end(code: number): Promise<never> {
    for (const work of ends.splice(0).reverse()) await work();
    process.exit(code);
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));
  try {
    const settings = await readSettings(
      { "--free-ports": true, "--no-seed": true, "--data-dir": dataDir },
      { ...process.env, LOG_LEVEL: "silent" },
    );
    const stack = await startStack(settings, () => {});
    ends.push(() => stack.stop());
    // The seeding of the book reserves a session.
    const sql = postgres(stack.info.databaseUrl, { max: 2, onnotice: () => {} });
    ends.push(() => sql.end({ timeout: 1 }));
    await measure(
      {
        info: stack.info,
        dataDir,
        sql,
        quick: options.quick,
        loads: [],
        ratios: [],
        figures: [],
        verdicts: [],
        atEnd: (work) => void ends.push(work),
      },
      options,
    );
  } catch (error) {
    console.error(error);
    return await end(1);
  }
  return await end(0);
}

async function measure(bench: Bench, { contacts, book }: BenchOptions): Promise<void> {
  if (contacts) await measureContacts(bench);
  if (book !== undefined) await measureBook(bench, book);
  const { info, sql, quick, loads, ratios, figures, verdicts } = bench;
  const [version] = await sql`select current_setting('server_version') as version`;
  const name = contacts ? "results" : "book_results";
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

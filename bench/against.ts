// npm run bench -- --against DIR: this checkout beside another one, over HTTP alone. Each runs by its own `npm start` on
// a data folder of its own with its own demo data, grown by its own `npm run seed`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { ROOT } from "../scripts/stack/settings.ts";
import type { StackInfo } from "../scripts/stack/stack_info.ts";
import { percentile, perSecond, type Target } from "./load.ts";
import { progress, showRatio, table } from "./report.ts";
import type { AtEnd } from "./run_to_end.ts";
import { type ApiAccess, apiHeaders, apiReads, apiWrites } from "./scenarios.ts";
import { inTurns, type Ratio, ratioOf } from "./turns.ts";

/** What a checkout may cost more than the other one. */
const TOLERATED = 1.03;
/** In which Linux counts processor time. */
const TICK_MS = 10;
const START_TIMEOUT_MS = 120_000;

interface Checkout {
  api: ApiAccess;
  /** Processor time that all its processes have used, which a busy machine changes least. */
  cpuMs(): number;
}

/** Prints a table of how this checkout compares with the other one. */
export async function compareCheckouts(
  other: string,
  { quick, only }: { quick: boolean; only: string },
  atEnd: AtEnd,
): Promise<void> {
  const contacts = quick ? 3_000 : 20_000;
  const ours = await startCheckout(ROOT, contacts, atEnd);
  const theirs = await startCheckout(resolve(other), contacts, atEnd);
  const [mine, before] = await Promise.all([targetsOf(ours.api), targetsOf(theirs.api)]);
  const rows: string[][] = [];
  for (const [name, target] of Object.entries(mine)) {
    if (!name.includes(only)) continue;
    const seen = await inTurns(
      { new: target, old: before[name] as Target },
      {
        seconds: quick ? 6 : 40,
        crowded: !name.startsWith("bulk"),
        cpuOf: { new: ours.cpuMs, old: theirs.cpuMs },
      },
    );
    const row = [
      name,
      cost(ratioOf(seen.new.alone, seen.old.alone, (part) => percentile(part, 0.5))),
      seen.new.crowded.length === 0 ? "–" : cost(ratioOf(seen.old.crowded, seen.new.crowded, perSecond)),
      cost(ratioOf(seen.new.cpuMs, seen.old.cpuMs, (milliseconds) => milliseconds)),
    ];
    progress(row.join("  "));
    rows.push(row);
  }
  const head = ["New ÷ old", "p50 of one client", "time a request of 16 clients", "processor time a request"];
  console.log(`\n${table(head, rows).join("\n")}

In brackets where the ratio lies with a certainty of 95 %. Dearer: surely more than ${TOLERATED}; undecided: perhaps.`);
}

async function targetsOf(api: ApiAccess): Promise<Record<string, Target>> {
  return { ...(await apiReads(api)), ...apiWrites(api) };
}

function cost(ratio: Ratio): string {
  const judged = ratio.low > TOLERATED ? "**dearer**" : ratio.high > TOLERATED ? "undecided" : "within 3 %";
  return `${showRatio(ratio)} ${judged}`;
}

async function startCheckout(folder: string, contacts: number, atEnd: AtEnd): Promise<Checkout> {
  progress(`Starting ${folder}`);
  const dataDir = mkdtempSync(join(tmpdir(), "crm-against-"));
  const env = { ...process.env, LOG_LEVEL: "silent" };
  const child = spawn("npm", ["start", "--", "--data-dir", dataDir, "--free-ports"], {
    cwd: folder,
    env,
    stdio: ["ignore", "ignore", "inherit"],
    detached: true, // A Ctrl-C is for us alone: we end it.
  });
  const ended = once(child, "exit");
  const infoFile = join(dataDir, "stack.json");
  atEnd(async () => {
    child.kill("SIGTERM");
    await ended;
    // npm is gone before its stack is, which gives the folder free last.
    for (let waits = 0; waits < 300 && existsSync(join(dataDir, "lock")); waits++) await delay(100);
    rmSync(dataDir, { recursive: true, force: true });
  });
  for (const startedAt = Date.now(); !existsSync(infoFile); await delay(200)) {
    if (child.exitCode !== null || Date.now() - startedAt > START_TIMEOUT_MS)
      throw new Error(`npm start of ${folder} did not come up.`);
  }
  const info: StackInfo = JSON.parse(readFileSync(infoFile, "utf8"));
  progress(`Growing its demo data to ${contacts} contacts`);
  const seeding = spawn("npm", ["run", "seed", "--", "--contacts", String(contacts), "--data-dir", dataDir], {
    cwd: folder,
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await once(seeding, "exit"))[0] !== 0) throw new Error(`npm run seed of ${folder} failed.`);
  await liftLimits(info.databaseUrl);
  const access = { url: `${info.functionUrl}/v1`, key: info.keys["KEY_STANDARD"] ?? "" };
  return { api: { ...access, ids: await contactIds(access) }, cpuMs: () => cpuMsOf(child.pid ?? 0) };
}

/** No plan that a customer has lets a bench through. */
async function liftLimits(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1 });
  await sql`update crm.workspaces set plan = 'benchmark'`;
  await sql`vacuum analyze`;
  await sql.end();
}

async function contactIds({ url, key }: Pick<ApiAccess, "url" | "key">): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ""; ids.length < 1_000; ) {
    const response = await fetch(`${url}/contacts?limit=100&sort=created_at${cursor}`, { headers: apiHeaders(key) });
    const { data, meta } = await response.json();
    ids.push(...data.map(({ id }: { id: string }) => id));
    if (meta.next_cursor === null) break;
    cursor = `&cursor=${encodeURIComponent(meta.next_cursor)}`;
  }
  return ids;
}

/** The processor time of a process and all below it, those that have ended included. */
function cpuMsOf(root: number): number {
  const children = new Map<number, number[]>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    // Behind the name of the program, which may hold anything: its state, its parent, and so on.
    const fields = statOf(pid).split(") ").at(-1)?.split(" ").map(Number) ?? [];
    const parent = fields[1] ?? 0;
    children.set(parent, [...(children.get(parent) ?? []), pid]);
    ticks.set(
      pid,
      fields.slice(11, 15).reduce((sum, time) => sum + time, 0),
    );
  }
  const below = (pid: number): number =>
    (children.get(pid) ?? []).reduce((sum, child) => sum + below(child), ticks.get(pid) ?? 0);
  return below(root) * TICK_MS;
}

function statOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return ""; // It has ended meanwhile.
  }
}

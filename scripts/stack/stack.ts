import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { sign } from "hono/jwt";
import postgres from "postgres";
import { type Child, signalProcess } from "./child.ts";
import { demoKeys } from "./demo_keys.ts";
import { startFunction } from "./function.ts";
import { startGateway } from "./gateway.ts";
import { migrate, seed } from "./migrations.ts";
import { preparePlatform } from "./platform.ts";
import { requireFreePort } from "./ports.ts";
import { startPostgres } from "./postgres.ts";
import { startPostgrest } from "./postgrest.ts";
import { startRedis, startUpstash } from "./redis.ts";
import { readSecrets } from "./secrets.ts";
import { DENO, type Part, ROOT, type Settings } from "./settings.ts";
import type { StackInfo } from "./stack_info.ts";

/** A running stack. */
export interface Stack {
  info: StackInfo;
  /** Resolves when a part that can't be restarted has ended by itself, with what happened. */
  broken: Promise<string>;
  stop(): Promise<void>;
}

type Progress = (line: string) => void;

const RESTART_DELAY_MS = 500;

/** Starts every part in the order they need each other; when one fails, stops those that run. */
export async function startStack(settings: Settings, progress: Progress): Promise<Stack> {
  const { dataDir, ports } = settings;
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const releaseLock = takeLock(dataDir);
  const watchdog = startWatchdog();
  const children = new Map<string, Child>();
  let stopping = false;
  let closeGateway = async () => {};

  async function stop(): Promise<void> {
    if (stopping) return;
    stopping = true;
    await closeGateway();
    // Those that use a part stop before it.
    for (const child of [...children.values()].reverse()) await child.stop();
    watchdog.done();
    releaseLock();
  }

  try {
    for (const [part, port] of Object.entries(ports) as [Part, number][]) {
      if (part !== "redis" || settings.redisUrl === undefined) await requireFreePort(part, port);
    }
    const secrets = readSecrets(dataDir);
    const watch = (child: Child, signal: NodeJS.Signals = "SIGTERM") => {
      children.set(child.name, child);
      watchdog.add(child.pid, signal);
    };

    progress("Postgres");
    const database = await startPostgres({ dataDir, port: ports.postgres, password: secrets.postgresPassword });
    watch(database.child, "SIGINT");
    const keys = await prepareDatabase(settings, database.url, secrets.authenticatorPassword, progress);

    progress("PostgREST, Redis");
    const rest = await startPostgrest({
      dataDir,
      port: ports.postgrest,
      databasePort: ports.postgres,
      authenticatorPassword: secrets.authenticatorPassword,
      jwtSecret: secrets.jwtSecret,
    });
    watch(rest.child);
    const redis = settings.redisUrl === undefined ? await startRedis({ dataDir, port: ports.redis }) : undefined;
    if (redis !== undefined) watch(redis.child);
    const redisUrl = settings.redisUrl ?? redis?.url;
    if (redisUrl === undefined) progress("  no redis-server on the PATH and no REDIS_URL: counting in memory");
    const upstash = await startUpstash({ dataDir, port: ports.upstash, token: secrets.upstashToken, redisUrl });
    watch(upstash.child);

    progress("The function and the gateway");
    const gatewayUrl = `http://127.0.0.1:${ports.gateway}`;
    const apiUrl = `${gatewayUrl}/functions/v1/api`;
    const functionEnv = {
      SUPABASE_URL: gatewayUrl,
      SUPABASE_ANON_KEY: await sign({ role: "anon", iss: "local" }, secrets.jwtSecret, "HS256"),
      REST_URL: rest.url,
      UPSTASH_REDIS_REST_URL: upstash.url,
      UPSTASH_REDIS_REST_TOKEN: secrets.upstashToken,
      JWT_SIGNING_KEY: JSON.stringify({
        kty: "oct",
        alg: "HS256",
        kid: "local",
        k: Buffer.from(secrets.jwtSecret).toString("base64url"),
      }),
      CURSOR_SECRET: secrets.cursorSecret,
      PUBLIC_API_URL: apiUrl,
      LOG_LEVEL: settings.logLevel,
    };
    const api = await startFunction({ dataDir, port: ports.function, env: functionEnv });
    watch(api.child);
    const gateway = startGateway(ports.gateway, {
      functionBase: `http://127.0.0.1:${ports.function}`,
      restUrl: rest.url,
    });
    closeGateway = gateway.stop;

    const info: StackInfo = {
      apiUrl,
      functionUrl: api.url,
      restUrl: rest.url,
      upstashUrl: upstash.url,
      databaseUrl: database.url,
      functionEnv,
      keys,
      ports,
      pids: Object.fromEntries([...children.values()].map((child) => [child.name, child.pid])),
      redis: redisUrl === undefined ? "memory" : "server",
    };
    writeInfo(dataDir, info);

    // The platform starts a new worker when one dies; the other parts are infrastructure.
    const keepFunction = async (child: Child): Promise<void> => {
      const reason = await child.ended;
      if (stopping) return;
      progress(`The function ended (${reason}); starting it again.`);
      await delay(RESTART_DELAY_MS);
      const next = await startFunction({ dataDir, port: ports.function, env: functionEnv }).catch((error: Error) => {
        progress(error.message);
        return undefined;
      });
      if (next === undefined || stopping) return await next?.child.stop();
      watch(next.child);
      return keepFunction(next.child);
    };
    keepFunction(api.child);
    const broken = Promise.race(
      [...children.values()]
        .filter((child) => child !== api.child)
        .map((child) => child.ended.then((reason) => `The ${child.name} ended (${reason}).`)),
    );
    return { info, broken, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepareDatabase(
  settings: Settings,
  url: string,
  authenticatorPassword: string,
  progress: Progress,
): Promise<Record<string, string>> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const [platform] = await sql`select exists (select from pg_roles where rolname = 'authenticator') as ready`;
    if (!platform?.["ready"]) await sql.begin((transaction) => preparePlatform(transaction, authenticatorPassword));
    const [history] = await sql`select to_regclass('supabase_migrations.schema_migrations') is null as empty`;
    const count = await migrate(sql, join(ROOT, "supabase/migrations"));
    if (count > 0) progress(`  ${count} migrations applied`);
    if (history?.["empty"]) {
      await seed(sql, join(ROOT, "supabase/seed.sql"));
      progress("  demo data seeded");
    }
    return await demoKeys(sql, join(settings.dataDir, "env"));
  } finally {
    await sql.end();
  }
}

function writeInfo(dataDir: string, info: StackInfo): void {
  const variables = { API_URL: info.apiUrl, ...info.keys, DATABASE_URL: info.databaseUrl };
  writeFileSync(
    join(dataDir, "env"),
    Object.entries(variables)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
    { mode: 0o600 },
  );
  writeFileSync(join(dataDir, "stack.json"), JSON.stringify(info, null, 2), { mode: 0o600 });
}

/** The pid of the supervisor that runs on a data folder, if one does. */
export function runningSupervisor(dataDir: string): number | undefined {
  const file = join(dataDir, "supervisor.pid");
  if (!existsSync(file)) return undefined;
  const [pid, startedAt] = readFileSync(file, "utf8").split(" ").map(Number);
  // A pid that was given to somebody else since the machine started does not count.
  const alive = pid !== undefined && pid !== process.pid && signalProcess(pid, 0);
  return alive && startedAt !== undefined && Date.now() - startedAt < process.uptime() * 1000 + systemUptimeMs()
    ? pid
    : undefined;
}

function systemUptimeMs(): number {
  return existsSync("/proc/uptime")
    ? Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000
    : Number.POSITIVE_INFINITY;
}

function takeLock(dataDir: string): () => void {
  const pid = runningSupervisor(dataDir);
  if (pid !== undefined)
    throw new Error(
      `A stack runs on ${dataDir} already (process ${pid}). Stop it first, or use another folder: npm start -- --data-dir DIR`,
    );
  const file = join(dataDir, "supervisor.pid");
  writeFileSync(file, `${process.pid} ${Date.now()}`);
  return () => rmSync(file, { force: true });
}

function startWatchdog() {
  const child = spawn(DENO, ["run", "-A", "--node-modules-dir=manual", join(ROOT, "scripts/stack/watchdog.ts")], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.stdin.on("error", () => {});
  return {
    add: (pid: number, signal: NodeJS.Signals) => void child.stdin.write(`${pid} ${signal}\n`),
    done: () => void child.stdin.end("done\n"),
  };
}

import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { publicKey } from "../../shared/signing_key.ts";
import { UNTOLD } from "../seed/untold.ts";
import { startAuth } from "./auth.ts";
import { type Cron, startCron } from "./cron.ts";
import { lockDataDir } from "./data_dir_lock.ts";
import { demoKeys } from "./demo_keys.ts";
import { demoUsers } from "./demo_users.ts";
import { type FunctionEnv, startFunction } from "./function.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { type Mailbox, startMailbox } from "./mailbox.ts";
import { isSeeded, migrate, noteSeeded } from "./migrations.ts";
import { preparePlatform } from "./platform.ts";
import { requireFreePort } from "./ports.ts";
import { startPostgres } from "./postgres.ts";
import { startPostgrest } from "./postgrest.ts";
import { writePrivate } from "./private_file.ts";
import { endNotedProcesses } from "./processes.ts";
import { hasRedisServer, startRedis, startUpstash } from "./redis.ts";
import { readSecrets, type Secrets } from "./secrets.ts";
import type { Part, Settings } from "./settings.ts";
import type { StackInfo } from "./stack_info.ts";
import { Supervisor } from "./supervisor.ts";

/** A running stack. */
export interface Stack {
  info: StackInfo;
  /** Ends every program and gives the data folder free. */
  stop(): Promise<void>;
}

/** Told what happens, a line at a time. */
export type Progress = (line: string) => void;

export interface StartOptions {
  /** Gets what the function writes to stderr. */
  onFunctionError?: (text: string) => void;
  /** Gives up a start that is under way. */
  signal?: AbortSignal;
}

/** Who mails are from here. */
const MAIL_FROM = "AutomateNexus CRM <no-reply@crm.example>";

/** Starts every part in the order they need each other. @throws when one fails, with nothing left running */
export async function startStack(
  settings: Settings,
  progress: Progress,
  { onFunctionError, signal }: StartOptions = {},
): Promise<Stack> {
  const { dataDir, ports, redisUrl: givenRedisUrl } = settings;
  const unlock = await lockDataDir(dataDir);
  let gateway: Gateway | undefined;
  let cron: Cron | undefined;
  let mailbox: Mailbox | undefined;
  let info: StackInfo | undefined;
  const supervisor = new Supervisor({
    dataDir,
    progress,
    onRestart: () => info && writeInfo(dataDir, info, supervisor),
  });

  async function stop(): Promise<void> {
    cron?.stop();
    await gateway?.stop();
    await mailbox?.stop();
    await supervisor.stop();
    unlock();
  }

  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {}); // Nobody waits for it any more once the stack runs.
  const step = <Result>(work: Promise<Result>): Promise<Result> => Promise.race([work, aborted]);
  try {
    const leftovers = await endNotedProcesses(dataDir);
    if (leftovers.length > 0) progress(`Ended what an earlier run left behind: ${leftovers.join(", ")}`);
    const startsRedis = givenRedisUrl === undefined && hasRedisServer();
    for (const [part, port] of Object.entries(ports) as [Part, number][]) {
      if (part !== "redis" || startsRedis) await requireFreePort(part, port);
    }
    // First of all: the port is ours from here on, and answers 503 until the rest is there.
    gateway = startGateway({
      port: ports.gateway,
      functionPort: ports.function,
      postgrestPort: ports.postgrest,
      authPort: ports.auth,
      mailPort: ports.mail,
    });
    const gatewayUrl = gateway.url;
    const mailboxUrl = `${gatewayUrl}/mail`;
    const secrets = readSecrets(dataDir);
    writePrivate(join(dataDir, "scanning_key.pem"), secrets.scanningKey);
    mailbox = startMailbox({ dataDir, port: ports.mail, key: secrets.mailKey });
    const mail = { MAIL_URL: `${mailboxUrl}/emails`, MAIL_API_KEY: secrets.mailKey, MAIL_FROM };

    progress(`Postgres on port ${ports.postgres}`);
    const database = await step(
      supervisor.run(() => startPostgres({ dataDir, port: ports.postgres, password: secrets.postgresPassword })),
    );
    const { authenticatorPassword, authPassword, upstashToken, functionKey, authKey, publishableKey } = secrets;
    let auth: Promise<unknown> | undefined;
    const runAuth = () => {
      if (auth !== undefined) return auth;
      progress(`Auth on port ${ports.auth}`);
      const options = { dataDir, port: ports.auth, databasePort: ports.postgres, databasePassword: authPassword };
      auth = supervisor.run(() => startAuth({ ...options, gatewayUrl, key: authKey, publishableKey, mail }));
      auth.catch(() => {}); // It starts beside the rest, and is waited for last.
      return auth;
    };
    const { keys, users } = await step(prepareDatabase(settings, database.url, secrets, progress, runAuth));

    progress(`PostgREST on port ${ports.postgrest}`);
    const rest = await step(
      supervisor.run(() =>
        startPostgrest({
          dataDir,
          port: ports.postgrest,
          databasePort: ports.postgres,
          authenticatorPassword,
          trustedKeys: [functionKey, authKey].map((key) => publicKey.parse(key)),
        }),
      ),
    );

    progress(describeRedis(givenRedisUrl, startsRedis, ports.redis));
    const redisUrl = startsRedis
      ? (await step(supervisor.run(() => startRedis({ dataDir, port: ports.redis })))).url
      : givenRedisUrl;
    const upstash = await step(
      supervisor.run(() => startUpstash({ dataDir, port: ports.upstash, token: upstashToken, redisUrl })),
    );

    progress(`The function on port ${ports.function}, with webhooks allowed to http://127.0.0.1`);
    const functionEnv = functionEnvironment({
      gatewayUrl,
      restUrl: rest.url,
      upstashUrl: upstash.url,
      mail,
      secrets,
      logLevel: settings.logLevel,
    });
    const api = await step(
      supervisor.run(() =>
        startFunction({
          dataDir,
          port: ports.function,
          env: functionEnv,
          ...(onFunctionError && { onErrorOutput: onFunctionError }),
        }),
      ),
    );

    await step(runAuth());
    cron = startCron({ functionUrl: api.url, databaseUrl: database.url, secret: secrets.cronSecret });
    info = {
      apiUrl: `${gatewayUrl}/functions/v1/api`,
      functionUrl: api.url,
      restUrl: rest.url,
      upstashUrl: upstash.url,
      mailboxUrl,
      databaseUrl: database.url,
      functionEnv,
      signIn: { SUPABASE_URL: gatewayUrl, SUPABASE_PUBLISHABLE_KEY: publishableKey, ...users },
      authKey,
      keys,
      ports,
      pids: {},
      redis: redisUrl === undefined ? "memory" : "server",
    };
    writeInfo(dataDir, info, supervisor);
    return { info, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepareDatabase(
  settings: Settings,
  url: string,
  secrets: Secrets,
  progress: Progress,
  runAuth: () => Promise<unknown>,
): Promise<{ keys: Record<string, string>; users: Record<string, string> }> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: UNTOLD });
  try {
    const [platform] = await sql`
      select exists (select from pg_roles where rolname = 'authenticator') as ready, to_regclass('auth.users') is not null as has_users`;
    if (!platform?.["ready"]) await sql.begin((transaction) => preparePlatform(transaction, secrets));
    const auth = runAuth();
    if (!platform?.["has_users"]) await auth; // Migrations refer to its tables.
    const count = await migrate(sql, { dataDir: settings.dataDir, databaseUrl: url });
    if (count > 0) progress(`Migrations applied: ${count}`);
    if (settings.seed) await seedRecords(sql, progress);
    return {
      keys: await demoKeys(sql, join(settings.dataDir, "env")),
      users: await demoUsers(sql, secrets.demoPassword),
    };
  } finally {
    await sql.end({ timeout: 2 });
  }
}

// Imported only when there is something to seed: later starts don't wait for the library of names.
async function seedRecords(sql: postgres.Sql, progress: Progress): Promise<void> {
  const path = "scripts/seed/demo.ts";
  if (await isSeeded(sql, path)) return;
  const startedAt = performance.now();
  const { SEED, seedDemo } = await import("../seed/demo.ts");
  const records = await sql.begin(async (transaction) => {
    await noteSeeded(transaction, path, String(SEED));
    return await seedDemo(transaction, Date.now());
  });
  const seconds = (performance.now() - startedAt) / 1000;
  progress(`Demo data seeded: ${records.toLocaleString("en-US")} records in ${seconds.toFixed(1)} s`);
}

interface FunctionSurroundings {
  gatewayUrl: string;
  restUrl: string;
  upstashUrl: string;
  /** What mails are sent with, by variable name. */
  mail: Record<string, string>;
  secrets: Secrets;
  logLevel: string;
}

function functionEnvironment({
  gatewayUrl,
  restUrl,
  upstashUrl,
  mail,
  secrets,
  logLevel,
}: FunctionSurroundings): FunctionEnv {
  const { functionKey, authKey, publishableKey, scanningKey, cursorSecret, cronSecret, masterKey, upstashToken } =
    secrets;
  return {
    SUPABASE_URL: gatewayUrl,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: publishableKey }),
    SUPABASE_JWKS: JSON.stringify({ keys: [publicKey.parse(authKey)] }),
    REST_URL: restUrl,
    UPSTASH_REDIS_REST_URL: upstashUrl,
    UPSTASH_REDIS_REST_TOKEN: upstashToken,
    JWT_SIGNING_KEY: JSON.stringify(functionKey),
    CURSOR_SECRET: cursorSecret,
    CRON_SECRET: cronSecret,
    MASTER_KEY: masterKey,
    ...mail,
    PUBLIC_API_URL: `${gatewayUrl}/functions/v1/api`,
    SECRET_SCANNING_KEYS_URL: scanningKeysUrl(scanningKey),
    WEBHOOKS_ALLOW_LOOPBACK: "true",
    LOG_LEVEL: logLevel,
  };
}

/** The list that GitHub publishes, with the one key that signs here, where no GitHub can be asked. */
function scanningKeysUrl(privateKey: string): string {
  const key = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
  const list = { public_keys: [{ key_identifier: "local", key, is_current: true }] };
  return `data:application/json,${encodeURIComponent(JSON.stringify(list))}`;
}

function describeRedis(givenUrl: string | undefined, startsRedis: boolean, port: number): string {
  if (givenUrl !== undefined) return "Redis is the one of REDIS_URL";
  return startsRedis
    ? `Redis on port ${port}`
    : "Redis in memory: there is no redis-server on the PATH and no REDIS_URL";
}

function writeInfo(dataDir: string, info: StackInfo, supervisor: Supervisor): void {
  info.pids = { supervisor: process.pid, ...supervisor.pids };
  const { apiUrl: API_URL, mailboxUrl: MAILBOX_URL, databaseUrl: DATABASE_URL } = info;
  const variables = { API_URL, ...info.keys, ...info.signIn, MAILBOX_URL, DATABASE_URL };
  writePrivate(
    join(dataDir, "env"),
    Object.entries(variables)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
  writePrivate(join(dataDir, "stack.json"), JSON.stringify(info, null, 2));
}

import { join } from "node:path";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { denoEnvironment } from "./deno_environment.ts";
import { DENO, ROOT } from "./settings.ts";

/** The function's own environment; `.env.example` explains each. */
export type FunctionEnv = Record<string, string>;

const OWN_VARIABLES = [
  "SUPABASE_URL",
  "SUPABASE_PUBLISHABLE_KEYS",
  "SUPABASE_PUBLISHABLE_KEY",
  "SUPABASE_ANON_KEY",
  "SUPABASE_JWKS",
  "SESSION_ISSUER",
  "REST_URL",
  "UPSTASH_REDIS_REST_URL",
  "UPSTASH_REDIS_REST_TOKEN",
  "JWT_SIGNING_KEY",
  "JWT_NEXT_KEY",
  "CURSOR_SECRET",
  "CRON_SECRET",
  "MASTER_KEY",
  "PUBLIC_API_URL",
  "APP_URL",
  "MAIL_URL",
  "MAIL_API_KEY",
  "MAIL_FROM",
  "SECRET_SCANNING_KEYS_URL",
  "EGRESS_PROXY_URL",
  "EGRESS_ADDRESSES",
  "WEBHOOKS_ALLOW_LOOPBACK",
  "REQUIRE_HTTPS",
  "TRUSTED_PROXY_HOPS",
  "LOG_LEVEL",
];
// What @upstash/redis and Hono look at beside our own.
const LIBRARY_VARIABLES = ["UPSTASH_CONSOLE", "UPSTASH_DISABLE_TELEMETRY", "VERCEL", "AWS_REGION"];

// As in an isolate of the edge a heap grows with what it needs, not with what the machine has; and glibc gives back what
// large bodies took, where by default it keeps it for the next (mallopt(3), M_MMAP_THRESHOLD).
const HEAP = "--v8-flags=--max-old-space-size=96,--max-semi-space-size=4";
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_ARENA_MAX: "2" };

export interface FunctionOptions {
  dataDir: string;
  port: number;
  env: FunctionEnv;
  /** Another entry file than the one that is deployed. */
  entry?: string;
  /** Tells the log files of several functions apart. */
  name?: string;
  /** Gets what it writes to stderr, which is logged all the same. */
  onErrorOutput?: (text: string) => void;
}

/**
 * Starts the entry file that is deployed, with what the edge grants it: network, its own variables,
 * and nothing else.
 * @throws when it does not answer its health check
 */
export async function startFunction({
  dataDir,
  port,
  env,
  entry = join(ROOT, "functions/api/index.ts"),
  name = "function",
  onErrorOutput,
}: FunctionOptions): Promise<{ child: Child; url: string; logFile: string }> {
  const child = startChild({
    name,
    dataDir,
    command: DENO,
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      "--no-remote", // What the bundle holds comes from node_modules; nothing is fetched.
      HEAP,
      "--allow-net",
      `--allow-env=${[...OWN_VARIABLES, ...LIBRARY_VARIABLES].join(",")}`,
      "--config",
      join(ROOT, "deno.json"),
      "--node-modules-dir=manual",
      entry,
      dataDir, // Unused; tells in a process list which stack it belongs to.
    ],
    env: { ...ALLOCATOR, ...denoEnvironment(dataDir), DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`, ...env },
    ...(onErrorOutput && { onErrorOutput }),
  });
  const url = `http://127.0.0.1:${port}/api`;
  await untilReady(child, () => answers(`${url}/v1/health`));
  return { child, url, logFile: child.logFile };
}

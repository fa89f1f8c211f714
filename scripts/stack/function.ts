import { join } from "node:path";
import process from "node:process";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { DENO, ROOT } from "./settings.ts";

/** The function's own environment; `.env.example` explains each. */
export type FunctionEnv = Record<string, string>;

// What @upstash/redis and Hono look at beside our own.
const LIBRARY_VARIABLES = ["UPSTASH_CONSOLE", "UPSTASH_DISABLE_TELEMETRY", "VERCEL", "AWS_REGION"];
const OWN_VARIABLES = [
  "SUPABASE_URL",
  "SUPABASE_ANON_KEY",
  "REST_URL",
  "UPSTASH_REDIS_REST_URL",
  "UPSTASH_REDIS_REST_TOKEN",
  "JWT_SIGNING_KEY",
  "CURSOR_SECRET",
  "PUBLIC_API_URL",
  "REQUIRE_HTTPS",
  "TRUSTED_PROXY_HOPS",
  "LOG_LEVEL",
];

export interface FunctionOptions {
  dataDir: string;
  port: number;
  env: FunctionEnv;
  /** Tells the log files of several functions apart. */
  name?: string;
}

/**
 * Starts the entry file that is deployed, with what the edge grants it: network, its own variables,
 * and nothing else.
 */
export async function startFunction({
  dataDir,
  port,
  env,
  name = "function",
}: FunctionOptions): Promise<{ child: Child; url: string; logFile: string }> {
  const logFile = join(dataDir, `${name}.log`);
  const child = startChild({
    name,
    command: DENO,
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      "--allow-net",
      `--allow-env=${[...OWN_VARIABLES, ...LIBRARY_VARIABLES].join(",")}`,
      "--config",
      join(ROOT, "deno.json"),
      "--node-modules-dir=manual",
      join(ROOT, "functions/api/index.ts"),
    ],
    logFile,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
      ...env,
    },
  });
  const url = `http://127.0.0.1:${port}/api`;
  await untilReady(child, logFile, () => answers(`${url}/v1/health`));
  return { child, url, logFile };
}

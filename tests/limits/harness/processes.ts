import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { hasRedisServer } from "../../../scripts/stack/redis.ts";
import { freePort } from "./ports.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const START_TIMEOUT_MS = 15_000;

export const TOKEN = "test-token";

/** What there is to count in: without a redis-server on this machine a real Redis is no case. */
export const BACKENDS = hasRedisServer() ? (["redis", "memory"] as const) : (["memory"] as const);

export interface RunningProcess {
  url: string;
  child: ChildProcess;
  stop(): Promise<void>;
}

/** A Redis of our own, with nothing in it; on `port` when given. */
export async function startRedis(port?: number): Promise<RunningProcess> {
  const chosen = port ?? (await freePort());
  const args = ["--port", String(chosen), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"];
  return start(
    spawn("redis-server", args, { detached: true }),
    /Ready to accept connections/,
    `redis://127.0.0.1:${chosen}`,
  );
}

/** The Upstash endpoint as its own process; in memory when there is no `redisUrl`. */
export async function startEndpoint(redisUrl?: string): Promise<RunningProcess> {
  const port = await freePort();
  const child = spawn(
    "node_modules/.bin/deno",
    ["run", "-A", "--node-modules-dir=manual", "scripts/stack/upstash/main.ts"],
    {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, PORT: String(port), TOKEN, REDIS_URL: redisUrl ?? "" },
    },
  );
  return start(child, /^ready$/m, `http://127.0.0.1:${port}`);
}

async function start(child: ChildProcess, ready: RegExp, url: string): Promise<RunningProcess> {
  let output = "";
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), START_TIMEOUT_MS);
    const read = (chunk: Buffer) => {
      output += chunk;
      if (!ready.test(output)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${output}`)));
  });
  return { url, child, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  // The group, because `deno` from npm may be a script around the binary.
  const group = -child.pid;
  process.kill(group, "SIGTERM");
  const timer = setTimeout(() => process.kill(group, "SIGKILL"), 2_000);
  await ended;
  clearTimeout(timer);
}

import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { denoEnvironment } from "./deno_environment.ts";
import { DENO, ROOT } from "./settings.ts";

/** Whether the PATH has a `redis-server`. */
export function hasRedisServer(): boolean {
  return spawnSync("redis-server", ["--version"]).status === 0;
}

/** Starts `redis-server` with nothing in it. */
export async function startRedis({
  dataDir,
  port,
}: {
  dataDir: string;
  port: number;
}): Promise<{ child: Child; url: string }> {
  const child = startChild({
    name: "redis",
    dataDir,
    command: "redis-server",
    // Counters of a minute need no disk.
    args: ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no", "--dir", dataDir],
    marker: `127.0.0.1:${port}`, // It replaces its command line by this.
  });
  await untilReady(child, () => accepts(port));
  return { child, url: `redis://127.0.0.1:${port}` };
}

export interface UpstashOptions {
  dataDir: string;
  port: number;
  token: string;
  /** In memory when absent. */
  redisUrl: string | undefined;
}

/** Starts the endpoint that speaks Upstash's REST protocol in front of a Redis, or of memory. */
export async function startUpstash({
  dataDir,
  port,
  token,
  redisUrl,
}: UpstashOptions): Promise<{ child: Child; url: string }> {
  const child = startChild({
    name: "upstash",
    dataDir,
    command: DENO,
    args: ["run", "-A", "--quiet", "--node-modules-dir=manual", join(ROOT, "scripts/stack/upstash/main.ts"), dataDir],
    env: {
      ...denoEnvironment(dataDir),
      PORT: String(port),
      TOKEN: token,
      ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, () => answers(url));
  return { child, url };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { DENO, ROOT } from "./settings.ts";

/** Starts `redis-server` where the PATH has one; answers undefined where it hasn't. */
export async function startRedis({
  dataDir,
  port,
}: {
  dataDir: string;
  port: number;
}): Promise<{ child: Child; url: string } | undefined> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return undefined;
  const logFile = join(dataDir, "redis.log");
  const child = startChild({
    name: "Redis",
    command: "redis-server",
    // Counters of a minute need no disk.
    args: ["--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no", "--dir", dataDir],
    logFile,
  });
  await untilReady(child, logFile, () => accepts(port));
  return { child, url: `redis://127.0.0.1:${port}` };
}

/** Starts the endpoint that speaks Upstash's REST protocol in front of a Redis, or of memory. */
export async function startUpstash({
  dataDir,
  port,
  token,
  redisUrl,
}: {
  dataDir: string;
  port: number;
  token: string;
  redisUrl: string | undefined;
}): Promise<{ child: Child; url: string }> {
  const logFile = join(dataDir, "upstash.log");
  const child = startChild({
    name: "Upstash endpoint",
    command: DENO,
    args: ["run", "-A", "--node-modules-dir=manual", join(ROOT, "scripts/stack/upstash/main.ts")],
    logFile,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      PORT: String(port),
      TOKEN: token,
      ...(redisUrl && { REDIS_URL: redisUrl }),
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, logFile, () => answers(url));
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

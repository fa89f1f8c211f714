import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePorts } from "./ports.ts";

/** The repository's root folder, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The Deno that npm installed. Never the script around it: a signal for that would not reach Deno. */
export const DENO = process.versions["deno"] === undefined ? installedDeno() : process.execPath;

const GATEWAY_PORT = 54321;

/** The parts that listen, the variable that sets each one's port, and how far from the gateway's it is otherwise. */
export const PORTS = {
  gateway: { name: "the gateway", variable: "PORT", offset: 0 },
  postgres: { name: "Postgres", variable: "POSTGRES_PORT", offset: 1 },
  postgrest: { name: "PostgREST", variable: "POSTGREST_PORT", offset: 2 },
  redis: { name: "Redis", variable: "REDIS_PORT", offset: 3 },
  upstash: { name: "the Upstash endpoint", variable: "UPSTASH_PORT", offset: 4 },
  function: { name: "the function", variable: "FUNCTION_PORT", offset: 5 },
} as const;

export type Part = keyof typeof PORTS;
type Environment = Record<string, string | undefined>;

/** What a start was asked for. */
export interface Settings {
  dataDir: string;
  ports: Record<Part, number>;
  /** A Redis that runs already, instead of one of our own. */
  redisUrl: string | undefined;
  logLevel: string;
  /** Whether the demo workspaces get records at the first start. */
  seed: boolean;
}

/**
 * Settings from the command line and the environment: `--data-dir DIR` (default `.local`),
 * `--free-ports`, which lets several stacks run side by side, and `--no-seed`, for who brings own records.
 * @throws when an argument or a port makes no sense
 */
export async function readSettings(args: readonly string[], env: Environment): Promise<Settings> {
  let dataDir = resolve(ROOT, ".local");
  let isFreePorts = false;
  let seed = true;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--free-ports") isFreePorts = true;
    else if (args[i] === "--no-seed") seed = false;
    else if (args[i] === "--data-dir" && args[i + 1] !== undefined) dataDir = resolve(args[++i] ?? "");
    else throw new Error(`Unknown argument ${args[i]}. There are: npm start -- --data-dir DIR --free-ports --no-seed`);
  }
  const first = isFreePorts ? await freePorts(Object.keys(PORTS).length) : (readPort(env, "PORT") ?? GATEWAY_PORT);
  const ports = Object.fromEntries(
    Object.entries(PORTS).map(([part, { variable, offset }]) => [part, readPort(env, variable) ?? first + offset]),
  ) as Record<Part, number>;
  return { dataDir, ports, redisUrl: env["REDIS_URL"] || undefined, logLevel: env["LOG_LEVEL"] || "info", seed };
}

function readPort(env: Environment, variable: string): number | undefined {
  const text = env[variable];
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw new Error(`${variable} must be a port from 1 to 65535, not "${text}".`);
}

function installedDeno(): string {
  const libc = process.platform === "linux" ? "-glibc" : "";
  const program = process.platform === "win32" ? "deno.exe" : "deno";
  const places = ["deno", `@deno/${process.platform}-${process.arch}${libc}`].map((folder) =>
    join(ROOT, "node_modules", folder, program),
  );
  const found = places.find(existsSync);
  if (found === undefined)
    throw new Error(
      `There is no Deno for ${process.platform}-${process.arch} in node_modules. Run npm ci; it needs optional dependencies.`,
    );
  return found;
}

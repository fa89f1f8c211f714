import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./ports.ts";

/** The repository's root folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A part of the stack that listens, the variable that changes its port, and the port it has otherwise. */
export const PORTS = {
  gateway: { variable: "PORT", port: 54321 },
  postgres: { variable: "POSTGRES_PORT", port: 54322 },
  postgrest: { variable: "POSTGREST_PORT", port: 54323 },
  redis: { variable: "REDIS_PORT", port: 54324 },
  upstash: { variable: "UPSTASH_PORT", port: 54325 },
  function: { variable: "FUNCTION_PORT", port: 54326 },
} as const;

export type Part = keyof typeof PORTS;

/** What a start was asked for. */
export interface Settings {
  dataDir: string;
  ports: Record<Part, number>;
  /** A Redis that runs already, instead of one of our own. */
  redisUrl: string | undefined;
  logLevel: string;
}

/**
 * Settings from the command line and the environment: `--data-dir DIR` (default `.local`) and
 * `--free-ports`, which lets several stacks run side by side.
 * @throws when an argument or a port makes no sense
 */
export async function readSettings(
  args: readonly string[],
  env: Record<string, string | undefined>,
): Promise<Settings> {
  let dataDir = resolve(ROOT, ".local");
  let freePorts = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--free-ports") freePorts = true;
    else if (args[i] === "--data-dir" && args[i + 1] !== undefined) dataDir = resolve(args[++i] ?? "");
    else throw new Error(`Unknown argument ${args[i]}. Usage: npm start -- [--data-dir DIR] [--free-ports]`);
  }
  const ports = {} as Record<Part, number>;
  for (const [part, { variable, port }] of Object.entries(PORTS) as [Part, (typeof PORTS)[Part]][]) {
    const given = env[variable];
    const chosen = given === undefined || given === "" ? (freePorts ? await freePort() : port) : Number(given);
    if (!Number.isInteger(chosen) || chosen < 1 || chosen > 65535)
      throw new Error(`${variable} must be a port from 1 to 65535, not "${given}".`);
    ports[part] = chosen;
  }
  return { dataDir, ports, redisUrl: env["REDIS_URL"] || undefined, logLevel: env["LOG_LEVEL"] || "info" };
}

/** The Deno that npm installed. */
export const DENO = resolve(ROOT, "node_modules/.bin/deno");

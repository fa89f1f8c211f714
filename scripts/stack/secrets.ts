import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SigningKey } from "../../shared/signing_key.ts";
import { writePrivate } from "./private_file.ts";

/** Made at the first start, kept in the data folder, never in the repository. */
export interface Secrets {
  postgresPassword: string;
  authenticatorPassword: string;
  /** Of the role that Auth keeps its tables with. */
  authPassword: string;
  /** What the function signs its tokens for PostgREST with. */
  functionKey: SigningKey;
  /** What Auth signs sessions with. */
  authKey: SigningKey;
  /** What clients show the gateway; grants nothing. */
  publishableKey: string;
  cursorSecret: string;
  /** What the timer shows when it has jobs drained. */
  cronSecret: string;
  /** What links in mails are derived from. */
  masterKey: string;
  /** What reports of leaked keys are signed with here, in the place of GitHub's (PEM). */
  scanningKey: string;
  /** What the function shows the mailbox. */
  mailKey: string;
  upstashToken: string;
  /** What the demo users sign in with. */
  demoPassword: string;
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
    authPassword: random(),
    functionKey: newSigningKey(),
    authKey: newSigningKey(),
    publishableKey: `sb_publishable_${random()}`,
    cursorSecret: random(),
    cronSecret: random(),
    masterKey: random(),
    scanningKey: newScanningKey(),
    mailKey: random(),
    upstashToken: random(),
    demoPassword: randomBytes(12).toString("base64url"),
    ...kept,
  };
  writePrivate(file, JSON.stringify(secrets, null, 2));
  return secrets;
}

function newScanningKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ format: "pem", type: "pkcs8" })
    .toString();
}

/** A new key, as `supabase gen signing-key` makes one. */
export function newSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), alg: "ES256", kid: randomUUID() } as SigningKey;
}

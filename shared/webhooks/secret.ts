import { Buffer } from "node:buffer";
import { hkdfSync } from "node:crypto";

/**
 * What the deliveries of an endpoint are signed with, in the form of Standard Webhooks. It is made anew whenever it is needed and
 * never stored: the database has an endpoint's id and how many secrets it has had.
 */
export function webhookSecret(masterKey: string, id: string, generation: number): string {
  const secret = hkdfSync("sha256", masterKey, "", `webhook secret ${id} ${generation}`, 32);
  return `whsec_${Buffer.from(secret).toString("base64")}`;
}

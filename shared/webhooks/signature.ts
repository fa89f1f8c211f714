import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";

/** What is signed, and with what. */
export interface Signed {
  /** Of the event; the same in every attempt. */
  id: string;
  /** When this attempt is made. */
  at: Date;
  body: string | Uint8Array;
  /** `whsec_…`: the newest, and the one before it for as long as that holds too. */
  secrets: readonly string[];
}

/** The headers of Standard Webhooks: who has one of the secrets knows that the body is ours, and that it is new. */
export function signatureHeaders({ id, at, body, secrets }: Signed): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

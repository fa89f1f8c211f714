import type { MailService } from "../config.ts";
import { retryAfterSeconds } from "../http/retry_after.ts";
import type { Letter } from "./text.ts";

/** What became of a mail that was handed to the service. */
export type Delivery =
  | { kind: "accepted" }
  /** Nobody will take this one. */
  | { kind: "refused"; status: number }
  /** The service is away, busy or of another mind about us: later. Without a status nothing answered. */
  | { kind: "deferred"; status?: number; retryAfterSeconds?: number };

/** A letter on its way to somebody; of two with one id only one is sent. */
export interface Mail extends Letter {
  id: string;
  to: string;
}

const TIMEOUT_MS = 10_000;
// 401 and 403 are about our key and our domain, 408, 409 and 429 about the moment; any other 4xx is about the mail.
const PASSING = [401, 403, 408, 409, 429];

/** Hands a mail to the service, in Resend's shape. Never throws. */
export async function deliver(
  { url, key, from }: MailService,
  { id, to, subject, text, html }: Mail,
  timeoutMs: number = TIMEOUT_MS,
): Promise<Delivery> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", "Idempotency-Key": id },
      body: JSON.stringify({ from, to, subject, text, html }),
      redirect: "manual", // The key is for this address alone.
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    const { status } = response;
    if (response.ok) return { kind: "accepted" };
    if (status >= 400 && status < 500 && !PASSING.includes(status)) return { kind: "refused", status };
    const seconds = retryAfterSeconds(response.headers.get("retry-after"));
    return { kind: "deferred", status, ...(seconds !== undefined && { retryAfterSeconds: seconds }) };
  } catch {
    return { kind: "deferred" };
  }
}

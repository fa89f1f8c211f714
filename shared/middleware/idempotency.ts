import type { Idempotency } from "../db/records.ts";
import { fieldError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";

/** Reads `Idempotency-Key`, bare or as the quoted string of the IETF draft. @throws ApiError `validation_error` */
export function readIdempotency(exchange: Exchange): Idempotency | undefined {
  const header = exchange.request.headers.get("idempotency-key");
  if (header === null || exchange.fingerprint === undefined) return undefined;
  const key = header.trim().replace(/^"(.*)"$/, "$1");
  if (key.length < 1 || key.length > 255 || !/^[\x20-\x7e]+$/.test(key)) {
    const sentence = "The Idempotency-Key header must be 1 to 255 printable ASCII characters.";
    throw fieldError("validation_error", "Idempotency-Key", sentence);
  }
  return {
    key,
    fingerprint: exchange.fingerprint,
    request_id: exchange.requestId,
    timestamp: exchange.receivedAt.toISOString(),
  };
}

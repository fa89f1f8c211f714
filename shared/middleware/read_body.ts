import { createHash } from "node:crypto";
import { readJsonBody } from "../http/body.ts";
import type { Exchange } from "../http/exchange.ts";

/** Reads the JSON that the route takes, and fingerprints the request for its Idempotency-Key. */
export async function readBody(exchange: Exchange): Promise<void> {
  const { route, request, url } = exchange;
  if (route?.maxBodyBytes === undefined) return;
  const { maxBodyBytes, recordsIn } = route;
  const { text, value } = await readJsonBody(request, { maxBodyBytes, ...(recordsIn && { recordsIn }) });
  exchange.body = value;
  if (request.headers.has("idempotency-key")) {
    const parts = [request.method, route.path, JSON.stringify(exchange.params), url.search, text];
    exchange.fingerprint = createHash("sha256").update(parts.join("\n")).digest("base64url");
  }
}

import { createHash } from "node:crypto";
import { BRIEF_BODY_BYTES, ONE_TURN_BODY_BYTES } from "../bounds.ts";
import { parseJsonBody, receiveBody } from "../http/body.ts";
import type { Exchange } from "../http/exchange.ts";

/** Reads the JSON that the route takes, or its bytes, and fingerprints the request for its Idempotency-Key. */
export async function readBody(exchange: Exchange): Promise<void> {
  const { route, request, url, services, principal, address, version } = exchange;
  if (route === undefined || route.body === null) return;
  const owner = principal?.workspaceId ?? address;
  const upload = services.bodies.upload(owner);
  let bytes: Uint8Array;
  try {
    bytes = await receiveBody(request, route.body.maxBytes, upload);
    exchange.endWork = await services.bodies.work(owner, bytes.byteLength);
  } finally {
    upload.end();
  }
  const { byteLength: length } = bytes;
  if (route.body.isRaw) {
    exchange.body = bytes;
    return;
  }
  if (length > BRIEF_BODY_BYTES) await exchange.turns.begin(owner);
  const turn = async () => {
    if (length > ONE_TURN_BODY_BYTES) await exchange.turns.next(owner);
  };
  const { text, value, isSuspicious } = await parseJsonBody(request, bytes, turn, route.body.recordsIn);
  exchange.body = value;
  exchange.isBodySuspicious = isSuspicious;
  if (request.headers.has("idempotency-key")) {
    const parts = [request.method, version.name, route.path, JSON.stringify(exchange.params), url.search, text];
    exchange.fingerprint = createHash("sha256").update(parts.join("\n")).digest("base64url");
  }
}

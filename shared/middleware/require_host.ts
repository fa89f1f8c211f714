import { fieldError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";

/** A Host header that no URL can be made of is the client's error (RFC 9112 §3.2). */
export function requireHost({ request }: Exchange): void {
  if (URL.canParse(request.url)) return;
  throw fieldError("validation_error", "Host", "The Host header is not valid.");
}

import { ApiError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";

/** A path that leads nowhere is told only to those who may ask: probing needs a key and counts. */
export function requireRoute(exchange: Exchange): void {
  if (exchange.route === undefined) throw exchange.routeError ?? new ApiError("not_found");
}

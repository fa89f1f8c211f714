import type { Exchange } from "../http/exchange.ts";
import { bodiless } from "../http/respond.ts";

/** CORS preflight needs no key and costs nothing. */
export function answerPreflight(exchange: Exchange): Response | undefined {
  if (exchange.request.method !== "OPTIONS") return undefined;
  return bodiless(exchange, 204, {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers":
      exchange.request.headers.get("access-control-request-headers")?.replace(/[^\w, -]/g, "") ??
      "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
  });
}

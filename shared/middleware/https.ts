import type { Exchange } from "../http/exchange.ts";
import { forwardedProtocol } from "../http/forwarded.ts";
import { bodiless } from "../http/respond.ts";

/**
 * Plain http is answered 301 to the same path on https, before anything else is looked at. The
 * platform terminates TLS and says in x-forwarded-proto how the client came; the last proxy's word counts.
 */
export function requireHttps(exchange: Exchange): Response | undefined {
  const {
    services: { config },
    request,
    url,
  } = exchange;
  if (!config.requireHttps || forwardedProtocol(request) !== "http") return undefined;
  // The host is ours, never the Host header's: that one an attacker may choose.
  const base = config.publicApiUrl.replace(/^http:/, "https:");
  return bodiless(exchange, 301, { Location: base + url.pathname.replace(/^\/api/, "") + url.search });
}

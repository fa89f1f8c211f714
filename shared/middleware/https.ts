import { ApiError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";
import { forwardedProtocol } from "../http/forwarded.ts";

/**
 * Plain http is answered 301 to the same path on https, before anything else is looked at. The
 * platform terminates TLS and says in x-forwarded-proto how the client came; the last proxy's word counts.
 */
export function requireHttps(exchange: Exchange): void {
  const {
    services: { config },
    request,
    url,
  } = exchange;
  if (!config.requireHttps || forwardedProtocol(request) !== "http") return;
  // The host is ours, never the Host header's: that one an attacker may choose.
  const base = config.publicApiUrl.replace(/^http:/, "https:");
  const Location = base + url.pathname.replace(/^\/api/, "") + url.search;
  throw new ApiError("https_required", { headers: { Location } });
}

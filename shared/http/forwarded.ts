/**
 * The client's address. Each proxy appends the peer it saw to x-forwarded-for, so the entry of the
 * outermost proxy we run behind is the last one that the client could not write itself.
 */
export function clientAddress(request: Request, trustedProxyHops: number): string {
  const hops = request.headers.get("x-forwarded-for")?.split(",") ?? [];
  const address = trustedProxyHops === 0 ? undefined : (hops.at(-trustedProxyHops) ?? hops[0]);
  return address?.trim().slice(0, 64) || "unknown";
}

/** How the client came, `http` or `https`; undefined where no proxy says. The proxy nearest to us counts. */
export function forwardedProtocol(request: Request): string | undefined {
  return request.headers.get("x-forwarded-proto")?.split(",").at(-1)?.trim().toLowerCase();
}

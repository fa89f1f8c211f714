/**
 * The client's address. Each proxy appends the peer it saw to x-forwarded-for, so the entry of the
 * outermost proxy we run behind is the last one that the client could not write itself.
 */
export function clientAddress(request: Request, trustedProxyHops: number): string {
  const hops = request.headers.get("x-forwarded-for")?.split(",") ?? [];
  const address = trustedProxyHops === 0 ? undefined : hops.at(-trustedProxyHops) ?? hops[0];
  return address?.trim().slice(0, 64) || "unknown";
}

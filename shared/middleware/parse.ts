import type { AuthorizedExchange, Exchange } from "../http/exchange.ts";
import { matchVersions } from "./conditional.ts";
import { readIdempotency } from "./idempotency.ts";

/** Reads what the route says that it takes: its query, its body, its headers. What is wrong with them never reaches it. */
export async function parse(exchange: Exchange): Promise<void> {
  const { route, request } = exchange;
  if (route === undefined) return;
  // authenticate let nobody through without a principal but on public routes, whose queries ask for none.
  const authorized = exchange as AuthorizedExchange;
  const query = await route.query.parse(authorized);
  const body = await route.body?.parse(authorized);
  exchange.given = {
    query,
    body,
    versions: route.takes.includes("If-Match") ? matchVersions(request) : undefined,
    idempotency: route.takes.includes("Idempotency-Key") ? readIdempotency(exchange) : undefined,
  };
}

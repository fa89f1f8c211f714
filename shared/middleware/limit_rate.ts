import { bucketId } from "../auth/principal.ts";
import { ApiError } from "../errors.ts";
import type { Exchange } from "../http/exchange.ts";
import type { RateDecision } from "../limits/limiter.ts";

/** Counts the request in its key's bucket. Runs before every side effect, so a 429 is always safe to retry. */
export async function limitRate(exchange: Exchange): Promise<void> {
  const { principal, session, services } = exchange;
  if (principal !== undefined) exchange.bucket = { plan: principal.plan, id: bucketId(principal) };
  else if (session !== undefined) exchange.bucket = { plan: "standard", id: `user:${session.userId}` };
  else return;
  exchange.decision = await services.limiter.take(exchange.bucket);
  if (!exchange.decision.allowed) throw rateLimitExceeded(exchange.decision);
}

/** The 429; its headers come from the decision like everybody's. */
export function rateLimitExceeded(decision: RateDecision): ApiError {
  return new ApiError("rate_limit_exceeded", {
    details: {
      limit: decision.limit,
      remaining: decision.remaining,
      reset: decision.resetSeconds,
      retry_after: decision.retryAfterSeconds,
    },
  });
}

import type { RateDecision } from "./limiter.ts";
import { LIMITS } from "./plans.ts";

/**
 * The rate-limit headers of a response: `X-RateLimit-*` (Reset in epoch seconds), `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers-11, `t` in seconds from now), and `Retry-After` when denied.
 * `nowSeconds` is when the answer leaves: one that took long must not name a reset that has passed meanwhile.
 */
export function rateHeaders(decision: RateDecision, nowSeconds = 0): Record<string, string> {
  const policies = policiesOf(decision);
  return {
    "X-RateLimit-Limit": String(decision.limit),
    "X-RateLimit-Remaining": String(decision.remaining),
    "X-RateLimit-Reset": String(Math.max(decision.resetSeconds, nowSeconds)),
    "RateLimit-Policy": policies
      .map(({ name, quota, windowSeconds }) => `"${name}";q=${quota};w=${windowSeconds}`)
      .join(", "),
    RateLimit: policies
      .map(({ name, remaining }) => `"${name}";r=${remaining};t=${decision.retryAfterSeconds}`)
      .join(", "),
    ...(decision.allowed ? {} : { "Retry-After": String(decision.retryAfterSeconds) }),
  };
}

function policiesOf({ plan, limit, remaining, available }: RateDecision) {
  const limits = LIMITS[plan];
  const { windowSeconds } = limits;
  if (limits.algorithm === "sliding_window") return [{ name: "default", quota: limit, windowSeconds, remaining }];
  return [
    { name: "sustained", quota: limit, windowSeconds, remaining },
    { name: "burst", quota: limits.capacity, windowSeconds, remaining: available },
  ];
}

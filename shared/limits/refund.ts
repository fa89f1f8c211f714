import type { RateDecision } from "./limiter.ts";
import { LIMITS } from "./plans.ts";

// Redis is asked with a later reading of the clock; the window must not change in between.
const MARGIN_MS = 10;

/**
 * Whether giving back `taken` leaves the bucket at or below its limit: a take of a past window has left that window's
 * count already, and one from a bucket that has since filled up is gone with what spilled over.
 */
export function isRefundable(taken: RateDecision, nowMs: number): boolean {
  const plan = LIMITS[taken.plan];
  if (!taken.allowed) return false;
  const lateMs = nowMs + MARGIN_MS - taken.resetAtMs;
  if (lateMs < 0) return true;
  if (plan.algorithm === "sliding_window") return false;
  const refills = 1 + Math.floor(lateMs / (plan.refillSeconds * 1000));
  return taken.available + refills * plan.refill < plan.capacity;
}

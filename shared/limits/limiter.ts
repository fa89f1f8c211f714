import { type BucketPlan, LIMITS } from "./plans.ts";

/** Whose requests are counted together: `id` is our own UUID of an API key, or a client's address. */
export interface Bucket {
  plan: BucketPlan;
  id: string;
}

/** Whether a request may go on, and what its headers say. */
export interface RateDecision {
  plan: BucketPlan;
  allowed: boolean;
  /** The plan's advertised limit per minute. */
  limit: number;
  /** What is left, from 0 to `limit`. */
  remaining: number;
  /** What would be admitted at once; above `limit` only where the plan allows bursts. */
  available: number;
  /** When the window or step ends, or of a denial when the next request is admitted; epoch milliseconds. */
  resetAtMs: number;
  /** The same in epoch seconds, rounded up, from now to now + 60. */
  resetSeconds: number;
  /** Seconds, 1 to 60, after which a request succeeds. */
  retryAfterSeconds: number;
  /** Where the request was counted; `local` means that Redis doesn't know of it. */
  decidedBy: "redis" | "local";
}

/** Counts requests against their bucket. A denied request isn't counted. */
export interface Limiter {
  /** Takes one request from the bucket. */
  take(bucket: Bucket): Promise<RateDecision> | RateDecision;
  /** Gives back what `taken` took, once, and never above the limit; nothing is said when there is nothing to give back. */
  refund(bucket: Bucket, taken: RateDecision): Promise<RateDecision | undefined> | RateDecision | undefined;
}

/** A decision from what a counter knows: `available` requests are left, and more from `resetAtMs` on. */
export function decide(
  plan: BucketPlan,
  counted: {
    allowed: boolean;
    available: number;
    resetAtMs: number;
    nowMs: number;
    decidedBy: RateDecision["decidedBy"];
  },
): RateDecision {
  const { allowed, resetAtMs, nowMs, decidedBy } = counted;
  const { limit } = LIMITS[plan];
  const available = Math.max(0, counted.available);
  return {
    plan,
    allowed,
    limit,
    remaining: Math.min(limit, available),
    available,
    resetAtMs,
    resetSeconds: within(Math.ceil(nowMs / 1000), Math.ceil(resetAtMs / 1000), Math.floor(nowMs / 1000) + 60),
    // One millisecond more: in the very first of a window the previous one still weighs in full.
    retryAfterSeconds: within(1, Math.ceil((resetAtMs + 1 - nowMs) / 1000), 60),
    decidedBy,
  };
}

function within(min: number, value: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

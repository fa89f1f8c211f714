import { type BucketPlan, LIMITS } from "./plans.ts";
import { SlidingWindowCounter } from "./sliding_window_counter.ts";
import { TokenBucketCounter } from "./token_bucket_counter.ts";

/** The state of one bucket in memory. All times are epoch milliseconds. */
export interface Counter {
  /** How many requests would be admitted now; negative when more were recorded than the limit admits. */
  available(nowMs: number): number;
  /** When the window or step ends. */
  resetAtMs(nowMs: number): number;
  /** When the next request would be admitted. */
  nextSlotAtMs(nowMs: number): number;
  take(nowMs: number): void;
  /** Counts a request that Redis admitted in the window or step that ends at `resetAtMs`. */
  record(nowMs: number, resetAtMs: number): void;
  giveBack(nowMs: number): void;
}

/** A full bucket of the plan, or of `factor` times its quota. */
export function createCounter(plan: BucketPlan, factor = 1): Counter {
  const limits = LIMITS[plan];
  return limits.algorithm === "sliding_window"
    ? new SlidingWindowCounter({ ...limits, limit: limits.limit * factor })
    : new TokenBucketCounter({ ...limits, capacity: limits.capacity * factor, refill: limits.refill * factor });
}

import { type BucketPlan, LIMITS } from "./plans.ts";
import { SlidingWindowCounter } from "./sliding_window_counter.ts";
import { TokenBucketCounter } from "./token_bucket_counter.ts";

/** The state of one bucket in memory. All times are epoch milliseconds. */
export interface Counter {
  /** How many requests would be admitted now; negative when more were recorded than the limit admits. */
  available(nowMs: number): number;
  /** When more becomes available. */
  resetAtMs(nowMs: number): number;
  take(nowMs: number): void;
  /** Counts a request that Redis admitted in the window or step that ends at `resetAtMs`. */
  record(nowMs: number, resetAtMs: number): void;
  giveBack(nowMs: number): void;
}

/** A full bucket of the plan. */
export function createCounter(plan: BucketPlan): Counter {
  const limit = LIMITS[plan];
  return limit.algorithm === "sliding_window" ? new SlidingWindowCounter(limit) : new TokenBucketCounter(limit);
}

/** Admits up to `limit` requests in any window, the previous one's weighted by how much of it is still in view. */
export interface SlidingWindow {
  algorithm: "sliding_window";
  limit: number;
  windowSeconds: number;
}

/** Admits `capacity` requests at once and refills in steps, so that `limit` requests a minute can go on for ever. */
export interface TokenBucket {
  algorithm: "token_bucket";
  /** What the refill sustains per `windowSeconds`; the number that a client is shown. */
  limit: number;
  windowSeconds: number;
  capacity: number;
  refill: number;
  refillSeconds: number;
}

/** The plans that there are to buy. */
export const PLANS = ["standard", "professional", "enterprise"] as const;

/** The plan of a workspace. `benchmark` runs the code of every other plan but its limit can't be reached. */
export type Plan = (typeof PLANS)[number] | "benchmark";

/** What a bucket is filled by: a workspace's plan, or `address` for clients without a valid key. */
export type BucketPlan = Plan | "address";

/** The published numbers (contract §5), and the only place where they stand. */
export const LIMITS: Record<BucketPlan, SlidingWindow | TokenBucket> = {
  standard: { algorithm: "sliding_window", limit: 100, windowSeconds: 60 },
  professional: { algorithm: "sliding_window", limit: 300, windowSeconds: 60 },
  enterprise: {
    algorithm: "token_bucket",
    limit: 500,
    windowSeconds: 60,
    capacity: 1_000,
    refill: 25,
    refillSeconds: 3,
  },
  benchmark: { algorithm: "sliding_window", limit: 1_000_000_000, windowSeconds: 60 },
  address: { algorithm: "sliding_window", limit: 60, windowSeconds: 60 },
};

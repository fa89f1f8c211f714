import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";
import { type Bucket, decide, type Limiter, type RateDecision } from "./limiter.ts";
import { type BucketPlan, LIMITS } from "./plans.ts";
import { isRefundable } from "./refund.ts";
import { createSharedFlight } from "./shared_flight.ts";
import { nextSlotAtMs } from "./sliding_window_counter.ts";

const RETRY_AFTER_MS = 25;

export interface RedisLimiterOptions {
  /** Base URL of the Upstash REST API. */
  url: string;
  token: string;
  /** Start of every key in Redis. */
  prefix?: string;
  /** Gives up on a request after this; 250 when not given. */
  timeoutMs?: number;
  /** How many times a plan's quota is admitted; 1 when not given. */
  factor?: number;
}

/** A limiter whose buckets all processes share. */
export interface RedisLimiter extends Limiter {
  take(bucket: Bucket): Promise<RateDecision>;
  refund(bucket: Bucket, taken: RateDecision): Promise<RateDecision | undefined>;
}

/** Redis answered something that no limiter script answers. */
export class UnusableAnswer extends Error {
  override name = "UnusableAnswer";
}

/**
 * Counts in Redis, in one HTTP round trip; a denial takes a second, for its Retry-After. Rejects when Redis refuses, is
 * unreachable after one retry, or takes longer than `timeoutMs`; the message of such an error may hold the whole
 * command, so it must not be logged.
 */
export function createRedisLimiter({
  url,
  token,
  prefix = "rl",
  timeoutMs = 250,
  factor = 1,
}: RedisLimiterOptions): RedisLimiter {
  const redis = new Redis({
    url,
    token,
    retry: { retries: 1, backoff: () => RETRY_AFTER_MS },
    signal: () => AbortSignal.timeout(timeoutMs),
    enableTelemetry: false,
    readYourWrites: false,
  });
  const board = createSharedFlight();
  const ratelimits = new Map<BucketPlan, Ratelimit>();

  const ratelimitOf = (plan: BucketPlan): Ratelimit => {
    const known = ratelimits.get(plan);
    if (known) return known;
    const ratelimit = new Ratelimit({
      redis,
      limiter: algorithmOf(plan, factor),
      prefix: `${prefix}:${plan}`,
      // The defaults admit everybody after 5 s with a limit of 0, and go on denying whom a slot is free for again.
      timeout: 0,
      ephemeralCache: false,
      analytics: false,
      enableTelemetry: false,
    });
    ratelimits.set(plan, ratelimit);
    return ratelimit;
  };

  /** When a full bucket has a slot again. The script tells only when the window ends, so its counts are looked up. */
  async function nextSlot(plan: BucketPlan, id: string, reset: number): Promise<number> {
    const limits = LIMITS[plan];
    if (limits.algorithm !== "sliding_window") return reset;
    const nowMs = Date.now();
    const windowMs = limits.windowSeconds * 1000;
    const window = Math.floor(nowMs / windowMs);
    const keys = [window, window - 1].map((number) => `${prefix}:${plan}:${id}:${number}`);
    const [current, previous] = await board(() => redis.mget<(number | null)[]>(...keys));
    const counts = { current: Number(current ?? 0), previous: Number(previous ?? 0) };
    return nextSlotAtMs({ limit: limits.limit * factor, windowMs }, counts, nowMs);
  }

  return {
    async take({ plan, id }) {
      const answer = await board(() => ratelimitOf(plan).limit(id));
      if (answer.success) return decisionFrom(plan, answer);
      // A denial stays one: when the counts can't be read, the window's end is what is known.
      const reset = await nextSlot(plan, id, answer.reset).catch(() => answer.reset);
      return decisionFrom(plan, { ...answer, reset });
    },
    async refund({ plan, id }, taken) {
      const answer = await board(async () =>
        isRefundable(taken, Date.now()) ? ratelimitOf(plan).limit(id, { rate: -1 }) : undefined,
      );
      return answer && decisionFrom(plan, answer);
    },
  };
}

function algorithmOf(plan: BucketPlan, factor: number) {
  const limit = LIMITS[plan];
  return limit.algorithm === "sliding_window"
    ? Ratelimit.slidingWindow(limit.limit * factor, `${limit.windowSeconds} s`)
    : Ratelimit.tokenBucket(limit.refill * factor, `${limit.refillSeconds} s`, limit.capacity * factor);
}

function decisionFrom(plan: BucketPlan, answer: { success: boolean; remaining: number; reset: number }): RateDecision {
  const nowMs = Date.now();
  const { success, remaining, reset } = answer;
  const isUsable = Number.isSafeInteger(remaining) && Math.abs(reset - nowMs) < 2 * LIMITS[plan].windowSeconds * 1000;
  if (!isUsable) throw new UnusableAnswer();
  return decide(plan, { allowed: success, available: remaining, resetAtMs: reset, nowMs, decidedBy: "redis" });
}

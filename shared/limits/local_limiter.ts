import { type Counter, createCounter } from "./counter.ts";
import { type Bucket, decide, type Limiter, type RateDecision } from "./limiter.ts";
import { isRefundable } from "./refund.ts";

/** Counts in this process's memory, at once and with no I/O. */
export interface LocalLimiter extends Limiter {
  take(bucket: Bucket): RateDecision;
  refund(bucket: Bucket, taken: RateDecision): RateDecision;
  /** What `take` would decide, at no cost. */
  peek(bucket: Bucket): RateDecision;
  /** Counts a request that Redis admitted, unless this process alone knows of too many already; then it is denied. */
  record(bucket: Bucket, admitted: RateDecision): RateDecision;
}

export interface LocalLimiterOptions {
  /** Epoch milliseconds; the system's clock when not given. */
  now?: () => number;
  /** Above this many buckets the longest unused one is forgotten. */
  maxBuckets?: number;
  /** How many times a plan's quota is admitted; 1 when not given. */
  factor?: number;
}

/** A limiter with the numbers and the arithmetic of the Redis one, for one process. */
export function createLocalLimiter({
  now = Date.now,
  maxBuckets = 10_000,
  factor = 1,
}: LocalLimiterOptions = {}): LocalLimiter {
  const counters = new Map<string, Counter>();
  const keyOf = ({ plan, id }: Bucket) => `${plan}:${id}`;
  const find = (bucket: Bucket) => counters.get(keyOf(bucket)) ?? createCounter(bucket.plan, factor);

  const keep = (bucket: Bucket, counter: Counter) => {
    const key = keyOf(bucket);
    counters.delete(key); // A Map keeps the order of insertion: the first key is the longest unused.
    counters.set(key, counter);
    if (counters.size > maxBuckets) counters.delete(counters.keys().next().value as string);
  };

  const say = ({ plan }: Bucket, counter: Counter, nowMs: number, allowed: boolean): RateDecision =>
    decide(plan, {
      allowed,
      available: counter.available(nowMs),
      resetAtMs: allowed ? counter.resetAtMs(nowMs) : counter.nextSlotAtMs(nowMs),
      nowMs,
      decidedBy: "local",
    });

  return {
    take(bucket) {
      const nowMs = now();
      const counter = find(bucket);
      if (counter.available(nowMs) < 1) return say(bucket, counter, nowMs, false);
      counter.take(nowMs);
      keep(bucket, counter);
      return say(bucket, counter, nowMs, true);
    },
    refund(bucket, taken) {
      const nowMs = now();
      const counter = find(bucket);
      if (isRefundable(taken, nowMs)) counter.giveBack(nowMs);
      return say(bucket, counter, nowMs, true);
    },
    peek(bucket) {
      const nowMs = now();
      const counter = find(bucket);
      return say(bucket, counter, nowMs, counter.available(nowMs) >= 1);
    },
    record(bucket, admitted) {
      const nowMs = now();
      const counter = find(bucket);
      if (counter.available(nowMs) < 1) return say(bucket, counter, nowMs, false);
      counter.record(nowMs, admitted.resetAtMs);
      keep(bucket, counter);
      return say(bucket, counter, nowMs, true);
    },
  };
}

import type { CircuitBreaker } from "./circuit_breaker.ts";
import type { Bucket, Limiter, RateDecision } from "./limiter.ts";
import type { LocalLimiter } from "./local_limiter.ts";
import type { RedisLimiter } from "./redis_limiter.ts";

// The contract allows 300 ms; the rest is for what else a busy process has to do.
const DECISION_BUDGET_MS = 150;

/** A limiter that always decides: it never rejects, and never admits without counting. */
export interface ResilientLimiter extends Limiter {
  take(bucket: Bucket): Promise<RateDecision>;
  refund(bucket: Bucket, taken: RateDecision): Promise<RateDecision>;
}

export interface ResilientLimiterParts {
  redis: RedisLimiter;
  local: LocalLimiter;
  /** Shared by all limiters over the same Redis. */
  breaker: CircuitBreaker;
}

/**
 * Redis decides; when it is slow, down or answers garbage, `local` does within 150 ms, and without asking once the
 * breaker is open. Then each process has the plan's quota to itself: limits hold per process, not across them.
 *
 * `local` also records what Redis admitted, which makes it a lower bound of what is used: an outage starts with the
 * counts of this process instead of a fresh quota, a Redis that comes back empty can't hand one out either, and a
 * bucket that this process alone has filled is denied without asking.
 */
export function createResilientLimiter({ redis, local, breaker }: ResilientLimiterParts): ResilientLimiter {
  /** The answer of Redis in time; undefined when there is none, which the breaker counts. */
  const ask = async <T>(question: Promise<T>): Promise<{ answer: T } | undefined> => {
    try {
      const answer = await inTime(question);
      breaker.succeeded();
      return { answer };
    } catch {
      breaker.failed();
      return undefined;
    }
  };

  return {
    async take(bucket) {
      const own = local.peek(bucket);
      if (!own.allowed) return own;
      if (breaker.isOpen()) {
        // The probe is this request, counted in Redis too if that is back; nobody waits for it.
        if (breaker.isProbeDue()) void ask(redis.take(bucket));
        return local.take(bucket);
      }
      const asked = await ask(redis.take(bucket));
      if (asked === undefined) return local.take(bucket);
      return asked.answer.allowed ? stricter(asked.answer, local.record(bucket, asked.answer)) : asked.answer;
    },
    async refund(bucket, taken) {
      const own = local.refund(bucket, taken);
      if (taken.decidedBy === "local" || breaker.isOpen()) return own;
      const asked = await ask(redis.refund(bucket, taken));
      return asked?.answer ? stricter(asked.answer, own) : own;
    },
  };
}

/** After an outage this process may know of more requests than Redis does. */
function stricter(redis: RateDecision, own: RateDecision): RateDecision {
  return own.available < redis.available ? { ...own, decidedBy: redis.decidedBy } : redis;
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("timeout")), DECISION_BUDGET_MS);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

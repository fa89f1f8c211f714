import { type AddressLimiter, createAddressLimiter } from "./address_limiter.ts";
import { createCircuitBreaker } from "./circuit_breaker.ts";
import { createLocalLimiter } from "./local_limiter.ts";
import { createRedisLimiter, type RedisLimiterOptions } from "./redis_limiter.ts";
import { createResilientLimiter, type ResilientLimiter } from "./resilient_limiter.ts";

export interface LimitersOptions extends RedisLimiterOptions {
  /** Told once when Redis is given up and once when it is back. */
  log: (level: "warn" | "info", event: string, fields: Record<string, unknown>) => void;
}

/** How many answers 304 of a key cost nothing: asking again and again has an end. */
const FREE_UNCHANGED_FACTOR = 10;

/**
 * The limiters of this process: `keys` for requests with a valid key, `addresses` for all others, `refunds` for the
 * answers that cost a key nothing.
 */
export function createLimiters({ log, ...options }: LimitersOptions): {
  keys: ResilientLimiter;
  addresses: AddressLimiter;
  refunds: ResilientLimiter;
} {
  const redis = createRedisLimiter(options);
  const breaker = createCircuitBreaker({
    onChange({ state, calls, failures, openMs }) {
      if (state === "open") log("warn", "rate_limiter_degraded", { limiter: "local", calls, failures });
      else log("info", "rate_limiter_recovered", { limiter: "redis", open_ms: openMs });
    },
  });
  // Apart from each other, so that a flood of addresses can't push the buckets of customers out of memory.
  const keys = createResilientLimiter({ redis, local: createLocalLimiter(), breaker });
  const local = createLocalLimiter();
  const addresses = createAddressLimiter({ limiter: createResilientLimiter({ redis, local, breaker }), local });
  const free = { factor: FREE_UNCHANGED_FACTOR };
  const refunds = createResilientLimiter({
    redis: createRedisLimiter({ ...options, prefix: `${options.prefix ?? "rl"}:refund`, ...free }),
    local: createLocalLimiter(free),
    breaker,
  });
  return { keys, addresses, refunds };
}

import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RunningProcess, startEndpoint, startRedis, TOKEN } from "./harness/processes.ts";

// A moment within a window, so that advancing by seconds crosses its end.
const START = Date.UTC(2026, 2, 21, 10, 30, 41, 250);

const ALGORITHMS = {
  "slidingWindow (native)": Ratelimit.slidingWindow(10, "20 s"),
  "tokenBucket (native)": Ratelimit.tokenBucket(3, "2 s", 12),
  "fixedWindow (Lua)": Ratelimit.fixedWindow(5, "10 s"),
};

/** Milliseconds to advance before each call, and what the call costs; a refund is −1. */
const STEPS: [number, number][] = [
  ...Array.from({ length: 14 }, () => [37, 1] as [number, number]),
  [0, -1],
  [0, 1],
  [0, 1],
  [1_999, 1],
  [1, 1],
  [1, 3],
  [500, 2],
  [6_000, 1],
  [0, 20],
  [11_111, 1],
  [20_000, -1],
  ...Array.from({ length: 15 }, () => [333, 1] as [number, number]),
  [41_000, 1],
  [7, 4],
];

describe("the Redis in memory answers like the real one", () => {
  let real: RunningProcess;
  let inFront: RunningProcess;
  let inMemory: RunningProcess;

  beforeAll(async () => {
    real = await startRedis();
    [inFront, inMemory] = await Promise.all([startEndpoint(real.url), startEndpoint()]);
    vi.useFakeTimers({ toFake: ["Date"] });
  });
  afterAll(async () => {
    vi.useRealTimers();
    await Promise.all([inFront, inMemory, real].map((process) => process.stop()));
  });

  for (const [name, limiter] of Object.entries(ALGORITHMS)) {
    test(`${name}: every success, remaining and reset of one sequence, and what is left in the keys`, async () => {
      vi.setSystemTime(START);
      const both = [inFront, inMemory].map(({ url }) => {
        const redis = new Redis({ url, token: TOKEN, enableTelemetry: false });
        return {
          redis,
          ratelimit: new Ratelimit({
            redis,
            limiter,
            prefix: name,
            timeout: 0,
            ephemeralCache: false,
            enableTelemetry: false,
          }),
        };
      });
      for (const [advanceMs, rate] of STEPS) {
        vi.setSystemTime(Date.now() + advanceMs);
        const [expected, actual] = await Promise.all(
          both.map(async ({ ratelimit }) => {
            const { success, remaining, reset, limit } = await ratelimit.limit("id", { rate });
            return { success, remaining, reset, limit };
          }),
        );
        expect(actual).toEqual(expected);
      }
      const [expected, actual] = await Promise.all(both.map(({ redis }) => dump(redis, `${name}:*`)));
      expect(expected).not.toEqual({});
      expect(actual).toEqual(expected);
    });
  }
});

async function dump(redis: Redis, pattern: string): Promise<Record<string, unknown>> {
  const keys = (await redis.keys(pattern)).sort();
  const entries = keys.map(async (key) => {
    const value = (await redis.type(key)) === "hash" ? await redis.hgetall(key) : await redis.get(key);
    return [key, { value, expires: (await redis.ttl(key)) > 0 }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

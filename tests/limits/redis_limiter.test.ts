import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Bucket } from "../../shared/limits/limiter.ts";
import type { BucketPlan } from "../../shared/limits/plans.ts";
import { createRedisLimiter, type RedisLimiter } from "../../shared/limits/redis_limiter.ts";
import { BACKENDS, type RunningProcess, startEndpoint, startRedis, TOKEN } from "./harness/processes.ts";

const MINUTE_MS = 60_000;
const MINUTE = Date.UTC(2026, 2, 21, 10, 30);

for (const kind of BACKENDS) {
  describe(`limits over ${kind}`, () => {
    let redis: RunningProcess | undefined;
    let endpoint: RunningProcess;
    let limiter: RedisLimiter;
    let bucket: (plan: BucketPlan) => Bucket;

    beforeAll(async () => {
      redis = kind === "redis" ? await startRedis() : undefined;
      endpoint = await startEndpoint(redis?.url);
      limiter = createRedisLimiter({ url: endpoint.url, token: TOKEN, timeoutMs: 5_000 });
    });
    afterAll(async () => {
      await endpoint?.stop();
      await redis?.stop();
    });
    beforeEach(() => {
      const id = randomUUID();
      bucket = (plan) => ({ plan, id });
      vi.useFakeTimers({ toFake: ["Date"], now: MINUTE + 5_000 });
    });
    afterEach(() => void vi.useRealTimers());

    const takeMany = (count: number, from: Bucket) =>
      Promise.all(Array.from({ length: count }, () => limiter.take(from)));

    test.each([
      ["standard", 100],
      ["professional", 300],
      ["address", 60],
    ] as const)("%s admits %i a minute and denies the next", async (plan, limit) => {
      const decisions = await takeMany(limit, bucket(plan));
      expect(decisions.every(({ allowed }) => allowed)).toBe(true);
      // Each number once; in which order the answers of one instant come isn't promised.
      expect(decisions.map(({ remaining }) => remaining).sort((a, b) => a - b)).toEqual(
        Array.from({ length: limit }, (_, i) => i),
      );
      expect(await limiter.take(bucket(plan))).toEqual({
        plan,
        allowed: false,
        limit,
        remaining: 0,
        available: 0,
        decidedBy: "redis",
        resetAtMs: MINUTE + MINUTE_MS,
        resetSeconds: MINUTE / 1000 + 60,
        retryAfterSeconds: 56,
      });
    });

    test("exactly 100 of 300 parallel requests at limit 100", async () => {
      const decisions = await takeMany(300, bucket("standard"));
      expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(100);
    });

    test("a denied request costs nothing, and after Retry-After one succeeds", async () => {
      await takeMany(150, bucket("standard"));
      const denied = await limiter.take(bucket("standard"));
      vi.setSystemTime(Date.now() + denied.retryAfterSeconds * 1000);
      expect((await limiter.take(bucket("standard"))).allowed).toBe(true);
    });

    test("enterprise: a burst of 1,000 is admitted, Remaining stays at 500 until 500 are left", async () => {
      const decisions = (await takeMany(1_001, bucket("enterprise"))).sort(
        (a, b) => Number(b.allowed) - Number(a.allowed) || b.available - a.available,
      );
      expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(1_000);
      expect(decisions[0]).toMatchObject({ limit: 500, remaining: 500, available: 999 });
      expect(decisions[499]).toMatchObject({ remaining: 500, available: 500 });
      expect(decisions[500]).toMatchObject({ remaining: 499, available: 499 });
      expect(decisions[1_000]).toMatchObject({
        allowed: false,
        limit: 500,
        remaining: 0,
        retryAfterSeconds: expect.any(Number),
      });
      expect(decisions[1_000]?.retryAfterSeconds).toBeLessThanOrEqual(4);
    });

    test("enterprise: 25 more every 3 s", async () => {
      await takeMany(1_000, bucket("enterprise"));
      vi.setSystemTime(Date.now() + 3_000);
      expect((await takeMany(30, bucket("enterprise"))).filter(({ allowed }) => allowed)).toHaveLength(25);
    });

    test("benchmark: the limit can't be reached", async () => {
      expect(await limiter.take(bucket("benchmark"))).toMatchObject({
        allowed: true,
        limit: 1_000_000_000,
        remaining: 999_999_999,
      });
    });

    test("a refund makes room for exactly one more", async () => {
      const taken = await limiter.take(bucket("standard"));
      await takeMany(99, bucket("standard"));
      expect(await limiter.refund(bucket("standard"), taken)).toMatchObject({ remaining: 1 });
      expect((await takeMany(3, bucket("standard"))).filter(({ allowed }) => allowed)).toHaveLength(1);
    });

    test("a refund never lifts a bucket above its limit", async () => {
      const sliding = await limiter.take(bucket("standard"));
      const burst = await limiter.take(bucket("enterprise"));
      // By now the window has ended, and the token bucket has filled up by itself.
      vi.setSystemTime(MINUTE + 1.5 * MINUTE_MS);
      await limiter.refund(bucket("standard"), sliding);
      await limiter.refund(bucket("enterprise"), burst);
      expect(await limiter.take(bucket("standard"))).toMatchObject({ remaining: 99 });
      expect(await limiter.take(bucket("enterprise"))).toMatchObject({ available: 999 });
    });

    test("ten times the plan's quota, when it is asked for, is that over all processes together", async () => {
      const options = { url: endpoint.url, token: TOKEN, timeoutMs: 5_000, prefix: "rl:refund", factor: 10 };
      const processes = [createRedisLimiter(options), createRedisLimiter(options)];
      const id = randomUUID();
      const asked = Array.from({ length: 1_100 }, (_, n) => processes[n % 2]?.take({ plan: "standard", id }));
      const decisions = await Promise.all(asked);
      expect(decisions.filter((decision) => decision?.allowed)).toHaveLength(1_000);
      expect(await limiter.take({ plan: "standard", id })).toMatchObject({ remaining: 99 });
    });

    test("plans and ids have buckets of their own", async () => {
      await takeMany(5, bucket("standard"));
      expect(await limiter.take(bucket("professional"))).toMatchObject({ remaining: 299 });
      expect(await limiter.take({ plan: "standard", id: randomUUID() })).toMatchObject({ remaining: 99 });
    });
  });
}

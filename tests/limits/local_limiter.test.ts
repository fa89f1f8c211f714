import { beforeEach, describe, expect, test } from "vitest";
import type { Bucket, RateDecision } from "../../shared/limits/limiter.ts";
import { createLocalLimiter, type LocalLimiter } from "../../shared/limits/local_limiter.ts";

const MINUTE_MS = 60_000;
const MINUTE = Date.UTC(2026, 2, 21, 10, 30);
const standard: Bucket = { plan: "standard", id: "a" };
const enterprise: Bucket = { plan: "enterprise", id: "a" };

let nowMs: number;
let limiter: LocalLimiter;

beforeEach(() => {
  nowMs = MINUTE;
  limiter = createLocalLimiter({ now: () => nowMs });
});

const takeMany = (count: number, bucket: Bucket): RateDecision[] =>
  Array.from({ length: count }, () => limiter.take(bucket));
const takeAll = (bucket: Bucket): RateDecision => {
  let decision = limiter.take(bucket);
  while (decision.allowed) decision = limiter.take(bucket);
  return decision;
};
const admitted = (decisions: RateDecision[]) => decisions.filter(({ allowed }) => allowed).length;

describe("sliding window in memory", () => {
  test.each([
    ["standard", 100],
    ["professional", 300],
    ["address", 60],
  ] as const)("%s admits %i an aligned minute", (plan, limit) => {
    expect(admitted(takeMany(limit + 50, { plan, id: "a" }))).toBe(limit);
  });

  test("the previous window weighs by how much of it is still in view", () => {
    takeMany(100, standard);
    nowMs = MINUTE + 1.5 * MINUTE_MS;
    expect(limiter.peek(standard).remaining).toBe(50);
    expect(admitted(takeMany(100, standard))).toBe(50);
  });

  test("after two idle windows it is full again", () => {
    takeMany(100, standard);
    nowMs += 2 * MINUTE_MS;
    expect(limiter.peek(standard)).toMatchObject({ allowed: true, remaining: 100 });
  });

  test("after Retry-After one request succeeds, at whatever millisecond the denial came", () => {
    for (const offsetMs of [0, 1, 999, 1_000, 30_500, 59_999]) {
      const bucket: Bucket = { plan: "standard", id: `at ${offsetMs}` };
      nowMs = MINUTE + offsetMs;
      const denied = takeAll(bucket);
      expect(denied).toMatchObject({ allowed: false, remaining: 0 });
      expect(denied.retryAfterSeconds).toBeGreaterThanOrEqual(1);
      expect(denied.retryAfterSeconds).toBeLessThanOrEqual(60);
      nowMs += denied.retryAfterSeconds * 1000;
      // At exactly one window later, the earlier 100 weigh in full for one more millisecond.
      if (offsetMs === 0) nowMs += 1;
      expect(limiter.take(bucket).allowed).toBe(true);
    }
  });
});

describe("token bucket in memory", () => {
  test("1,000 at once, then 25 every 3 s, and 500 in each further minute", () => {
    expect(admitted(takeMany(1_100, enterprise))).toBe(1_000);
    nowMs += 2_999;
    expect(admitted(takeMany(10, enterprise))).toBe(0);
    nowMs += 1;
    expect(admitted(takeMany(100, enterprise))).toBe(25);
    let sustained = 0;
    for (let step = 0; step < 20; step++) {
      nowMs += 3_000;
      sustained += admitted(takeMany(100, enterprise));
    }
    expect(sustained).toBe(500);
  });

  test("it never holds more than 1,000", () => {
    limiter.take(enterprise);
    nowMs += 10 * MINUTE_MS;
    expect(limiter.peek(enterprise)).toMatchObject({ available: 1_000, remaining: 500 });
  });
});

describe("every decision", () => {
  test("has whole numbers: Remaining from 0 to the limit, Reset from now to now + 60, Retry-After from 1 to 60", () => {
    for (const plan of ["standard", "professional", "enterprise", "benchmark", "address"] as const) {
      for (let i = 0; i < 1_200; i++) {
        nowMs += i % 7;
        const decision = limiter.take({ plan, id: "a" });
        for (const value of [decision.limit, decision.remaining, decision.resetSeconds, decision.retryAfterSeconds]) {
          expect(Number.isSafeInteger(value)).toBe(true);
        }
        expect(decision.remaining).toBeGreaterThanOrEqual(0);
        expect(decision.remaining).toBeLessThanOrEqual(decision.limit);
        expect(decision.resetSeconds).toBeGreaterThanOrEqual(Math.floor(nowMs / 1000));
        expect(decision.resetSeconds).toBeLessThanOrEqual(Math.floor(nowMs / 1000) + 60);
        expect(decision.retryAfterSeconds).toBeGreaterThanOrEqual(1);
        expect(decision.retryAfterSeconds).toBeLessThanOrEqual(60);
      }
    }
  });

  test("is unchanged by a peek", () => {
    takeMany(3, standard);
    for (let i = 0; i < 10; i++) limiter.peek(standard);
    expect(limiter.take(standard).remaining).toBe(96);
  });
});

describe("refund in memory", () => {
  test("gives one back, once taken", () => {
    const taken = limiter.take(standard);
    takeAll(standard);
    expect(limiter.refund(standard, taken).remaining).toBe(1);
    expect(admitted(takeMany(5, standard))).toBe(1);
  });

  test("of a denied request or of a past window gives nothing", () => {
    const taken = limiter.take(standard);
    const denied = takeAll(standard);
    expect(limiter.refund(standard, denied).remaining).toBe(0);
    nowMs += 2 * MINUTE_MS;
    expect(limiter.refund(standard, taken).remaining).toBe(100);
    expect(limiter.take(standard).remaining).toBe(99);
  });

  test("never fills a token bucket above its capacity", () => {
    const taken = limiter.take(enterprise);
    nowMs += 3_000;
    expect(limiter.refund(enterprise, taken).available).toBe(1_000);
  });
});

describe("memory is bounded", () => {
  test("beyond the maximum the longest unused bucket is forgotten, not the busiest", () => {
    limiter = createLocalLimiter({ now: () => nowMs, maxBuckets: 3 });
    const bucket = (id: string): Bucket => ({ plan: "standard", id });
    for (const id of ["busy", "idle", "c", "busy", "d"]) limiter.take(bucket(id));
    expect(limiter.peek(bucket("busy")).remaining).toBe(98);
    expect(limiter.peek(bucket("idle")).remaining).toBe(100);
  });
});

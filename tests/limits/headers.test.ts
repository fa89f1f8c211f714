import { expect, test } from "vitest";
import { rateHeaders } from "../../shared/limits/headers.ts";
import { decide } from "../../shared/limits/limiter.ts";

const NOW_MS = Date.UTC(2026, 2, 21, 10, 30, 12, 345);
const END_OF_MINUTE_MS = Date.UTC(2026, 2, 21, 10, 31);

test("an admitted request of a sliding window", () => {
  const decision = decide("standard", {
    allowed: true,
    available: 42,
    resetAtMs: END_OF_MINUTE_MS,
    nowMs: NOW_MS,
    decidedBy: "redis",
  });
  expect(rateHeaders(decision)).toEqual({
    "X-RateLimit-Limit": "100",
    "X-RateLimit-Remaining": "42",
    "X-RateLimit-Reset": String(END_OF_MINUTE_MS / 1000),
    "RateLimit-Policy": '"default";q=100;w=60',
    RateLimit: '"default";r=42;t=48',
  });
});

test("a denied request also has Retry-After, the same seconds as t", () => {
  const decision = decide("professional", {
    allowed: false,
    available: 0,
    resetAtMs: END_OF_MINUTE_MS,
    nowMs: NOW_MS,
    decidedBy: "local",
  });
  expect(rateHeaders(decision)).toMatchObject({
    "X-RateLimit-Remaining": "0",
    RateLimit: '"default";r=0;t=48',
    "Retry-After": "48",
  });
});

test("enterprise shows 500 at most, and both of its policies", () => {
  const decision = decide("enterprise", {
    allowed: true,
    available: 999,
    resetAtMs: NOW_MS + 3_000,
    nowMs: NOW_MS,
    decidedBy: "redis",
  });
  expect(rateHeaders(decision)).toMatchObject({
    "X-RateLimit-Limit": "500",
    "X-RateLimit-Remaining": "500",
    "RateLimit-Policy": '"sustained";q=500;w=60, "burst";q=1000;w=60',
    RateLimit: '"sustained";r=500;t=4, "burst";r=999;t=4',
  });
});

test("Reset and Retry-After stay within a minute whatever a counter says", () => {
  for (const resetAtMs of [0, NOW_MS - 5_000, NOW_MS, NOW_MS + 3_600_000]) {
    const decision = decide("standard", {
      allowed: false,
      available: -3,
      resetAtMs,
      nowMs: NOW_MS,
      decidedBy: "local",
    });
    const headers = rateHeaders(decision);
    expect(Number(headers["X-RateLimit-Remaining"])).toBe(0);
    expect(Number(headers["X-RateLimit-Reset"])).toBeGreaterThanOrEqual(Math.floor(NOW_MS / 1000));
    expect(Number(headers["X-RateLimit-Reset"])).toBeLessThanOrEqual(Math.floor(NOW_MS / 1000) + 60);
    expect(Number(headers["Retry-After"])).toBeGreaterThanOrEqual(1);
    expect(Number(headers["Retry-After"])).toBeLessThanOrEqual(60);
  }
});

import { describe, expect, test } from "vitest";
import type { Bucket } from "../../shared/limits/limiter.ts";
import { createLocalLimiter } from "../../shared/limits/local_limiter.ts";

const MINUTES = 5;

/** How many requests a client gets in each minute that sends until it is denied and then waits as it is told. */
function admittedByMinute(plan: Bucket["plan"], startMs: number, wait: "Retry-After" | "X-RateLimit-Reset"): number[] {
  let nowMs = startMs;
  const limiter = createLocalLimiter({ now: () => nowMs });
  const admitted = Array.from({ length: MINUTES }, () => 0);
  const bucket = { plan, id: "client" };
  let wasDenied = false;
  while (nowMs - startMs < MINUTES * 60_000) {
    const { allowed, retryAfterSeconds, resetSeconds } = limiter.take(bucket);
    expect(allowed || !wasDenied, "after the wait a request succeeds").toBe(true);
    wasDenied = !allowed;
    if (allowed) {
      const minute = Math.floor((nowMs - startMs) / 60_000);
      admitted[minute] = (admitted[minute] ?? 0) + 1;
      continue;
    }
    expect(retryAfterSeconds).toBeGreaterThanOrEqual(1);
    expect(retryAfterSeconds).toBeLessThanOrEqual(60);
    nowMs = wait === "Retry-After" ? nowMs + retryAfterSeconds * 1000 : Math.max(nowMs + 1, resetSeconds * 1000);
    if (wait !== "Retry-After") wasDenied = false;
  }
  return admitted;
}

describe.each(["Retry-After", "X-RateLimit-Reset"] as const)(
  "a client that waits for %s gets the whole plan",
  (wait) => {
    test.each([
      ["standard", 100, 2],
      ["standard", 100, 17_345],
      ["standard", 100, 59_500],
      ["professional", 300, 2],
      ["professional", 300, 31_001],
      ["enterprise", 500, 2],
      ["enterprise", 500, 44_444],
    ] as const)("%s: %i in each minute, begun %i ms into one", (plan, limit, offsetMs) => {
      const [, ...later] = admittedByMinute(plan, Math.ceil(Date.now() / 60_000) * 60_000 + offsetMs, wait);
      for (const count of later) {
        expect(count, JSON.stringify(later)).toBeGreaterThanOrEqual(limit * 0.95);
        expect(count, JSON.stringify(later)).toBeLessThanOrEqual(limit * 1.05);
      }
    });
  },
);

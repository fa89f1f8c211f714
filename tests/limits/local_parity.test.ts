import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { RateDecision } from "../../shared/limits/limiter.ts";
import { createLocalLimiter } from "../../shared/limits/local_limiter.ts";
import type { BucketPlan } from "../../shared/limits/plans.ts";
import { createRedisLimiter } from "../../shared/limits/redis_limiter.ts";
import { BACKENDS, type RunningProcess, startEndpoint, startRedis, TOKEN } from "./harness/processes.ts";

const START = Date.UTC(2026, 2, 21, 10, 30, 20, 123);

let redis: RunningProcess | undefined;
let endpoint: RunningProcess;

beforeAll(async () => {
  redis = BACKENDS[0] === "redis" ? await startRedis() : undefined;
  endpoint = await startEndpoint(redis?.url);
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterAll(async () => {
  vi.useRealTimers();
  await endpoint?.stop();
  await redis?.stop();
});

// Takes come in blocks, so that limits are reached; the pauses cross windows and refills. The token bucket's pauses
// stay below what refills it, because a full one expires in Redis by Redis' own clock.
const steps = (maxPauseMs: number) =>
  fc.array(
    fc.record({
      pauseMs: fc.integer({ min: 0, max: maxPauseMs }),
      takes: fc.integer({ min: 1, max: 60 }),
      refunds: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 3, maxLength: 8 },
  );

test.each([
  ["standard", 0, 25_000],
  ["professional", 200, 70_000],
  ["address", 0, 130_000],
  ["enterprise", 700, 2_900],
] as const)(
  "%s: the local limiter and Redis decide alike over random takes, pauses and refunds",
  async (plan, firstTakes, maxPauseMs) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(steps(maxPauseMs), async (sequence) => {
        vi.setSystemTime(START);
        const both = [
          createRedisLimiter({ url: endpoint.url, token: TOKEN, timeoutMs: 5_000, prefix: `parity${run++}` }),
          createLocalLimiter({ now: () => Date.now() }),
        ];
        const bucket = { plan: plan as BucketPlan, id: "id" };
        const decide = async (takes: number, refunds: number) => {
          const [remote, local] = await Promise.all(
            both.map(async (limiter) => {
              const taken = await Promise.all(Array.from({ length: takes }, () => limiter.take(bucket)));
              const given = await Promise.all(
                taken
                  .slice(0, refunds)
                  .filter(({ allowed }) => allowed)
                  .map((decision) => limiter.refund(bucket, decision)),
              );
              return [...taken, ...given].map(comparable);
            }),
          );
          expect(local).toEqual(remote);
        };
        await decide(firstTakes, 0);
        for (const { pauseMs, takes, refunds } of sequence) {
          vi.setSystemTime(Date.now() + pauseMs);
          await decide(takes, refunds);
        }
      }),
      { numRuns: 8 },
    );
  },
);

function comparable(decision: RateDecision | undefined) {
  return decision && { ...decision, decidedBy: undefined };
}

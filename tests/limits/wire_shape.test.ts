import { afterAll, beforeAll, expect, test } from "vitest";
import { NATIVE_SCRIPTS } from "../../scripts/stack/upstash/native_scripts.ts";
import { createRedisLimiter } from "../../shared/limits/redis_limiter.ts";
import { type RunningProcess, startEndpoint, TOKEN } from "./harness/processes.ts";
import { type RecordingProxy, startRecordingProxy } from "./harness/recording_proxy.ts";

// What @upstash/ratelimit 2.2.0 and @upstash/redis 1.39.0 send. When a new version fails here: look at its scripts, bring
// native_scripts.ts in line, and only then change these lines.
const SLIDING_WINDOW_SHA = "74740bb3d7792848093cdef586b6b6037c455fd6";
const TOKEN_BUCKET_SHA = "d60be5bd3d83482ae229309f1f7425424f891204";

let endpoint: RunningProcess;
let proxy: RecordingProxy;

beforeAll(async () => {
  endpoint = await startEndpoint();
  proxy = await startRecordingProxy(endpoint.url);
});
afterAll(async () => {
  await proxy?.close();
  await endpoint?.stop();
});

/** All commands of all recorded pipelines, in order. */
const sentCommands = () => proxy.requests.flatMap(({ body }) => body as (string | number)[][]);

test("the first take of a script sends EVALSHA, then EVAL; every later take is one request", async () => {
  const limiter = createRedisLimiter({ url: proxy.url, token: TOKEN, timeoutMs: 5_000 });
  await limiter.take({ plan: "standard", id: "first" });
  expect(sentCommands().map(([name]) => name)).toEqual(["evalsha", "eval"]);
  proxy.requests.length = 0;
  for (let i = 0; i < 5; i++) await limiter.take({ plan: "standard", id: "first" });
  expect(proxy.requests).toHaveLength(5);
});

test("a sliding window is POST /pipeline with EVALSHA, two keys, and limit, now, window, cost", async () => {
  const limiter = createRedisLimiter({ url: proxy.url, token: TOKEN, timeoutMs: 5_000, prefix: "pre" });
  await limiter.take({ plan: "standard", id: "warm" });
  proxy.requests.length = 0;
  await limiter.take({ plan: "standard", id: "id" });
  expect(proxy.requests).toMatchObject([{ method: "POST", path: "/pipeline" }]);
  const headers = proxy.requests[0]?.headers ?? {};
  expect(headers).toMatchObject({
    authorization: `Bearer ${TOKEN}`,
    "content-type": "application/json",
    "upstash-encoding": "base64",
  });
  expect(Object.keys(headers).filter((name) => name.startsWith("upstash-telemetry"))).toEqual([]);
  const [name, sha, keyCount, current, previous, limit, now, window, cost] = sentCommands()[0] ?? [];
  expect([name, sha, keyCount, limit, window, cost]).toEqual(["evalsha", SLIDING_WINDOW_SHA, 2, 100, 60_000, 1]);
  const windowNumber = Math.floor(Number(now) / 60_000);
  expect([current, previous]).toEqual([`pre:standard:id:${windowNumber}`, `pre:standard:id:${windowNumber - 1}`]);
  expect(Math.abs(Date.now() - Number(now))).toBeLessThan(1_000);
});

test("the token bucket is EVALSHA with one key, and capacity, interval, refill, now, cost; a refund costs -1", async () => {
  const limiter = createRedisLimiter({ url: proxy.url, token: TOKEN, timeoutMs: 5_000, prefix: "pre" });
  await limiter.take({ plan: "enterprise", id: "warm" });
  proxy.requests.length = 0;
  const taken = await limiter.take({ plan: "enterprise", id: "id" });
  await limiter.refund({ plan: "enterprise", id: "id" }, taken);
  const common = ["evalsha", TOKEN_BUCKET_SHA, 1, "pre:enterprise:id", 1_000, 3_000, 25, expect.any(Number)];
  expect(sentCommands()).toEqual([
    [...common, 1],
    [...common, -1],
  ]);
});

test("the scripts that are sent are the ones that the stack runs natively", () => {
  expect(Object.keys(NATIVE_SCRIPTS).sort()).toEqual([SLIDING_WINDOW_SHA, TOKEN_BUCKET_SHA].sort());
});

test("takes of one tick share a request, and those that come while two are under way share the next", async () => {
  const limiter = createRedisLimiter({ url: proxy.url, token: TOKEN, timeoutMs: 5_000 });
  await limiter.take({ plan: "benchmark", id: "x" });
  proxy.requests.length = 0;
  await Promise.all(Array.from({ length: 50 }, () => limiter.take({ plan: "benchmark", id: "x" })));
  expect(proxy.requests).toHaveLength(1);
  proxy.requests.length = 0;
  const late = Array.from({ length: 20 }, (_, tick) =>
    Promise.resolve().then(async () => {
      for (let i = 0; i < tick * 10; i++) await undefined;
      return limiter.take({ plan: "benchmark", id: "x" });
    }),
  );
  await Promise.all(late);
  expect(proxy.requests.length).toBeLessThanOrEqual(4);
  expect(sentCommands()).toHaveLength(20);
});

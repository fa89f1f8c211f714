import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { stack, startAnotherFunction } from "../harness/stack.ts";
import { createWorkspace } from "../harness/workspace.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../limits/harness/fault_proxy.ts";

const FAULTS: Fault[] = ["refused", "hung", "bad_gateway", "unauthorized", "nonsense"];
const STANDARD_LIMIT = 100;
const MAX_ADDED_MS = 300;

let proxy: FaultProxy;
let api: Awaited<ReturnType<typeof startAnotherFunction>>;

beforeAll(async () => {
  proxy = await startFaultProxy(stack().upstashUrl);
  api = await startAnotherFunction({ UPSTASH_REDIS_REST_URL: proxy.url });
});

afterAll(async () => {
  await api?.stop();
  await proxy?.close();
});

describe.each(FAULTS)("Redis: %s", (fault) => {
  test("no request fails, limits hold, headers are real, and the answer is late by less than 300 ms", async () => {
    await proxy.set("none");
    await untilMinuteHasSeconds(10);
    const busy = await clientOf("benchmark");
    const limited = await clientOf("standard");
    await untilDecidedByRedis(busy);
    const before = await timed(busy, 30);
    // Admitted before the outage, which must not hand out a fresh quota.
    for (let i = 0; i < 19; i++) expect((await limited.get("/contacts?limit=1")).status).toBe(200);

    await proxy.set(fault);
    // The first five are those that find out, so the added time is theirs; then the breaker is open.
    const firsts = await timed(busy, 5);
    const during = await timed(busy, 30);
    expect([...before, ...firsts, ...during].map(({ status }) => status)).toEqual(Array(65).fill(200));
    const usualMs = median(before.map(({ ms }) => ms));
    for (const { ms } of firsts) expect(ms - usualMs).toBeLessThan(MAX_ADDED_MS);
    expect(median(during.map(({ ms }) => ms)) - usualMs).toBeLessThan(MAX_ADDED_MS);

    const answers = await Promise.all(
      Array.from({ length: STANDARD_LIMIT + 20 }, () => limited.get("/contacts?limit=1")),
    );
    const admitted = answers.filter(({ status }) => status === 200);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect(admitted).toHaveLength(STANDARD_LIMIT - 20);
    for (const { status, headers, error } of answers) {
      // That limit, reset and the RateLimit pair are there and never zero is checked for every answer by the client.
      expect(headers.get("x-ratelimit-limit")).toBe(String(STANDARD_LIMIT));
      if (status === 429) expect(error.code).toBe("rate_limit_exceeded");
    }
  });

  test("Redis decides again within seconds of its return, and what it did not see still counts", async () => {
    await proxy.set("none");
    await untilMinuteHasSeconds(10);
    const limited = await clientOf("standard");
    const busy = await clientOf("benchmark");
    await untilDecidedByRedis(busy);
    await proxy.set(fault);
    for (let i = 0; i < 30; i++) expect((await limited.get("/contacts?limit=1")).status).toBe(200);
    await proxy.set("none");
    await untilDecidedByRedis(busy);
    const { headers, status } = await limited.get("/contacts?limit=1");
    expect(status).toBe(200);
    expect(Number(headers.get("x-ratelimit-remaining"))).toBeLessThanOrEqual(STANDARD_LIMIT - 32);
  });
});

/** Sends until a further function sees in Redis what this one counted. */
async function untilDecidedByRedis(client: Client): Promise<void> {
  const elsewhere = new Client(stack().functionUrl, client.key);
  const deadline = Date.now() + 8_000;
  while (true) {
    const here = await client.get("/me");
    const there = await elsewhere.get("/me");
    // The stack's own function counts in the same bucket; one that is alone would not know of this request.
    if (remaining(here) - remaining(there) === 1) return;
    if (Date.now() > deadline)
      throw new Error(`Redis does not decide again: ${remaining(here)} here, ${remaining(there)} there.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Windows start with the minute; a count over two of them is a weighted one. */
async function untilMinuteHasSeconds(seconds: number): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < seconds * 1000) await new Promise((resolve) => setTimeout(resolve, left + 50));
}

const remaining = ({ headers }: { headers: Headers }) => Number(headers.get("x-ratelimit-remaining"));

async function clientOf(plan: "benchmark" | "standard"): Promise<Client> {
  const { key } = await createWorkspace({ plan });
  const client = new Client(api.baseUrl, key);
  // The first request looks the key up; that is not what is timed.
  expect((await client.get("/contacts?limit=1")).status).toBe(200);
  return client;
}

async function timed(client: Client, count: number): Promise<{ status: number; ms: number }[]> {
  const seen: { status: number; ms: number }[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    const { status } = await client.get("/contacts?limit=1");
    seen.push({ status, ms: performance.now() - startedAt });
  }
  return seen;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

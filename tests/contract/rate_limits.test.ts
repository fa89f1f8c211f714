import { expect, test } from "vitest";
import type { Plan } from "../../shared/limits/plans.ts";
import { createKey, createWorkspace } from "../harness/workspace.ts";

const limit = async (plan: Plan, requests: number) => {
  const { client } = await createWorkspace({ plan });
  const answers = await Promise.all(Array.from({ length: requests }, () => client.get("/me")));
  return {
    client,
    answers,
    admitted: answers.filter(({ status }) => status === 200),
    denied: answers.filter(({ status }) => status === 429),
  };
};

test.each([
  ["standard", 100],
  ["professional", 300],
] as const)("plan %s admits exactly %i of three times as many at once", async (plan, most) => {
  const { admitted, denied } = await limit(plan, most * 3);
  expect({ admitted: admitted.length, denied: denied.length }).toEqual({ admitted: most, denied: most * 2 });
  const remaining = admitted.map(({ headers }) => Number(headers.get("x-ratelimit-remaining"))).sort((a, b) => a - b);
  expect(remaining).toEqual(Array.from({ length: most }, (_, i) => i));
  for (const { headers } of denied) expect(headers.get("x-ratelimit-remaining")).toBe("0");
});

test("enterprise shows 500 and admits a burst of 1,000", async () => {
  const { admitted, denied, answers } = await limit("enterprise", 1100);
  expect(admitted.length).toBeGreaterThanOrEqual(1000);
  expect(admitted.length).toBeLessThanOrEqual(1075); // what refills while the burst lasts
  for (const { headers } of answers) {
    expect(headers.get("x-ratelimit-limit")).toBe("500");
    expect(headers.get("ratelimit-policy")).toBe('"sustained";q=500;w=60, "burst";q=1000;w=60');
  }
  const wait = Number(denied.at(-1)?.headers.get("retry-after"));
  expect(wait).toBeLessThanOrEqual(3);
  await new Promise((resolve) => setTimeout(resolve, wait * 1000));
});

test("after the Retry-After of a 429 a request succeeds", { timeout: 70_000 }, async () => {
  const { client, denied } = await limit("standard", 101);
  const [one] = denied;
  expect(one?.headers.get("retry-after")).toBe(String(one?.error.details.retry_after));
  await new Promise((resolve) => setTimeout(resolve, Number(one?.headers.get("retry-after")) * 1000));
  expect((await client.get("/me")).status).toBe(200);
});

test("each key has a bucket of its own, a sandbox's too", async () => {
  const mine = await createWorkspace({ plan: "standard" });
  const second = await createKey({ workspaceId: mine.workspaceId });
  const sandbox = await createWorkspace({ plan: "standard", parentId: mine.workspaceId });
  await mine.client.get("/me");
  for (const { client } of [second, sandbox])
    expect((await client.get("/me")).headers.get("x-ratelimit-remaining")).toBe("99");
});

test("preflight, 301 and health cost nothing", async () => {
  const { client } = await createWorkspace({ plan: "standard" });
  await client.call("/me", { method: "OPTIONS" });
  await client.get("/me", { "x-forwarded-proto": "http" });
  await client.get("/health");
  expect((await client.get("/me")).headers.get("x-ratelimit-remaining")).toBe("99");
});

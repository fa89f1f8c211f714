import { expect, test } from "vitest";
import { crowded, Gate, patiently } from "../../shared/limits/gate.ts";

test("a call that is crowded out is tried again until its end, and no further", async () => {
  let calls = 0;
  const refused = async () => {
    calls += 1;
    throw crowded();
  };
  await expect(patiently(refused, Date.now() + 250)).rejects.toMatchObject({ code: "too_many_concurrent_requests" });
  expect(calls).toBeGreaterThan(1);
  calls = 0;
  await expect(patiently(refused, Date.now() - 1)).rejects.toMatchObject({ code: "too_many_concurrent_requests" });
  expect(calls).toBe(1);
});

test("anything else that a call throws is told at once", async () => {
  let calls = 0;
  const broken = async () => {
    calls += 1;
    throw new Error("broken");
  };
  await expect(patiently(broken, Date.now() + 5_000)).rejects.toThrow("broken");
  expect(calls).toBe(1);
});

test("a few of each name pass at once, the others in their turn; one too many is refused at once", async () => {
  const gate = new Gate({ places: { call: 1 }, maxWaiting: 1, maxWaitMs: 5_000 });
  const leave = await gate.enter("a", "call");
  const second = gate.enter("a", "call");
  await expect(gate.enter("a", "call")).rejects.toMatchObject({ code: "too_many_concurrent_requests" });
  (await gate.enter("b", "call"))();
  leave();
  (await second)();
  (await gate.enter("a", "call"))();
});

test("who waits too long is refused, and takes nobody's place", async () => {
  const gate = new Gate({ places: { call: 1 }, maxWaiting: 5, maxWaitMs: 30 });
  const leave = await gate.enter("a", "call");
  await expect(gate.enter("a", "call")).rejects.toMatchObject({ code: "too_many_concurrent_requests" });
  leave();
  (await gate.enter("a", "call"))();
});

test("a place of one who takes several rests while another owner passes, and only then", async () => {
  const gate = new Gate({ places: { call: 1 }, maxWaiting: 5, maxWaitMs: 5_000, maxRestMs: 60 });
  const pass = (owner: string) => gate.pass(owner, "call", () => new Promise<void>((done) => setTimeout(done, 50)));
  const secondsOf = async (work: Promise<void>[]) => {
    const startedAt = performance.now();
    await Promise.all(work);
    return performance.now() - startedAt;
  };
  const alone = await secondsOf([pass("a"), pass("a"), pass("a")]);
  const beside = await secondsOf([pass("a"), pass("a"), pass("a"), pass("b")]);
  expect(beside).toBeGreaterThan(alone + 30);
});

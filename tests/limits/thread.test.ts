import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { Thread } from "../../shared/limits/thread.ts";

function work(milliseconds: number): void {
  const endsAt = performance.now() + milliseconds;
  while (performance.now() < endsAt);
}

test("long work goes on in turns, those of several requests one after the other", async () => {
  const thread = new Thread();
  const order: string[] = [];
  const long = async (name: string) => {
    const turns = thread.open();
    for (let n = 0; n < 3; n++) {
      await turns.next(name);
      order.push(name);
    }
    turns.end();
  };
  await Promise.all([long("a"), long("b")]);
  expect(order.join("")).toBe("ababab");
});

test("a turn waits for the brief requests under way, but not for ever", async () => {
  const thread = new Thread();
  const brief = thread.open();
  const long = thread.open();
  let hasBegun = false;
  const begun = long.next("a").then(() => {
    hasBegun = true;
  });
  await Promise.resolve();
  expect(hasBegun).toBe(false);
  brief.end();
  await begun;
  thread.open(); // Never ends.
  await long.next("a");
});

test("what comes while values are mapped is answered in between", async () => {
  const turns = new Thread().open();
  let answered = 0;
  const timer = setInterval(() => {
    answered += 1;
  }, 1);
  const mapped = await turns.map(
    "a",
    Array.from({ length: 60 }, (_, n) => n),
    (value, index) => {
      work(1);
      return [value, index, answered];
    },
  );
  clearInterval(timer);
  expect(mapped.map(([value, index]) => [value, index])).toEqual(mapped.map((_, n) => [n, n]));
  expect(mapped.at(-1)?.[2]).toBeGreaterThan(0);
  turns.end();
});

test("who has much to do has its turn behind the others", async () => {
  const thread = new Thread();
  const order: string[] = [];
  const turn = (owner: string) =>
    thread
      .open()
      .next(owner)
      .then(() => order.push(owner));
  await Promise.all([turn("a"), turn("a"), turn("a"), turn("b")]);
  expect(order.join("")).toBe("aaba");
});

test("who can't begin in time is refused; another owner's turn comes meanwhile", async () => {
  vi.useFakeTimers();
  try {
    const thread = new Thread();
    for (let n = 0; n < 10_000; n++) void thread.open().next("a");
    const late = expect(thread.open().begin("a")).rejects.toMatchObject({ code: "too_many_concurrent_requests" });
    const other = thread.open().begin("b");
    await vi.advanceTimersByTimeAsync(6_000);
    await Promise.all([late, other]);
  } finally {
    vi.useRealTimers();
  }
});

test("a request that has ended twice, or ends after its turns, is counted once", async () => {
  const thread = new Thread();
  const first = thread.open();
  await first.next("a");
  first.end();
  first.end();
  const waits = thread.open();
  const long = thread.open();
  let hasBegun = false;
  const begun = long.next("a").then(() => {
    hasBegun = true;
  });
  await delay(0);
  expect(hasBegun).toBe(false);
  waits.end();
  await begun;
});

import { expect, test } from "vitest";
import { ringAfter, waitAfter } from "../../shared/webhooks/schedule.ts";

const HOUR = 3600;
const SCHEDULE = [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
const middle = () => 0.5;

test("a delivery is tried ten times, after the waits that are promised", () => {
  expect(SCHEDULE.map((_, n) => waitAfter(n + 1, 0, middle))).toEqual(SCHEDULE);
  expect(waitAfter(10, 0, middle)).toBeUndefined();
  expect(waitAfter(11, 0, middle)).toBeUndefined();
});

test("each wait is up to a tenth longer or shorter", () => {
  for (const [n, seconds] of SCHEDULE.entries()) {
    expect(waitAfter(n + 1, 0, () => 0)).toBeCloseTo(seconds * 0.9);
    expect(waitAfter(n + 1, 0, () => 1)).toBeCloseTo(seconds * 1.1);
  }
});

test("a receiver is not asked before the time that it names, nor later for it", () => {
  expect(waitAfter(1, 60, middle)).toBe(60);
  expect(waitAfter(2, 60, middle)).toBe(300);
  expect(waitAfter(1, 86_400, middle)).toBe(86_400);
});

test("a doorbell goes on ringing, at the longest wait", () => {
  expect(ringAfter(1)).toBeLessThanOrEqual(5.5);
  for (const failures of [9, 10, 500]) expect(ringAfter(failures)).toBeGreaterThanOrEqual(0.9 * 24 * HOUR);
});

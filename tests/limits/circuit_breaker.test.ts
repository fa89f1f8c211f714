import { beforeEach, expect, test } from "vitest";
import { type BreakerChange, type CircuitBreaker, createCircuitBreaker } from "../../shared/limits/circuit_breaker.ts";

let nowMs: number;
let changes: BreakerChange[];
let breaker: CircuitBreaker;

beforeEach(() => {
  nowMs = 1_000_000;
  changes = [];
  breaker = createCircuitBreaker({ now: () => nowMs, onChange: (change) => changes.push(change) });
});

const fail = (times: number) => Array.from({ length: times }, () => breaker.failed());

test("it opens at the fifth failure in a row, and tells it once", () => {
  fail(4);
  expect(breaker.isOpen()).toBe(false);
  fail(10);
  expect(breaker.isOpen()).toBe(true);
  expect(changes).toEqual([{ state: "open", calls: 5, failures: 5, openMs: 0 }]);
});

test("it opens when half of at least 20 calls failed, though never five in a row", () => {
  for (let i = 0; i < 9; i++) {
    breaker.failed();
    breaker.succeeded();
  }
  expect(breaker.isOpen()).toBe(false);
  breaker.succeeded();
  breaker.failed();
  expect(breaker.isOpen()).toBe(true);
});

test("failures of more than ten seconds ago don't count", () => {
  for (let i = 0; i < 9; i++) {
    breaker.failed();
    breaker.succeeded();
  }
  nowMs += 10_000;
  breaker.failed();
  breaker.succeeded();
  breaker.failed();
  expect(breaker.isOpen()).toBe(false);
});

test("while open one caller a second may probe; closed nobody needs to", () => {
  expect(breaker.isProbeDue()).toBe(false);
  fail(5);
  expect(breaker.isProbeDue()).toBe(false);
  nowMs += 1_000;
  expect([breaker.isProbeDue(), breaker.isProbeDue()]).toEqual([true, false]);
  nowMs += 999;
  expect(breaker.isProbeDue()).toBe(false);
});

test("one success closes it, and it opens again only after as many failures as before", () => {
  fail(5);
  nowMs += 3_000;
  breaker.succeeded();
  expect(breaker.isOpen()).toBe(false);
  expect(changes.at(-1)).toEqual({ state: "closed", calls: 0, failures: 0, openMs: 3_000 });
  fail(4);
  expect(breaker.isOpen()).toBe(false);
});

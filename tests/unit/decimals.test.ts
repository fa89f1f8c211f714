import { expect, test } from "vitest";
import { compareDecimals } from "../../shared/standards/decimals.ts";

test.each([
  ["10", "10.000", 0],
  ["-0.0", "0", 0],
  ["999999999999999.9999", "999999999999999.9998", 1],
  ["-2", "-1.5", -1],
  ["1e3", "1000", 0],
  ["1.5e-7", "0.00000015", 0],
  ["1e21", "1000000000000000000001", -1],
])("%s beside %s is %s", (a, b, expected) => {
  expect(Math.sign(compareDecimals(a, b))).toBe(expected);
  expect(Math.sign(compareDecimals(b, a))).toBe(expected === 0 ? 0 : -expected);
});

test("what is no decimal is neither smaller nor greater", () => {
  for (const operator of [(n: number) => n < 0, (n: number) => n === 0, (n: number) => n > 0])
    expect(operator(compareDecimals("ten", "10"))).toBe(false);
});

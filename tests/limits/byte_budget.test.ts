import { expect, test } from "vitest";
import { ByteBudget } from "../../shared/limits/byte_budget.ts";

/** Names, in the order in which they were let through. */
function watch(budget: ByteBudget) {
  const admitted: string[] = [];
  const take = (name: string, bytes: number) =>
    budget.take(name, bytes).then((giveBack) => {
      admitted.push(name);
      return giveBack;
    });
  return { admitted, take };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test("who waits for its own bytes holds up nobody else; what is given back goes to the one that came first", async () => {
  const { admitted, take } = watch(new ByteBudget({ maxBytesOfOne: 5, maxBytes: 8, maxWaitMs: 5_000 }));
  const giveBack = await take("a", 5);
  const second = take("a", 5);
  await take("b", 3);
  expect(admitted).toEqual(["a", "b"]);
  const third = take("c", 5);
  giveBack();
  await second;
  await settled();
  expect(admitted).toEqual(["a", "b", "a"]);
  (await second)();
  await third;
  expect(admitted).toEqual(["a", "b", "a", "c"]);
});

test("a small one does not overtake a large one of the same name for ever", async () => {
  const { admitted, take } = watch(new ByteBudget({ maxBytesOfOne: 5, maxBytes: 5, maxWaitMs: 5_000 }));
  const giveBack = await take("small", 1);
  const large = take("large", 5);
  const small = take("small", 1);
  await settled();
  expect(admitted).toEqual(["small"]);
  giveBack();
  (await large)();
  await small;
  expect(admitted).toEqual(["small", "large", "small"]);
});

test("who waits too long is refused, and leaves nothing behind", async () => {
  const budget = new ByteBudget({ maxBytesOfOne: 5, maxBytes: 5, maxWaitMs: 20 });
  const giveBack = await budget.take("a", 5);
  await expect(budget.take("b", 1)).rejects.toMatchObject({ code: "too_many_concurrent_requests" });
  giveBack();
  expect(await budget.take("b", 5)).toBeTypeOf("function");
});

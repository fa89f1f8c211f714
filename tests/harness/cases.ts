import { test } from "vitest";

/** `test` where a case applies; where it does not it is no case, and nothing that is skipped. */
export function testIf(applies: unknown): typeof test {
  return (applies ? test : Object.assign(() => {}, { each: () => () => {} })) as typeof test;
}

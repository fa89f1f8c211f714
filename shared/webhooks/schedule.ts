import { MAX_TRIES } from "../bounds.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** How long a delivery waits after each try (platform.md §15). */
const WAITS_SECONDS = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/** How much longer or shorter each wait is, so that what failed together does not come back together. */
const JITTER = 0.1;

/**
 * Seconds until a delivery is tried again that has failed so many times; undefined when that was its last try. A receiver
 * that names a time is not asked before it.
 */
export function waitAfter(
  tries: number,
  retryAfterSeconds = 0,
  random: () => number = Math.random,
): number | undefined {
  const wait = tries < MAX_TRIES ? WAITS_SECONDS[tries - 1] : undefined;
  if (wait === undefined) return undefined;
  return Math.max(wait * (1 + JITTER * (2 * random() - 1)), retryAfterSeconds);
}

/** Seconds until a doorbell rings again that has failed so many times in a row: there is always something newer to tell. */
export function ringAfter(failures: number, retryAfterSeconds?: number): number {
  return waitAfter(Math.min(failures, WAITS_SECONDS.length), retryAfterSeconds) ?? 0;
}

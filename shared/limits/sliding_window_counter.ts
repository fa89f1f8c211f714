import type { Counter } from "./counter.ts";
import type { SlidingWindow } from "./plans.ts";

/**
 * When a sliding window that is full admits the next request (epoch milliseconds): the previous window's requests leave
 * it evenly, one every window / previous; when this window alone is full, they begin to with the next one.
 */
export function nextSlotAtMs(
  { limit, windowMs }: { limit: number; windowMs: number },
  { current, previous }: { current: number; previous: number },
  nowMs: number,
): number {
  const startMs = Math.floor(nowMs / windowMs) * windowMs;
  const leavesAt = (start: number, room: number, leaving: number) =>
    leaving < room ? start : start + windowMs * (1 - room / leaving);
  const slotMs =
    current < limit ? leavesAt(startMs, limit - current, previous) : leavesAt(startMs + windowMs, limit, current);
  return Math.max(nowMs, Math.ceil(slotMs));
}

/** A sliding window as `@upstash/ratelimit` counts it: whole windows of the clock, the previous one weighted down. */
export class SlidingWindowCounter implements Counter {
  readonly #limit: number;
  readonly #windowMs: number;
  #window = 0;
  #current = 0;
  #previous = 0;

  constructor(plan: SlidingWindow) {
    this.#limit = plan.limit;
    this.#windowMs = plan.windowSeconds * 1000;
  }

  available(nowMs: number): number {
    this.#slideTo(Math.floor(nowMs / this.#windowMs));
    // The same arithmetic in the same order as the Lua script, so that both round alike.
    const weighted = Math.floor((1 - (nowMs % this.#windowMs) / this.#windowMs) * this.#previous);
    return this.#limit - (this.#current + weighted);
  }

  resetAtMs(nowMs: number): number {
    return (Math.floor(nowMs / this.#windowMs) + 1) * this.#windowMs;
  }

  nextSlotAtMs(nowMs: number): number {
    this.#slideTo(Math.floor(nowMs / this.#windowMs));
    const counts = { current: this.#current, previous: this.#previous };
    return nextSlotAtMs({ limit: this.#limit, windowMs: this.#windowMs }, counts, nowMs);
  }

  take(nowMs: number): void {
    this.#slideTo(Math.floor(nowMs / this.#windowMs));
    this.#current += 1;
  }

  record(_nowMs: number, resetAtMs: number): void {
    const window = Math.round(resetAtMs / this.#windowMs) - 1;
    this.#slideTo(window);
    if (window === this.#window) this.#current += 1;
    else if (window === this.#window - 1) this.#previous += 1;
  }

  giveBack(nowMs: number): void {
    this.#slideTo(Math.floor(nowMs / this.#windowMs));
    if (this.#current > 0) this.#current -= 1;
  }

  #slideTo(window: number): void {
    if (window <= this.#window) return;
    this.#previous = window === this.#window + 1 ? this.#current : 0;
    this.#current = 0;
    this.#window = window;
  }
}

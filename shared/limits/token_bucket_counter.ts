import type { Counter } from "./counter.ts";
import type { TokenBucket } from "./plans.ts";

/** A token bucket as `@upstash/ratelimit` counts it: refilled in steps whose beat starts with the first request. */
export class TokenBucketCounter implements Counter {
  readonly #plan: TokenBucket;
  readonly #refillMs: number;
  #tokens: number;
  #refilledAtMs = 0;
  /** From here on the bucket is full and forgotten, as its key in Redis expires. */
  #expiresAtMs = 0;

  constructor(plan: TokenBucket) {
    this.#plan = plan;
    this.#refillMs = plan.refillSeconds * 1000;
    this.#tokens = plan.capacity;
  }

  available(nowMs: number): number {
    return this.#at(nowMs).tokens;
  }

  resetAtMs(nowMs: number): number {
    return this.#at(nowMs).refilledAtMs + this.#refillMs;
  }

  nextSlotAtMs(nowMs: number): number {
    return this.resetAtMs(nowMs);
  }

  take(nowMs: number): void {
    const { tokens, refilledAtMs } = this.#at(nowMs);
    this.#keep(tokens - 1, refilledAtMs, nowMs);
  }

  record(nowMs: number, resetAtMs: number): void {
    const { tokens, refilledAtMs } = this.#at(nowMs);
    // Redis' beat, so that both refill in the same millisecond; an answer overtaken by the next step is too old for it.
    const beatMs = resetAtMs - this.#refillMs;
    this.#keep(tokens - 1, beatMs > refilledAtMs - this.#refillMs ? beatMs : refilledAtMs, nowMs);
  }

  giveBack(nowMs: number): void {
    const { tokens, refilledAtMs } = this.#at(nowMs);
    this.#keep(Math.min(this.#plan.capacity, tokens + 1), refilledAtMs, nowMs);
  }

  #at(nowMs: number): { tokens: number; refilledAtMs: number } {
    const { capacity, refill } = this.#plan;
    if (nowMs >= this.#expiresAtMs) return { tokens: capacity, refilledAtMs: nowMs };
    const refills = Math.max(0, Math.floor((nowMs - this.#refilledAtMs) / this.#refillMs));
    return {
      tokens: Math.min(capacity, this.#tokens + refills * refill),
      refilledAtMs: this.#refilledAtMs + refills * this.#refillMs,
    };
  }

  #keep(tokens: number, refilledAtMs: number, nowMs: number): void {
    this.#tokens = Math.max(0, tokens);
    this.#refilledAtMs = refilledAtMs;
    const fullAfterRefills = Math.ceil((this.#plan.capacity - this.#tokens) / this.#plan.refill);
    // Redis leaves the old expiry alone when there is nothing to refill.
    if (fullAfterRefills > 0) this.#expiresAtMs = nowMs + fullAfterRefills * this.#refillMs;
  }
}

const WINDOW_MS = 10_000;
const MIN_CALLS = 20;
const MAX_FAILURE_RATIO = 0.5;
const MAX_CONSECUTIVE_FAILURES = 5;
const PROBE_EVERY_MS = 1_000;

/** What the breaker tells at each change of its state. */
export interface BreakerChange {
  state: "open" | "closed";
  /** Calls and failures that led here; 0 on closing. */
  calls: number;
  failures: number;
  /** How long it was open; 0 on opening. */
  openMs: number;
}

/** Keeps callers away from something that is down. */
export interface CircuitBreaker {
  isOpen(): boolean;
  /** True once a second while open: that caller may try, at its own risk. */
  isProbeDue(): boolean;
  succeeded(): void;
  failed(): void;
}

export interface CircuitBreakerOptions {
  onChange?: (change: BreakerChange) => void;
  /** Epoch milliseconds; the system's clock when not given. */
  now?: () => number;
}

/**
 * Opens after 5 failures in a row, or when half of at least 20 calls within 10 s failed. One success closes it again.
 */
export function createCircuitBreaker({
  onChange = () => {},
  now = Date.now,
}: CircuitBreakerOptions = {}): CircuitBreaker {
  let openedAtMs: number | undefined;
  let probedAtMs = 0;
  let windowStartMs = 0;
  let calls = 0;
  let failures = 0;
  let consecutiveFailures = 0;

  const count = () => {
    if (now() - windowStartMs >= WINDOW_MS) {
      windowStartMs = now();
      calls = 0;
      failures = 0;
    }
    calls += 1;
  };

  return {
    isOpen: () => openedAtMs !== undefined,
    isProbeDue() {
      if (openedAtMs === undefined || now() - probedAtMs < PROBE_EVERY_MS) return false;
      probedAtMs = now();
      return true;
    },
    succeeded() {
      consecutiveFailures = 0;
      count();
      if (openedAtMs === undefined) return;
      const openMs = now() - openedAtMs;
      openedAtMs = undefined;
      windowStartMs = 0;
      onChange({ state: "closed", calls: 0, failures: 0, openMs });
    },
    failed() {
      count();
      failures += 1;
      consecutiveFailures += 1;
      if (openedAtMs !== undefined) return;
      const isDown =
        consecutiveFailures >= MAX_CONSECUTIVE_FAILURES ||
        (calls >= MIN_CALLS && failures >= calls * MAX_FAILURE_RATIO);
      if (!isDown) return;
      openedAtMs = now();
      probedAtMs = openedAtMs;
      onChange({ state: "open", calls, failures, openMs: 0 });
    },
  };
}

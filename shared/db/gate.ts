import { MAX_CALLS_AT_ONCE, MAX_CALLS_WAITING, MAX_WAIT_MS } from "../bounds.ts";
import { ApiError } from "../errors.ts";

interface Lane {
  busy: number;
  waiting: (() => void)[];
}

/**
 * Lets a workspace have a few calls under way at once in this isolate; the others wait shortly for their turn. Over all
 * isolates the database counts (`gate.admit`), but a call that is refused there has cost a connection.
 */
export class Gate {
  private readonly lanes = new Map<string, Lane>();

  /** Runs `call` in its turn. @throws ApiError `too_many_concurrent_requests` when too many wait, or it waits too long. */
  async pass<Result>(name: string, call: () => Promise<Result>): Promise<Result> {
    const lane = this.lanes.get(name) ?? { busy: 0, waiting: [] };
    this.lanes.set(name, lane);
    if (lane.busy >= MAX_CALLS_AT_ONCE) await this.turn(lane);
    else lane.busy += 1;
    try {
      return await call();
    } finally {
      const next = lane.waiting.shift();
      if (next !== undefined) next();
      else {
        lane.busy -= 1;
        if (lane.busy === 0) this.lanes.delete(name);
      }
    }
  }

  /** Resolves with the place of a call that has ended. */
  private turn(lane: Lane): Promise<void> {
    if (lane.waiting.length >= MAX_CALLS_WAITING) throw crowded();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        lane.waiting.splice(lane.waiting.indexOf(go), 1);
        reject(crowded());
      }, MAX_WAIT_MS);
      const go = () => {
        clearTimeout(timer);
        resolve();
      };
      lane.waiting.push(go);
    });
  }
}

/** Tries a call again while the database says that the workspace has too much under way, for `patienceMs` at most. */
export async function patiently<Result>(call: () => Promise<Result>, patienceMs: number): Promise<Result> {
  const startedAt = Date.now();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isCrowded = error instanceof ApiError && error.code === "too_many_concurrent_requests";
      if (!isCrowded || Date.now() - startedAt >= patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 70));
    }
  }
}

function crowded(): ApiError {
  return new ApiError("too_many_concurrent_requests", { headers: { "Retry-After": "1" } });
}

import { ApiError } from "../errors.ts";

interface Lane {
  busy: number;
  waiting: (() => void)[];
}

export interface GateOptions {
  /** How many of one name are let through at once. */
  atOnce: number;
  /** How many may wait for their turn, and for how long. */
  maxWaiting: number;
  maxWaitMs: number;
}

/** Lets a few of each name through at once in this isolate; the others wait shortly for their turn. */
export class Gate {
  private readonly lanes = new Map<string, Lane>();

  constructor(private readonly options: GateOptions) {}

  /** Resolves in its turn with what ends it. @throws ApiError `too_many_concurrent_requests` for one too many, or too long a wait */
  async enter(name: string): Promise<() => void> {
    const lane = this.lanes.get(name) ?? { busy: 0, waiting: [] };
    this.lanes.set(name, lane);
    if (lane.busy >= this.options.atOnce) await this.turn(lane);
    else lane.busy += 1;
    return () => {
      const next = lane.waiting.shift();
      if (next !== undefined) return next();
      lane.busy -= 1;
      if (lane.busy === 0) this.lanes.delete(name);
    };
  }

  async pass<Result>(name: string, call: () => Promise<Result>): Promise<Result> {
    const leave = await this.enter(name);
    try {
      return await call();
    } finally {
      leave();
    }
  }

  /** Resolves with the place of one that has ended. */
  private turn(lane: Lane): Promise<void> {
    if (lane.waiting.length >= this.options.maxWaiting) throw crowded();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        lane.waiting.splice(lane.waiting.indexOf(go), 1);
        reject(crowded());
      }, this.options.maxWaitMs);
      const go = () => {
        clearTimeout(timer);
        resolve();
      };
      lane.waiting.push(go);
    });
  }
}

/** Tries a call again while the database says that the workspace has too much under way, until `endsAt` at most (epoch ms). */
export async function patiently<Result>(call: () => Promise<Result>, endsAt: number): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isCrowded = error instanceof ApiError && error.code === "too_many_concurrent_requests";
      if (!isCrowded || Date.now() >= endsAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 70));
    }
  }
}

/** The workspace, or the isolate, has too much under way. */
export function crowded(): ApiError {
  return new ApiError("too_many_concurrent_requests", { headers: { "Retry-After": "1" } });
}

import { ApiError } from "../errors.ts";

/** One owner's places of one kind. */
interface Places {
  busy: number;
  waiting: (() => void)[];
}

export interface GateOptions<Lane extends string> {
  /** How many of one owner are let through at once, by lane. */
  places: Record<Lane, number>;
  /** How many of one owner and lane may wait for their turn, and for how long. */
  maxWaiting: number;
  maxWaitMs: number;
  /**
   * While other owners pass, a place of one who takes or wants several rests as long as it was taken, but no longer than
   * this: whoever pushes all the time leaves half of the time to the others.
   */
  maxRestMs?: number;
}

/** How long after it has passed an owner counts as one of those that pass. */
const RECENT_MS = 100;
/** What was taken for less needs no rest. */
const MIN_REST_MS = 30;

/** Lets a few of each owner through at once in this isolate; the others wait shortly for their turn. */
export class Gate<Lane extends string> {
  private readonly taken = new Map<string, Places>();
  private latest = { owner: "", at: Number.NEGATIVE_INFINITY };
  /** Who passed last but for the owner of `latest`. */
  private latestOther = this.latest;

  constructor(private readonly options: GateOptions<Lane>) {}

  /** Resolves in its turn with what ends it. @throws ApiError `too_many_concurrent_requests` for one too many, or too long a wait */
  async enter(owner: string, lane: Lane, maxWaitMs = this.options.maxWaitMs): Promise<() => void> {
    const name = `${owner} ${lane}`;
    const places = this.taken.get(name) ?? { busy: 0, waiting: [] };
    this.taken.set(name, places);
    if (places.busy >= this.options.places[lane]) await this.turn(places, maxWaitMs);
    else places.busy += 1;
    this.see(owner);
    const startedAt = performance.now();
    const leave = () => {
      const next = places.waiting.shift();
      if (next !== undefined) return next();
      places.busy -= 1;
      if (places.busy === 0) this.taken.delete(name);
    };
    return () => {
      this.see(owner);
      const pushes = places.waiting.length > 0 || places.busy > 1;
      const isAlone = performance.now() - this.latestOther.at > RECENT_MS;
      const restMs = Math.min(pushes && !isAlone ? performance.now() - startedAt : 0, this.options.maxRestMs ?? 0);
      if (restMs < MIN_REST_MS) leave();
      else setTimeout(leave, restMs);
    };
  }

  async pass<Result>(
    owner: string,
    lane: Lane,
    call: () => Promise<Result>,
    maxWaitMs = this.options.maxWaitMs,
  ): Promise<Result> {
    const leave = await this.enter(owner, lane, maxWaitMs);
    try {
      return await call();
    } finally {
      leave();
    }
  }

  private see(owner: string): void {
    if (this.latest.owner !== owner) this.latestOther = this.latest;
    this.latest = { owner, at: performance.now() };
  }

  /** Resolves with the place of one that has ended. */
  private turn(places: Places, maxWaitMs: number): Promise<void> {
    if (places.waiting.length >= this.options.maxWaiting) throw crowded();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        places.waiting.splice(places.waiting.indexOf(go), 1);
        reject(crowded());
      }, maxWaitMs);
      const go = () => {
        clearTimeout(timer);
        resolve();
      };
      places.waiting.push(go);
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

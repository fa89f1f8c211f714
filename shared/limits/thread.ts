import { MAX_WAIT_MS, MIN_BULK_RECORDS } from "../bounds.ts";
import { crowded } from "./gate.ts";

/** How long one turn of long work is, where it can be divided. */
const MAX_TURN_MS = 10;
/** What of a turn's length counts for the pause behind it: one that could not be divided holds up no other for longer. */
const MAX_COUNTED_MS = 100;
/** The pause between two turns at least: a request that arrives takes several rounds of the event loop until it is seen. */
const MIN_PAUSE_MS = 1;
/** When a brief request has ended so lately, the pause is as long as the turn before it. */
const RECENT_MS = 300;
/** The next turn waits for the brief requests under way: so many times as long as the last one, and so many milliseconds. */
const PATIENCE = 4;
const MIN_PATIENCE_MS = 5;
/** A request that is under way for longer mostly waits, for its body or the database, and holds up nobody. */
const MAX_BRIEF_MS = 200;

/**
 * The only thread of an isolate, which all its requests share. Most need it for a moment, several times on the way to
 * their answer. Long work goes on in short turns, one at a time, those of each owner in turn; and a turn begins when no
 * brief request is under way, or has waited long enough for them: else a few bulk requests would have everybody wait at each of them.
 */
export class Thread {
  private brief = 0;
  private lastOpenedAt = Number.NEGATIVE_INFINITY;
  private lastBriefAt = Number.NEGATIVE_INFINITY;
  private readonly waiting = new Map<string, (() => void)[]>();
  private isScheduled = false;
  private patience: ReturnType<typeof setTimeout> | undefined;

  /** The turns of one request, which is brief until it takes the first. */
  open(): Turns {
    this.brief += 1;
    this.lastOpenedAt = performance.now();
    let isBrief = true;
    const noLonger = () => {
      if (!isBrief) return false;
      isBrief = false;
      this.brief -= 1;
      return true;
    };
    const take = (owner: string, turn: () => void) => {
      if (noLonger()) this.startIfQuiet();
      this.queue(owner, turn);
    };
    const next = (owner: string) => new Promise<void>((resolve) => take(owner, resolve));
    const begin = (owner: string) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          this.leave(owner, turn);
          reject(crowded());
        }, MAX_WAIT_MS);
        const turn = () => {
          clearTimeout(timer);
          resolve();
        };
        take(owner, turn);
      });
    const end = () => {
      if (!noLonger()) return;
      this.lastBriefAt = performance.now();
      this.startIfQuiet();
    };
    return { begin, next, map: (owner, values, change) => mapInTurns(() => next(owner), values, change), end };
  }

  private queue(owner: string, turn: () => void): void {
    const queued = this.waiting.get(owner);
    if (queued === undefined) this.waiting.set(owner, [turn]);
    else queued.push(turn);
    if (!this.isScheduled) this.schedule(0);
  }

  private leave(owner: string, turn: () => void): void {
    const queued = this.waiting.get(owner) ?? [];
    const place = queued.indexOf(turn);
    if (place >= 0) queued.splice(place, 1);
    if (queued.length === 0) this.waiting.delete(owner);
  }

  private schedule(lastMs: number): void {
    this.isScheduled = true;
    this.patience = setTimeout(() => this.start(), MIN_PATIENCE_MS + PATIENCE * lastMs);
    this.startIfQuiet();
  }

  private startIfQuiet(): void {
    const isQuiet = this.brief === 0 || performance.now() - this.lastOpenedAt > MAX_BRIEF_MS;
    if (isQuiet && this.patience !== undefined) this.start();
  }

  private start(): void {
    clearTimeout(this.patience);
    this.patience = undefined;
    const [owner, queued] = this.waiting.entries().next().value ?? ["", []];
    const turn = queued.shift();
    if (turn === undefined) {
      this.isScheduled = false;
      return;
    }
    this.waiting.delete(owner);
    if (queued.length > 0) this.waiting.set(owner, queued); // Behind the other owners.
    const startedAt = performance.now();
    turn();
    setTimeout(() => {
      const now = performance.now();
      const lastMs = Math.min(now - startedAt, MAX_COUNTED_MS);
      if (now - this.lastBriefAt < RECENT_MS) setTimeout(() => this.schedule(lastMs), lastMs);
      else this.schedule(lastMs);
    }, MIN_PAUSE_MS);
  }
}

/** One request's turns on the thread. A turn lasts until the next `await`. */
export interface Turns {
  /** Resolves when the first turn may start. @throws ApiError `too_many_concurrent_requests` when that takes too long */
  begin(owner: string): Promise<void>;
  /** Resolves when another turn may start, however long that takes: what was begun is ended. */
  next(owner: string): Promise<void>;
  /** Maps values, in as many turns as that takes; a few of them at once. */
  map<Value, Result>(
    owner: string,
    values: readonly Value[],
    change: (value: Value, index: number) => Result,
  ): Promise<Result[]>;
  /** The request is answered. */
  end(): void;
}

async function mapInTurns<Value, Result>(
  next: () => Promise<void>,
  values: readonly Value[],
  change: (value: Value, index: number) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  let endsAt = values.length < MIN_BULK_RECORDS ? performance.now() + MAX_TURN_MS : 0;
  for (const [index, value] of values.entries()) {
    if (performance.now() > endsAt) {
      await next();
      endsAt = performance.now() + MAX_TURN_MS;
    }
    results.push(change(value, index));
  }
  return results;
}

/** How long one stretch of long work is. */
const MAX_STRETCH_MS = 10;
/** Between two stretches is a pause of so long at least, and as long as the last one when a brief request has ended in so many milliseconds. */
const MIN_PAUSE_MS = 1;
const RECENT_MS = 300;
/** Then a stretch waits for the brief requests under way: so many times as long as the last one was, and so many milliseconds. */
const PATIENCE = 4;
const MIN_PATIENCE_MS = 5;

/**
 * The only thread of an isolate, which all its requests share. Most need it for a moment, several times on the way to
 * their answer. Long work goes on in short stretches, one at a time, and a stretch begins when no brief request is under way,
 * or has waited long enough for them: else a few bulk requests would have everybody wait at each step.
 */
export class Thread {
  private brief = 0;
  private lastBriefAt = Number.NEGATIVE_INFINITY;
  private readonly waiting: (() => void)[] = [];
  private isTaken = false;
  private patience: ReturnType<typeof setTimeout> | undefined;

  /** The turns of one request, which is brief until it takes the first. */
  open(): Turns {
    this.brief += 1;
    let isBrief = true;
    const noLonger = () => {
      if (!isBrief) return false;
      isBrief = false;
      this.brief -= 1;
      return true;
    };
    const next = () => {
      if (noLonger()) this.goOn();
      return new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        if (!this.isTaken) this.wait(0);
      });
    };
    const end = () => {
      if (!noLonger()) return;
      this.lastBriefAt = performance.now();
      this.goOn();
    };
    return { next, map: (values, change) => mapInTurns(next, values, change), end };
  }

  private wait(lastMs: number): void {
    this.isTaken = true;
    this.patience = setTimeout(() => this.begin(), MIN_PATIENCE_MS + PATIENCE * lastMs);
    this.goOn();
  }

  private goOn(): void {
    if (this.brief === 0 && this.patience !== undefined) this.begin();
  }

  private begin(): void {
    clearTimeout(this.patience);
    this.patience = undefined;
    const stretch = this.waiting.shift();
    if (stretch === undefined) {
      this.isTaken = false;
      return;
    }
    const startedAt = performance.now();
    stretch();
    // Behind the stretch, and behind several rounds of the event loop: that is what a request takes until it is seen.
    setTimeout(() => {
      const now = performance.now();
      const lastMs = now - startedAt;
      if (now - this.lastBriefAt < RECENT_MS) setTimeout(() => this.wait(lastMs), lastMs);
      else this.wait(lastMs);
    }, MIN_PAUSE_MS);
  }
}

/** One request's turns on the thread. */
export interface Turns {
  /** Resolves when a stretch may begin; it lasts until the next `await`. */
  next(): Promise<void>;
  /** Maps values, in as many stretches as that takes. */
  map<Value, Result>(values: readonly Value[], change: (value: Value, index: number) => Result): Promise<Result[]>;
  /** The request is answered. */
  end(): void;
}

async function mapInTurns<Value, Result>(
  next: () => Promise<void>,
  values: readonly Value[],
  change: (value: Value, index: number) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  let endsAt = 0;
  for (const [index, value] of values.entries()) {
    if (performance.now() > endsAt) {
      await next();
      endsAt = performance.now() + MAX_STRETCH_MS;
    }
    results.push(change(value, index));
  }
  return results;
}

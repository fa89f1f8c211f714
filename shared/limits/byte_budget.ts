import { crowded } from "./gate.ts";

interface Waiting {
  name: string;
  bytes: number;
  go: () => void;
}

export interface ByteBudgetOptions {
  /** How many bytes are held at once, of one name and of all. */
  maxBytesOfOne: number;
  maxBytes: number;
  /** How long one may wait for its turn. */
  maxWaitMs: number;
}

/** Lets so many bytes of each name be held at once in this isolate, and of all together; the others wait shortly. */
export class ByteBudget {
  private readonly held = new Map<string, number>();
  private total = 0;
  private readonly waiting: Waiting[] = [];

  constructor(private readonly options: ByteBudgetOptions) {}

  /** Resolves in its turn with what gives the bytes back. @throws ApiError `too_many_concurrent_requests` */
  take(name: string, bytes: number): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const giveBack = () => {
        this.hold(name, -bytes);
        this.admit();
      };
      const one: Waiting = {
        name,
        bytes,
        go: () => {
          clearTimeout(timer);
          resolve(giveBack);
        },
      };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(one), 1);
        reject(crowded());
        this.admit();
      }, this.options.maxWaitMs);
      this.waiting.push(one);
      this.admit();
    });
  }

  /** In the order they came. Who waits for its own bytes stands in nobody else's way. */
  private admit(): void {
    const { maxBytesOfOne, maxBytes } = this.options;
    const blocked = new Set<string>();
    for (const one of [...this.waiting]) {
      if (blocked.has(one.name)) continue;
      if ((this.held.get(one.name) ?? 0) + one.bytes > maxBytesOfOne) {
        blocked.add(one.name);
        continue;
      }
      if (this.total + one.bytes > maxBytes) return;
      this.waiting.splice(this.waiting.indexOf(one), 1);
      this.hold(one.name, one.bytes);
      one.go();
    }
  }

  private hold(name: string, bytes: number): void {
    const held = (this.held.get(name) ?? 0) + bytes;
    if (held === 0) this.held.delete(name);
    else this.held.set(name, held);
    this.total += bytes;
  }
}

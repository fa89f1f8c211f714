const DAY = 86_400_000;
const HOUR = 3_600_000;

/**
 * The dice of one record: what it draws depends on the seed, the stream's name and the record's number
 * alone, so a record comes out the same whichever others are made with it.
 */
export class Random {
  #state: number;

  constructor(seed: string, stream: string, serial: number) {
    this.#state = (hash(`${seed}/${stream}`) ^ Math.imul(serial + 1, 0x9e3779b1)) >>> 0;
    this.#bits(); // Neighbouring serials differ in few bits until the first step has mixed them.
  }

  /** From 0 up to, not including, 1. */
  fraction(): number {
    return this.#bits() / 4_294_967_296;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** A whole number within bounds, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True in that share of cases. */
  chance(share: number): boolean {
    return this.fraction() < share;
  }

  /** One of a list that is not empty. */
  pick<Item>(list: readonly Item[]): Item {
    return list[this.below(list.length)] as Item;
  }

  /** One of the values, each as likely as its weight. */
  weighted<Value>(table: readonly (readonly [Value, number])[]): Value {
    let left = this.fraction() * table.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [value, weight] of table) {
      left -= weight;
      if (left < 0) return value;
    }
    return (table.at(-1) as readonly [Value, number])[0];
  }

  /** An amount around `median`; one in six is `spread` times as much or more, one in six that much less. */
  amount(median: number, spread: number): number {
    const sum = this.fraction() + this.fraction() + this.fraction() + this.fraction();
    return median * spread ** ((sum - 2) * 1.73); // Four dice make a bell; 1.73 gives it a deviation of one.
  }

  /** Replaces each # by a digit and each ? by a letter. */
  fill(pattern: string): string {
    return pattern.replace(/[#?]/g, (place) => (place === "#" ? String(this.below(10)) : this.pick(LETTERS)));
  }

  /** A time within bounds, in milliseconds; in office hours where the bounds leave room for them. */
  moment(from: number, to: number): number {
    const drawn = from + this.fraction() * Math.max(0, to - from);
    let day = Math.floor(drawn / DAY) * DAY;
    const weekday = new Date(day).getUTCDay();
    if (weekday === 0 || weekday === 6) day -= 2 * DAY;
    const inOffice = day + (8 + this.below(10)) * HOUR + this.below(12) * 300_000;
    return inOffice >= from && inOffice <= to ? inOffice : Math.floor(drawn / 1000) * 1000;
  }

  /** A version 7 UUID of that time, in milliseconds. */
  uuid(at: number): string {
    const time = Math.floor(at).toString(16).padStart(12, "0");
    const middle = this.#hex();
    const variant = "89ab"[this.below(4)];
    return `${time.slice(0, 8)}-${time.slice(8)}-7${middle.slice(0, 3)}-${variant}${middle.slice(3, 6)}-${this.#hex()}${this.#hex().slice(0, 4)}`;
  }

  /** Eight hexadecimal digits. */
  hex(): string {
    return this.#hex();
  }

  #hex(): string {
    return this.#bits().toString(16).padStart(8, "0");
  }

  // Mulberry32: small, fast, and the same in every engine.
  #bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

const LETTERS = [..."ABCDEFGHJKLMNPRSTUWXY"];

/** A number of 32 bits made of a text (FNV-1a). */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let place = 0; place < text.length; place++) value = Math.imul(value ^ text.charCodeAt(place), 0x01000193);
  return value >>> 0;
}

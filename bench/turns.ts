// Comparisons on a machine that is never quiet: what is compared is measured in short turns, over and over, and what
// counts is the ratio of turns next to each other.
import { CONNECTIONS, load, type Measurement, median, percentile, perSecond, single, type Target } from "./load.ts";

/** What was seen of one target, a measurement a round. */
export interface Seen {
  /** One client. */
  alone: Measurement[];
  /** `CONNECTIONS` clients, when they were asked for. */
  crowded: Measurement[];
  /** What the turn's requests cost its server's processors, each; when there was a meter. */
  cpuMs: number[];
}

export interface TurnOptions<Side extends string> {
  /** How long to go on, all sides together. At least `MIN_ROUNDS` are made. */
  seconds: number;
  /** Whether there are turns of many clients, too. */
  crowded: boolean;
  /** The processor time, in milliseconds, that each side's server has used so far. */
  cpuOf?: Record<Side, () => number>;
}

/** A ratio, and the bounds within which it lies with a certainty of 95 % (of three rounds: all that were seen). */
export interface Ratio {
  ratio: number;
  low: number;
  high: number;
}

const MIN_ROUNDS = 3;
const WARM_UP_SECONDS = 0.2;
/** About what a turn takes: shorter than what disturbs it mostly lasts. */
const ALONE_SECONDS = 0.08;
const CROWDED_SECONDS = 0.2;

/** Measures targets in turns. @throws when one does not answer 2xx while it is warmed up */
export async function inTurns<Side extends string>(
  targets: Record<Side, Target>,
  { seconds, crowded, cpuOf }: TurnOptions<Side>,
): Promise<Record<Side, Seen>> {
  const sides = Object.entries(targets) as [Side, Target][];
  const seen = Object.fromEntries(sides.map(([side]) => [side, { alone: [], crowded: [], cpuMs: [] }]));
  const all = seen as unknown as Record<Side, Seen>;
  const amounts = new Map<Side, { alone: number; crowded: number }>();
  for (const [side, target] of sides) amounts.set(side, await warmUp(side, target, crowded));

  const startedAt = performance.now();
  for (let round = 0; round < MIN_ROUNDS || performance.now() - startedAt < seconds * 1000; round++) {
    // To and fro, so that a machine that slows down slows none of them more.
    for (const [side, target] of round % 2 === 0 ? sides : sides.toReversed()) {
      const amount = amounts.get(side) ?? { alone: 1, crowded: 1 };
      const cpuBefore = cpuOf?.[side]() ?? 0;
      const parts = [await single(target, amount.alone)];
      all[side].alone.push(...parts);
      if (crowded) {
        parts.push(await load(target, amount.crowded));
        all[side].crowded.push(...parts.slice(1));
      }
      const requests = parts.reduce((sum, part) => sum + part.requests, 0);
      if (cpuOf !== undefined) all[side].cpuMs.push((cpuOf[side]() - cpuBefore) / requests);
    }
  }
  return all;
}

/** Answers how many requests a turn has. */
async function warmUp(side: string, target: Target, crowded: boolean): Promise<{ alone: number; crowded: number }> {
  const parts = [await single(target, 1_000, WARM_UP_SECONDS)];
  for (let amount = CONNECTIONS * 2; crowded && parts.length < 3; )
    amount = perSecond(parts[parts.push(await load(target, amount)) - 1] as Measurement) * WARM_UP_SECONDS;
  const failed = parts.find(({ errors }) => errors > 0);
  if (failed !== undefined)
    throw new Error(`${side}, ${target.requests[0]?.path}: answers ${JSON.stringify(failed.statuses)}`);
  const [one, many] = [parts[0] as Measurement, parts.at(-1) as Measurement];
  return {
    alone: Math.max(1, Math.round((ALONE_SECONDS * 1000) / percentile(one, 0.5))),
    crowded: Math.round(perSecond(many) * CROWDED_SECONDS),
  };
}

/** How two targets differ in something, round by round. */
export function ratioOf<Part>(above: readonly Part[], below: readonly Part[], of: (part: Part) => number): Ratio {
  const ratios = above.map((part, round) => of(part) / of(below[round] as Part)).sort((a, b) => a - b);
  // Of the median, by the places in which it is to be looked for: no outlier moves them.
  const reach = 0.98 * Math.sqrt(ratios.length);
  const last = ratios.length - 1;
  return {
    ratio: median(ratios),
    low: ratios[Math.max(0, Math.floor(last / 2 - reach))] ?? Number.NaN,
    high: ratios[Math.min(last, Math.ceil(last / 2 + reach))] ?? Number.NaN,
  };
}

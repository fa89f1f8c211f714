import type { Pools } from "./pools.ts";
import { Random } from "./random.ts";
import type { Member, Pipeline } from "./setup.ts";

/** What a workspace has that records refer to. */
export interface Ground {
  workspaceId: string;
  members: readonly Member[];
  pipelines: readonly Pipeline[];
  /** The custom fields that are as we define them, as `companies.segment`. */
  customFields: ReadonlySet<string>;
}

/** All that records are made of: the same recipe makes the same records. */
export interface Recipe {
  seed: string;
  /** The latest moment that anything has happened at, in milliseconds. */
  now: number;
  pools: Pools;
  ground: Ground;
}

/** The recipe of a workspace. `now` is cut to the day, so that a day's runs agree. */
export function makeRecipe({ seed, now, pools, ground }: Omit<Recipe, "seed"> & { seed: number }): Recipe {
  return { seed: `${seed}/${ground.workspaceId}`, now: Math.floor(now / DAY) * DAY, pools, ground };
}

export const DAY = 86_400_000;

/** How far back the first records go. */
export const HISTORY = 730 * DAY;

export function randomOf(recipe: Recipe, stream: string, serial: number): Random {
  return new Random(recipe.seed, stream, serial);
}

/** A time as the database takes it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

/** The calendar day of a time. */
export function day(at: number): string {
  return iso(at).slice(0, 10);
}

/** A member's id, or nobody's: some records belong to no one yet. */
export function pickOwner(random: Random, { ground }: Recipe): string | null {
  return ground.members.length > 0 && random.chance(0.9) ? random.pick(ground.members).id : null;
}

/** Values of those custom fields that the workspace has; nulls are left out. */
export function customValues(
  { ground }: Recipe,
  resource: string,
  values: Record<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([key, value]) => value !== null && ground.customFields.has(`${resource}.${key}`)),
  );
}

import type { Faker } from "@faker-js/faker";
import { faker as german } from "@faker-js/faker/locale/de";
import { faker as english } from "@faker-js/faker/locale/en";
import { faker as french } from "@faker-js/faker/locale/fr";
import { faker as swedish } from "@faker-js/faker/locale/sv";
import { MARKETS, type Market } from "./markets.ts";

/** How people are called and streets are named somewhere. */
export interface Names {
  first: readonly string[];
  last: readonly string[];
  streets: readonly string[];
}

/** What faker has made once, for records to be put together from: a call of it per record would cost more than the rest. */
export interface Pools {
  names: Record<Market["names"], Names>;
  /** Surnames that companies are called after. No two make the same domain. */
  founders: readonly { name: string; market: Market }[];
}

/** The pools of a seed. */
export function makePools(seed: number): Pools {
  const names = {
    de: makeNames(german, seed),
    en: makeNames(english, seed),
    fr: makeNames(french, seed),
    sv: makeNames(swedish, seed),
  };
  return { names, founders: makeFounders(names) };
}

function makeNames(faker: Faker, seed: number): Names {
  faker.seed(seed);
  return {
    first: distinct(400, () => faker.person.firstName()).filter(isOneWord),
    last: distinct(400, () => faker.person.lastName()).filter(isOneWord),
    streets: distinct(300, () => faker.location.street()),
  };
}

function makeFounders(names: Pools["names"]): Pools["founders"] {
  const taken = new Set<string>();
  return MARKETS.flatMap((market) => {
    const free = names[market.names].last.filter((name) => !taken.has(slug(name))).slice(0, market.surnames);
    for (const name of free) taken.add(slug(name));
    return free.map((name) => ({ name, market }));
  });
}

// Double names are for real people; in a generated email or company name they look generated.
function isOneWord(name: string): boolean {
  return !/[\s-]/.test(name);
}

// Faker repeats itself, so the tries are bounded.
function distinct(count: number, make: () => string): string[] {
  const found = new Map<string, string>();
  for (let tries = 0; tries < count * 3 && found.size < count; tries++) {
    const made = make();
    if (!found.has(slug(made))) found.set(slug(made), made);
  }
  return [...found.values()];
}

/** `Björn O'Hara` → `bjorn-ohara`: what a name looks like in an email or a domain. */
export function slug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("ß", "ss")
    .replaceAll("ø", "o")
    .replaceAll("æ", "ae")
    .replaceAll("œ", "oe")
    .normalize("NFD")
    .replace(/[\u0300-\u036f'’.]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

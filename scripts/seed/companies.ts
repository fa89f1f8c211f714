import { TRADES } from "./industries.ts";
import type { Market, Place } from "./markets.ts";
import { type Pools, slug } from "./pools.ts";
import { hash, type Random } from "./random.ts";
import { customValues, DAY, day, HISTORY, iso, pickOwner, type Recipe, randomOf } from "./recipe.ts";

/** What follows a name that is taken: 40,000 companies have one of their own, the next 40,000 are groups, … */
const QUALIFIERS = ["", "Group", "Partners", "International", "Holdings", "Services", "Solutions", "Ventures"];

/** Larger than the number of names, and prime: steps of it come to each name once before any comes again. */
const STRIDE = 7_368_787;

const TYPES = [
  ["prospect", 52],
  ["customer", 32],
  ["partner", 8],
  ["vendor", 5],
  ["other", 3],
] as const;

export type Company = ReturnType<typeof makeCompany>;

/** The company of that number. Its parent, where it has one, is among `possibleParents`. */
export function makeCompany(recipe: Recipe, serial: number, possibleParents: readonly { id: string }[]) {
  const random = randomOf(recipe, "companies", serial);
  const { name, domain, industry, market } = nameCompany(recipe, serial);
  const place = random.pick(market.places);
  const createdAt = random.moment(recipe.now - HISTORY * random.fraction() ** 0.8, recipe.now);
  const type = random.weighted(TYPES);
  const employees = Math.max(1, Math.round(random.amount(70, 4)));
  const phone = random.chance(0.8) ? random.fill(place.phone.international) : null;
  const id = random.uuid(createdAt);
  const row = {
    id,
    workspace_id: recipe.ground.workspaceId,
    external_id: `A-${String(serial + 1).padStart(7, "0")}`,
    owner_id: pickOwner(random, recipe),
    tags: tagsOf(random, type),
    custom_fields: customValues(recipe, "companies", {
      segment: random.chance(0.7) ? segmentOf(employees) : null,
      contract_ends_on:
        type === "customer" && random.chance(0.6) ? day(recipe.now + random.between(-30, 365) * DAY) : null,
    }),
    source: random.weighted(SOURCES),
    name: random.chance(0.35) ? `${name} ${market.legalForm}` : name,
    domain,
    website: `https://www.${domain}`,
    industry,
    employee_count: random.chance(0.9) ? employees : null,
    ...revenueOf(random, employees, market),
    phone,
    phone_e164: phone === null ? null : e164(phone),
    address: addressOf(random, recipe.pools, market, place),
    type,
    lifecycle_stage: lifecycleOf(random, type),
    parent_company_id: possibleParents.length > 0 && random.chance(0.08) ? random.pick(possibleParents).id : null,
    description: random.chance(0.5) ? `${industry} company in ${place.city} with about ${employees} people.` : null,
    created_at: iso(createdAt),
  };
  return { row, createdAt, market, place };
}

export const SOURCES = [
  ["import", 55],
  ["ui", 22],
  ["api", 18],
  ["automation", 5],
] as const;

// Walks all pairs of a surname and a trade; each is one company, and so one domain.
function nameCompany({ pools: { founders }, seed }: Recipe, serial: number) {
  const pairs = founders.length * TRADES.length;
  const pair = ((serial % pairs) * STRIDE + hash(seed)) % pairs;
  const founder = founders[pair % founders.length] as Pools["founders"][number];
  const { word, industry } = TRADES[Math.floor(pair / founders.length)] as (typeof TRADES)[number];
  const round = Math.floor(serial / pairs);
  const name = [founder.name, word, QUALIFIERS[round] ?? String(round)].filter((part) => part !== "").join(" ");
  // .example is reserved: no mail of a demo ever reaches anybody.
  return { name, domain: `${slug(name)}.example`, industry, market: founder.market };
}

export function addressOf(random: Random, pools: Pools, market: Market, place: Place) {
  return {
    street: market.street(random.pick(pools.names[market.names].streets), random.between(1, 240)),
    city: place.city,
    ...(place.state !== null && { state: place.state }),
    postal_code: random.fill(place.postalCode),
    country: market.country,
  };
}

/** An international number without what is there for the eye. */
export function e164(phone: string): string {
  return `+${phone.replace(/\D/g, "")}`;
}

function revenueOf(random: Random, employees: number, { currency }: Market) {
  if (random.chance(0.2)) return { annual_revenue: null, currency: null };
  const perPerson = random.amount(140_000, 1.6) * (currency === "SEK" ? 10 : 1);
  return { annual_revenue: `${Math.round((employees * perPerson) / 1000)}000.00`, currency };
}

function segmentOf(employees: number): string {
  if (employees >= 1000) return "Enterprise";
  if (employees >= 200) return "Mid-market";
  return employees >= 15 ? "SMB" : "Startup";
}

function lifecycleOf(random: Random, type: string): string {
  if (type === "customer") return random.chance(0.08) ? "evangelist" : "customer";
  if (type !== "prospect") return "other";
  return random.weighted([
    ["lead", 45],
    ["mql", 22],
    ["sql", 15],
    ["opportunity", 18],
  ] as const);
}

function tagsOf(random: Random, type: string): string[] {
  const tags = type === "partner" ? ["partner"] : [];
  if (type === "customer" && random.chance(0.12)) tags.push("vip");
  if (random.chance(0.1)) tags.push("target-account");
  return tags;
}

import { addressOf, type Company, e164, SOURCES } from "./companies.ts";
import { JOBS } from "./industries.ts";
import { MARKETS, type Place } from "./markets.ts";
import { slug } from "./pools.ts";
import type { Random } from "./random.ts";
import { customValues, DAY, day, HISTORY, iso, pickOwner, type Recipe, randomOf } from "./recipe.ts";

const STATUSES = [
  ["active", 82],
  ["inactive", 9],
  ["unsubscribed", 6],
  ["bounced", 3],
] as const;

/** How far people are, by how far their company is; most contacts of a prospect never talked to sales. */
const LIFECYCLES = {
  none: [
    ["subscriber", 55],
    ["lead", 35],
    ["mql", 10],
  ],
  lead: [
    ["subscriber", 25],
    ["lead", 55],
    ["mql", 15],
    ["sql", 5],
  ],
  opportunity: [
    ["lead", 40],
    ["mql", 25],
    ["sql", 15],
    ["opportunity", 20],
  ],
  customer: [
    ["customer", 78],
    ["lead", 12],
    ["evangelist", 4],
    ["subscriber", 6],
  ],
  other: [
    ["other", 80],
    ["subscriber", 20],
  ],
} as const;

const LEAD_SOURCES = [
  ["Website", 34],
  ["Referral", 17],
  ["Webinar", 12],
  ["Trade show", 11],
  ["LinkedIn", 10],
  ["Content download", 8],
  ["Cold outreach", 5],
  ["Partner", 3],
] as const;

const MARKET_SHARES = MARKETS.map((market) => [market, market.surnames] as const);

const SCORES: Record<string, readonly [number, number]> = {
  subscriber: [0, 30],
  lead: [10, 50],
  mql: [35, 70],
  sql: [50, 85],
  opportunity: [60, 95],
  customer: [55, 100],
  evangelist: [85, 100],
  other: [0, 40],
};

export type Contact = ReturnType<typeof makeContact>;

/** The contact of that number, of one of the companies or of none. `takenEmails` are those of the same companies. */
export function makeContact(
  recipe: Recipe,
  serial: number,
  companies: readonly Company[],
  takenEmails: { has(email: string): boolean },
) {
  const random = randomOf(recipe, "contacts", serial);
  // Squared: some companies have dozens of contacts, many have a few.
  const company = random.chance(0.88) ? companies[Math.floor(companies.length * random.fraction() ** 1.6)] : undefined;
  const market = company?.market ?? random.weighted(MARKET_SHARES);
  const place = company !== undefined && random.chance(0.8) ? company.place : random.pick(market.places);
  const { first, last, email } = nameContact(random, recipe, serial, market.names, company, takenEmails);
  const since = company?.createdAt ?? recipe.now - HISTORY * random.fraction() ** 0.8;
  const createdAt = random.moment(since, recipe.now);
  const lifecycle = random.weighted<string>(LIFECYCLES[lifecycleGroup(company)]);
  const status = random.weighted(STATUSES);
  const job = random.pick(JOBS);
  const office = place === company?.place ? company.row.address : addressOf(random, recipe.pools, market, place);
  const address = random.chance(0.6) ? office : null;
  const isLocated = random.chance(0.75);
  const id = random.uuid(createdAt);
  const row = {
    id,
    workspace_id: recipe.ground.workspaceId,
    external_id: externalId(serial),
    owner_id: company !== undefined && random.chance(0.7) ? company.row.owner_id : pickOwner(random, recipe),
    tags: tagsOf(random, lifecycle, company),
    custom_fields: customValues(recipe, "contacts", {
      preferred_channel: random.chance(0.2) ? random.pick(["Email", "Email", "Phone", "LinkedIn"]) : null,
      birthday_gift: lifecycle === "customer" && random.chance(0.25) ? random.chance(0.7) : null,
    }),
    source: random.weighted(SOURCES),
    email,
    first_name: first,
    last_name: last,
    ...phoneOf(random, place, address !== null),
    company_id: company?.row.id ?? null,
    job_title: company !== undefined && random.chance(0.9) ? job.title : null,
    department: company !== undefined && random.chance(0.7) ? job.department : null,
    status,
    lifecycle_stage: random.chance(0.95) ? lifecycle : null,
    lead_source: random.chance(0.88) ? random.weighted(LEAD_SOURCES) : null,
    address,
    linkedin_url: random.chance(0.4)
      ? `https://www.linkedin.com/in/${slug(first)}-${slug(last)}-${random.hex()}`
      : null,
    timezone: isLocated ? place.timezone : null,
    locale: isLocated ? market.locale : null,
    birthday: random.chance(0.18) ? day(-random.between(-25 * 365, 20 * 365) * DAY) : null,
    do_not_contact: random.chance(status === "unsubscribed" ? 0.4 : 0.01),
    score: random.chance(0.85) ? random.between(...(SCORES[lifecycle] ?? ([0, 100] as const))) : null,
    last_activity_at: null as string | null,
    created_at: iso(createdAt),
  };
  return { row, createdAt, company };
}

/** What the record was called where it was imported from; the next run reads from it how far the last one came. */
export function externalId(serial: number): string {
  return `C-${String(serial + 1).padStart(7, "0")}`;
}

function nameContact(
  random: Random,
  { pools }: Recipe,
  serial: number,
  locale: keyof Recipe["pools"]["names"],
  company: Company | undefined,
  takenEmails: { has(email: string): boolean },
) {
  const names = pools.names[locale];
  const [first, last] = [random.pick(names.first), random.pick(names.last)];
  const name = `${slug(first)}.${slug(last)}`;
  const [work, own] = [`${name}@${company?.row.domain}`, `${name}${serial + 1}@mail.example`];
  // Few use their own address for work, and the second of two namesakes has to.
  return { first, last, email: company === undefined || random.chance(0.06) || takenEmails.has(work) ? own : work };
}

function lifecycleGroup(company: Company | undefined): keyof typeof LIFECYCLES {
  switch (company?.row.lifecycle_stage) {
    case undefined:
      return "none";
    case "sql":
    case "opportunity":
      return "opportunity";
    case "customer":
    case "evangelist":
      return "customer";
    case "other":
      return "other";
    default:
      return "lead";
  }
}

// A national number says its country only together with an address.
function phoneOf(random: Random, { phone }: Place, hasAddress: boolean) {
  if (random.chance(0.24)) return { phone: null, phone_e164: null };
  const digits = random.fill("####");
  const dial = (pattern: string) => {
    let used = (pattern.match(/#/g) ?? []).length;
    return pattern.replace(/#/g, () => digits[digits.length - used--] as string);
  };
  const international = dial(phone.international);
  const isNational = hasAddress && random.chance(0.4);
  return { phone: isNational ? dial(phone.national) : international, phone_e164: e164(international) };
}

function tagsOf(random: Random, lifecycle: string, company: Company | undefined): string[] {
  const tags: string[] = [];
  if (random.chance(0.34)) tags.push("newsletter");
  if (random.chance(0.12)) tags.push("webinar");
  if (company?.row.type === "partner") tags.push("partner");
  if ((lifecycle === "customer" || lifecycle === "evangelist") && random.chance(0.12)) tags.push("vip");
  if (random.chance(0.05)) tags.push("decision-maker");
  return tags;
}

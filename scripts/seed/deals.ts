import type { Contact } from "./contacts.ts";
import { LOST_REASONS, PRODUCTS } from "./phrases.ts";
import type { Random } from "./random.ts";
import { customValues, DAY, day, iso, pickOwner, type Recipe, randomOf } from "./recipe.ts";
import type { Pipeline, Stage } from "./setup.ts";

export type Deal = ReturnType<typeof makeDeal>;

/** A stage that a deal has come into, and when. */
export interface Step {
  stage: Stage;
  at: number;
}

/** How deals of a pipeline are: `days` from first to last stage, `won` of those that are closed. */
const KINDS = {
  sale: { share: 66, days: 50, won: 0.42, median: 14_000, months: [12, 12, 24, 36] },
  renewal: { share: 25, days: 40, won: 0.86, median: 18_000, months: [12, 12, 12, 24] },
  partnership: { share: 9, days: 70, won: 0.5, median: 6_000, months: [12, 24] },
} as const;

type Kind = keyof typeof KINDS;

const ROLES = ["Decision maker", "Champion", "Technical evaluator", "Billing", "Legal", "User"];
const COMPETITORS = ["Pipewise", "Northstar CRM", "Leadbase", "Spreadsheets", "In-house tool"];

/** The deal of that number with one of the contacts, all of which have a company; `colleagues` are of the same one. */
export function makeDeal(
  recipe: Recipe,
  serial: number,
  contacts: readonly Contact[],
  colleaguesOf: (contact: Contact) => readonly Contact[],
) {
  const random = randomOf(recipe, "deals", serial);
  const contact = random.pick(contacts);
  const company = contact.company as NonNullable<Contact["company"]>;
  const { kind, pipeline } = pickPipeline(random, recipe.ground.pipelines);
  const createdAt = random.moment(contact.createdAt, recipe.now);
  const steps = walk(random, pipeline, KINDS[kind], createdAt, recipe.now);
  const { stage, at: enteredAt } = steps.at(-1) as Step;
  const isOpen = stage.type === "open";
  const amount = isOpen && random.chance(0.06) ? null : amountOf(random, kind, company.market.currency);
  const id = random.uuid(createdAt);
  const row = {
    id,
    workspace_id: recipe.ground.workspaceId,
    owner_id: contact.row.owner_id ?? pickOwner(random, recipe),
    tags: random.chance(0.08) ? ["strategic"] : [],
    custom_fields: customValues(recipe, "deals", {
      competitor: random.chance(0.25) ? random.pick(COMPETITORS) : null,
      contract_months: random.chance(0.5) ? random.pick(KINDS[kind].months) : null,
    }),
    source: random.weighted([
      ["ui", 70],
      ["api", 20],
      ["import", 10],
    ] as const),
    name: `${company.row.name} – ${titleOf(random, kind, createdAt)}`,
    pipeline_id: pipeline.id,
    stage_id: stage.id,
    probability: stage.probability,
    amount,
    currency: amount === null ? null : company.market.currency,
    expected_close_date: isOpen
      ? day(Math.max(enteredAt, recipe.now - 20 * DAY) + random.between(3, 120) * DAY)
      : day(enteredAt + random.between(-10, 10) * DAY),
    closed_at: isOpen ? null : iso(enteredAt),
    lost_reason: stage.type === "lost" ? random.weighted(LOST_REASONS) : null,
    company_id: company.row.id,
    primary_contact_id: contact.row.id,
    contacts: participants(random, contact, colleaguesOf(contact)),
    type: kind === "renewal" ? "renewal" : random.chance(0.2) ? "upsell" : "new",
    priority: random.weighted([
      ["normal", 60],
      ["high", 22],
      ["low", 12],
      ["urgent", 6],
    ] as const),
    stage_entered_at: iso(enteredAt),
    created_at: iso(createdAt),
  };
  return { row, createdAt, endedAt: isOpen ? recipe.now : enteredAt, contact, steps };
}

function pickPipeline(random: Random, pipelines: readonly Pipeline[]): { kind: Kind; pipeline: Pipeline } {
  const choices = pipelines.map((pipeline) => {
    const kind = kindOf(pipeline);
    return [{ kind, pipeline }, KINDS[kind].share] as const;
  });
  return random.weighted(choices);
}

function kindOf({ name }: Pipeline): Kind {
  if (name === "Renewals") return "renewal";
  return name === "Partnerships" ? "partnership" : "sale";
}

/** The way of a deal: through some of the open stages, and to an end when its time is over. */
function walk(
  random: Random,
  { stages }: Pipeline,
  { days, won }: (typeof KINDS)[Kind],
  createdAt: number,
  now: number,
): Step[] {
  const open = stages.filter(({ type }) => type === "open");
  const last = (type: Stage["type"]) => stages.find((stage) => stage.type === type) as Stage;
  const length = random.amount(days, 1.8) * DAY;
  // Some go on beside all plans, as they do.
  const isClosed = createdAt + length <= now && random.chance(0.93);
  const isWon = random.chance(won);
  const progress = isClosed ? (isWon ? 1 : random.fraction()) : Math.min(1, (now - createdAt) / length);
  const passed = open.slice(0, Math.max(1, Math.ceil(open.length * progress)));
  const end = isClosed ? random.moment(createdAt + length / 2, createdAt + length) : now;
  const times = passed
    .map((_, place) => (place === 0 ? createdAt : random.moment(createdAt, end)))
    .sort((a, b) => a - b);
  const steps = passed.map((stage, place) => ({ stage, at: times[place] as number }));
  if (isClosed) steps.push({ stage: last(isWon ? "won" : "lost"), at: end });
  return steps;
}

function amountOf(random: Random, kind: Kind, currency: string): string {
  const amount = random.amount(KINDS[kind].median, 2.6) * (currency === "SEK" ? 10 : 1);
  const step = amount > 20_000 ? 500 : 50;
  return `${Math.max(step, Math.round(amount / step) * step)}.00`;
}

function titleOf(random: Random, kind: Kind, createdAt: number): string {
  if (kind === "renewal") return `Renewal ${new Date(createdAt).getUTCFullYear()}`;
  if (kind === "partnership") return random.pick(["Reseller agreement", "Referral partnership", "Integration"]);
  return random.chance(0.3) ? `${random.between(1, 40) * 5} seats` : random.pick(PRODUCTS);
}

function participants(random: Random, contact: Contact, colleagues: readonly Contact[]) {
  const others = colleagues.filter((colleague) => colleague !== contact).slice(0, random.below(4));
  return [contact, ...others].map(({ row }, place) => ({
    contact_id: row.id,
    role: place === 0 ? random.pick(["Decision maker", "Champion"]) : random.pick(ROLES),
  }));
}

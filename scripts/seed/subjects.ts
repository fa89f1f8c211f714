import type { Contact } from "./contacts.ts";
import type { Deal } from "./deals.ts";
import { PRODUCTS } from "./phrases.ts";
import type { Random } from "./random.ts";
import type { Recipe } from "./recipe.ts";

/** Whom and what a task or an activity is about, and the time in which it can have come up. */
export interface Subject {
  contact: Contact;
  deal: Deal | undefined;
  links: { contact_id: string; company_id: string | null; deal_id: string | null };
  from: number;
  to: number;
}

/** A deal with its contact in that share of cases, else one of the contacts. */
export function pickSubject(
  random: Random,
  recipe: Recipe,
  { contacts, deals, dealShare }: { contacts: readonly Contact[]; deals: readonly Deal[]; dealShare: number },
): Subject {
  const deal = deals.length > 0 && random.chance(dealShare) ? random.pick(deals) : undefined;
  // Squared: most is said to and about a few people.
  const contact = deal?.contact ?? (contacts[Math.floor(contacts.length * random.fraction() ** 2)] as Contact);
  return {
    contact,
    deal,
    links: { contact_id: contact.row.id, company_id: contact.row.company_id, deal_id: deal?.row.id ?? null },
    from: deal?.createdAt ?? contact.createdAt,
    to: deal?.endedAt ?? recipe.now,
  };
}

/** The words that fill a phrase about the subject. */
export function wordsOf(random: Random, { contact }: Subject): Record<string, string> {
  return {
    first: contact.row.first_name,
    last: contact.row.last_name,
    company: contact.company?.row.name ?? "their company",
    industry: contact.company?.row.industry.toLowerCase() ?? "local",
    product: random.pick(PRODUCTS).toLowerCase(),
  };
}

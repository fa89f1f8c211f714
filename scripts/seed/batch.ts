import { type Activity, makeActivity } from "./activities.ts";
import { type Company, makeCompany } from "./companies.ts";
import { type Contact, makeContact } from "./contacts.ts";
import { type Deal, makeDeal } from "./deals.ts";
import { iso, type Recipe } from "./recipe.ts";
import { makeTask } from "./tasks.ts";

/** Records that refer only to each other and to the workspace's ground. */
export interface Batch {
  companies: Company["row"][];
  contacts: Contact["row"][];
  deals: Deal[];
  tasks: ReturnType<typeof makeTask>[];
  activities: Activity["row"][];
}

/** How many there are of each for a contact. */
export const PER_CONTACT = { companies: 0.1, deals: 0.27, tasks: 0.54, activities: 1 };

const BUYERS = new Set(["sql", "opportunity", "customer", "evangelist"]);

/** The contacts with the numbers from `from` up to, not including, `to`, and their share of everything else. */
export function makeBatch(recipe: Recipe, from: number, to: number): Batch {
  const serials = (share: number) => {
    const first = Math.round(from * share);
    return Array.from({ length: Math.round(to * share) - first }, (_, place) => first + place);
  };
  const companies = makeCompanies(recipe, serials(PER_CONTACT.companies));
  const contacts = makeContacts(recipe, serials(1), companies);
  const deals = makeDeals(recipe, serials(PER_CONTACT.deals), contacts);
  const tasks = serials(PER_CONTACT.tasks).map((serial) =>
    makeTask(recipe, serial, { contacts, deals, dealShare: 0.55 }),
  );
  const activities = serials(PER_CONTACT.activities).map((serial) =>
    makeActivity(recipe, serial, { contacts, deals, dealShare: 0.4 }),
  );
  noteLastActivities(activities, recipe.now);
  return {
    companies: companies.map(({ row }) => row),
    contacts: contacts.map(({ row }) => row),
    deals,
    tasks,
    activities: activities.map(({ row }) => row),
  };
}

// Parents have none themselves and come first, so that they are there when their daughters are inserted.
function makeCompanies(recipe: Recipe, serials: number[]): Company[] {
  const parents: Company["row"][] = [];
  const companies = serials.map((serial) => {
    const company = makeCompany(recipe, serial, parents);
    if (company.row.parent_company_id === null && (company.row.employee_count ?? 0) > 150) parents.push(company.row);
    return company;
  });
  return companies;
}

function makeContacts(recipe: Recipe, serials: number[], companies: Company[]): Contact[] {
  const emails = new Set<string>();
  return serials.map((serial) => {
    const contact = makeContact(recipe, serial, companies, emails);
    emails.add(contact.row.email);
    return contact;
  });
}

function makeDeals(recipe: Recipe, serials: number[], contacts: Contact[]): Deal[] {
  const employed = contacts.filter(({ company }) => company !== undefined);
  if (employed.length === 0) return [];
  const buyers = employed.filter(({ row }) => BUYERS.has(row.lifecycle_stage ?? ""));
  const byCompany = new Map<Contact["company"], Contact[]>();
  for (const contact of employed) byCompany.set(contact.company, [...(byCompany.get(contact.company) ?? []), contact]);
  return serials.map((serial) =>
    makeDeal(recipe, serial, buyers.length > 0 ? buyers : employed, ({ company }) => byCompany.get(company) ?? []),
  );
}

// The database would find it out itself, with an update of the contact per activity.
function noteLastActivities(activities: readonly Activity[], now: number): void {
  const last = new Map<Contact, number>();
  for (const { contact, occurredAt } of activities)
    if (occurredAt <= now) last.set(contact, Math.max(occurredAt, last.get(contact) ?? 0));
  for (const [contact, occurredAt] of last) contact.row.last_activity_at = iso(occurredAt);
}

/** How many records a batch has. */
export function sizeOf({ companies, contacts, deals, tasks, activities }: Batch): number {
  return companies.length + contacts.length + deals.length + tasks.length + activities.length;
}

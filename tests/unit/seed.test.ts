import { describe, expect, test } from "vitest";
import { type Batch, makeBatch } from "../../scripts/seed/batch.ts";
import { makePools } from "../../scripts/seed/pools.ts";
import { DAY, HISTORY, makeRecipe, type Recipe } from "../../scripts/seed/recipe.ts";
import { CUSTOM_FIELDS, type Pipeline, type Stage } from "../../scripts/seed/setup.ts";
import { activities } from "../../shared/resources/activities.ts";
import { companies } from "../../shared/resources/companies.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { deals } from "../../shared/resources/deals.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { withE164 } from "../../shared/resources/phone.ts";
import { tasks } from "../../shared/resources/tasks.ts";

const NOW = Date.parse("2026-11-24T15:30:00Z");
const TODAY = Date.parse("2026-11-24T00:00:00Z");
const pools = makePools(1);
const batch = makeBatch(recipeOf(1), 0, 600);

type Row = Record<string, unknown>;

const byResource: [Resource, Row[]][] = [
  [companies, batch.companies],
  [contacts, batch.contacts],
  [deals, batch.deals.map(({ row }) => row)],
  [tasks, batch.tasks],
  [activities, batch.activities],
];

function recipeOf(seed: number, now = NOW): Recipe {
  return makeRecipe({
    seed,
    now,
    pools,
    ground: {
      workspaceId: "00000000-0000-7000-8000-000000000001",
      members: [1, 2, 3].map((place) => ({
        id: `00000000-0000-7000-8000-00000000000${place}`,
        name: `Member ${place}`,
        email: `member${place}@team.example`,
      })),
      pipelines: ["Sales Pipeline", "Renewals", "Partnerships"].map(pipelineOf),
      customFields: new Set(CUSTOM_FIELDS.map(({ resource, key }) => `${resource}.${key}`)),
    },
  });
}

function pipelineOf(name: string, place: number): Pipeline {
  const id = (number: number) => `00000000-0000-7000-8000-0000000001${place}${number}`;
  const stages = (["open", "open", "open", "won", "lost"] as const).map(
    (type, number): Stage => ({ id: id(number), type, probability: { open: 40, won: 100, lost: 0 }[type] }),
  );
  return { id: id(9), name, stages };
}

const idsOf = (rows: readonly { id: string }[]) => new Set(rows.map(({ id }) => id));
const time = (value: string | null) => Date.parse(value ?? "");
const text = (value: unknown) => JSON.stringify(value);

describe("the same seed makes the same records", () => {
  test("in every run of a day", () => {
    expect(makeBatch(recipeOf(1, NOW + 3_600_000), 0, 600)).toEqual(batch);
  });

  test("with pools that are made anew", () => {
    expect(makePools(1)).toEqual(pools);
  });

  test("and another seed others", () => {
    const others = makeBatch(recipeOf(2), 0, 600);
    const domains = new Set(batch.companies.map(({ domain }) => domain));
    expect(others.companies.filter(({ domain }) => domains.has(domain)).length).toBeLessThan(5);
    expect(others.contacts.filter(({ id }) => idsOf(batch.contacts).has(id))).toEqual([]);
  });
});

describe.each(byResource)("$plural", (resource, rows) => {
  test("there are some, with an id each", () => {
    expect(rows.length).toBeGreaterThan(50);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  test("are such as the API takes", () => {
    const refused = rows.flatMap((row) => {
      const given = Object.fromEntries(
        Object.entries(row).filter(([name]) => resource.fields[name] !== undefined && !resource.fields[name].readOnly),
      );
      const { error } = resource.create.safeParse(given);
      return error === undefined ? [] : [`${error.message}: ${text(given)}`];
    });
    expect(refused).toEqual([]);
  });

  test("have their phone numbers in E.164 as the API would derive it", () => {
    for (const row of rows) expect(withE164(resource, row)).toEqual(row);
  });

  test("came to be within two years, not in the future", () => {
    for (const { created_at } of rows) {
      const createdAt = time(created_at as string);
      expect(createdAt).toBeLessThanOrEqual(TODAY);
      expect(createdAt).toBeGreaterThanOrEqual(TODAY - HISTORY - 2 * DAY); // From a weekend to the Friday before.
    }
  });

  test("have the values of custom fields that are defined, in their types", () => {
    const given = rows.flatMap((row) => Object.entries((row["custom_fields"] as Row | undefined) ?? {}));
    const defined = CUSTOM_FIELDS.filter((field) => field.resource === resource.plural);
    expect(new Set(given.map(([key]) => key))).toEqual(new Set(defined.map(({ key }) => key)));
    for (const [key, value] of given) {
      const field = defined.find((one) => one.key === key);
      if (field?.type === "select") expect(field.options, key).toContain(value);
      else if (field?.type === "date") expect(value, key).toMatch(/^\d{4}-\d\d-\d\d$/);
      else expect(typeof value, key).toBe(field?.type === "text" ? "string" : field?.type);
    }
  });
});

describe("what can't be twice", () => {
  const batches: Batch[] = [batch, makeBatch(recipeOf(1), 600, 5000), makeBatch(recipeOf(1), 5000, 10_000)];

  test.each([
    ["emails", batches.flatMap((made) => made.contacts.map(({ email }) => email))],
    ["external ids of contacts", batches.flatMap((made) => made.contacts.map(({ external_id }) => external_id))],
    ["domains", batches.flatMap((made) => made.companies.map(({ domain }) => domain))],
    ["ids of activities", batches.flatMap((made) => made.activities.map(({ id }) => id))],
  ])("%s differ, across batches too", (_what, values) => {
    expect(new Set(values).size).toBe(values.length);
  });

  test("domains differ to the last of the nine million contacts that there may be", () => {
    const late = makeBatch(recipeOf(1), 9_000_000, 9_005_000).companies.map(({ domain }) => domain);
    expect(new Set([...late, ...batches.flatMap((made) => made.companies.map(({ domain }) => domain))]).size).toBe(
      late.length + 1000,
    );
  });
});

describe("references", () => {
  const contactsById = new Map(batch.contacts.map((row) => [row.id, row]));
  const dealsById = new Map(batch.deals.map(({ row }) => [row.id, row]));
  const members = idsOf(recipeOf(1).ground.members);

  test("owners are members, and some records have none", () => {
    for (const [, rows] of byResource) {
      const owners = rows.map(({ owner_id }) => owner_id as string | null);
      expect(owners.filter((owner) => owner !== null && !members.has(owner))).toEqual([]);
      expect(owners).toContain(null);
    }
  });

  test("a parent company has no parent itself and comes first", () => {
    batch.companies.forEach(({ parent_company_id }, place) => {
      if (parent_company_id === null) return;
      const parent = batch.companies.slice(0, place).find(({ id }) => id === parent_company_id);
      expect(parent?.parent_company_id).toBeNull();
    });
    expect(batch.companies.some(({ parent_company_id }) => parent_company_id !== null)).toBe(true);
  });

  test("most contacts have a company and an email of its domain", () => {
    const domains = new Map(batch.companies.map(({ id, domain }) => [id, domain]));
    const employed = batch.contacts.filter(({ company_id }) => company_id !== null);
    const atWork = employed.filter(({ email, company_id }) => email.endsWith(`@${domains.get(company_id ?? "")}`));
    expect(employed.length).toBeGreaterThan(batch.contacts.length * 0.8);
    expect(atWork.length).toBeGreaterThan(employed.length * 0.8);
    for (const { company_id } of employed) expect(domains.has(company_id ?? "")).toBe(true);
  });

  test("a deal's company is that of its contacts, each of whom takes part once", () => {
    for (const { row } of batch.deals) {
      const participants = row.contacts.map(({ contact_id }) => contactsById.get(contact_id));
      expect(participants[0]?.id).toBe(row.primary_contact_id);
      expect(new Set(participants.map((contact) => contact?.company_id))).toEqual(new Set([row.company_id]));
      expect(new Set(participants).size).toBe(participants.length);
    }
  });

  test("tasks and activities of a deal are with its contact and company", () => {
    for (const { deal_id, contact_id, company_id } of [...batch.tasks, ...batch.activities]) {
      const deal = deal_id === null ? undefined : dealsById.get(deal_id);
      expect(deal_id === null).toBe(deal === undefined);
      expect(contactsById.get(contact_id)?.company_id).toBe(company_id);
      if (deal !== undefined) expect(deal).toMatchObject({ primary_contact_id: contact_id, company_id });
    }
  });
});

describe("times", () => {
  const createdAt = new Map(batch.contacts.map(({ id, created_at }) => [id, time(created_at)]));

  test("an activity occurs after its contact came to be, and only meetings are still to come", () => {
    for (const { type, occurred_at, contact_id } of batch.activities) {
      expect(time(occurred_at)).toBeGreaterThanOrEqual(createdAt.get(contact_id) ?? Number.NaN);
      if (type !== "meeting") expect(time(occurred_at)).toBeLessThanOrEqual(TODAY);
    }
    expect(batch.activities.some(({ occurred_at }) => time(occurred_at) > TODAY)).toBe(true);
  });

  test("a contact's last activity is the latest that has been", () => {
    for (const { id, last_activity_at } of batch.contacts) {
      const past = batch.activities
        .filter(({ contact_id, occurred_at }) => contact_id === id && time(occurred_at) <= TODAY)
        .map(({ occurred_at }) => occurred_at);
      expect(last_activity_at).toBe(past.sort().at(-1) ?? null);
    }
  });

  test("a deal goes through its stages in order, and is closed if the last one is an end", () => {
    for (const { row, steps } of batch.deals) {
      const times = steps.map(({ at }) => at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      expect(times[0]).toBe(time(row.created_at));
      expect(times.at(-1)).toBeLessThanOrEqual(TODAY);
      const { stage, at } = steps.at(-1) ?? { stage: undefined, at: 0 };
      expect(row).toMatchObject({ stage_id: stage?.id, stage_entered_at: new Date(at).toISOString() });
      expect(row.closed_at).toBe(stage?.type === "open" ? null : new Date(at).toISOString());
      expect(row.lost_reason !== null).toBe(stage?.type === "lost");
    }
    expect(new Set(batch.deals.map(({ steps }) => steps.at(-1)?.stage.type))).toEqual(new Set(["open", "won", "lost"]));
  });

  test("a task is completed after it came to be and reminds before it is due", () => {
    for (const { status, completed_at, created_at, due_at, remind_at } of batch.tasks) {
      expect(completed_at !== null).toBe(status === "completed");
      if (completed_at !== null) expect(time(completed_at)).toBeGreaterThanOrEqual(time(created_at));
      if (completed_at !== null) expect(time(completed_at)).toBeLessThanOrEqual(TODAY);
      if (remind_at !== null) expect(time(remind_at)).toBeLessThan(time(due_at));
    }
  });

  test("a meeting ends after it begins, an email was sent when it occurred", () => {
    for (const { type, data, occurred_at, duration_seconds } of batch.activities) {
      const { starts_at, ends_at, sent_at } = data as Record<string, string>;
      if (type === "email") expect(sent_at).toBe(occurred_at);
      if (type !== "meeting") continue;
      expect(starts_at).toBe(occurred_at);
      expect(time(ends_at ?? null) - time(starts_at ?? null)).toBe((duration_seconds ?? 0) * 1000);
    }
  });
});

test("amounts are money of a currency, and differ as amounts do", () => {
  const amounts = batch.deals.flatMap(({ row: { amount, currency } }) => {
    expect(amount === null).toBe(currency === null);
    return amount === null ? [] : [Number(amount)];
  });
  amounts.sort((a, b) => a - b);
  const [small = 0, median = 0, large = 0] = [0.1, 0.5, 0.9].map(
    (share) => amounts[Math.floor(amounts.length * share)],
  );
  expect(small).toBeGreaterThan(0);
  expect(large - median).toBeGreaterThan(median - small); // More room above the middle than below: log-normal.
});

import { expect } from "vitest";
import type { Client } from "./client.ts";
import type { Made } from "./sales_team.ts";

/** The tables of the feed, whose rows move and only grow: what compares all rows of a workspace leaves them out. */
export const FEED_TABLES = "^(outbox|feeds|events_.*)$";

/** Everything that the feed tells after a position, page by page. */
export async function eventsAfter(client: Client, after = 0, more = ""): Promise<Made[]> {
  const events: Made[] = [];
  for (;;) {
    const last = events.at(-1)?.["position"] ?? after;
    const page = await client.get(`/events?limit=1000&after=${last}${more}`);
    expect(page.status, JSON.stringify(page.body)).toBe(200);
    events.push(...page.data);
    if (!page.meta.has_more) return events;
  }
}

/** The newest position. */
export async function newestPosition(client: Client): Promise<number> {
  return (await client.get("/events?limit=1")).meta.position;
}

/** That positions leave no hole after one, and that no record's later version stands before an earlier one, nor is one left out. */
export function expectOrdered(events: readonly Made[], after = 0): void {
  expect(events.map(({ position }) => position)).toEqual(events.map((_, index) => after + index + 1));
  const versions = new Map<string, Made[]>();
  for (const event of events)
    if (event["version"] !== null)
      versions.set(event["record_id"], [...(versions.get(event["record_id"]) ?? []), event]);
  for (const [id, told] of versions) {
    const [first] = told;
    expect(
      told.map(({ version }) => version),
      id,
    ).toEqual(told.map((_, index) => first?.["version"] + index));
  }
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
}

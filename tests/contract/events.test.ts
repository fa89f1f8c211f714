import { beforeAll, describe, expect, test } from "vitest";
import { createSalesTeam, type Made, type SalesTeam } from "../harness/sales_team.ts";

let team: SalesTeam;
beforeAll(async () => {
  team = await createSalesTeam();
});

/** What was told of a record, by version. */
async function told(record: Made): Promise<Made[]> {
  const { status, data } = await team.client.get(`/events?record_id=${record["id"]}&limit=1000`);
  expect(status).toBe(200);
  return data;
}

describe("GET /events", () => {
  test("has an event for each version of a record, with what changed", async () => {
    const deal = await team.deal({ name: "Told", amount: "10", currency: "EUR" });
    await team.client.patch(`/deals/${deal["id"]}`, { name: "Told again" });
    await team.client.delete(`/deals/${deal["id"]}`);
    await team.client.post(`/deals/${deal["id"]}/restore`);
    const events = await told(deal);
    expect(events.map(({ type, version }) => [type, version])).toEqual([
      ["deal.created", 1],
      ["deal.updated", 2],
      ["deal.deleted", 3],
      ["deal.restored", 4],
    ]);
    expect(events[0]?.["data"]).toEqual(deal);
    expect(events[1]?.["changes"]).toEqual({ name: { from: "Told", to: "Told again" } });
  });
});

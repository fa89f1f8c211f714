import { beforeAll, describe, expect, test } from "vitest";
import { MAX_DATA_BYTES } from "../../shared/bounds.ts";
import { createSalesTeam, type Made, type SalesTeam } from "../harness/sales_team.ts";

/** The database ends a page at the record that passes this. */
const PAGE_BYTES = 2 * 1024 * 1024;

let team: SalesTeam;
let contact_id: string;
beforeAll(async () => {
  team = await createSalesTeam();
  contact_id = (await team.contact())["id"];
});

/** Data that takes so many bytes as Postgres writes it: `{"text": "…"}`. */
const dataOf = (bytes: number, letter = "x") => ({
  text: letter.repeat((bytes - '{"text": ""}'.length) / Buffer.byteLength(letter)),
});
const activity = (data: Made): Made => ({ type: "custom", contact_id, data });

describe("the data of an activity", () => {
  test.each([
    [1, "x"],
    [2, "é"],
    [4, "🙂"],
  ])("is taken up to 64 kB, in letters of %i bytes, and refused above", async (_bytes, letter) => {
    const most = dataOf(MAX_DATA_BYTES, letter);
    expect(Buffer.byteLength(JSON.stringify(most)) + 1).toBe(MAX_DATA_BYTES);
    const made = await team.make("/activities", activity(most));
    expect((await team.read(`/activities/${made["id"]}`))["data"]).toEqual(most);
    const more = { text: `${most.text}x` };
    const problem = ["The data field may not be longer than 64 kB."];
    for (const { status, error } of [
      await team.client.post("/activities", activity(more)),
      await team.client.patch(`/activities/${made["id"]}`, { data: more }),
    ])
      expect({ status, code: error?.code, details: error?.details }).toEqual({
        status: 400,
        code: "validation_error",
        details: { data: problem },
      });
    const { data } = await team.client.post("/activities/bulk", { records: [activity(more), activity({})] });
    expect(data.map((one: Made) => one["error"]?.details ?? null)).toEqual([{ data: problem }, null]);
  });
});

describe("a page of large records ends early, with a cursor, and the walk has them all", () => {
  const LARGE = 50;
  let ids: string[];
  let about: string;

  beforeAll(async () => {
    about = (await team.contact())["id"];
    ids = [];
    for (let at = 0; at < LARGE; at += 25) {
      const records = Array.from({ length: 25 }, () => ({
        ...activity(dataOf(MAX_DATA_BYTES)),
        contact_id: about,
      }));
      const { status, data } = await team.client.post("/activities/bulk", { records });
      expect(status).toBe(201);
      ids.push(...data.map((one: Made) => one["data"].id));
    }
  });

  test.each([
    ["a list", () => `/activities?contact_id=${about}`],
    ["a list without its total", () => `/activities?contact_id=${about}&total=false`],
    ["a list that includes", () => `/activities?contact_id=${about}&include=contact`],
    ["a list by another sort", () => `/activities?contact_id=${about}&sort=-occurred_at,created_at`],
    ["a timeline", () => `/contacts/${about}/timeline?types=activity`],
  ])("%s", async (_what, path) => {
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages === 0 || cursor !== null; pages++) {
      const after: string = cursor === null ? "" : `&cursor=${cursor}`;
      const { status, data, meta, body } = await team.client.get(`${path()}&limit=100${after}`);
      expect(status, JSON.stringify(body).slice(0, 500)).toBe(200);
      expect(JSON.stringify(data).length).toBeLessThan(PAGE_BYTES + 2 * MAX_DATA_BYTES);
      if (pages === 0) expect(data.length).toBeLessThan(LARGE);
      expect(data.length).toBeGreaterThan(0);
      expect(meta.has_more).toBe(meta.next_cursor !== null);
      seen.push(...data.map((one: Made) => one["id"] ?? one["record"]?.id ?? one["activity"]?.id));
      cursor = meta.next_cursor;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
  });
});

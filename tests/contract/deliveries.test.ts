import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { endOf as importEnd } from "../harness/import_jobs.ts";
import { expectSigned, openReceiver, type Received, type Receiver } from "../harness/receiver.ts";
import { createSalesTeam, type Made, refusal, type SalesTeam } from "../harness/sales_team.ts";
import { database } from "../harness/stack.ts";
import { freshEmail } from "../harness/workspace.ts";

let team: SalesTeam;
let receiver: Receiver;
beforeEach(async () => {
  team = await createSalesTeam();
  receiver = await openReceiver();
});
afterEach(() => receiver.close());

const endpoint = (fields: Made = {}) => team.make("/webhooks", { url: receiver.url, events: ["*"], ...fields });
const of = (id: string) => (received: Received) => received.body["record_id"] === id;
const deliveriesOf = async (webhook: Made, query = ""): Promise<Made[]> =>
  (await team.client.get(`/webhooks/${webhook["id"]}/deliveries?limit=100${query}`)).data;

/** Waits until something is so. */
async function eventually<Seen>(what: () => Promise<Seen>, timeoutMs = 10_000): Promise<Seen> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await what();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

describe("a delivery", () => {
  test("is the event as the feed has it, signed, within a second", async () => {
    const { id, secret } = await endpoint();
    const contact = await team.contact();
    const writtenAt = Date.now();
    const [received] = (await receiver.until(1, of(contact["id"]))) as [Received];
    expect(received.at - writtenAt).toBeLessThan(1000);
    const { data } = await team.client.get(`/events?record_id=${contact["id"]}`);
    expect(received.body).toEqual(data[0]);
    expect(received.headers["webhook-id"]).toBe(data[0].id);
    expect(received.headers["content-type"]).toBe("application/json");
    expectSigned(received, secret);
    await eventually(async () => {
      const webhook = await team.read(`/webhooks/${id}`);
      expect([webhook["position"], webhook["lag"]]).toEqual([data[0].position, 0]);
    });
    const [delivery] = (await deliveriesOf({ id })) as [Made];
    expect(delivery).toMatchObject({
      event_id: data[0].id,
      state: "succeeded",
      attempt_count: 1,
      last_status: 204,
      lane: "live",
    });
    const { attempts } = await team.read(`/webhooks/${id}/deliveries/${delivery["id"]}`);
    expect(attempts).toEqual([
      { at: expect.any(String), status: 204, duration_ms: expect.any(Number), error: null, response: "" },
    ]);
  });

  test("is made of what the endpoint asks for, once, whatever of it holds", async () => {
    await endpoint({ events: ["deal.won", "deal.updated"], filter: { field: "amount", op: "gte", value: "100" } });
    const [small, large] = [
      await team.deal({ amount: "50", currency: "EUR" }),
      await team.deal({ amount: "500", currency: "EUR" }),
    ];
    for (const deal of [small, large]) await team.client.post(`/deals/${deal["id"]}/win`);
    await team.contact();
    await receiver.until(1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(receiver.received.map(({ body }) => [body["type"], body["record_id"]])).toEqual([["deal.won", large["id"]]]);
  });

  test("of what its own key did is left out where it asks for that", async () => {
    await endpoint({ ignore_own: true });
    await team.contact();
    const [other] = await database()`
      insert into crm.tags (workspace_id, name) values (${team.workspaceId}, 'theirs') returning id`;
    await receiver.until(1);
    expect(receiver.received.map(({ body }) => body["record_id"])).toEqual([other?.["id"]]);
  });

  test("has in mode thin the names of what changed, and no data", async () => {
    await endpoint({ mode: "thin" });
    const contact = await team.contact();
    await team.client.patch(`/contacts/${contact["id"]}`, { score: 5 });
    const [, changed] = await receiver.until(2, of(contact["id"]));
    expect(changed?.body).toMatchObject({ type: "contact.updated", version: 2, changed: ["score"] });
    expect(changed?.body).not.toHaveProperty("data");
    expect(changed?.body).not.toHaveProperty("changes");
  });

  test("is signed with both secrets while the old one has its grace", async () => {
    const { id, secret } = await endpoint();
    const rotated = await team.client.post(`/webhooks/${id}/rotate_secret`, { grace_period_seconds: 60 });
    const contact = await team.contact();
    const [received] = (await receiver.until(1, of(contact["id"]))) as [Received];
    expect(rotated.data.secret).not.toBe(secret);
    for (const either of [secret, rotated.data.secret]) expectSigned(received, either);
    await team.client.post(`/webhooks/${id}/rotate_secret`, { grace_period_seconds: 0 });
    const later = await team.contact();
    const [second] = (await receiver.until(1, of(later["id"]))) as [Received];
    for (const old of [secret, rotated.data.secret]) expect(() => expectSigned(second, old)).toThrow();
  });
});

describe("a doorbell", () => {
  test("rings at most once a second, and says which positions there are to read", async () => {
    await endpoint({ mode: "doorbell" });
    for (let n = 0; n < 3; n++) {
      await team.client.post("/contacts/bulk", {
        records: Array.from({ length: 50 }, () => ({ email: freshEmail() })),
      });
    }
    const { position } = (await team.client.get("/events?limit=1")).meta;
    await eventually(async () => expect(receiver.received.at(-1)?.body["to"]).toBe(position));
    const rings = receiver.received.map(({ body }) => body);
    expect(new Set(rings.map(({ type }) => type))).toEqual(new Set(["events.available"]));
    for (const [n, ring] of rings.entries()) if (n > 0) expect(ring["from"]).toBe((rings[n - 1]?.["to"] ?? 0) + 1);
    const times = receiver.received.map(({ at }) => at);
    for (const [n, at] of times.entries()) if (n > 0) expect(at - (times[n - 1] ?? 0)).toBeGreaterThanOrEqual(950);
    expect(rings.length).toBeLessThan(6);
  });
});

describe("an endpoint that fails", () => {
  test("is tried again on its schedule, with the same id and another time", async () => {
    receiver.answer((_received, response, nth) => void response.writeHead(nth === 1 ? 500 : 200).end("sorry"));
    const webhook = await endpoint();
    const contact = await team.contact();
    const [first, second] = (await receiver.until(2, of(contact["id"]), 20_000)) as [Received, Received];
    expect(second.at - first.at).toBeGreaterThan(4_000);
    expect(second.headers["webhook-id"]).toBe(first.headers["webhook-id"]);
    expect(second.text).toBe(first.text);
    expect(second.headers["webhook-timestamp"]).not.toBe(first.headers["webhook-timestamp"]);
    await eventually(async () =>
      expect((await deliveriesOf(webhook))[0]).toMatchObject({
        state: "succeeded",
        attempt_count: 2,
        last_status: 200,
      }),
    );
    expect((await team.read(`/webhooks/${webhook["id"]}`))["failing_since"]).toBeNull();
  }, 40_000);

  test("gets new events only now and then, each that failed when its time has come, and all of them when it answers again", async () => {
    receiver.answer(503);
    const webhook = await endpoint({ events: ["contact.*"] });
    const made: string[] = [];
    for (let n = 0; n < 30; n++) made.push((await team.contact())["id"]);
    const stoppedAt = Date.now();
    await receiver.until(5);
    const failing = await eventually(async () => {
      const seen = await team.read(`/webhooks/${webhook["id"]}`);
      expect(seen["failing_since"]).not.toBeNull();
      return seen;
    });
    expect(failing["lag"]).toBeGreaterThan(15);
    const first = new Set(receiver.received.map(({ body }) => body["id"]));
    expect(first.size).toBeLessThan(12);
    // The second try of those that failed, and one new event to see whether it answers.
    await eventually(async () => {
      const tries = [...first].map((id) => receiver.received.filter(({ body }) => body["id"] === id).length);
      expect(Math.min(...tries)).toBeGreaterThanOrEqual(2);
    }, 12_000);
    expect(Date.now() - stoppedAt).toBeLessThan(12_000);
    const known = new Set(receiver.received.map(({ body }) => body["id"]));
    expect(known.size).toBeLessThan(first.size + 8);

    receiver.answer(200);
    const tried = receiver.received.length;
    await eventually(async () => {
      const got = new Set(receiver.received.slice(tried).map(({ body }) => body["record_id"]));
      expect(got).toEqual(new Set(made));
    }, 20_000);
    await eventually(async () => expect((await team.read(`/webhooks/${webhook["id"]}`))["lag"]).toBe(0));
  }, 60_000);

  test("for one record gets those of others all the same", async () => {
    const [bad, good] = [await team.contact(), await team.contact()];
    receiver.answer((received, response) => void response.writeHead(of(bad["id"])(received) ? 500 : 200).end());
    await endpoint({ events: ["contact.updated"] });
    for (let score = 1; score <= 8; score++) await team.client.patch(`/contacts/${bad["id"]}`, { score });
    for (let score = 1; score <= 5; score++) await team.client.patch(`/contacts/${good["id"]}`, { score });
    await receiver.until(5, of(good["id"]), 40_000);
  }, 60_000);

  test("is tried ten times, each time as long after the last as is promised, and then the delivery has failed", async () => {
    receiver.answer(500);
    const webhook = await endpoint({ events: ["contact.created"] });
    await team.contact();
    const [first] = await eventually(async () => {
      const listed = await deliveriesOf(webhook);
      expect(listed).toHaveLength(1);
      return listed;
    });
    const path = `/webhooks/${webhook["id"]}/deliveries/${first?.["id"]}`;
    const waits = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (const [n, seconds] of waits.entries()) {
      const delivery = await eventually(async () => {
        const seen = await team.read(path);
        expect(seen["attempt_count"]).toBe(n + 1);
        return seen;
      });
      const wait = (Date.parse(delivery["next_attempt_at"]) - Date.parse(delivery["attempts"][n].at)) / 1000;
      expect(wait, `after try ${n + 1}`).toBeGreaterThan(seconds * 0.9 - 1);
      expect(wait, `after try ${n + 1}`).toBeLessThan(seconds * 1.1 + 2);
      // As if the time had passed.
      await database()`update crm.webhook_deliveries set next_attempt_at = now() where id = ${delivery["id"]}`;
      await database()`update crm.webhooks set due_at = now() where id = ${webhook["id"]}`;
    }
    await eventually(async () =>
      expect(await team.read(path)).toMatchObject({
        state: "failed",
        attempt_count: 10,
        next_attempt_at: null,
        finished_at: expect.any(String),
      }),
    );
    expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"]))).toEqual(
      new Set([first?.["event_id"]]),
    );
    receiver.answer(200);
    const { data } = await team.client.post(`/webhooks/${webhook["id"]}/replay`, { only_failed: true });
    expect(data["total"]).toBe(1);
    await eventually(async () =>
      expect(await team.read(path)).toMatchObject({ state: "succeeded", attempt_count: 11 }),
    );
  }, 60_000);

  test("is not asked before the time that its Retry-After names", async () => {
    receiver.answer(
      (_received, response, nth) => void response.writeHead(nth === 1 ? 429 : 200, { "retry-after": "8" }).end(),
    );
    await endpoint({ events: ["contact.created"] });
    await team.contact();
    await receiver.until(1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await team.contact();
    const [first, second] = (await receiver.until(3, undefined, 25_000)) as [Received, Received];
    expect(second.at - first.at).toBeGreaterThan(7_900);
    expect(second.body["id"]).toBe(first.body["id"]);
  }, 40_000);

  test("with 410 is paused at once, and goes on where it stopped when it is resumed", async () => {
    receiver.answer(410);
    const webhook = await endpoint({ events: ["contact.*"] });
    const contact = await team.contact();
    await eventually(async () =>
      expect(await team.read(`/webhooks/${webhook["id"]}`)).toMatchObject({ state: "paused", paused_reason: "gone" }),
    );
    const second = await team.contact();
    receiver.answer(200);
    const tried = receiver.received.length;
    expect((await team.client.post(`/webhooks/${webhook["id"]}/resume`)).status).toBe(200);
    await eventually(async () => {
      const got = receiver.received.slice(tried).map(({ body }) => body["record_id"]);
      expect(new Set(got)).toEqual(new Set([contact["id"], second["id"]]));
    });
    const types = (await team.client.get("/events?types=webhook.*")).data.map(({ type }: Made) => type);
    expect(types).toEqual(["webhook.created", "webhook.paused", "webhook.resumed"]);
  });

  test("delays no other", async () => {
    const quick = await openReceiver();
    receiver.answer(() => {}); // It never answers.
    await endpoint();
    await team.make("/webhooks", { url: quick.url, events: ["contact.*"] });
    for (let n = 0; n < 5; n++) {
      const contact = await team.contact();
      const writtenAt = Date.now();
      const [received] = (await quick.until(1, of(contact["id"]))) as [Received];
      expect(received.at - writtenAt).toBeLessThan(1500);
    }
    await quick.close();
  });
});

describe("what waits to be tried again", () => {
  test("is sent once where a replay or a resumption comes across it, too", async () => {
    receiver.answer(500);
    const webhook = await endpoint({ events: ["contact.created"] });
    const made = [await team.contact(), await team.contact(), await team.contact()].map(({ id }) => id as string);
    await eventually(async () => expect(await deliveriesOf(webhook, "&state=pending")).toHaveLength(3));
    receiver.answer(200);
    const tried = receiver.received.length;
    const again = await team.client.post(`/webhooks/${webhook["id"]}/replay`, {});
    await eventually(async () => expect((await team.read(`/jobs/${again.data.id}`))["state"]).toBe("succeeded"));
    await eventually(async () => expect(await deliveriesOf(webhook, "&state=succeeded")).toHaveLength(3));
    expect(new Set(receiver.received.slice(tried).map(({ body }) => body["record_id"]))).toEqual(new Set(made));

    receiver.answer(500);
    const late = await team.contact();
    await receiver.until(1, of(late["id"]));
    await eventually(async () => expect(await deliveriesOf(webhook, "&state=pending")).toHaveLength(1));
    await team.client.post(`/webhooks/${webhook["id"]}/pause`);
    receiver.answer(200);
    await team.client.post(`/webhooks/${webhook["id"]}/resume`, { from: 1 });
    await eventually(async () => {
      expect(await deliveriesOf(webhook, "&state=succeeded")).toHaveLength(4);
      expect((await team.read(`/webhooks/${webhook["id"]}`))["lag"]).toBe(0);
    });
  }, 40_000);

  test("is told by the ring of an endpoint that becomes a doorbell", async () => {
    receiver.answer(500);
    const webhook = await endpoint({ events: ["contact.created"] });
    await team.client.post("/contacts/bulk", { records: [{ email: freshEmail() }, { email: freshEmail() }] });
    await eventually(async () => expect(await deliveriesOf(webhook, "&state=pending")).toHaveLength(2));
    receiver.answer(200);
    const tried = receiver.received.length;
    await team.client.patch(`/webhooks/${webhook["id"]}`, { mode: "doorbell" });
    await receiver.until(tried + 1);
    const ring = receiver.received[tried]?.body as Made;
    const events = (await team.client.get("/events?types=contact.created")).data.map(({ position }: Made) => position);
    expect(ring).toMatchObject({ type: "events.available" });
    expect(ring["from"]).toBeLessThanOrEqual(Math.min(...events));
    expect(ring["to"]).toBeGreaterThanOrEqual(Math.max(...events));
    expect(await deliveriesOf(webhook, "&state=pending")).toEqual([]);
  });

  test("is owed to an endpoint that was paused for failing, though it was given up", async () => {
    receiver.answer(500);
    const webhook = await endpoint({ events: ["contact.created"] });
    const contact = await team.contact();
    await eventually(async () => expect(await deliveriesOf(webhook, "&state=pending")).toHaveLength(1));
    // As after five days.
    await database()`update crm.webhook_deliveries set state = 'failed', next_attempt_at = null where webhook_id = ${webhook["id"]}`;
    await database()`update crm.webhooks set failing_since = now() - interval '6 days' where id = ${webhook["id"]}`;
    await database()`select crm.watch_webhooks()`;
    expect(await team.read(`/webhooks/${webhook["id"]}`)).toMatchObject({ state: "paused", paused_reason: "failing" });
    receiver.answer(200);
    const tried = receiver.received.length;
    await team.client.post(`/webhooks/${webhook["id"]}/resume`);
    await eventually(async () => expect(receiver.received.slice(tried).some(of(contact["id"]))).toBe(true));
  });
});

describe("order and lanes", () => {
  test("with ordering = record a record's events wait for each other, and no other's", async () => {
    let isDown = true;
    const [stuck, free] = [await team.contact(), await team.contact()];
    receiver.answer((received, response) => {
      const fails = isDown && received.body["record_id"] === stuck["id"];
      response.writeHead(fails ? 500 : 200).end();
    });
    await endpoint({ events: ["contact.updated"], ordering: "record" });
    for (let score = 1; score <= 3; score++)
      for (const contact of [stuck, free]) await team.client.patch(`/contacts/${contact["id"]}`, { score });
    await receiver.until(3, of(free["id"]));
    isDown = false;
    await receiver.until(4, of(stuck["id"]), 20_000);
    const versions = receiver.received.filter(of(stuck["id"])).map(({ body }) => body["version"]);
    expect(versions.slice(-3)).toEqual([2, 3, 4]);
    expect(new Set(versions.slice(0, -3))).toEqual(new Set([2]));
  }, 40_000);

  test("with ordering = record what is new waits behind all that waits of its record", async () => {
    const contact = await team.contact();
    let failures = 2;
    receiver.answer((_received, response) => {
      failures -= 1;
      response.writeHead(failures >= 0 ? 500 : 200).end();
    });
    await endpoint({ events: ["contact.updated"], ordering: "record" });
    for (let score = 1; score <= 3; score++) await team.client.patch(`/contacts/${contact["id"]}`, { score });
    await receiver.until(2, undefined, 15_000);
    for (let score = 4; score <= 12; score++) {
      await team.client.patch(`/contacts/${contact["id"]}`, { score });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await database()`update crm.webhook_deliveries set next_attempt_at = now() where state = 'pending' and next_attempt_at < 'infinity' and workspace_id = ${team.workspaceId}`;
    await database()`update crm.webhooks set due_at = now() where workspace_id = ${team.workspaceId}`;
    await receiver.until(1, ({ body }) => body["version"] === 13, 20_000);
    const versions = receiver.received.map(({ body }) => body["version"]);
    for (const [n, version] of versions.entries())
      if (n > 0) expect(version - (versions[n - 1] ?? 0)).toBeLessThanOrEqual(1);
  }, 60_000);

  test("an import keeps no single event waiting, and is told by its end too", async () => {
    receiver.answer((_received, response) => void setTimeout(() => response.writeHead(200).end(), 20));
    await endpoint();
    const rows = Array.from({ length: 600 }, () => freshEmail());
    const made = await team.client.post("/imports", {
      resource: "contacts",
      format: "csv",
      content: ["email", ...rows].join("\n"),
    });
    await importEnd(team.client, made.data.id);
    const contact = await team.contact();
    await receiver.until(1, of(contact["id"]));
    expect(receiver.received.filter(({ body }) => body["source"] === "import").length).toBeLessThan(500);
    await receiver.until(600, ({ body }) => body["source"] === "import" && body["type"] === "contact.created", 40_000);
    const [ended] = (await receiver.until(1, ({ body }) => body["type"] === "import.completed")) as [Received];
    expect(ended.body).toMatchObject({ record_id: made.data.id, data: { status: "completed", created: 600 } });
  }, 60_000);
});

describe("once more", () => {
  test("a doorbell has nothing to send again, and tests of an endpoint that does not answer are bounded", async () => {
    const bell = await endpoint({ mode: "doorbell" });
    await team.contact();
    await receiver.until(1);
    await eventually(async () => expect(await deliveriesOf(bell)).not.toHaveLength(0));
    const [ring] = (await deliveriesOf(bell)) as [Made];
    const code = "nothing_to_redeliver";
    const path = `/webhooks/${bell["id"]}`;
    expect(refusal(await team.client.post(`${path}/deliveries/${ring["id"]}/redeliver`))).toEqual({
      status: 409,
      code,
    });
    expect(refusal(await team.client.post(`${path}/replay`))).toEqual({ status: 409, code });

    receiver.answer(() => {}); // It never answers.
    const deaf = await endpoint({ events: ["changelog.published"] });
    const answers = [];
    for (let n = 0; n < 22; n++) answers.push(await team.client.post(`/webhooks/${deaf["id"]}/test`, {}));
    expect(answers.slice(0, 20).map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect(answers.slice(20).map(refusal)).toContainEqual({ status: 429, code: "too_many_tests" });
  });

  test("a doorbell's test is a ring, marked too", async () => {
    const webhook = await endpoint({ mode: "doorbell" });
    const { data } = await team.client.post(`/webhooks/${webhook["id"]}/test`);
    const [received] = (await receiver.until(1)) as [Received];
    expect(received.body).toMatchObject({ id: data.event_id, type: "events.available", test: true });
  });

  test("a test is a marked sample of a type that the endpoint gets, sent once", async () => {
    const webhook = await endpoint({ events: ["deal.won"] });
    await team.deal();
    const { status, data } = await team.client.post(`/webhooks/${webhook["id"]}/test`);
    expect({ status, data }).toMatchObject({ status: 201, data: { type: "deal.won", lane: "test", state: "pending" } });
    const [received] = (await receiver.until(1)) as [Received];
    expect(received.body).toMatchObject({
      type: "deal.won",
      test: true,
      source: "test",
      data: { name: expect.any(String) },
    });
    expectSigned(received, webhook["secret"]);
    receiver.answer(500);
    const again = await team.client.post(`/webhooks/${webhook["id"]}/test`, { type: "contact.created" });
    await eventually(async () => {
      const delivery = await team.read(`/webhooks/${webhook["id"]}/deliveries/${again.data.id}`);
      expect(delivery).toMatchObject({ state: "failed", last_status: 500, type: "contact.created" });
      expect(delivery["attempts"][0].response).toBe("no");
    });
    expect((await team.client.post(`/webhooks/${webhook["id"]}/test`, { type: "deal.wun" })).error.message).toContain(
      "deal.won",
    );
  });

  test("a delivery is redelivered, with its id, to the endpoint as it is now", async () => {
    const webhook = await endpoint();
    const contact = await team.contact();
    await receiver.until(1, of(contact["id"]));
    await eventually(async () => expect(await deliveriesOf(webhook)).toHaveLength(1));
    const [delivery] = (await deliveriesOf(webhook)) as [Made];
    const elsewhere = await openReceiver();
    await team.client.patch(`/webhooks/${webhook["id"]}`, { url: elsewhere.url });
    const path = `/webhooks/${webhook["id"]}/deliveries/${delivery["id"]}`;
    const answer = await team.client.post(`${path}/redeliver`);
    expect({ status: answer.status, data: answer.data }).toMatchObject({
      status: 200,
      data: { id: delivery["id"], state: "pending" },
    });
    const [received] = (await elsewhere.until(1, of(contact["id"]))) as [Received];
    expect(received.headers["webhook-id"]).toBe(delivery["event_id"]);
    await eventually(async () => expect(await team.read(path)).toMatchObject({ state: "succeeded", attempt_count: 2 }));
    await team.client.post(`/webhooks/${webhook["id"]}/pause`);
    expect(refusal(await team.client.post(`${path}/redeliver`))).toEqual({ status: 409, code: "webhook_paused" });
    await elsewhere.close();
  });

  test("a part of the feed is replayed by a job that says how far it is", async () => {
    const webhook = await endpoint({ events: ["contact.created"] });
    const made: string[] = [];
    for (let n = 0; n < 12; n++) made.push((await team.contact())["id"]);
    await receiver.until(12);
    await eventually(async () => expect((await team.read(`/webhooks/${webhook["id"]}`))["lag"]).toBe(0));
    const dry = await team.client.post(`/webhooks/${webhook["id"]}/replay`, { dry_run: true });
    expect(dry).toMatchObject({ status: 200, data: { total: 12 }, meta: { dry_run: true } });
    expect(receiver.received).toHaveLength(12);
    const { status, data: job } = await team.client.post(`/webhooks/${webhook["id"]}/replay`, { from: 1 });
    expect({ status, kind: job.kind, total: job.total }).toEqual({ status: 202, kind: "replay_webhook", total: 12 });
    await receiver.until(24);
    await eventually(async () =>
      expect(await team.read(`/jobs/${job.id}`)).toMatchObject({ state: "succeeded", done: 12, result: { sent: 12 } }),
    );
    const counts = made.map((id) => receiver.received.filter(of(id)).length);
    expect(new Set(counts)).toEqual(new Set([2]));
    const failed = await team.client.post(`/webhooks/${webhook["id"]}/replay?dry_run=true`, { only_failed: true });
    expect(failed.data.total).toBe(0);
  }, 40_000);

  test("from = now leaves out what came while it was paused, a position goes back to it", async () => {
    const webhook = await endpoint({ events: ["contact.created"] });
    await team.client.post(`/webhooks/${webhook["id"]}/pause`);
    const missed = await team.contact();
    await team.client.post(`/webhooks/${webhook["id"]}/resume`, { from: "now" });
    const next = await team.contact();
    await receiver.until(1, of(next["id"]));
    expect(receiver.received.some(of(missed["id"]))).toBe(false);
    await team.client.post(`/webhooks/${webhook["id"]}/pause`);
    await team.client.post(`/webhooks/${webhook["id"]}/resume`, { from: 1 });
    await receiver.until(1, of(missed["id"]));
  });
});

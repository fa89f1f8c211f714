import { beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "../harness/client.ts";
import {
  createSalesTeam,
  expectRefused,
  freshName,
  type Made,
  refusal,
  type SalesTeam,
  statuses,
} from "../harness/sales_team.ts";
import { database } from "../harness/stack.ts";
import { freshEmail } from "../harness/workspace.ts";

let team: SalesTeam;
let others: SalesTeam;
beforeAll(async () => {
  [team, others] = await Promise.all([createSalesTeam(), createSalesTeam()]);
});

const refused = (call: () => Promise<Answer>, expected: Parameters<typeof expectRefused>[2]) =>
  expectRefused(team, call, expected);
const times = <T>(count: number, call: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => call(index)));
/** Sends records none of which is valid. */
async function expectNone(path: string, records: Made[]): Promise<void> {
  const { data } = await refused(() => team.client.post(path, { records }), { status: 207, code: undefined });
  expect(data.map((one: Made) => one["error"]?.code)).toEqual(records.map(() => "validation_error"));
}
const absent = "01890000-0000-7000-8000-000000000000";

/** The path, the body of a new record, and the unique field with its code. */
const unique: [code: string, field: string, path: () => Promise<string>, body: (value: string) => Promise<Made>][] = [
  ["duplicate_email", "email", async () => "/contacts", async (value) => ({ email: `${value}@dup.example` })],
  [
    "duplicate_domain",
    "domain",
    async () => "/companies",
    async (value) => ({ name: "Dup", domain: `${value}.example` }),
  ],
  ["duplicate_name", "name", async () => "/pipelines", async (name) => ({ name })],
  ["duplicate_name", "name", async () => `/pipelines/${(await team.pipeline()).id}/stages`, async (name) => ({ name })],
  ["duplicate_name", "name", async () => "/tags", async (name) => ({ name })],
  [
    "duplicate_name",
    "key",
    async () => "/custom_fields",
    async (key) => ({ resource: "deals", key, label: "L", type: "text" }),
  ],
  [
    "duplicate_external_id",
    "external_id",
    async () => "/contacts",
    async (external_id) => ({ external_id, email: freshEmail() }),
  ],
  [
    "duplicate_external_id",
    "external_id",
    async () => "/companies",
    async (external_id) => ({ external_id, name: "D" }),
  ],
  [
    "duplicate_external_id",
    "external_id",
    async () => "/pipelines",
    async (external_id) => ({ external_id, name: freshName("P") }),
  ],
  ["duplicate_external_id", "external_id", async () => "/deals", async (external_id) => ({ external_id, name: "D" })],
  ["duplicate_external_id", "external_id", async () => "/tasks", async (external_id) => ({ external_id, title: "D" })],
  [
    "duplicate_external_id",
    "external_id",
    async () => "/activities",
    async (external_id) => ({ external_id, type: "note", company_id: (await sharedCompany())["id"] }),
  ],
];

let company: Promise<Made> | undefined;
const sharedCompany = () => {
  company ??= team.company();
  return company;
};

describe("a unique value", () => {
  test.each(unique)(
    "%s of %s: of ten that create it at once one gets 201, the others 409 with its id",
    async (...one) => {
      const [code, field, pathOf, bodyOf] = one;
      const path = await pathOf();
      const value = freshName("dup").replace(/\W/g, "_");
      const bodies = await times(10, () => bodyOf(value));
      const answers = await Promise.all(bodies.map((body) => team.client.post(path, body)));
      expect(statuses(answers)).toEqual([201, ...Array(9).fill(409)]);
      const made = answers.find(({ status }) => status === 201)?.data;
      for (const { error } of answers.filter(({ status }) => status === 409))
        expect(error).toMatchObject({ code, details: { field, existing_id: made.id } });

      const body = await bodyOf(value);
      await refused(() => team.client.post(path, body), {
        status: 409,
        code,
        details: { field, existing_id: made.id },
      });
    },
  );

  test.each(unique.filter(([, field]) => field !== "key"))(
    "%s of %s: a change to it is 409 until its holder is deleted",
    async (...one) => {
      const [code, field, pathOf, bodyOf] = one;
      const path = await pathOf();
      const value = freshName("dup").replace(/\W/g, "_");
      const made = await team.make(path, await bodyOf(value));
      const second = await team.make(path, await bodyOf(`${value}_2`));
      await refused(() => team.client.patch(`${path}/${second["id"]}`, { [field]: made[field] }), {
        status: 409,
        code,
        details: { field, existing_id: made["id"] },
      });
      await team.client.delete(`${path}/${made["id"]}`);
      expect((await team.client.patch(`${path}/${second["id"]}`, { [field]: made[field] })).status).toBe(200);
    },
  );

  test("is one per type of activity, and another workspace's is none of ours", async () => {
    const { id } = await team.company();
    const external_id = freshName("call");
    await team.activity({ external_id, type: "call", company_id: id });
    await team.activity({ external_id, type: "note", company_id: id });
    const note = await team.activity({ external_id: `${external_id}-2`, type: "note", company_id: id });
    await refused(() => team.client.patch(`/activities/${note["id"]}`, { external_id }), {
      status: 409,
      code: "duplicate_external_id",
    });
    const theirs = await others.company({ domain: "theirs.example" });
    expect((await team.company({ domain: "theirs.example" }))["id"]).not.toBe(theirs["id"]);
  });

  test("is compared as it is kept: a domain without scheme, www and case, an email without case", async () => {
    const first = await team.company({ domain: "https://WWW.Ünique.Example./about?x=1" });
    expect(first["domain"]).toBe("xn--nique-jva.example");
    const details = { field: "domain", existing_id: first["id"] };
    for (const domain of ["ÜNIQUE.example", "someone@ünique.example", "http://xn--nique-jva.example:80/"])
      await refused(() => team.client.post("/companies", { name: "Same", domain }), {
        status: 409,
        code: "duplicate_domain",
        details,
      });
    const domains = ["localhost", "10.0.0.1", "a b.example", "-x.example", "https://", ""];
    await expectNone(
      "/companies/bulk",
      domains.map((domain) => ({ name: "None", domain })),
    );
  });
});

describe("a closed deal", () => {
  test("can't be won or lost again, and not be won once lost or lost once won", async () => {
    const won = await team.deal({ amount: "10.00", currency: "EUR" });
    await team.client.post(`/deals/${won["id"]}/win`);
    await refused(() => team.client.post(`/deals/${won["id"]}/win`), { status: 409, code: "deal_already_won" });
    await refused(() => team.client.post(`/deals/${won["id"]}/lose`), {
      status: 409,
      code: "deal_closed",
      details: { status: "won" },
    });
    const lost = await team.deal();
    await team.client.post(`/deals/${lost["id"]}/lose`, { lost_reason: "price" });
    await refused(() => team.client.post(`/deals/${lost["id"]}/lose`), { status: 409, code: "deal_already_lost" });
    await refused(() => team.client.post(`/deals/${lost["id"]}/win`), {
      status: 409,
      code: "deal_closed",
      details: { status: "lost" },
    });
  });

  test("keeps its amount, currency, stage and pipeline, whichever way they are changed", async () => {
    const pipeline = await team.pipeline();
    const other = await team.pipeline();
    const fields = { pipeline_id: pipeline.id, amount: "10.00", currency: "EUR" };
    const [deal, open] = [await team.deal(fields), await team.deal(fields)];
    await team.client.post(`/deals/${deal["id"]}/win`);
    const closed = { status: 409, code: "deal_closed", details: { status: "won" } };
    const { second, lost } = pipeline.stage;
    for (const change of [
      { amount: "11" },
      { amount: null },
      { currency: "USD" },
      { stage_id: second },
      { pipeline_id: other.id },
      { name: "New", amount: "11" },
    ])
      await refused(() => team.client.patch(`/deals/${deal["id"]}`, change), closed);
    await refused(() => team.client.post(`/deals/${deal["id"]}/move`, { stage_id: lost }), closed);

    const bulk = await team.client.patch("/deals/bulk", {
      records: [
        { id: open["id"], amount: "12" },
        { id: deal["id"], amount: "12" },
      ],
    });
    expect(bulk.status).toBe(207);
    expect(bulk.data[0]).toMatchObject({ success: true, data: { amount: "12.00" } });
    expect(bulk.data[1]).toMatchObject({ success: false, error: { code: "deal_closed", details: { status: "won" } } });
    expect((await team.read(`/deals/${deal["id"]}`))["amount"]).toBe("10.00");
    expect((await team.client.patch(`/deals/${deal["id"]}`, { name: "Other", amount: "10.00" })).status).toBe(200);
  });

  test("is open again after reopen: in the stage it was closed from, without closed_at and lost_reason", async () => {
    const { id: pipeline_id, stage } = await team.pipeline();
    const deal = await team.deal({ pipeline_id, amount: "7", currency: "EUR" });
    await refused(() => team.client.post(`/deals/${deal["id"]}/reopen`), { status: 409, code: "deal_not_closed" });
    await team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["second"] });
    await team.client.post(`/deals/${deal["id"]}/lose`, { lost_reason: "price" });
    const { data } = await team.client.post(`/deals/${deal["id"]}/reopen`);
    expect(data).toMatchObject({
      status: "open",
      stage_id: stage["second"],
      probability: 60,
      closed_at: null,
      lost_reason: null,
    });
    expect((await team.client.patch(`/deals/${deal["id"]}`, { amount: "8" })).data).toMatchObject({ amount: "8.00" });
  });

  test("was closed by one of twenty: who comes later is told", async () => {
    const deal = await team.deal();
    const answers = await times(20, (n) => team.client.post(`/deals/${deal["id"]}/${n % 2 ? "win" : "lose"}`));
    expect(statuses(answers)).toEqual([200, ...Array(19).fill(409)]);
    const history = await team.client.all(`/deals/${deal["id"]}/stage_history`);
    expect(history).toHaveLength(2);
  });

  test("is never one whose amount changed after it closed", async () => {
    for (let round = 0; round < 5; round++) {
      const deal = await team.deal({ amount: "1", currency: "EUR" });
      const [won, ...changes] = await Promise.all([
        team.client.post(`/deals/${deal["id"]}/win`),
        ...[2, 3, 4].map((amount) => team.client.patch(`/deals/${deal["id"]}`, { amount: String(amount) })),
      ]);
      expect(won?.status).toBe(200);
      const now = await team.read(`/deals/${deal["id"]}`);
      expect(now["amount"]).toBe(won?.data.amount);
      for (const change of changes)
        expect(
          change.status === 200 ? change.data.version < won?.data.version : change.error.code === "deal_closed",
        ).toBe(true);
    }
  });
});

describe("a task", () => {
  test("is completed once: of ten at once one gets 200, the others 409 with the time", async () => {
    const { id } = await team.task();
    const answers = await times(10, () => team.client.post(`/tasks/${id}/complete`));
    expect(statuses(answers)).toEqual([200, ...Array(9).fill(409)]);
    const { completed_at } = await team.read(`/tasks/${id}`);
    await refused(() => team.client.post(`/tasks/${id}/complete`), {
      status: 409,
      code: "task_already_completed",
      details: { completed_at },
    });
  });

  test("that is cancelled can't be completed before it is reopened", async () => {
    const { id } = await team.task({ status: "cancelled" });
    await refused(() => team.client.post(`/tasks/${id}/complete`), { status: 409, code: "task_cancelled" });
    await refused(() => team.client.patch(`/tasks/${id}`, { status: "completed" }), {
      status: 409,
      code: "task_cancelled",
    });
    expect((await team.client.post(`/tasks/${id}/reopen`)).data).toMatchObject({ status: "open" });
    await refused(() => team.client.post(`/tasks/${id}/reopen`), { status: 409, code: "task_not_closed" });
    expect((await team.client.post(`/tasks/${id}/complete`)).data).toMatchObject({ status: "completed" });
  });

  test("has a completed_at exactly while it is completed, whichever way it became so", async () => {
    expect((await team.task())["completed_at"]).toBeNull();
    const { id, completed_at } = await team.task({ status: "completed" });
    expect(completed_at).toMatch(/Z$/);
    const renamed = await team.client.patch(`/tasks/${id}`, { title: "New" });
    expect(renamed.data.completed_at).toBe(completed_at);
    expect((await team.client.post(`/tasks/${id}/reopen`)).data.completed_at).toBeNull();
    const again = (await team.client.patch(`/tasks/${id}`, { status: "completed" })).data.completed_at;
    expect(again > completed_at).toBe(true);
    expect((await team.client.patch(`/tasks/${id}`, { status: "in_progress" })).data.completed_at).toBeNull();
    await refused(() => team.client.patch(`/tasks/${id}`, { completed_at: "2020-01-01T00:00:00Z" }), {
      status: 400,
      code: "read_only_field",
    });
  });

  test("is not reminded of after it is due, on create, PATCH of either time, and bulk", async () => {
    const [before, due, after] = ["2027-01-01T09:00:00Z", "2027-01-01T10:00:00Z", "2027-01-01T11:00:00Z"];
    const late = { status: 422, code: "reminder_after_due", details: { field: "remind_at" } };
    await refused(() => team.client.post("/tasks", { title: "T", due_at: due, remind_at: after }), late);
    const { id } = await team.task({ due_at: due, remind_at: due });
    await refused(() => team.client.patch(`/tasks/${id}`, { remind_at: after }), late);
    await refused(() => team.client.patch(`/tasks/${id}`, { due_at: before }), late);
    expect((await team.client.patch(`/tasks/${id}`, { due_at: null, remind_at: after })).status).toBe(200);
    const bulk = await team.client.post("/tasks/bulk", {
      records: [{ title: "T", due_at: due, remind_at: after }, { title: "U" }],
    });
    expect(bulk.data.map((one: Made) => one["error"]?.code)).toEqual(["reminder_after_due", undefined]);
  });

  test("sorts and filters by priority as low < normal < high < urgent", async () => {
    const tag = freshName("priority");
    for (const priority of ["high", "low", "urgent", "normal"])
      await Promise.all([
        team.task({ priority, owner_id: team.ownerId, external_id: `${tag} ${priority}` }),
        team.deal({ priority, owner_id: team.ownerId, external_id: `${tag} ${priority}` }),
      ]);
    for (const path of ["/tasks", "/deals"]) {
      const order = async (sort: string) =>
        (await team.client.get(`${path}?owner_id=${team.ownerId}&sort=${sort}&fields=priority`)).data.map(
          (one: Made) => one["priority"],
        );
      expect(await order("priority")).toEqual(["low", "normal", "high", "urgent"]);
      expect(await order("-priority,created_at")).toEqual(["urgent", "high", "normal", "low"]);
      const high = await team.client.get(`${path}?owner_id=${team.ownerId}&priority=high,urgent`);
      expect(high.meta.total).toBe(2);
    }
  });
});

describe("what is in use", () => {
  test("stays: a stage with deals is 409, with ?move_to= its deals go there first, each with its history", async () => {
    const { id, stage } = await team.pipeline();
    const deals = await times(3, () => team.deal({ pipeline_id: id, amount: "10", currency: "EUR" }));
    const path = `/pipelines/${id}/stages/${stage["first"]}`;
    await refused(() => team.client.delete(path), { status: 409, code: "stage_in_use", details: { deals: 3 } });
    await refused(() => team.client.patch(path, { type: "won" }), {
      status: 409,
      code: "stage_in_use",
      details: { deals: 3 },
    });
    expect((await team.client.delete(`${path}?move_to=${stage["second"]}`)).status).toBe(200);
    for (const deal of deals) {
      const moved = await team.read(`/deals/${deal["id"]}`);
      expect(moved).toMatchObject({ stage_id: stage["second"], status: "open", probability: 60, version: 2 });
      expect(moved["weighted_amount"]).toBe("6.00");
      expect(moved["stage_entered_at"] > deal["stage_entered_at"]).toBe(true);
      const [last] = await team.client.all(`/deals/${deal["id"]}/stage_history`);
      expect(last).toMatchObject({
        from_stage_id: stage["first"],
        to_stage_id: stage["second"],
        changed_by: { type: "api_key", id: team.id },
      });
    }
    expect(refusal(await team.client.get(path)).status).toBe(404);
  });

  test("goes only to another stage of the same pipeline and type: deleting a stage wins no deals and opens none", async () => {
    const [here, there] = [await team.pipeline(), await team.pipeline()];
    const deal = await team.deal({ pipeline_id: here.id });
    const path = `/pipelines/${here.id}/stages/${here.stage["first"]}`;
    await refused(() => team.client.delete(`${path}?move_to=${there.stage["first"]}`), {
      status: 422,
      code: "stage_not_in_pipeline",
      details: { field: "move_to", pipeline_id: here.id },
    });
    for (const target of [absent, here.stage["first"], (await others.pipeline()).stage["first"]])
      await refused(() => team.client.delete(`${path}?move_to=${target}`), {
        status: 422,
        code: "reference_not_found",
        details: { move_to: ["The move_to field names a record that does not exist."] },
      });
    await refused(() => team.client.delete(`${path}?move_to=first`), { status: 400, code: "validation_error" });
    await refused(() => team.client.delete(`${path}?move_to=${here.stage["won"]}`), {
      status: 422,
      code: "stage_transition_not_allowed",
    });
    expect((await team.client.delete(`${path}?move_to=${here.stage["second"]}`)).status).toBe(200);
    expect(await team.read(`/deals/${deal["id"]}`)).toMatchObject({ status: "open", stage_id: here.stage["second"] });
  });

  test("stays: a pipeline with deals is 409, with ?move_to= each deal goes to the stage that is most like its own", async () => {
    const [from, to] = [await team.pipeline(), await team.pipeline()];
    const [open, won] = [
      await team.deal({ pipeline_id: from.id, stage_id: from.stage["second"] }),
      await team.deal({ pipeline_id: from.id }),
    ];
    const { closed_at } = (await team.client.post(`/deals/${won["id"]}/win`)).data;
    await refused(() => team.client.delete(`/pipelines/${from.id}`), {
      status: 409,
      code: "pipeline_in_use",
      details: { deals: 2 },
    });
    for (const target of [absent, from.id, (await others.pipeline()).id])
      await refused(() => team.client.delete(`/pipelines/${from.id}?move_to=${target}`), {
        status: 422,
        code: "reference_not_found",
      });
    expect((await team.client.delete(`/pipelines/${from.id}?move_to=${to.id}`)).status).toBe(200);
    expect(await team.read(`/deals/${open["id"]}`)).toMatchObject({
      pipeline_id: to.id,
      stage_id: to.stage["second"],
      status: "open",
      version: 2,
    });
    expect(await team.read(`/deals/${won["id"]}`)).toMatchObject({
      pipeline_id: to.id,
      stage_id: to.stage["won"],
      status: "won",
      closed_at,
    });
  });

  test("stays: a custom field with values is 409, with ?move_to= its values go to another of its type", async () => {
    const [from, to, number] = [
      await team.field("deals", "text"),
      await team.field("deals", "text"),
      await team.field("deals", "number"),
    ];
    const deal = await team.deal({ custom_fields: { [from["key"]]: "A" } });
    const both = await team.deal({ custom_fields: { [from["key"]]: "A", [to["key"]]: "B" } });
    await refused(() => team.client.delete(`/custom_fields/${from["id"]}`), {
      status: 409,
      code: "field_in_use",
      details: { records: 2 },
    });
    for (const target of [absent, from["id"], number["id"], (await others.field("deals", "text"))["id"]])
      await refused(() => team.client.delete(`/custom_fields/${from["id"]}?move_to=${target}`), {
        status: 422,
        code: "reference_not_found",
      });
    expect((await team.client.delete(`/custom_fields/${from["id"]}?move_to=${to["id"]}`)).status).toBe(200);
    expect(await team.read(`/deals/${deal["id"]}`)).toMatchObject({ custom_fields: { [to["key"]]: "A" }, version: 2 });
    expect((await team.read(`/deals/${both["id"]}`))["custom_fields"]).toEqual({ [to["key"]]: "B" });
    const found = await team.client.get(`/deals?custom_fields.${to["key"]}=A`);
    expect(found.data.map(({ id }: Made) => id)).toEqual([deal["id"]]);
  });

  test("moved, a value of a required field leaves it: the field is going", async () => {
    const [from, to] = [
      await team.field("tasks", "text", { required: true }),
      await team.field("tasks", "text", { required: false }),
    ];
    const task = await team.task({ custom_fields: { [from["key"]]: "A" } });
    const { status, body } = await team.client.delete(`/custom_fields/${from["id"]}?move_to=${to["id"]}`);
    expect(status, JSON.stringify(body)).toBe(200);
    expect((await team.read(`/tasks/${task["id"]}`))["custom_fields"]).toEqual({ [to["key"]]: "A" });
  });
});

describe("stages and deals under concurrency", () => {
  /** Deals whose stage is gone, of another pipeline, or of another type than their status; what must never be. */
  const stray = async () =>
    database()`
      select deal.id, deal.status, stage.type, stage.deleted_at from crm.deals as deal
      left join crm.stages as stage on stage.id = deal.stage_id and stage.pipeline_id = deal.pipeline_id
      left join crm.pipelines as pipeline on pipeline.id = deal.pipeline_id
      where deal.workspace_id = ${team.workspaceId} and deal.deleted_at is null and (
        stage.id is null or stage.deleted_at is not null or stage.type <> deal.status or pipeline.deleted_at is not null)`;
  /** No answer is a fault of ours, whoever came first. */
  const expectAnswered = (answers: readonly Answer[]) => {
    for (const { status, body } of answers) expect(status, JSON.stringify(body)).toBeLessThan(500);
  };

  test("a stage that is deleted while deals move into it leaves no orphan", async () => {
    const { id, stage } = await team.pipeline();
    for (let round = 0; round < 8; round++) {
      const target = await team.make(`/pipelines/${id}/stages`, { name: freshName("Target"), position: 1 });
      const path = `/pipelines/${id}/stages/${target["id"]}`;
      const deals = await times(4, () => team.deal({ pipeline_id: id, stage_id: stage["first"] }));
      const answers = await Promise.all([
        ...deals.map((deal) => team.client.post(`/deals/${deal["id"]}/move`, { stage_id: target["id"] })),
        team.client.delete(round % 2 ? path : `${path}?move_to=${stage["second"]}`),
        team.client.post("/deals", { name: "New", pipeline_id: id, stage_id: target["id"] }),
        team.client.patch(path, { type: "won" }),
      ]);
      expectAnswered(answers);
      expect(await stray()).toEqual([]);
    }
  });

  test("a deal without a stage gets one, however the first stages come and go", async () => {
    const { id } = await team.pipeline();
    for (let round = 0; round < 6; round++) {
      const first = await team.make(`/pipelines/${id}/stages`, { name: freshName("First"), position: 0 });
      const path = `/pipelines/${id}/stages/${first["id"]}`;
      const answers = await Promise.all([
        team.client.delete(path),
        ...Array.from({ length: 5 }, () => team.client.post("/deals", { name: "New", pipeline_id: id })),
      ]);
      expect(answers.slice(1).map(({ status }) => status)).toEqual(Array(5).fill(201));
      expectAnswered(answers);
      expect(await stray()).toEqual([]);
    }
  });

  test("a deal without a pipeline gets the default one, while the default changes", async () => {
    const pipelines = await times(3, () => team.pipeline());
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([
        ...pipelines.map(({ id }) => team.client.patch(`/pipelines/${id}`, { is_default: true })),
        ...Array.from({ length: 5 }, () => team.client.post("/deals", { name: "New" })),
      ]);
      expect(answers.map(({ status, error }) => error?.code ?? status)).toEqual([
        ...Array(3).fill(200),
        ...Array(5).fill(201),
      ]);
      const [row] = await database()`
        select count(*)::int as defaults from crm.pipelines
        where workspace_id = ${team.workspaceId} and is_default and deleted_at is null`;
      expect(row?.["defaults"]).toBe(1);
    }
  });

  test("a deal is won or lost, while stages of that type come and go", async () => {
    const { id } = await team.pipeline();
    for (let round = 0; round < 5; round++) {
      const first = await team.make(`/pipelines/${id}/stages`, { name: freshName("Won"), type: "won", position: 0 });
      const deals = await times(3, () => team.deal({ pipeline_id: id }));
      const [, ...wins] = await Promise.all([
        team.client.delete(`/pipelines/${id}/stages/${first["id"]}`),
        ...deals.map((deal) => team.client.post(`/deals/${deal["id"]}/win`)),
      ]);
      expect(wins.map(({ status, error }) => error?.code ?? status)).toEqual([200, 200, 200]);
      expect(await stray()).toEqual([]);
    }
  });

  test("a pipeline that is deleted while deals come into it leaves no orphan", async () => {
    const to = await team.pipeline();
    for (let round = 0; round < 5; round++) {
      const from = await team.pipeline();
      const deal = await team.deal({ pipeline_id: from.id });
      const answers = await Promise.all([
        team.client.delete(`/pipelines/${from.id}?move_to=${to.id}`),
        team.client.post("/deals", { name: "New", pipeline_id: from.id }),
        team.client.post("/deals", { name: "New", stage_id: from.stage["second"] }),
        team.client.post(`/deals/${deal["id"]}/win`),
        team.client.delete(`/pipelines/${from.id}`),
      ]);
      expectAnswered(answers);
      expect(await stray()).toEqual([]);
    }
  });
});

describe("a pipeline", () => {
  test("keeps a stage of each type: the last one can't be deleted, change its type, or go in bulk", async () => {
    const { id, stage } = await team.pipeline();
    for (const type of ["won", "lost"]) {
      const last = { status: 409, code: "last_stage_of_type", details: { type } };
      const path = `/pipelines/${id}/stages/${stage[type]}`;
      await refused(() => team.client.delete(path), last);
      await refused(() => team.client.delete(`${path}?move_to=${stage["first"]}`), last);
      await refused(() => team.client.patch(path, { type: "open" }), last);
    }
    const bulk = await team.client.call(`/pipelines/${id}/stages/bulk`, {
      method: "DELETE",
      body: { ids: [stage["first"], stage["second"]] },
    });
    expect(bulk.status).toBe(207);
    expect(bulk.data.map((one: Made) => one["error"]?.code).sort()).toEqual(["last_stage_of_type", undefined]);
  });

  test("keeps one of its last two stages of a type when both are deleted at once", async () => {
    for (let round = 0; round < 6; round++) {
      const { id, stage } = await team.pipeline();
      const second = await team.make(`/pipelines/${id}/stages`, { name: "won 2", type: "won" });
      const answers = await Promise.all([
        team.client.delete(`/pipelines/${id}/stages/${stage["won"]}`),
        round % 2
          ? team.client.patch(`/pipelines/${id}/stages/${second["id"]}`, { type: "open" })
          : team.client.delete(`/pipelines/${id}/stages/${second["id"]}`),
      ]);
      expect(statuses(answers)).toEqual([200, 409]);
      expect(answers.find(({ status }) => status === 409)?.error.code).toBe("last_stage_of_type");
    }
  });

  test("is made with the stages that are given, which must have all three types and names of their own", async () => {
    const { pipeline } = await team.pipeline();
    expect(pipeline["stages"].map(({ name, type, probability }: Made) => [name, type, probability])).toEqual([
      ["first", "open", 10],
      ["second", "open", 60],
      ["won", "won", 100],
      ["lost", "lost", 0],
    ]);
    const none = await team.make("/pipelines", { name: freshName("P") });
    expect(new Set(none["stages"].map(({ type }: Made) => type))).toEqual(new Set(["open", "won", "lost"]));
    for (const stages of [
      [],
      [{ name: "a" }, { name: "b", type: "won" }],
      [{ name: "a" }, { name: "a", type: "won" }, { name: "b", type: "lost" }],
    ])
      await refused(() => team.client.post("/pipelines", { name: freshName("P"), stages }), {
        status: 400,
        code: "validation_error",
      });
  });

  test("is the default one until another is: it can't be deleted or demoted", async () => {
    const { client, workspaceId } = await createSalesTeam();
    const [first] = (await client.get("/pipelines")).data;
    expect(first.is_default).toBe(true);
    const required = { status: 409, code: "default_pipeline_required" };
    await expectRefused({ workspaceId }, () => client.delete(`/pipelines/${first.id}`), required);
    await expectRefused({ workspaceId }, () => client.patch(`/pipelines/${first.id}`, { is_default: false }), required);
    const second = (await client.post("/pipelines", { name: "Second", is_default: true })).data;
    expect((await client.get("/pipelines?is_default=true")).data.map(({ id }: Made) => id)).toEqual([second.id]);
    await expectRefused({ workspaceId }, () => client.delete(`/pipelines/${second.id}?move_to=${first.id}`), required);
    expect((await client.delete(`/pipelines/${first.id}`)).status).toBe(200);
    expect((await client.post(`/pipelines/${first.id}/restore`)).data.is_default).toBe(false);
  });

  test("is the one default, however many become it at once", async () => {
    const { client, pipeline } = await createSalesTeam();
    const made = await times(4, () => pipeline());
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all([
        ...made.map(({ id }) => client.patch(`/pipelines/${id}`, { is_default: true })),
        client.post("/pipelines", { name: freshName("Default"), is_default: true }),
      ]);
      expect(statuses(answers)).toEqual([200, 200, 200, 200, 201]);
      expect((await client.get("/pipelines?is_default=true")).meta.total).toBe(1);
    }
  });

  test("and its stages keep a place and a probability when they are cleared", async () => {
    const { id, stage } = await team.pipeline();
    for (const [path, field] of [
      [`/pipelines/${id}`, "position"],
      [`/pipelines/${id}/stages/${stage["first"]}`, "position"],
      [`/pipelines/${id}/stages/${stage["first"]}`, "probability"],
    ] as const) {
      const { status, data, body } = await team.client.patch(path, { [field]: null });
      expect(status, JSON.stringify(body)).toBe(200);
      expect(data[field]).toBeTypeOf("number");
    }
  });
});

describe("a move", () => {
  const fields = ["amount", "company_id"];
  test("to a stage of another pipeline is stage_not_in_pipeline; on create too", async () => {
    const [here, there] = [await team.pipeline(), await team.pipeline()];
    const deal = await team.deal({ pipeline_id: here.id });
    const wrong = {
      status: 422,
      code: "stage_not_in_pipeline",
      details: { field: "stage_id", pipeline_id: here.id },
    };
    const stage_id = there.stage["first"];
    await refused(() => team.client.post(`/deals/${deal["id"]}/move`, { stage_id }), wrong);
    await refused(() => team.client.patch(`/deals/${deal["id"]}`, { stage_id }), wrong);
    await refused(() => team.client.post("/deals", { name: "D", pipeline_id: here.id, stage_id }), wrong);
    const both = await team.client.patch(`/deals/${deal["id"]}`, { pipeline_id: there.id, stage_id });
    expect(both.data).toMatchObject({ pipeline_id: there.id, stage_id });
  });

  test("needs what the stage requires, custom fields too, and says what is missing", async () => {
    const custom = await team.field("deals", "text");
    const required = [...fields, `custom_fields.${custom["key"]}`, "contacts"];
    const { id, stage } = await team.pipeline();
    await team.client.patch(`/pipelines/${id}/stages/${stage["second"]}`, { required_fields: required });
    const deal = await team.deal({ pipeline_id: id, custom_fields: {} });
    const move = () => team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["second"] });
    const unmet = (missing_fields: string[]) => ({
      status: 422,
      code: "stage_requirements_unmet",
      details: { missing_fields },
    });
    await refused(move, unmet(required));
    await refused(
      () => team.client.post("/deals", { name: "D", pipeline_id: id, stage_id: stage["second"] }),
      unmet(required),
    );
    await team.client.patch(`/deals/${deal["id"]}`, {
      amount: "0",
      currency: "EUR",
      contacts: [{ contact_id: (await team.contact())["id"] }],
    });
    const { error } = await refused(move, unmet(["company_id", `custom_fields.${custom["key"]}`]));
    expect(error.message).toContain("company_id");
    const patched = await team.client.patch(`/deals/${deal["id"]}`, {
      stage_id: stage["second"],
      company_id: (await team.company())["id"],
      custom_fields: { [custom["key"]]: "x" },
    });
    expect(patched.data).toMatchObject({ stage_id: stage["second"] });
  });

  test("follows the rules of its pipeline: no skipping, no going back, and says where it may go", async () => {
    const { id, pipeline, stage } = await team.pipeline({
      rules: { allow_skip: false, allow_backwards: false },
      stages: [
        { name: "a" },
        { name: "b" },
        { name: "c" },
        { name: "d" },
        { name: "won", type: "won" },
        { name: "lost", type: "lost" },
      ],
    });
    expect(pipeline["rules"]).toEqual({ allow_skip: false, allow_backwards: false, require_lost_reason: false });
    const deal = await team.deal({ pipeline_id: id, stage_id: stage["b"] });
    const allowed_stages = ["c", "won", "lost"].map((name) => ({ id: stage[name], name }));
    const wrong = { status: 422, code: "stage_transition_not_allowed", details: { allowed_stages } };
    for (const name of ["a", "d"]) {
      await refused(() => team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage[name] }), wrong);
      await refused(() => team.client.patch(`/deals/${deal["id"]}`, { stage_id: stage[name] }), wrong);
    }
    expect((await team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["c"] })).status).toBe(200);
    await team.client.patch(`/pipelines/${id}`, { rules: { allow_backwards: true } });
    expect((await team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["a"] })).status).toBe(200);
    await refused(() => team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["c"] }), {
      status: 422,
      code: "stage_transition_not_allowed",
    });
    await team.client.patch(`/pipelines/${id}`, { rules: { allow_skip: true } });
    expect((await team.client.post(`/deals/${deal["id"]}/move`, { stage_id: stage["d"] })).status).toBe(200);
    expect((await team.client.post(`/deals/${deal["id"]}/win`)).data.status).toBe("won");
  });

  test("to a lost stage needs a lost_reason where the pipeline asks for one", async () => {
    const { id, stage } = await team.pipeline({ rules: { require_lost_reason: true } });
    const [one, two] = [await team.deal({ pipeline_id: id }), await team.deal({ pipeline_id: id })];
    const required = { status: 422, code: "lost_reason_required", details: { field: "lost_reason" } };
    await refused(() => team.client.post(`/deals/${one["id"]}/lose`), required);
    await refused(() => team.client.post(`/deals/${one["id"]}/lose`, { lost_reason: null }), required);
    await refused(() => team.client.post(`/deals/${one["id"]}/move`, { stage_id: stage["lost"] }), required);
    await refused(() => team.client.patch(`/deals/${one["id"]}`, { stage_id: stage["lost"] }), required);
    const lost = await team.client.post(`/deals/${one["id"]}/lose`, { lost_reason: "price" });
    expect(lost.data).toMatchObject({ status: "lost", lost_reason: "price", probability: 0 });
    const moved = await team.client.post(`/deals/${two["id"]}/move`, {
      stage_id: stage["lost"],
      lost_reason: "silence",
    });
    expect(moved.data).toMatchObject({ status: "lost", lost_reason: "silence" });
    expect((await team.client.post(`/deals/${two["id"]}/win`)).error.code).toBe("deal_closed");
  });
});

describe("a company's parent", () => {
  /** A chain of companies, each the parent of the next. */
  async function chain(length: number): Promise<string[]> {
    const ids: string[] = [];
    for (let level = 0; level < length; level++) {
      const parent_company_id = ids.at(-1);
      ids.push((await team.company(parent_company_id === undefined ? {} : { parent_company_id }))["id"]);
    }
    return ids;
  }
  const setParent = (id: string | undefined, parent_company_id: string | undefined) =>
    team.client.patch(`/companies/${id}`, { parent_company_id });
  const circular = { status: 422, code: "circular_reference", details: { field: "parent_company_id" } };
  const tooDeep = {
    status: 422,
    code: "hierarchy_too_deep",
    details: { field: "parent_company_id", max_levels: 10 },
  };

  test("is not itself, and no company below it", async () => {
    const [a, b, c] = await chain(3);
    await refused(() => setParent(a, a), circular);
    await refused(() => setParent(a, b), circular);
    await refused(() => setParent(a, c), circular);
    await refused(() => setParent(b, c), circular);
    expect((await setParent(c, a)).status).toBe(200);
    const [d, e] = await times(2, async () => (await team.company())["id"]);
    const bulk = await team.client.patch("/companies/bulk", {
      records: [
        { id: d, parent_company_id: e },
        { id: e, parent_company_id: d },
      ],
    });
    expect(bulk.data.map((one: Made) => one["error"]?.code).sort()).toEqual(["circular_reference", undefined]);
  });

  test("never makes a circle of two changes at once that are fine one by one", async () => {
    for (let round = 0; round < 6; round++) {
      const [a, b, c] = await times(3, async () => (await team.company())["id"]);
      const two = await Promise.all([setParent(a, b), setParent(b, a)]);
      expect(statuses(two)).toEqual([200, 422]);
      expect(two.find(({ status }) => status === 422)?.error.code).toBe("circular_reference");
      const [d, e] = await times(2, async () => (await team.company())["id"]);
      const three = await Promise.all([setParent(c, d), setParent(d, e), setParent(e, c)]);
      expect(statuses(three)).toEqual([200, 200, 422]);
    }
  });

  test("makes at most ten levels, also when a whole branch moves and when a company is restored", async () => {
    const ten = await chain(10);
    await refused(() => team.client.post("/companies", { name: "Eleventh", parent_company_id: ten[9] }), tooDeep);
    const [two] = [await chain(2)];
    await refused(() => setParent(two[0], ten[8]), tooDeep);
    expect((await setParent(two[0], ten[7])).status).toBe(200);
    const top = (await team.company())["id"];
    await refused(() => setParent(ten[0], top), tooDeep);

    await team.client.delete(`/companies/${two[1]}`);
    expect((await setParent(two[0], ten[8])).status).toBe(200);
    await refused(() => team.client.post(`/companies/${two[1]}/restore`), tooDeep);
  });
});

describe("a reference", () => {
  /** A foreign, a deleted and an absent id of a resource. */
  async function strangers(make: (of: SalesTeam) => Promise<Made>, path: string): Promise<string[]> {
    const gone = (await make(team))["id"];
    expect((await team.client.delete(`${path}/${gone}`)).status).toBe(200);
    return [absent, gone, (await make(others))["id"]];
  }
  const contactIds = () => strangers((of) => of.contact(), "/contacts");
  const companyIds = () => strangers((of) => of.company(), "/companies");
  const dealIds = () => strangers((of) => of.deal(), "/deals");
  const memberIds = async () => [absent, others.ownerId];
  const pipelineIds = () => strangers((of) => of.pipeline(), "/pipelines");
  const stageIds = async () => {
    const { id, stage } = await team.pipeline();
    await team.client.delete(`/pipelines/${id}/stages/${stage["second"]}`);
    return [absent, String(stage["second"]), String((await others.pipeline()).stage["first"])];
  };

  const references: [path: string, field: string, ids: () => Promise<string[]>, body: () => Promise<Made>][] = [
    ["/contacts", "owner_id", memberIds, async () => ({ email: freshEmail() })],
    ["/contacts", "company_id", companyIds, async () => ({ email: freshEmail() })],
    ["/companies", "parent_company_id", companyIds, async () => ({ name: "C" })],
    ["/deals", "company_id", companyIds, async () => ({ name: "D" })],
    ["/deals", "primary_contact_id", contactIds, async () => ({ name: "D" })],
    ["/deals", "pipeline_id", pipelineIds, async () => ({ name: "D" })],
    ["/deals", "stage_id", stageIds, async () => ({ name: "D" })],
    ["/tasks", "assignee_id", memberIds, async () => ({ title: "T" })],
    ["/tasks", "contact_id", contactIds, async () => ({ title: "T" })],
    ["/tasks", "company_id", companyIds, async () => ({ title: "T" })],
    ["/tasks", "deal_id", dealIds, async () => ({ title: "T" })],
    ["/activities", "contact_id", contactIds, async () => ({ type: "note" })],
    ["/activities", "company_id", companyIds, async () => ({ type: "note" })],
    ["/activities", "deal_id", dealIds, async () => ({ type: "note" })],
  ];

  test.each(references)(
    "of %s by %s must name a live record of ours: absent, deleted and foreign are one answer",
    async (...one) => {
      const [path, field, idsOf, bodyOf] = one;
      const details = { [field]: [`The ${field} field names a record that does not exist.`] };
      const own = path === "/activities" ? { contact_id: (await team.contact())["id"] } : {};
      const existing = await team.make(path, { ...(await bodyOf()), ...own });
      for (const id of await idsOf()) {
        const body = { ...(await bodyOf()), [field]: id };
        const expected = { status: 422, code: "reference_not_found", details };
        await refused(() => team.client.post(path, body), expected);
        await refused(() => team.client.patch(`${path}/${existing["id"]}`, { [field]: id }), expected);
      }
      const bulk = await team.client.patch(`${path}/bulk`, { records: [{ id: existing["id"], [field]: absent }] });
      expect(bulk.data[0].error).toMatchObject({ code: "reference_not_found", details });
    },
  );

  test("of a deal's contacts says which entry it is", async () => {
    const contact = await team.contact();
    const deal = await team.deal({ contacts: [{ contact_id: contact["id"], role: "buyer" }] });
    for (const id of await contactIds()) {
      const contacts = [{ contact_id: contact["id"] }, { contact_id: id, role: "friend" }];
      const field = "contacts.1.contact_id";
      const expected = {
        status: 422,
        code: "reference_not_found",
        details: { [field]: [`The ${field} field names a record that does not exist.`] },
      };
      await refused(() => team.client.post("/deals", { name: "D", contacts }), expected);
      await refused(() => team.client.patch(`/deals/${deal["id"]}`, { contacts }), expected);
    }
    await team.client.delete(`/contacts/${contact["id"]}`);
    const more = [...deal["contacts"], { contact_id: (await team.contact())["id"], role: null }];
    expect((await team.client.patch(`/deals/${deal["id"]}`, { contacts: more })).data.contacts).toEqual(more);
    const twice = [more[1], more[1]];
    await refused(() => team.client.patch(`/deals/${deal["id"]}`, { contacts: twice }), {
      status: 400,
      code: "validation_error",
    });
  });
});

describe("a value", () => {
  test("of money needs its currency: deals by amount, companies by annual_revenue", async () => {
    const required = { status: 422, code: "currency_required", details: { field: "currency" } };
    await refused(() => team.client.post("/deals", { name: "D", amount: "1" }), required);
    await refused(() => team.client.post("/companies", { name: "C", annual_revenue: "1" }), required);
    const deal = await team.deal({ amount: "1", currency: "EUR" });
    const company = await team.company({ annual_revenue: "1", currency: "EUR" });
    await refused(() => team.client.patch(`/deals/${deal["id"]}`, { currency: null }), required);
    await refused(() => team.client.patch(`/companies/${company["id"]}`, { currency: null }), required);
    const cleared = { amount: null, currency: null };
    expect((await team.client.patch(`/deals/${deal["id"]}`, cleared)).data).toMatchObject(cleared);
  });

  test("of money is kept to the last digit, as text", async () => {
    for (const amount of ["0.0000", "0.1000", "1000.0000", "999999999999999.9999"]) {
      const deal = await team.deal({ amount, currency: "CLF" });
      expect(deal["amount"]).toBe(amount);
      expect((await team.read(`/deals/${deal["id"]}`))["amount"]).toBe(amount);
      expect((await team.client.get(`/deals?id=${deal["id"]}&amount=${amount}`)).data[0].amount).toBe(amount);
    }
    expect((await team.deal({ amount: 12.5, currency: "EUR" }))["amount"]).toBe("12.50");
    expect((await team.company({ annual_revenue: "123456789012345.12", currency: "EUR" }))["annual_revenue"]).toBe(
      "123456789012345.12",
    );
    const wrong = ["-1", "1.00001", "1e3", "01", "1,000", "", "1 000", "NaN", "9".repeat(16), 1e21, -0.5, true, {}];
    await expectNone(
      "/deals/bulk",
      wrong.map((amount) => ({ name: "D", amount, currency: "EUR" })),
    );
  });

  test("weighs as amount times probability, to the cent", async () => {
    const deal = await team.deal({ amount: "999999999999999.99", currency: "EUR", probability: 33 });
    expect(deal["weighted_amount"]).toBe("330000000000000.00");
    const half = await team.client.patch(`/deals/${deal["id"]}`, { amount: "0.01", probability: 50 });
    expect(half.data.weighted_amount).toBe("0.01");
    expect((await team.client.patch(`/deals/${deal["id"]}`, { amount: null })).data.weighted_amount).toBeNull();
  });

  test("of an activity's time lies in the future only for meetings", async () => {
    const { id: company_id } = await team.company();
    const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
    const future = { status: 422, code: "occurred_in_future", details: { field: "occurred_at" } };
    for (const type of ["note", "call", "email", "sms", "custom"]) {
      await refused(() => team.client.post("/activities", { type, company_id, occurred_at: at(6) }), future);
      const { id } = await team.activity({ type, company_id, occurred_at: at(4) });
      await refused(() => team.client.patch(`/activities/${id}`, { occurred_at: at(60) }), future);
    }
    const meeting = await team.activity({ type: "meeting", company_id, occurred_at: at(60 * 24 * 30) });
    await refused(() => team.client.patch(`/activities/${meeting["id"]}`, { type: "note" }), future);
    expect((await team.client.patch(`/activities/${meeting["id"]}`, { subject: "Lunch" })).status).toBe(200);
    expect(Date.parse((await team.activity({ company_id }))["occurred_at"])).toBeGreaterThan(Date.now() - 60_000);
  });

  test("of a meeting's end is after its start, on create and when either is changed", async () => {
    const { id: company_id } = await team.company();
    const [nine, ten, ten_cet] = [
      "2026-03-21T09:00:00.000000Z",
      "2026-03-21T10:00:00.000000Z",
      "2026-03-21T10:00:00+01:00",
    ];
    const wrong = { status: 422, code: "end_before_start", details: { field: "data.ends_at" } };
    for (const data of [
      { starts_at: ten, ends_at: nine },
      { starts_at: nine, ends_at: nine },
      { starts_at: nine, ends_at: ten_cet },
    ])
      await refused(() => team.client.post("/activities", { type: "meeting", company_id, data }), wrong);
    const { id } = await team.activity({ type: "meeting", company_id, data: { starts_at: nine, ends_at: ten } });
    await refused(() => team.client.patch(`/activities/${id}`, { data: { starts_at: ten } }), wrong);
    await refused(() => team.client.patch(`/activities/${id}`, { data: { ends_at: nine } }), wrong);
    expect((await team.client.patch(`/activities/${id}`, { data: { ends_at: null } })).data.data).toEqual({
      starts_at: nine,
    });
  });
});

describe("an activity", () => {
  const types: [type: string, data: Made, wrong: Made, details: string[]][] = [
    [
      "call",
      { from: "+49221", to: "+4930", status: "answered", recording_url: "https://x.example/1" },
      { from: 1, to: ["a@x.example"], recording_url: "http://x.example" },
      ["data.from", "data.recording_url", "data.to"],
    ],
    [
      "meeting",
      {
        starts_at: "2026-03-21T09:00:00.000000Z",
        ends_at: "2026-03-21T09:00:01.000000Z",
        location: "Köln",
        join_url: "https://x.example",
      },
      { starts_at: "tomorrow", ends_at: 5, location: "" },
      ["data.ends_at", "data.location", "data.starts_at"],
    ],
    [
      "email",
      { message_id: "<1@x.example>", from: "a@x.example", to: ["b@x.example"], sent_at: "2026-03-21T09:00:00.000000Z" },
      { to: ["nobody"], sent_at: "2026", subject: "s" },
      ["data.sent_at", "data.subject", "data.to.0"],
    ],
  ];

  test.each(types)("of type %s has data of that type, and all violations are told at once", async (...one) => {
    const [type, data, wrong, fields] = one;
    const { id: company_id } = await team.company();
    const made = await team.activity({ type, company_id, data });
    expect(made["data"]).toEqual(data);
    const { error } = await refused(() => team.client.post("/activities", { type, company_id, data: wrong }), {
      status: 400,
      code: "validation_error",
    });
    expect(Object.keys(error.details).sort()).toEqual(fields);
    await refused(() => team.client.post("/activities", { type, company_id, data: { nonsense: 1 } }), {
      status: 400,
      code: "unknown_field",
    });
    const unknown = await refused(() => team.client.patch(`/activities/${made["id"]}`, { data: { nonsense: 1 } }), {
      status: 400,
      code: "unknown_field",
    });
    expect(Object.keys(unknown.error.details)).toEqual(["data.nonsense"]);
  });

  test("of another type has whatever data it is given", async () => {
    const { id: company_id } = await team.company();
    const { id, data } = await team.activity({ type: "custom", company_id, data: { status: 1, a: { b: [null, 1] } } });
    expect(data).toEqual({ status: 1, a: { b: [null, 1] } });
    const changed = await team.client.patch(`/activities/${id}`, { data: { a: null, c: "x" } });
    expect(changed.data.data).toEqual({ status: 1, c: "x" });
  });

  test("that changes its type must have data of the new one", async () => {
    const { id: company_id } = await team.company();
    const { id } = await team.activity({ type: "custom", company_id, data: { anything: 1 } });
    await refused(() => team.client.patch(`/activities/${id}`, { type: "call" }), {
      status: 400,
      code: "unknown_field",
    });
    await team.client.patch(`/activities/${id}`, { data: { anything: null, status: "busy" } });
    const { data } = await team.client.patch(`/activities/${id}`, { type: "call" });
    expect(data).toMatchObject({ type: "call", data: { status: "busy" } });
    for (const [type, wrong] of [
      ["call", { from: 5 }],
      ["call", { to: ["a"] }],
      ["email", { to: "a@x.example" }],
      ["meeting", { starts_at: "tomorrow", ends_at: "2026-13-45T00:00:00Z" }],
    ] as const) {
      const typed = await team.activity({ type: "custom", company_id, data: wrong });
      const { error } = await refused(() => team.client.patch(`/activities/${typed["id"]}`, { type }), {
        status: 400,
        code: "validation_error",
      });
      expect(Object.keys(error.details).sort()).toEqual(
        Object.keys(wrong)
          .map((name) => `data.${name}`)
          .sort(),
      );
    }
  });

  test("belongs to at least one of contact, company and deal, also after a PATCH", async () => {
    const missing = { status: 400, code: "validation_error" };
    const { error } = await refused(() => team.client.post("/activities", { type: "note" }), missing);
    expect(error.details).toEqual({
      contact_id: ["The contact_id field is required when neither company_id nor deal_id is given."],
    });
    const [contact, deal] = [await team.contact(), await team.deal()];
    const { id } = await team.activity({ contact_id: contact["id"], deal_id: deal["id"] });
    expect((await team.client.patch(`/activities/${id}`, { contact_id: null })).status).toBe(200);
    await refused(() => team.client.patch(`/activities/${id}`, { deal_id: null }), missing);
  });

  test("keeps the last_activity_at of its contact right: created, moved, edited, deleted, restored", async () => {
    const [ann, bob] = [await team.contact(), await team.contact()];
    const last = async ({ id }: Made) => (await team.read(`/contacts/${id}`))["last_activity_at"];
    const day = (n: number) => `2026-03-0${n}T00:00:00Z`;
    const stamp = (n: number) => expect.stringMatching(new RegExp(`^2026-03-0${n}T00:00:00(\\.0+)?Z$`));
    await team.activity({ contact_id: ann["id"], occurred_at: day(1) });
    const { id } = await team.activity({ contact_id: ann["id"], occurred_at: day(3) });
    await team.activity({ contact_id: ann["id"], occurred_at: day(2) });
    await team.activity({ type: "meeting", contact_id: ann["id"], occurred_at: "2099-01-01T00:00:00Z" });
    expect(await last(ann)).toEqual(stamp(3));
    await team.client.patch(`/activities/${id}`, { occurred_at: day(5) });
    expect(await last(ann)).toEqual(stamp(5));
    await team.client.patch(`/activities/${id}`, { occurred_at: day(1) });
    expect(await last(ann)).toEqual(stamp(2));
    await team.client.patch(`/activities/${id}`, { occurred_at: day(4), contact_id: bob["id"] });
    expect([await last(ann), await last(bob)]).toEqual([stamp(2), stamp(4)]);
    await team.client.delete(`/activities/${id}`);
    expect(await last(bob)).toBeNull();
    await team.client.post(`/activities/${id}/restore`);
    expect(await last(bob)).toEqual(stamp(4));
    expect((await team.read(`/contacts/${bob["id"]}`))["version"]).toBe(1);
    for (const path of [`/activities/${id}`, `/contacts/${bob["id"]}`]) await team.client.delete(path);
    for (const path of [`/activities/${id}`, `/contacts/${bob["id"]}`]) await team.client.post(`${path}/restore`);
    expect(await last(bob)).toEqual(stamp(4));
  });

  test("logged by ten at once makes the latest the contact's last", async () => {
    const { id: contact_id } = await team.contact();
    const days = Array.from({ length: 10 }, (_, n) => `2026-03-${10 + ((n * 7) % 10)}T00:00:00Z`);
    const made = await Promise.all(days.map((occurred_at) => team.activity({ contact_id, occurred_at })));
    const last = async () => (await team.read(`/contacts/${contact_id}`))["last_activity_at"].slice(0, 10);
    expect(await last()).toBe("2026-03-19");
    const newest = made.filter(({ occurred_at }) => occurred_at >= "2026-03-15");
    await Promise.all(newest.map(({ id }) => team.client.delete(`/activities/${id}`)));
    expect(await last()).toBe("2026-03-14");
  });
});

describe("what a deal is worth knowing for", () => {
  test("its probability is the stage's unless given; 100 when won, 0 when lost, and not to be changed then", async () => {
    const { id: pipeline_id, stage } = await team.pipeline();
    const deal = await team.deal({ pipeline_id });
    expect(deal["probability"]).toBe(10);
    expect((await team.deal({ pipeline_id, probability: 42 }))["probability"]).toBe(42);
    const path = `/deals/${deal["id"]}`;
    expect((await team.client.post(`${path}/move`, { stage_id: stage["second"] })).data.probability).toBe(60);
    const both = await team.client.patch(path, { stage_id: stage["first"], probability: 77 });
    expect(both.data.probability).toBe(77);
    expect((await team.client.post(`${path}/win`)).data.probability).toBe(100);
    await refused(() => team.client.patch(path, { probability: 5 }), { status: 409, code: "deal_closed" });
    expect((await team.deal({ pipeline_id, stage_id: stage["lost"], probability: 50 }))["probability"]).toBe(0);
  });

  test("closed_at and stage_entered_at tell when, and are nobody's to set", async () => {
    const { id: pipeline_id, stage } = await team.pipeline();
    const deal = await team.deal({ pipeline_id });
    expect(deal).toMatchObject({ status: "open", closed_at: null });
    const path = `/deals/${deal["id"]}`;
    const renamed = (await team.client.patch(path, { name: "New" })).data;
    expect(renamed.stage_entered_at).toBe(deal["stage_entered_at"]);
    const won = (await team.client.post(`${path}/win`)).data;
    expect(won.closed_at).toBe(won.stage_entered_at);
    expect(won.closed_at > deal["stage_entered_at"]).toBe(true);
    expect((await team.client.patch(path, { name: "Newer" })).data.closed_at).toBe(won.closed_at);
    for (const [field, value] of Object.entries({
      closed_at: null,
      stage_entered_at: "2020-01-01T00:00:00Z",
      status: "open",
      weighted_amount: "1",
    }))
      await refused(() => team.client.patch(path, { [field]: value }), { status: 400, code: "read_only_field" });
    const born = await team.deal({ pipeline_id, stage_id: stage["won"] });
    expect(born["closed_at"]).toBe(born["stage_entered_at"]);
  });

  test("a deal comes back in a stage that exists and with the status of that stage", async () => {
    const { id: pipeline_id, stage } = await team.pipeline();
    const [gone, turned] = [
      await team.deal({ pipeline_id, stage_id: stage["second"] }),
      await team.deal({ pipeline_id, stage_id: stage["first"] }),
    ];
    const third = await team.make(`/pipelines/${pipeline_id}/stages`, { name: "third", position: 9 });
    for (const { id } of [gone, turned]) await team.client.delete(`/deals/${id}`);
    await team.client.delete(`/pipelines/${pipeline_id}/stages/${stage["second"]}`);
    await team.client.patch(`/pipelines/${pipeline_id}/stages/${stage["first"]}`, { type: "won" });
    const restored = await team.client.post(`/deals/${gone["id"]}/restore`);
    expect(restored.data, JSON.stringify(restored.body)).toMatchObject({ stage_id: third["id"], status: "open" });
    const won = await team.client.post(`/deals/${turned["id"]}/restore`);
    expect(won.data, JSON.stringify(won.body)).toMatchObject({
      stage_id: stage["first"],
      status: "won",
      probability: 100,
    });
    expect(won.data.closed_at).not.toBeNull();

    await team.client.delete(`/deals/${gone["id"]}`);
    await team.client.delete(`/pipelines/${pipeline_id}?move_to=${(await team.pipeline()).id}`);
    const [home] = (await team.client.get("/pipelines?is_default=true")).data;
    const moved = await team.client.post(`/deals/${gone["id"]}/restore`);
    expect(moved.data, JSON.stringify(moved.body)).toMatchObject({ pipeline_id: home.id, status: "open" });
  });
});

describe("a company's counts", () => {
  const counts = async (id: string) => {
    const { contacts_count, open_deals_count } = await team.read(`/companies/${id}`);
    return [contacts_count, open_deals_count];
  };

  test("are those of its live contacts and open deals after every change", async () => {
    const [here, there] = [(await team.company())["id"], (await team.company())["id"]];
    const contact = (await team.contact({ company_id: here }))["id"];
    const deal = (await team.deal({ company_id: here }))["id"];
    expect(await counts(here)).toEqual([1, 1]);
    await team.client.post(`/deals/${deal}/win`);
    expect(await counts(here)).toEqual([1, 0]);
    await team.client.post(`/deals/${deal}/reopen`);
    await team.client.patch(`/contacts/${contact}`, { company_id: there });
    await team.client.patch(`/deals/${deal}`, { company_id: there });
    expect([await counts(here), await counts(there)]).toEqual([
      [0, 0],
      [1, 1],
    ]);
    await team.client.delete(`/contacts/${contact}`);
    await team.client.delete(`/deals/${deal}`);
    expect(await counts(there)).toEqual([0, 0]);
    await team.client.post(`/contacts/${contact}/restore`);
    await team.client.post(`/deals/${deal}/restore`);
    expect(await counts(there)).toEqual([1, 1]);
    await team.client.post(`/deals/${deal}/lose`);
    expect(await counts(there)).toEqual([1, 0]);
    const listed = (await team.client.get(`/companies?id=${there}`)).data[0];
    expect([listed.contacts_count, listed.open_deals_count]).toEqual([1, 0]);
    await refused(() => team.client.patch(`/companies/${there}`, { contacts_count: 7 }), {
      status: 400,
      code: "read_only_field",
    });
  });

  test("stay exact while many write at once", async () => {
    const company_id = (await team.company())["id"];
    const deals = await times(12, () => team.deal({ company_id }));
    await Promise.all([
      ...deals.slice(0, 4).map(({ id }) => team.client.post(`/deals/${id}/win`)),
      ...deals.slice(4, 7).map(({ id }) => team.client.delete(`/deals/${id}`)),
      ...deals.slice(7, 9).map(({ id }) => team.client.patch(`/deals/${id}`, { company_id: null })),
      ...Array.from({ length: 8 }, () => team.contact({ company_id })),
    ]);
    expect(await counts(company_id)).toEqual([8, 3]);
  });
});

describe("what a review found", () => {
  test.each([
    "2027-01-01T00:00:00+16:00",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
  ])("a time that can't be kept is 400: %s", async (due_at) => {
    const { status, error } = await team.client.post("/tasks", { title: "t", due_at });
    expect({ status, code: error?.code }).toEqual({ status: 400, code: "validation_error" });
  });

  test("a stage asks only for custom fields that are there, and they stay while it does", async () => {
    const { id, stage } = await team.pipeline();
    const path = `/pipelines/${id}/stages/${stage["second"]}`;
    const unknown = await team.client.patch(path, { required_fields: ["custom_fields.never_defined"] });
    expect({ status: unknown.status, named: Object.keys(unknown.error.details) }).toEqual({
      status: 400,
      named: ["required_fields"],
    });
    const field = await team.field("deals", "text");
    await team.client.patch(path, { required_fields: [`custom_fields.${field["key"]}`] });
    await refused(() => team.client.delete(`/custom_fields/${field["id"]}`), {
      status: 409,
      code: "field_in_use",
      details: { stages: 1 },
    });
    expect((await team.client.delete(`/custom_fields/${field["id"]}`)).error.message).toBe(
      "Stages require the custom field. Take it out of their required_fields first.",
    );
  });

  test("stages stand where they are put, and the others move on; a new open one stands before won and lost", async () => {
    const { id, stage } = await team.pipeline();
    const order = async () => (await team.client.get(`/pipelines/${id}/stages`)).data.map(({ name }: Made) => name);
    const before = await order();
    await team.client.patch(`/pipelines/${id}/stages/${stage["second"]}`, { position: 0 });
    const moved = await order();
    expect(moved[0]).toBe(before[1]);
    expect(moved[1]).toBe(before[0]);
    await team.make(`/pipelines/${id}/stages`, { name: "last open" });
    const positions = (await team.client.get(`/pipelines/${id}/stages`)).data.map(({ position }: Made) => position);
    expect(new Set(positions).size).toBe(positions.length);
    expect((await order()).indexOf("last open")).toBeLessThan((await order()).indexOf(before.at(-1)));
  });

  test("a lost deal keeps the reason that its pipeline requires, a won one has none", async () => {
    const { id: pipeline_id } = await team.pipeline({ rules: { require_lost_reason: true } });
    const lost = await team.deal({ pipeline_id });
    await team.client.post(`/deals/${lost["id"]}/lose`, { lost_reason: "price" });
    await refused(() => team.client.patch(`/deals/${lost["id"]}`, { lost_reason: null }), {
      status: 422,
      code: "lost_reason_required",
    });
    const won = await team.deal({ pipeline_id, lost_reason: "early" });
    expect((await team.client.post(`/deals/${won["id"]}/win`)).data.lost_reason).toBeNull();
  });

  test("a meeting happens when it starts, unless it is said otherwise", async () => {
    const contact = await team.contact();
    const { data } = await team.client.post("/activities", {
      type: "meeting",
      contact_id: contact["id"],
      data: { starts_at: "2031-05-01T10:00:00.000000Z" },
    });
    expect(data.occurred_at).toBe("2031-05-01T10:00:00.000000Z");
  });

  test("a PATCH without a body is malformed", async () => {
    const { id } = await team.contact();
    const { status, error } = await team.client.call(`/contacts/${id}`, {
      method: "PATCH",
      body: "",
      headers: { "content-type": "application/json" },
    });
    expect({ status, code: error?.code }).toEqual({ status: 400, code: "malformed_json" });
  });
});

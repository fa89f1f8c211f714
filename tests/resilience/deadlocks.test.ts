import { beforeEach, expect, test } from "vitest";
import type { Answer, Client } from "../harness/client.ts";
import { deadlocksDuring } from "../harness/deadlocks.ts";
import { endOf } from "../harness/import_jobs.ts";
import { endOfJob } from "../harness/large_changes.ts";
import { database, useOwnStack } from "../harness/stack.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

// Everything takes its locks in one order: who writes the same records at once waits, and never in a circle. On a stack of
// its own, because Postgres' log doesn't say whose circle it was.
useOwnStack();

let client: Client;
let workspaceId: string;
beforeEach(async () => {
  ({ client, workspaceId } = await createWorkspace());
});

const times = <T>(count: number, call: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => call(index));

/** One order for the even, the other one for the odd. */
const turned = <T>(list: readonly T[], index: number): readonly T[] => (index % 2 === 0 ? list : list.toReversed());

async function made(path: string, records: Record<string, unknown>[]): Promise<string[]> {
  const { status, body, data } = await client.post(`${path}/bulk`, { records });
  expect(status, JSON.stringify(body).slice(0, 500)).toBe(201);
  return data.map((one: { data: { id: string } }) => one.data.id);
}
const contacts = (count: number, given: Record<string, unknown> = {}) =>
  made(
    "/contacts",
    times(count, () => ({ email: freshEmail(), ...given })),
  );
const companies = (count: number) =>
  made(
    "/companies",
    times(count, (n) => ({ name: `Company ${n}` })),
  );

/** Writes of many records: each of the writers a few times over, in one order or the other. */
const writers = (count: number, rounds: number, write: (order: number) => Promise<Answer>): Promise<Answer[][]> =>
  Promise.all(
    times(count, async (writer) => {
      const answers: Answer[] = [];
      for (let round = 0; round < rounds; round++) answers.push(await write(writer));
      return answers;
    }),
  );

/** All of it at once: no circle, and no answer that is a fault of ours. */
async function expectNoCircle(...work: (() => Promise<Answer | Answer[][]>)[]): Promise<void> {
  let answers: Answer[] = [];
  const deadlocks = await deadlocksDuring(async () => {
    answers = (await Promise.all(work.map((one) => one()))).flat(2);
  });
  expect(
    answers.filter(({ status }) => status >= 500).map(({ status, body }) => [status, JSON.stringify(body)]),
  ).toEqual([]);
  expect(deadlocks).toBe(0);
}

test("bulk writes of activities with the same contacts in opposite orders", async () => {
  const people = await contacts(20);
  await expectNoCircle(() =>
    writers(4, 3, (order) =>
      client.post("/activities/bulk", {
        records: turned(people, order).map((contact_id) => ({ type: "call", contact_id })),
      }),
    ),
  );
});

test("six imports of activities with the same contacts in opposite orders", async () => {
  const people = await contacts(150);
  const deadlocks = await deadlocksDuring(async () => {
    const jobs = await Promise.all(
      times(6, (n) =>
        client.post("/imports", {
          resource: "activities",
          format: "ndjson",
          content: turned(people, n)
            .map((contact_id, line) =>
              JSON.stringify({
                type: "call",
                contact_id,
                occurred_at: `2026-01-0${n + 1}T00:${String(line % 60).padStart(2, "0")}:00Z`,
              }),
            )
            .join("\n"),
        }),
      ),
    );
    for (const { data } of jobs)
      expect(await endOf(client, data.id)).toMatchObject({ status: "completed", created: people.length, failed: 0 });
  });
  expect(deadlocks).toBe(0);
});

test("a tag that is renamed, merged and deleted beside bulk writes with it", async () => {
  const ids = await contacts(60, { tags: ["a", "b", "c"] });
  const tag = async (name: string) => (await client.get(`/tags?name=${name}`)).data[0];
  const [first, second] = [await tag("a"), await tag("b")];
  await expectNoCircle(
    () =>
      writers(4, 4, (order) =>
        client.call("/contacts/bulk", {
          method: "PATCH",
          body: { records: turned(ids, order).map((id) => ({ id, tags: turned(["a", "b", "c", "d"], order) })) },
        }),
      ),
    () =>
      writers(2, 4, (order) =>
        client.post("/contacts/bulk", {
          records: times(30, () => ({ email: freshEmail(), tags: turned(["a", "b", "e"], order) })),
        }),
      ),
    () =>
      writers(2, 6, async (order) =>
        client.patch(`/tags/${order === 0 ? first.id : second.id}`, { name: `n${Math.random()}` }),
      ),
    async () => client.post(`/tags/${(await tag("c"))?.id}/merge`, { ids: [second.id] }),
    () => client.delete(`/tags/${first.id}`),
  );
});

test("a custom field that is deleted, or given to another one, beside writes of its values", async () => {
  const define = async (key: string) =>
    (await client.post("/custom_fields", { resource: "contacts", key, label: key, type: "text" })).data.id;
  const [one, two, three] = [await define("one"), await define("two"), await define("three")];
  const ids = await contacts(20, { custom_fields: { one: "1", two: "2" } });
  await expectNoCircle(
    () =>
      writers(4, 4, (order) =>
        client.call("/contacts/bulk", {
          method: "PATCH",
          body: {
            records: turned(ids, order).map((id, n) => ({
              id,
              custom_fields: Object.fromEntries(
                turned(
                  [
                    ["one", `${n}`],
                    ["two", `${order}`],
                    ["three", null],
                  ],
                  order,
                ),
              ),
            })),
          },
        }),
      ),
    () => writers(3, 8, (order) => client.patch(`/contacts/${ids[order]}`, { custom_fields: { two: "x", one: null } })),
    () => client.delete(`/custom_fields/${one}?move_to=${three}`),
    () => client.delete(`/custom_fields/${two}?move_to=${one}`),
    () => writers(1, 5, () => client.delete(`/custom_fields/${two}`)),
  );
});

test("parents that are set in parallel", async () => {
  const ids = await companies(40);
  await expectNoCircle(
    () =>
      writers(4, 4, (order) =>
        client.call("/companies/bulk", {
          method: "PATCH",
          body: {
            records: turned(ids, order).map((id, n) => ({ id, parent_company_id: ids[(n * 7 + order) % ids.length] })),
          },
        }),
      ),
    () =>
      writers(6, 10, (order) => client.patch(`/companies/${ids[order]}`, { parent_company_id: ids[(order + 1) % 6] })),
    () =>
      writers(2, 5, (order) => client.patch(`/companies/${ids[order]}`, { parent_company_id: null, name: "Alone" })),
    () =>
      writers(2, 4, (order) =>
        client.post("/companies/bulk", {
          records: turned(ids, order).map((parent_company_id) => ({ name: "Below", parent_company_id })),
        }),
      ),
    () => writers(2, 4, (order) => client.post(`/companies/${ids[order]}/merge`, { ids: [ids[39 - order], ids[20]] })),
    () =>
      writers(2, 4, (order) =>
        client.call("/companies/bulk", { method: "DELETE", body: { ids: turned(ids.slice(25, 35), order) } }),
      ),
    () => writers(2, 6, (order) => client.post(`/companies/${ids[25 + order]}/restore`)),
  );
});

test("merges beside bulk writes of what they merge and of what names it", async () => {
  const people = await contacts(60);
  const at = await companies(10);
  const deals = await made(
    "/deals",
    people.map((id, n) => ({
      name: "Deal",
      primary_contact_id: id,
      company_id: at[n % 10],
      contacts: [{ contact_id: people[59 - n], role: "buyer" }],
    })),
  );
  await made(
    "/tasks",
    people.map((contact_id) => ({ title: "Task", contact_id })),
  );
  const activities = await made(
    "/activities",
    people.map((contact_id) => ({ type: "call", contact_id })),
  );
  await expectNoCircle(
    () =>
      writers(3, 5, (order) =>
        client.call("/contacts/bulk", {
          method: "PATCH",
          body: {
            records: turned(people, order).map((id, n) => ({ id, score: (n + order) % 100, company_id: at[n % 10] })),
          },
        }),
      ),
    () =>
      writers(3, 4, (order) =>
        client.call("/deals/bulk", {
          method: "PATCH",
          body: {
            records: turned(deals, order).map((id, n) => ({
              id,
              primary_contact_id: people[n],
              amount: order,
              currency: "EUR",
            })),
          },
        }),
      ),
    () =>
      writers(3, 4, (order) =>
        client.post("/activities/bulk", {
          records: turned(people, order).map((contact_id) => ({ type: "note", contact_id })),
        }),
      ),
    () =>
      writers(2, 4, (order) =>
        client.call("/activities/bulk", {
          method: "PATCH",
          body: {
            records: turned(activities, order).map((id, n) => ({
              id,
              contact_id: people[n],
              occurred_at: `2026-02-0${order + 1}T00:00:00Z`,
            })),
          },
        }),
      ),
    async () => {
      const answers: Answer[] = [];
      for (let n = 0; n < 10; n++) {
        const merged = await client.post(`/contacts/${people[n]}/merge`, { ids: [people[59 - n], people[40 - n]] });
        answers.push(merged);
        if (n % 2 === 0 && merged.status === 200)
          answers.push(await client.post(`/merges/${merged.meta.merge_id}/revert`));
      }
      return [answers];
    },
    async () => {
      const answers: Answer[] = [];
      for (let n = 0; n < 4; n++) answers.push(await client.post(`/companies/${at[n]}/merge`, { ids: [at[9 - n]] }));
      return [answers];
    },
    () =>
      writers(2, 3, (order) =>
        client.call("/contacts/bulk", { method: "DELETE", body: { ids: turned(people.slice(20, 30), order) } }),
      ),
  );
});

test("stages and pipelines that go, with their deals given to others, beside bulk writes of deals", async () => {
  const pipeline = (await client.post("/pipelines", { name: "One" })).data;
  const other = (await client.post("/pipelines", { name: "Other" })).data;
  const [a, b, c] = pipeline.stages.map(({ id }: { id: string }) => id);
  const deals = await made(
    "/deals",
    times(100, (n) => ({ name: "Deal", pipeline_id: pipeline.id, stage_id: [a, b][n % 2] })),
  );
  await expectNoCircle(
    () =>
      writers(4, 4, (order) =>
        client.call("/deals/bulk", {
          method: "PATCH",
          body: { records: turned(deals, order).map((id, n) => ({ id, stage_id: [a, b, c][(n + order) % 3] })) },
        }),
      ),
    () => writers(3, 6, (order) => client.post(`/deals/${deals[order]}/win`)),
    () => writers(3, 6, (order) => client.post(`/deals/${deals[order]}/reopen`)),
    () =>
      writers(2, 4, (order) =>
        client.post("/deals/bulk", {
          records: times(40, (n) => ({ name: "New", pipeline_id: (n + order) % 2 ? pipeline.id : other.id })),
        }),
      ),
    () => client.delete(`/pipelines/${pipeline.id}/stages/${a}?move_to=${b}`),
    () => client.delete(`/pipelines/${pipeline.id}/stages/${b}?move_to=${c}`),
    () => client.patch(`/pipelines/${other.id}`, { is_default: true }),
    () => client.delete(`/pipelines/${pipeline.id}?move_to=${other.id}`),
  );
});

test("jobs beside writes of the same records", async () => {
  const ids = await contacts(100, { tags: ["old"] });
  await database()`
    insert into crm.contacts (workspace_id, email, tags)
    select ${workspaceId}, 'many' || n || '@test.example', '{old}' from generate_series(1, 2200) as n`;
  const tag = (await client.get("/tags?name=old")).data[0].id;
  await expectNoCircle(
    async () => {
      const renamed = await client.patch(`/tags/${tag}`, { name: "fresh" });
      expect(renamed.status, JSON.stringify(renamed.body)).toBe(202);
      await endOfJob(client, renamed.data.id);
      return renamed;
    },
    () =>
      writers(3, 6, (order) =>
        client.call("/contacts/bulk", {
          method: "PATCH",
          body: { records: turned(ids, order).map((id) => ({ id, tags: turned(["old", "other", "third"], order) })) },
        }),
      ),
  );
});

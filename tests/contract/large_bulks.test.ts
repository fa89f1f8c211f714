import { expect, test } from "vitest";
import { MAX_BULK_STAGES } from "../../shared/bounds.ts";
import type { Client } from "../harness/client.ts";
import { createWorkspace, freshEmail } from "../harness/workspace.ts";

const contactsWithTags = (count: number, each: number) =>
  Array.from({ length: count }, (_, place) => ({
    email: freshEmail(),
    tags: Array.from({ length: each }, (_, n) => `tag ${place} ${n}`),
  }));
const pipelinesWithStages = (count: number, each: number) =>
  Array.from({ length: count }, (_, place) => ({
    name: `Pipeline ${place}`,
    stages: Array.from({ length: each }, (_, n) => ({
      name: `Stage ${n}`,
      type: n === 0 ? "won" : n === 1 ? "lost" : "open",
    })),
  }));
async function expectRefused(client: Client, path: string, records: unknown[], details: Record<string, number>) {
  const { status, error } = await client.post(path, { records });
  expect({ status, code: error.code, details: error.details }).toEqual({
    status: 413,
    code: "payload_too_large",
    details,
  });
}

test("a thousand contacts with 10 new tags each are written in one request, and each tag is counted", async () => {
  const { client } = await createWorkspace();
  const records = contactsWithTags(1000, 10);
  expect((await client.post("/contacts/bulk?dry_run=true", { records })).status).toBe(201);
  expect((await client.get("/tags")).data).toEqual([]);
  const { status, data } = await client.post("/contacts/bulk", { records });
  expect(status).toBe(201);
  expect(data.map((one: { data: { tags: string[] } }) => one.data.tags)).toEqual(records.map(({ tags }) => tags));
  const { meta } = await client.get("/tags?limit=1");
  expect(meta.total).toBe(10_000);
  const { data: counted } = await client.get("/tags?limit=100");
  expect(new Set(counted.map(({ count }: { count: number }) => count))).toEqual(new Set([1]));
});

test("the same tags on a thousand records are few", async () => {
  const { client } = await createWorkspace();
  const tags = Array.from({ length: 20 }, (_, n) => `tag ${n}`);
  const records = Array.from({ length: 1000 }, () => ({ email: freshEmail(), tags }));
  expect((await client.post("/contacts/bulk", { records })).status).toBe(201);
  expect((await client.get("/tags?name[eq]=tag 7")).data[0].count).toBe(1000);
});

test("pipelines with as many stages as they may have together are made; more are told so at once", async () => {
  const { client } = await createWorkspace();
  const records = pipelinesWithStages(MAX_BULK_STAGES / 100, 100);
  const { status, data } = await client.post("/pipelines/bulk", { records });
  expect(status).toBe(201);
  const places = (one: { data: { stages: { name: string; position: number }[] } }) =>
    one.data.stages.map(({ name, position }) => `${name} ${position}`);
  expect(places(data.at(-1))).toEqual(Array.from({ length: 100 }, (_, n) => `Stage ${n} ${n}`));
  await expectRefused(client, "/pipelines/bulk", pipelinesWithStages(300, 100), { max_stages: MAX_BULK_STAGES });
});

test("a thousand stages that all want the first place stand there in their order, before those that were there", async () => {
  const { client } = await createWorkspace();
  const { id, stages } = (await client.get("/pipelines")).data[0];
  const records = Array.from({ length: 1000 }, (_, n) => ({ name: `Stage ${n}`, position: 0 }));
  expect((await client.post(`/pipelines/${id}/stages/bulk?dry_run=true`, { records })).status).toBe(201);
  expect((await client.post(`/pipelines/${id}/stages/bulk`, { records })).status).toBe(201);
  const placed = (await client.get(`/pipelines/${id}`)).data.stages;
  const names = [...records, ...stages].map(({ name }) => name);
  expect(placed.map(({ name, position }: Record<string, unknown>) => `${name} ${position}`)).toEqual(
    names.map((name, position) => `${name} ${position}`),
  );
  const one = await client.post(`/pipelines/${id}/stages`, { name: "Before all", position: 0 });
  expect(one.data.position).toBe(0);
  const last = (await client.get(`/pipelines/${id}`)).data.stages.at(-1);
  expect(last.position).toBe(names.length);
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../harness/client.ts";
import { createSalesTeam, type Made, type SalesTeam } from "../harness/sales_team.ts";
import { startAnotherFunction } from "../harness/stack.ts";

const WRITERS = 8;
const ROUNDS = 12;

let team: SalesTeam;
let another: Awaited<ReturnType<typeof startAnotherFunction>>;

beforeAll(async () => {
  another = await startAnotherFunction();
  team = await createSalesTeam();
});
afterAll(() => another.stop());

test("the time of a deal that many change through two functions never runs backwards", async () => {
  const { id: pipeline_id, stage } = await team.pipeline();
  const path = `/deals/${(await team.deal({ pipeline_id }))["id"]}`;
  const clients = [team.client, new Client(another.baseUrl, team.key)];
  const answers: Made[] = [];
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      const client = clients[writer % clients.length] ?? team.client;
      for (let round = 0; round < ROUNDS; round++) {
        const isMove = (writer + round) % 2 === 0;
        const to = stage[round % 4 < 2 ? "second" : "first"];
        const { status, data, body } = isMove
          ? await client.patch(path, { stage_id: to })
          : await client.patch(path, { name: `${writer}-${round}` });
        expect(status, JSON.stringify(body)).toBe(200);
        answers.push(data);
      }
    }),
  );

  const versions = new Map(answers.map(({ version, updated_at }) => [version as number, String(updated_at)]));
  const times = [...versions].sort(([a], [b]) => a - b).map(([, time]) => time);
  expect(times.length).toBeGreaterThan((WRITERS * ROUNDS) / 2);
  expect(times).toEqual(times.toSorted());

  const history = (await team.client.all(`${path}/history?limit=100&sort=changed_at`)) as Made[];
  const changed = history.map(({ version }) => version);
  expect(changed).toEqual(changed.toSorted((a, b) => a - b));

  const deal = await team.read(path);
  expect(deal["version"]).toBe(Math.max(...versions.keys()));
  expect(deal["updated_at"]).toBe(times.at(-1));
  const moves = (await team.client.all(`${path}/stage_history`)) as Made[];
  expect(moves.length).toBeGreaterThan(1);
  expect(moves[0]?.["to_stage_id"]).toBe(deal["stage_id"]);
  // Newest first, each begins where the one before it ended.
  expect(moves.slice(0, -1).map(({ from_stage_id }) => from_stage_id)).toEqual(
    moves.slice(1).map(({ to_stage_id }) => to_stage_id),
  );
});

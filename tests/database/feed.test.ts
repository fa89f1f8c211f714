import postgres from "postgres";
import { expect, test } from "vitest";
import { eventsAfter, expectOrdered, newestPosition } from "../harness/feed.ts";
import { createSalesTeam, type Made } from "../harness/sales_team.ts";
import { database, stack } from "../harness/stack.ts";

/** A transaction that somebody leaves open. */
async function held(): Promise<{ sql: postgres.ReservedSql; end(how: "commit" | "rollback"): Promise<void> }> {
  const sessions = postgres(stack().databaseUrl, { max: 1 });
  const sql = await sessions.reserve();
  await sql`begin`;
  return {
    sql,
    async end(how) {
      await sql.unsafe(how);
      sql.release();
      await sessions.end();
    },
  };
}

test("an open transaction keeps back its own events alone, here and in other workspaces", async () => {
  const [team, other] = [await createSalesTeam(), await createSalesTeam()];
  const [slow, quick] = [await team.contact(), await team.contact()];
  const before = await newestPosition(team.client);
  const open = await held();
  await open.sql`update crm.contacts set job_title = 'slow' where id = ${slow["id"]}`;
  await team.client.patch(`/contacts/${quick["id"]}`, { job_title: "quick" });
  const elsewhere = await other.contact();
  expect((await eventsAfter(team.client, before)).map(({ record_id: id }) => id)).toEqual([quick["id"]]);
  expect((await eventsAfter(other.client)).at(-1)?.["record_id"]).toBe(elsewhere["id"]);
  await open.end("commit");
  const events = await eventsAfter(team.client, before);
  expect(events.map(({ record_id: id }) => id)).toEqual([quick["id"], slow["id"]]);
  expectOrdered(await eventsAfter(team.client));
});

test("a record's versions stay in order when the older transaction writes the later one", async () => {
  const team = await createSalesTeam();
  const [first, second] = [await team.contact(), await team.contact()];
  const before = await newestPosition(team.client);
  const older = await held();
  await older.sql`update crm.contacts set score = 1 where id = ${first["id"]}`;
  await team.client.patch(`/contacts/${second["id"]}`, { score: 2 });
  expect(await newestPosition(team.client)).toBe(before + 1);
  await older.sql`update crm.contacts set score = 3 where id = ${second["id"]}`;
  await older.end("commit");
  const events = await eventsAfter(team.client, before);
  expect(events.map(({ record_id: id, version }) => [id, version])).toEqual([
    [second["id"], 2],
    [first["id"], 2],
    [second["id"], 3],
  ]);
});

test("what is rolled back is never told, and leaves no hole", async () => {
  const team = await createSalesTeam();
  const contact = await team.contact();
  const undone = await held();
  await undone.sql`update crm.contacts set score = 1 where id = ${contact["id"]}`;
  await undone.end("rollback");
  await team.client.patch(`/contacts/${contact["id"]}`, { score: 2 });
  expectOrdered(await eventsAfter(team.client));
});

test("forty writers on ten records, beside those who read: each version once, in order", async () => {
  const team = await createSalesTeam();
  const records: Made[] = [];
  for (let n = 0; n < 10; n++) records.push(await team.contact());
  const seen: Made[] = [];
  let isOver = false;
  const follow = async () => {
    for (;;) {
      const last = isOver;
      seen.push(...(await eventsAfter(team.client, seen.at(-1)?.["position"] ?? 0)));
      if (last) return;
    }
  };
  const write = async (writer: number) => {
    for (let n = 0; n < 6; n++) {
      const id = records[(writer + n) % records.length]?.["id"];
      const open = await database().reserve();
      await open`begin`;
      await open`update crm.contacts set score = ${(writer * 6 + n) % 100}, job_title = ${`${writer} ${n}`} where id = ${id}`;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      await open.unsafe(Math.random() < 0.2 ? "rollback" : "commit");
      open.release();
    }
  };
  const following = follow();
  await Promise.all(Array.from({ length: 40 }, (_, writer) => write(writer)));
  isOver = true;
  await following;
  expectOrdered(seen);
  const versions = await database()`select id, version from crm.contacts where workspace_id = ${team.workspaceId}`;
  for (const { id, version } of versions)
    expect(seen.findLast(({ record_id: of }) => of === id)?.["version"]).toBe(Number(version));
});

test("a snapshot that is held for long leaves events where they belong, and reading them quick", async () => {
  const team = await createSalesTeam();
  const contact = await team.contact();
  const open = await held();
  await open.sql`set transaction isolation level repeatable read`;
  await open.sql`select count(*) from crm.contacts`;
  for (let n = 1; n <= 30; n++) {
    await database()`update crm.contacts set score = ${n} where id = ${contact["id"]}`;
    await newestPosition(team.client);
  }
  const [outbox] =
    await database()`select count(*) as waiting from crm.outbox where workspace_id = ${team.workspaceId}`;
  expect(Number(outbox?.["waiting"])).toBe(0);
  expectOrdered(await eventsAfter(team.client));
  await open.end("commit");
});

test("weeks to come have their part, and what ended more than 30 days ago is dropped with its part", async () => {
  const sql = database();
  const parts = async () =>
    (
      await sql`
        select relname as name from pg_inherits join pg_class as child on child.oid = inhrelid
        where inhparent = 'crm.events'::regclass order by 1`
    ).map(({ name }) => name as string);
  const [ahead] =
    await sql`select 'events_' || to_char(now() at time zone 'UTC' + interval '7 weeks', 'IYYY_IW') as name`;
  expect(await parts()).toContain(ahead?.["name"]);
  await sql`create table crm.events_2020_10 partition of crm.events for values from ('2020-03-02') to ('2020-03-09')`;
  await sql`select crm.keep_weeks()`;
  expect(await parts()).not.toContain("events_2020_10");
  const [unsafe] = await sql`
    select count(*) as parts from pg_class where relname ~ '^events_' and relkind = 'r' and not (relrowsecurity and relforcerowsecurity)`;
  expect(Number(unsafe?.["parts"])).toBe(0);
});

test("the events of a seed are left out where its session says so", async () => {
  const team = await createSalesTeam();
  const before = await newestPosition(team.client);
  const session = postgres(stack().databaseUrl, { max: 1 });
  await session`set crm.events = 'off'`;
  await session`insert into crm.tags (workspace_id, name) values (${team.workspaceId}, 'silent')`;
  await session`update crm.tags set name = 'quiet' where workspace_id = ${team.workspaceId}`;
  await session.end();
  expect(await newestPosition(team.client)).toBe(before);
});

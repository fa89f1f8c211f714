// Events and webhooks: how long a change takes to its receiver, how many a minute, what one that hangs does to the others,
// and what writes and imports cost more for the events that they make.
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import type { Bench } from "./bench.ts";
import { type Measurement, median, percentile, single } from "./load.ts";
import { progress, show, verdict } from "./report.ts";
import { type Ratio, ratioOf } from "./turns.ts";
import { type Account, createAccount } from "./workspace.ts";

const EVENTS_PER_SECOND = 50;
const ENDPOINTS = 100;

/** Receives, and says how long after their change events came. */
class Receivers {
  readonly delaysMs = new Map<string, number[]>();
  private readonly servers: Server[] = [];

  /** The URL of a receiver; `hang` never answers. */
  async open(name: string, hang = false): Promise<string> {
    const delays: number[] = [];
    this.delaysMs.set(name, delays);
    const server = createServer((request, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { occurred_at: at } = JSON.parse(Buffer.concat(chunks).toString());
        delays.push(Date.now() - Date.parse(at));
        if (!hang) response.writeHead(200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  get count(): number {
    return [...this.delaysMs.values()].reduce((sum, delays) => sum + delays.length, 0);
  }

  close(): void {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

/** Measures all of it. */
export async function measureEvents(bench: Bench): Promise<void> {
  await measureReceipt(bench);
  await measureHanging(bench);
  await measureBacklog(bench);
  await measureHeldSnapshot(bench);
  await measureWrites(bench);
  await measureImports(bench);
}

const callOf =
  ({ info }: Bench, { key }: Account) =>
  async (path: string, body?: unknown) => {
    const response = await fetch(`${info.functionUrl}/v1${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        "x-forwarded-for": crypto.randomUUID(),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  };

/** Writes a contact every so often for a while. */
async function writeSteadily(bench: Bench, account: Account, seconds: number, perSecond: number): Promise<void> {
  const call = callOf(bench, account);
  const startedAt = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let n = 0; n < seconds * perSecond; n++) {
    await delay(Math.max(0, startedAt + (n * 1000) / perSecond - performance.now()));
    writes.push(call("/contacts", { email: `${crypto.randomUUID()}@bench.example` }));
  }
  await Promise.all(writes);
}

const p = (delays: readonly number[], part: number): number =>
  [...delays].sort((a, b) => a - b)[Math.floor(delays.length * part)] ?? Number.NaN;

async function measureReceipt(bench: Bench): Promise<void> {
  progress(`From a change to its receiver, ${EVENTS_PER_SECOND} a second`);
  const receivers = new Receivers();
  const account = await createAccount(bench.sql, "Receipt");
  await callOf(bench, account)("/webhooks", { url: await receivers.open("one"), events: ["contact.*"] });
  const seconds = bench.quick ? 5 : 20;
  await writeSteadily(bench, account, seconds, EVENTS_PER_SECOND);
  await delay(1_000);
  const delays = receivers.delaysMs.get("one") ?? [];
  receivers.close();
  const all = seconds * EVENTS_PER_SECOND;
  if (delays.length < all) throw new Error(`${delays.length} of ${all} events came`);
  bench.verdicts.push(
    verdict("change to receipt, 50 a second: p50", p(delays, 0.5), { most: 150 }, " ms"),
    verdict("change to receipt, 50 a second: p95", p(delays, 0.95), { most: 500 }, " ms"),
  );
}

async function measureHanging(bench: Bench): Promise<void> {
  progress(`One of ${ENDPOINTS} endpoints hangs`);
  const p95s: number[] = [];
  for (const hangs of [false, true]) {
    const receivers = new Receivers();
    const accounts: Account[] = [];
    for (let n = 0; n < ENDPOINTS; n++) {
      const account = await createAccount(bench.sql, `Hanging ${n}`);
      const url = await receivers.open(`${n}`, hangs && n === 0);
      await callOf(bench, account)("/webhooks", { url, events: ["contact.*"] });
      accounts.push(account);
    }
    const rounds = bench.quick ? 3 : 8;
    for (let round = 0; round < rounds; round++)
      for (const account of accounts) {
        await callOf(bench, account)("/contacts", { email: `${crypto.randomUUID()}@bench.example` });
        await delay(10);
      }
    await delay(1_500);
    const others = [...receivers.delaysMs].flatMap(([name, delays]) => (name === "0" ? [] : delays));
    if (others.length < rounds * (ENDPOINTS - 1)) throw new Error(`${others.length} events came to the others`);
    p95s.push(p(others, 0.95));
    receivers.close();
    await bench.sql`update crm.webhooks set state = 'paused', paused_reason = 'by_user' where state = 'active'`;
  }
  const [quiet = 0, hanging = 0] = p95s;
  bench.figures.push({
    name: "100 endpoints, none hangs / one hangs: p95 of the others",
    value: `${show(quiet)} / ${show(hanging)} ms`,
  });
  bench.verdicts.push(verdict("what one that hangs adds to the others' p95", hanging - quiet, { most: 500 }, " ms"));
}

async function measureBacklog(bench: Bench): Promise<void> {
  const events = bench.quick ? 2_000 : 10_000;
  progress(`A backlog of ${events} events`);
  const receivers = new Receivers();
  const account = await createAccount(bench.sql, "Backlog");
  const call = callOf(bench, account);
  const { id } = await call("/webhooks", { url: await receivers.open("one"), events: ["contact.*"] });
  await call(`/webhooks/${id}/pause`, {});
  await bench.sql`
    insert into crm.contacts (workspace_id, email)
    select ${account.id}, 'backlog-' || n || '@bench.example' from generate_series(1, ${events}::integer) as n`;
  await call("/events?limit=1");
  const startedAt = performance.now();
  await call(`/webhooks/${id}/resume`, {});
  while (receivers.count < events) {
    await delay(20);
    if (performance.now() - startedAt > 120_000) throw new Error(`${receivers.count} of ${events} came`);
  }
  const perMinute = (events / (performance.now() - startedAt)) * 60_000;
  receivers.close();
  bench.verdicts.push(verdict("deliveries a minute", perMinute, { least: 2_000 }, ""));
}

/** Ten minutes of 50 events a second while somebody's snapshot keeps every row that the outbox had. */
async function measureHeldSnapshot({ info, sql, quick, figures }: Bench): Promise<void> {
  const rounds = quick ? 100 : 600;
  progress(`${rounds * EVENTS_PER_SECOND} events under a snapshot that is held`);
  const { id } = await createAccount(sql, "Held");
  await sql`
    insert into crm.contacts (workspace_id, email)
    select ${id}, 'held-' || n || '@bench.example' from generate_series(1, ${EVENTS_PER_SECOND}::integer) as n`;
  const session = postgres(info.databaseUrl, { max: 1 });
  const holder = await session.reserve();
  await holder`begin isolation level repeatable read`;
  await holder`select count(*) from crm.outbox`;
  const publishedMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await sql`update crm.contacts set score = ${round % 100} where workspace_id = ${id}`;
    const startedAt = performance.now();
    await sql`select crm.publish(${id})`;
    publishedMs.push(performance.now() - startedAt);
  }
  const [size] = await sql`select pg_total_relation_size('crm.outbox') / 1024 / 1024 as mb`;
  await holder`rollback`;
  holder.release();
  await session.end();
  const [first, last] = [median(publishedMs.slice(0, 30)), median(publishedMs.slice(-30))];
  figures.push({
    name: `a snapshot held through ${rounds * EVENTS_PER_SECOND} events: publishing 50 at its beginning / end, size of the outbox`,
    value: `${show(first)} / ${show(last)} ms, ${size?.["mb"]} MB`,
  });
}

/** Has the requests of all sessions make events, or not. */
async function setEvents({ sql }: Bench, call: () => Promise<unknown>, on: boolean): Promise<void> {
  await sql.unsafe(
    on ? `alter role authenticator reset "crm.events"` : `alter role authenticator set "crm.events" = 'off'`,
  );
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'`;
  for (let n = 0; n < 100; n++) {
    await delay(100);
    if (
      await call().then(
        () => true,
        () => false,
      )
    )
      return;
  }
  throw new Error("the API does not answer any more");
}

async function measureWrites(bench: Bench): Promise<void> {
  progress("Single writes with events and without");
  const account = await createAccount(bench.sql, "Writes");
  const call = callOf(bench, account);
  const { id } = await call("/contacts", { email: `${crypto.randomUUID()}@bench.example` });
  const headers = { authorization: `Bearer ${account.key}`, "content-type": "application/json" };
  const url = `${bench.info.functionUrl}/v1`;
  const targets = {
    create: {
      url,
      method: "POST" as const,
      headers,
      requests: [{ path: "/contacts", body: '{"email":"{unique}@bench.example"}' }],
    },
    update: {
      url,
      method: "PATCH" as const,
      headers,
      requests: [{ path: `/contacts/${id}`, body: '{"job_title":"{unique}"}' }],
    },
  };
  const seen: Record<string, { on: Measurement[]; off: Measurement[] }> = {
    create: { on: [], off: [] },
    update: { on: [], off: [] },
  };
  const rounds = bench.quick ? 4 : 12;
  for (let round = 0; round < rounds; round++)
    for (const on of round % 2 === 0 ? [true, false] : [false, true]) {
      await setEvents(bench, () => call("/contacts?limit=1"), on);
      for (const [name, target] of Object.entries(targets)) {
        await single(target, 30);
        seen[name]?.[on ? "on" : "off"].push(await single(target, bench.quick ? 100 : 200));
      }
    }
  await setEvents(bench, () => call("/contacts?limit=1"), true);
  for (const [name, { on, off }] of Object.entries(seen)) {
    const { ratio, low, high }: Ratio = ratioOf(off, on, (part) => percentile(part, 0.5));
    bench.figures.push({
      name: `${name} with events: speed of that without (95 % certain)`,
      value: `${show(ratio)} (${show(low)}–${show(high)})`,
    });
    bench.verdicts.push(verdict(`${name} with events: speed of that without`, ratio, { least: 0.9 }, ""));
  }
}

async function measureImports(bench: Bench): Promise<void> {
  const rows = bench.quick ? 10_000 : 50_000;
  progress(`Imports of ${rows} rows with events and without`);
  const rates: { on: number[]; off: number[] } = { on: [], off: [] };
  const account = await createAccount(bench.sql, "Imports");
  const call = callOf(bench, account);
  for (let round = 0; round < (bench.quick ? 2 : 4); round++)
    for (const on of round % 2 === 0 ? [true, false] : [false, true]) {
      await setEvents(bench, () => call("/contacts?limit=1"), on);
      const mark = crypto.randomUUID().slice(0, 8);
      const content = [
        "email,first_name",
        ...Array.from({ length: rows }, (_, n) => `${mark}-${n}@bench.example,Imported`),
      ].join("\n");
      const startedAt = performance.now();
      const { id } = await call("/imports", { resource: "contacts", format: "csv", content });
      for (;;) {
        const { status } = await call(`/imports/${id}`);
        if (status === "completed") break;
        if (status === "failed") throw new Error("an import failed");
        await delay(50);
      }
      rates[on ? "on" : "off"].push(rows / ((performance.now() - startedAt) / 1000));
    }
  await setEvents(bench, () => call("/contacts?limit=1"), true);
  const [on, off] = [median(rates.on), median(rates.off)];
  bench.figures.push({ name: "rows of imports a second, with events / without", value: `${show(on)} / ${show(off)}` });
  bench.verdicts.push(verdict("imports with events: speed of those without", on / off, { least: 0.85 }, ""));
}

import { beforeEach, describe, expect, test } from "vitest";
import type { Claims, Database } from "../../shared/db/database.ts";
import { ApiError } from "../../shared/errors.ts";
import { VERSIONS } from "../../shared/http/versions.ts";
import { claimImportSlice } from "../../shared/imports/run.ts";
import { claimChange } from "../../shared/jobs/changes.ts";
import { createWorker, type Worker, type WorkLimits } from "../../shared/jobs/worker.ts";

// The worker over a database that keeps one import in memory: what it asks for, in which order and how often.

const ROWS = 10_000;
const text = Buffer.from(Array.from({ length: ROWS }, (_, n) => `row${n}@test.example\r\n`).join(""));

interface Batch {
  lease: string;
  from: number;
  to: number;
  rows: number;
  last: boolean;
  records: { email: string }[];
  numbers: number[];
}

let job: { status: string; lease?: string; position: number; rows: number; attempts: number; error?: { code: string } };
let calls: string[];
let batches: Batch[];
/** Thrown by the next calls of `advance_import`, one each. */
let failures: ApiError[];
let handOvers: number;
let background: Promise<unknown>[];

beforeEach(() => {
  job = { status: "queued", position: 0, rows: 0, attempts: 0 };
  calls = [];
  batches = [];
  failures = [];
  handOvers = 0;
  background = [];
});

function claim(lease: string) {
  if (job.status !== "queued") return null;
  job = { ...job, status: "running", lease };
  job.attempts += 1;
  return {
    id: "job",
    workspace_id: "workspace",
    created_by: { type: "api_key", id: "key" },
    resource: "contacts",
    api_version: "v1",
    format: "csv",
    match_column: "email",
    columns: { delimiter: ",", columns: [{ field: "email" }] },
    bytes_total: text.length,
    bytes_processed: job.position,
    lines_processed: job.rows + 1,
    rows_processed: job.rows,
    attempts: job.attempts,
  };
}

function advance(batch: Batch) {
  if (job.status !== "running" || batch.lease !== job.lease || batch.from !== job.position) return { status: "lost" };
  const failure = failures.shift();
  if (failure !== undefined) throw failure;
  batches.push(batch);
  job = { ...job, position: batch.to, rows: job.rows + batch.rows, attempts: 0 };
  if (batch.last) job.status = "completed";
  return { status: batch.last ? "completed" : "running" };
}

// Of the functions that there are it answers those that a worker calls.
const database = {
  find: () => Promise.reject(new Error("not asked for")),
  async bytes(_name: string, argument: { from: number; length: number }, claims: Claims) {
    expect(claims).toEqual({ role: "crm_api", lane: "job", workspace_id: "workspace", key_id: "key" });
    const { from, length } = argument;
    return new Uint8Array(text.subarray(from, from + length));
  },
  async call(name: string, argument: { lease: string; error?: { code: string }; blameless?: boolean }, claims: Claims) {
    calls.push(name);
    expect(claims.role).toBe(name === "advance_import" ? "crm_api" : "crm_worker");
    const { lease, error, blameless } = argument;
    if (name === "claim_import") return claim(lease);
    if (name === "claim_job") return null;
    if (name === "advance_import") return advance(argument as unknown as Batch);
    if (lease !== job.lease) return null;
    if (name === "fail_import" && error !== undefined) job = { ...job, status: "failed", error };
    if (name === "release_import") {
      job.status = "queued";
      if (blameless && job.attempts > 0) job.attempts -= 1;
    }
    return null;
  },
} as Database;

function worker(limits: Partial<WorkLimits> = { cpuMs: 60_000 }): Worker {
  return createWorker({
    claims: [(budget) => claimImportSlice(database, budget, VERSIONS), () => claimChange(database)],
    log: () => {},
    background: (work) => void background.push(work),
    handOver: async () => {
      handOvers += 1;
    },
    limits,
  });
}

/** Wakes and waits until nothing is under way. */
async function wake(woken: Worker, times = 1): Promise<void> {
  for (let n = 0; n < times; n++) woken.wake();
  await Promise.all(background);
}

const written = () => batches.flatMap(({ records }) => records.map(({ email }) => email));

function expectEachRowOnce(): void {
  expect(job).toMatchObject({ status: "completed", rows: ROWS, position: text.length });
  expect(written()).toEqual(Array.from({ length: ROWS }, (_, n) => `row${n}@test.example`));
  const numbers = batches.flatMap((batch) => batch.numbers);
  expect(numbers).toEqual(Array.from({ length: ROWS }, (_, n) => n + 1));
}

test("a job is written batch by batch, each where the one before it ended", async () => {
  await wake(worker());
  expectEachRowOnce();
  expect(batches.map(({ rows }) => rows)).toEqual([1500, 1500, 1500, 1500, 1500, 1500, 1000]);
  expect(handOvers).toBe(0);
  const [claims, releases] = ["claim_import", "release_import"].map((name) => calls.filter((call) => call === name));
  expect(claims).toHaveLength((releases?.length ?? 0) + 2); // The last finds nothing.
});

test("an invocation that has used its CPU gives the job back and hands over", async () => {
  const limited = worker({ cpuMs: 0.001 });
  await wake(limited);
  expect(batches).toHaveLength(1);
  expect(job).toMatchObject({ status: "queued", rows: 1500, attempts: 0 });
  expect(handOvers).toBe(1);
  for (let n = 0; n < 10; n++) await wake(limited);
  expectEachRowOnce();
});

test("an invocation that has used its time hands over, too", async () => {
  await wake(worker({ wallMs: 0 }));
  expect({ calls, handOvers }).toEqual({ calls: [], handOvers: 1 });
});

test("wakes while it works are one more round, not a second worker", async () => {
  await wake(worker(), 5);
  expectEachRowOnce();
  expect(background).toHaveLength(1);
});

describe("when a batch fails", () => {
  const away = () => new ApiError("service_unavailable", { cause: { sqlstate: "PGRST001" } });
  const tooMuch = () => new ApiError("service_unavailable", { cause: { sqlstate: "57014" } });

  test("because the database is away, it waits for the next slice, as often as it takes", async () => {
    failures = Array.from({ length: 8 }, away);
    const patient = worker();
    for (let n = 0; n < 9; n++) await wake(patient);
    expectEachRowOnce();
  });

  test("because it is too much for one statement, smaller ones are tried", async () => {
    failures = [tooMuch(), tooMuch()];
    await wake(worker());
    expectEachRowOnce();
    expect(batches[0]?.rows).toBe(94);
  });

  test("five times in a row, the job has failed", async () => {
    failures = Array.from({ length: 5 }, () => new ApiError("internal_error"));
    await wake(worker());
    expect(job).toMatchObject({ status: "failed", error: { code: "internal_error" } });
    expect(batches).toEqual([]);
  });

  test("but goes on in between, it is none of the five", async () => {
    failures = Array.from({ length: 4 }, () => new ApiError("internal_error"));
    await wake(worker());
    expectEachRowOnce();
  });

  test.each(["invalid_api_key", "insufficient_scope"] as const)(
    "for want of rights (%s), the job has failed at once",
    async (code) => {
      failures = [new ApiError(code)];
      await wake(worker());
      expect(job).toMatchObject({ status: "failed", error: { code } });
    },
  );

  test("because somebody else has the job, it is left alone", async () => {
    const slow = worker();
    job.position = 44;
    const before = database.bytes;
    database.bytes = async (...given) => {
      job = { ...job, lease: "another", position: 66 };
      return before(...given);
    };
    try {
      await wake(slow);
      expect(batches).toEqual([]);
      expect(job).toMatchObject({ status: "running", position: 66 });
    } finally {
      database.bytes = before;
    }
  });
});

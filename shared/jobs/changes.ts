import { type Claims, callWithRetry, type Database } from "../db/database.ts";
import type { ClaimedJob, JobState } from "../db/long_work.ts";
import type { RecordData } from "../db/records.ts";
import { SLICE_MS, type Slice } from "./slice.ts";

const WORKER: Claims = { role: "crm_worker" };

/** A job that this worker alone may take on, until its lease is over. */
interface Job extends ClaimedJob {
  lease: string;
}

/** A slice of a change of many records: of the workspace that has waited longest; undefined when none waits. */
export async function claimChange(database: Database): Promise<Slice | undefined> {
  const job = await claimJob(database);
  if (job === undefined) return undefined;
  return {
    id: job.id,
    attempts: job.attempts,
    async run() {
      const startedAt = performance.now();
      while (performance.now() - startedAt < SLICE_MS) {
        if ((await advanceJob(database, job)) !== "running") return;
      }
      await releaseJob(database, job, 0);
    },
    release: ({ wait }) => releaseJob(database, job, wait),
    fail: (error) => failJob(database, job, error),
  };
}

async function claimJob(database: Database): Promise<Job | undefined> {
  const lease = crypto.randomUUID();
  const row = await database.call("claim_job", { lease }, WORKER);
  return row === null ? undefined : { ...row, lease };
}

/** Writes one batch of a job. `lost` when it was cancelled or somebody else has it: then nothing was done. */
async function advanceJob(database: Database, { id, lease }: Job): Promise<JobState> {
  const { state } = await callWithRetry(database, "advance_job", { id, lease }, WORKER);
  return state;
}

/** Gives a job back, for whoever claims it after `wait` seconds. */
async function releaseJob(database: Database, { id, lease }: Job, wait: number): Promise<void> {
  await database.call("release_job", { id, lease, wait }, WORKER);
}

/** Ends a job with an error. */
async function failJob(database: Database, { id, lease }: Job, error: unknown): Promise<void> {
  await database.call("fail_job", { id, lease, error }, WORKER);
}

/** Stops a job where it is. @throws ApiError `not_found`, `job_finished` */
export async function cancelJob(
  database: Database,
  claims: Claims,
  job: { id: string; dry_run: boolean },
): Promise<RecordData> {
  return database.call("cancel_job", job, claims);
}

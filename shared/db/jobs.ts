import { type Claims, callWithRetry, type Database } from "./database.ts";
import type { RecordData } from "./records.ts";

const WORKER: Claims = { role: "crm_worker" };

/** A job that this worker alone may take on, until its lease is over. */
export interface Job {
  id: string;
  lease: string;
  kind: string;
  /** How often it was claimed since its last slice, this time included. */
  attempts: number;
}

/** A job as `api.claim_job` tells it. */
export type ClaimedJob = Omit<Job, "lease">;

/** How a job stands after a slice; `lost` to whoever did it. */
export type JobState = "running" | "succeeded" | "lost";

/** Claims the job of the workspace that has waited longest; undefined when none waits. */
export async function claimJob(database: Database): Promise<Job | undefined> {
  const lease = crypto.randomUUID();
  const row = await database.call("claim_job", { lease }, WORKER);
  return row === null ? undefined : { ...row, lease };
}

/** Does one slice of a job. `lost` when it was cancelled or somebody else has it: then nothing was done. */
export async function advanceJob(database: Database, { id, lease }: Job): Promise<JobState> {
  const { state } = await callWithRetry(database, "advance_job", { id, lease }, WORKER);
  return state;
}

/** Gives a job back, for whoever claims it after `wait` seconds. */
export async function releaseJob(database: Database, { id, lease }: Job, wait: number): Promise<void> {
  await database.call("release_job", { id, lease, wait }, WORKER);
}

/** Ends a job with an error. */
export async function failJob(database: Database, { id, lease }: Job, error: unknown): Promise<void> {
  await database.call("fail_job", { id, lease, error }, WORKER);
}

/** Stops a job where it is. @throws ApiError `not_found`, `job_finished` */
export async function cancelJob(database: Database, claims: Claims, id: string): Promise<RecordData> {
  return database.call("cancel_job", { id }, claims);
}

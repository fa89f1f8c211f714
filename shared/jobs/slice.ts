import type { Budget } from "./budget.ts";

/** What one invocation does of a long job, which is its alone until its lease is over. */
export interface Slice {
  /** Of the job. */
  id: string;
  /** How often the job was claimed since its last batch, this time included. */
  attempts: number;
  /** Writes batch after batch until the job or the slice's time is over, then gives it back. */
  run(): Promise<void>;
  /** Gives it back for whoever claims it after some seconds; `blameless`, when that was no failure of the job's. */
  release(options: { wait: number; blameless: boolean }): Promise<void>;
  /** Ends the job. */
  fail(error: unknown): Promise<void>;
}

/** Claims a slice of the next job of one kind; undefined when none waits. */
export type Claim = (budget: Budget) => Promise<Slice | undefined>;

/** How long one workspace's job is taken on before it is another's turn. */
export const SLICE_MS = 500;

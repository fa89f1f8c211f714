import type { Database } from "../db/database.ts";
import { claimImport, failImport, type ImportJob, releaseImport } from "../db/imports.ts";
import { advanceJob, claimJob, failJob, type Job, releaseJob } from "../db/jobs.ts";
import { ApiError, type ErrorCode } from "../errors.ts";
import type { Log } from "../http/log.ts";
import { drainJob, type JobEnding } from "../imports/job_run.ts";
import { reported } from "../imports/slice.ts";
import { Budget } from "./budget.ts";

/** Work that goes on after an answer; the platform is told to keep the isolate for it. */
export type Background = (work: Promise<unknown>) => void;

export interface WorkerOptions {
  database: Database;
  log: Log;
  background: Background;
  /** Has another invocation go on where this one's limits end it. */
  handOver: () => Promise<void>;
  limits?: Partial<WorkLimits>;
}

/** What one invocation does before it hands over. The edge ends a request after 2 s of CPU and 150 s. */
export interface WorkLimits {
  /** Of reading and checking rows, which is nearly all the CPU there is to it. */
  cpuMs: number;
  wallMs: number;
}

/** Carries on what is too large for a request: imports, and changes of many records. */
export interface Worker {
  /** Says that there may be work, or that a request came whose limits may be used. */
  wake(): void;
}

/** One claimed piece of work, whatever kind it is. */
interface Turn {
  id: string;
  attempts: number;
  /** Does some of it. */
  run(): Promise<void>;
  /** Gives it back for whoever claims it after some seconds. */
  release(options: { wait: number; blameless: boolean }): Promise<void>;
  fail(error: unknown): Promise<void>;
}

const DEFAULT_LIMITS: WorkLimits = { cpuMs: 800, wallMs: 60_000 };
const MAX_ATTEMPTS = 5;
const RETRY_SECONDS = 5;
/** How long one workspace's job is taken on before it is another's turn. */
const TURN_MS = 500;
/** Errors that another attempt doesn't change: who asked may not do it any more, what it is about has gone, or there is no room. */
const FINAL: readonly ErrorCode[] = [
  "invalid_api_key",
  "expired_api_key",
  "insufficient_scope",
  "reference_not_found",
  "not_found",
  "default_pipeline_required",
  "last_stage_of_type",
  "import_reports_full",
];

/** Works once at a time. A wake while it does has it work again afterwards, on the account of that request. */
export function createWorker({ database, log, background, handOver, limits }: WorkerOptions): Worker {
  const { cpuMs, wallMs } = { ...DEFAULT_LIMITS, ...limits };
  let last: Promise<void> = Promise.resolve();
  let isQueued = false;

  /** Claims and drains until nothing waits or a limit is reached; says which. */
  async function work(): Promise<"idle" | "exhausted"> {
    const budget = new Budget(cpuMs, wallMs);
    while (!budget.isSpent) {
      let isIdle = true;
      for (const claim of [() => claimImportTurn(database, budget), () => claimJobTurn(database)]) {
        const turn = await claim();
        if (turn === undefined) continue;
        isIdle = false;
        if (!(await take(turn))) return "idle"; // The timer comes again.
      }
      if (isIdle) return "idle";
    }
    return "exhausted";
  }

  /** Takes a turn, and answers whether others can be: not while the database is away. */
  async function take(turn: Turn): Promise<boolean> {
    try {
      await turn.run();
      return true;
    } catch (error) {
      return await giveUp(turn, error);
    }
  }

  async function giveUp(turn: Turn, error: unknown): Promise<boolean> {
    const known = error instanceof ApiError ? error : new ApiError("internal_error", { cause: error });
    const isTooMuch = isStatementTimeout(known);
    const isBusy = known.code === "too_many_concurrent_requests";
    const isAway = known.code === "service_unavailable" && !isTooMuch;
    log(isAway || isBusy ? "warn" : "error", "job_interrupted", {
      job_id: turn.id,
      code: known.code,
      attempts: turn.attempts,
      cause: known.cause instanceof Error ? known.cause.name : known.cause,
    });
    try {
      if (FINAL.includes(known.code) || (!isAway && !isBusy && turn.attempts >= MAX_ATTEMPTS)) {
        await turn.fail(reported(known));
        return true;
      }
      await turn.release({ wait: isTooMuch || isBusy ? 0 : RETRY_SECONDS, blameless: isAway || isBusy });
    } catch {
      // Its lease runs out by itself.
    }
    return !isAway;
  }

  async function run(): Promise<void> {
    isQueued = false;
    try {
      const outcome = await work();
      if (outcome === "exhausted" && !isQueued) await handOver();
    } catch (error) {
      log("warn", "worker_stopped", { code: error instanceof ApiError ? error.code : "internal_error" });
    }
  }

  return {
    wake() {
      if (isQueued) return;
      isQueued = true;
      last = last.then(run);
      background(last);
    },
  };
}

async function claimImportTurn(database: Database, budget: Budget): Promise<Turn | undefined> {
  const job: ImportJob | undefined = await claimImport(database);
  if (job === undefined) return undefined;
  return {
    id: job.id,
    attempts: job.attempts,
    async run() {
      const ending: JobEnding = await drainJob(database, job, budget, TURN_MS);
      // One that was lost is ours still when what was lost is a retry of ours.
      if (ending !== "finished") await releaseImport(database, job, { wait: 0, blameless: true });
    },
    release: (options) => releaseImport(database, job, options),
    fail: (error) => failImport(database, job, error),
  };
}

async function claimJobTurn(database: Database): Promise<Turn | undefined> {
  const job: Job | undefined = await claimJob(database);
  if (job === undefined) return undefined;
  return {
    id: job.id,
    attempts: job.attempts,
    async run() {
      const startedAt = performance.now();
      while (performance.now() - startedAt < TURN_MS) {
        if ((await advanceJob(database, job)) !== "running") return;
      }
      await releaseJob(database, job, 0);
    },
    release: ({ wait }) => releaseJob(database, job, wait),
    fail: (error) => failJob(database, job, error),
  };
}

/** Whether a slice was more than the database does in one statement. */
function isStatementTimeout({ cause }: ApiError): boolean {
  return typeof cause === "object" && cause !== null && "sqlstate" in cause && cause.sqlstate === "57014";
}

import type { Database } from "../db/database.ts";
import { claimImport, failImport, type ImportJob, releaseImport } from "../db/imports.ts";
import { ApiError, type ErrorCode } from "../errors.ts";
import type { Log } from "../http/log.ts";
import { Budget } from "./budget.ts";
import { drainJob, type JobEnding } from "./job_run.ts";
import { reported } from "./slice.ts";

/** Work that goes on after an answer; the platform is told to keep the isolate for it. */
export type Background = (work: Promise<unknown>) => void;

export interface ImportWorkerOptions {
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

/** Drains the imports that wait. */
export interface ImportWorker {
  /** Says that there may be work, or that a request came whose limits may be used. */
  wake(): void;
}

const DEFAULT_LIMITS: WorkLimits = { cpuMs: 800, wallMs: 60_000 };
const MAX_ATTEMPTS = 5;
const RETRY_SECONDS = 5;
/** Errors that another attempt doesn't change: who made the import may not do it any more. */
const FINAL: readonly ErrorCode[] = ["invalid_api_key", "expired_api_key", "insufficient_scope"];

/** Works once at a time. A wake while it does has it work again afterwards, on the account of that request. */
export function createImportWorker({ database, log, background, handOver, limits }: ImportWorkerOptions): ImportWorker {
  const { cpuMs, wallMs } = { ...DEFAULT_LIMITS, ...limits };
  let last: Promise<void> = Promise.resolve();
  let isQueued = false;

  /** Claims and drains until nothing waits or a limit is reached; says which. */
  async function work(): Promise<"idle" | "exhausted"> {
    const budget = new Budget(cpuMs, wallMs);
    while (!budget.isSpent) {
      const job = await claimImport(database);
      if (job === undefined) return "idle";
      if (!(await drain(job, budget))) return "idle"; // The timer comes again.
    }
    return "exhausted";
  }

  /** Takes a job on, and answers whether others can be: not while the database is away. */
  async function drain(job: ImportJob, budget: Budget): Promise<boolean> {
    let ending: JobEnding;
    try {
      ending = await drainJob(database, job, budget);
    } catch (error) {
      return await giveUp(job, error);
    }
    // One that was lost is ours still when what was lost is a retry of ours.
    if (ending !== "finished") await releaseImport(database, job, { wait: 0, blameless: true });
    return true;
  }

  async function giveUp(job: ImportJob, error: unknown): Promise<boolean> {
    const known = error instanceof ApiError ? error : new ApiError("internal_error", { cause: error });
    const isTooMuch = isStatementTimeout(known);
    const isAway = known.code === "service_unavailable" && !isTooMuch;
    log(isAway ? "warn" : "error", "import_interrupted", {
      import_id: job.id,
      code: known.code,
      attempts: job.attempts,
      cause: known.cause instanceof Error ? known.cause.name : known.cause,
    });
    try {
      if (FINAL.includes(known.code) || (!isAway && job.attempts >= MAX_ATTEMPTS)) {
        await failImport(database, job, reported(known));
        return true;
      }
      await releaseImport(database, job, { wait: isTooMuch ? 0 : RETRY_SECONDS, blameless: isAway });
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
      log("warn", "import_worker_stopped", { code: error instanceof ApiError ? error.code : "internal_error" });
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

/** Whether a slice was more than the database does in one statement. */
function isStatementTimeout({ cause }: ApiError): boolean {
  return typeof cause === "object" && cause !== null && "sqlstate" in cause && cause.sqlstate === "57014";
}

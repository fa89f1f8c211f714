import { ApiError, type ErrorCode, reported } from "../errors.ts";
import type { Log } from "../http/log.ts";
import { Budget } from "./budget.ts";
import type { Claim, Slice } from "./slice.ts";

/** Work that goes on after an answer; the platform is told to keep the isolate for it. */
export type Background = (work: Promise<unknown>) => void;

export interface WorkerOptions {
  /** The kinds of work that there are, which are served in turn. */
  claims: readonly Claim[];
  /** How many slices are under way at once: one, unless they are mostly waiting for others. */
  places?: number;
  /** What there may be to do for others after each slice. */
  afterSlice?: () => void;
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

/** Carries on what is too large for a request. */
export interface Worker {
  /** Says that there may be work, or that a request came whose limits may be used. */
  wake(): void;
}

const DEFAULT_LIMITS: WorkLimits = { cpuMs: 800, wallMs: 60_000 };
const MAX_ATTEMPTS = 5;
const RETRY_SECONDS = 5;
/** Errors that another attempt doesn't change: who asked may not do it any more, what it is about has gone, or there is no room. */
const FINAL: readonly ErrorCode[] = [
  "invalid_api_key",
  "expired_api_key",
  "invalid_session",
  "workspace_not_found",
  "insufficient_scope",
  "reference_not_found",
  "not_found",
  "default_pipeline_required",
  "last_stage_of_type",
  "import_reports_full",
];

/**
 * Looks for work once at a time. A wake while it does has it look at once where a place is free, and again afterwards, on
 * the account of that request.
 */
export function createWorker({
  claims,
  places = 1,
  afterSlice = () => {},
  log,
  background,
  handOver,
  limits,
}: WorkerOptions): Worker {
  const { cpuMs, wallMs } = { ...DEFAULT_LIMITS, ...limits };
  const underWay = new Set<Promise<void>>();
  let last: Promise<void> = Promise.resolve();
  let isQueued = false;
  let isAway = false;
  let turn = 0;
  let stir = () => {};

  /** Claims and drains until nothing waits or a limit is reached; says which. */
  async function work(): Promise<"idle" | "exhausted"> {
    const budget = new Budget(cpuMs, wallMs);
    isAway = false;
    for (;;) {
      const mayTake = !budget.isSpent && !isAway && underWay.size < places;
      const slice = mayTake ? await claimNext(budget) : undefined;
      if (slice !== undefined) start(slice);
      else if (isAway)
        return "idle"; // The timer comes again.
      else if (budget.isSpent && (underWay.size === 0 || isQueued)) return "exhausted";
      else if (underWay.size === 0) return "idle";
      else {
        await Promise.race([...underWay, new Promise<void>((resolve) => (stir = resolve))]);
      }
    }
  }

  async function claimNext(budget: Budget): Promise<Slice | undefined> {
    for (let n = 0; n < claims.length; n++) {
      const slice = await claims[turn++ % claims.length]?.(budget);
      if (slice !== undefined) return slice;
    }
    return undefined;
  }

  function start(slice: Slice): void {
    const work = take(slice).finally(() => {
      underWay.delete(work);
      afterSlice();
    });
    underWay.add(work);
    if (places > 1) background(work); // It may outlast the run.
  }

  /** Does a slice, and notes where others can't be done either: while the database is away. */
  async function take(slice: Slice): Promise<void> {
    try {
      await slice.run();
    } catch (error) {
      isAway ||= !(await giveUp(slice, error));
    }
  }

  async function giveUp(slice: Slice, error: unknown): Promise<boolean> {
    const known = error instanceof ApiError ? error : new ApiError("internal_error", { cause: error });
    const isTooMuch = isStatementTimeout(known);
    const isBusy = known.code === "too_many_concurrent_requests";
    const isAway = known.code === "service_unavailable" && !isTooMuch;
    log(isAway || isBusy ? "warn" : "error", "job_interrupted", {
      job_id: slice.id,
      code: known.code,
      attempts: slice.attempts,
      cause: known.cause instanceof Error ? known.cause.name : known.cause,
    });
    try {
      if (FINAL.includes(known.code) || (!isAway && !isBusy && slice.attempts >= MAX_ATTEMPTS)) {
        await slice.fail(reported(known));
        return true;
      }
      await slice.release({ wait: isTooMuch || isBusy ? 0 : RETRY_SECONDS, blameless: isAway || isBusy });
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
      stir();
      if (isQueued) return;
      isQueued = true;
      last = last.then(run);
      background(last);
    },
  };
}

/** Whether a batch was more than the database does in one statement. */
function isStatementTimeout({ cause }: ApiError): boolean {
  return typeof cause === "object" && cause !== null && "sqlstate" in cause && cause.sqlstate === "57014";
}

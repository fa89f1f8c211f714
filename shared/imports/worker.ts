import type { Database } from "../db/database.ts";
import {
  advanceImport,
  claimImport,
  failImport,
  type ImportJob,
  readImportText,
  releaseImport,
} from "../db/imports.ts";
import { ApiError, type ErrorCode } from "../errors.ts";
import type { Log } from "../http/log.ts";
import type { Resource } from "../resources/define.ts";
import { IMPORTABLE } from "../resources/imports.ts";
import type { Column } from "./columns.ts";
import { csvReader, ndjsonReader, type ReportedError, type RowReader, reported, type Slice } from "./slice.ts";

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
const STRETCH_BYTES = 512 * 1024;
/** As of the body that a row would be. */
const MAX_ROW_BYTES = 1024 * 1024;
const MAX_ROWS = 1_500;
/** A slice that was too much for the database is tried again with so many times fewer rows. */
const SHRINKAGE = 4;
/** A job gives way to the next one after so many slices. */
const MAX_SLICES = 25;
const MAX_ATTEMPTS = 5;
const RETRY_SECONDS = 5;
/** Errors that another attempt doesn't change: who made the import may not do it any more. */
const FINAL: readonly ErrorCode[] = ["invalid_api_key", "expired_api_key", "insufficient_scope"];

type Ending = "finished" | "lost" | "more" | "failed";

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
      const ending = await drain(job, budget);
      if (ending === "failed") return "idle"; // The database is away, most likely; the timer comes again.
    }
    return "exhausted";
  }

  async function drain(job: ImportJob, budget: Budget): Promise<Ending> {
    try {
      const ending = await drainJob(database, job, budget);
      if (ending === "more") await releaseImport(database, job, { wait: 0, blameless: true });
      return ending;
    } catch (error) {
      return await giveUp(job, error);
    }
  }

  async function giveUp(job: ImportJob, error: unknown): Promise<Ending> {
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
        return "finished";
      }
      await releaseImport(database, job, { wait: isTooMuch ? 0 : RETRY_SECONDS, blameless: isAway });
    } catch {
      // Its lease runs out by itself.
    }
    return isAway ? "failed" : "finished";
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

/** Takes a job on slice by slice: while the database writes one, the next is read and checked. */
async function drainJob(database: Database, job: ImportJob, budget: Budget): Promise<Ending> {
  const resource = IMPORTABLE[job.resource];
  if (resource === undefined) throw new ApiError("internal_error", { cause: `no resource ${job.resource}` });
  const text = new Stretch(database, job);
  const reader = budget.measure(() =>
    job.format === "csv"
      ? csvReader(resource, job.matchBy, job.columns as Column[])
      : ndjsonReader(resource, job.matchBy, job.columns as Record<string, Column>),
  );
  const max = Math.ceil(MAX_ROWS / SHRINKAGE ** (job.attempts - 1));
  let row = job.rowsProcessed + 1;
  let pending: ReturnType<typeof advanceImport> = Promise.resolve("running");
  for (let slices = 1; ; slices++) {
    const from = text.position;
    const reading = nextSlice(text, reader, { firstRow: row, max }, budget);
    // Whichever fails first, the other one must not be left alone with its error.
    const [before, read] = await Promise.allSettled([pending, reading]);
    if (before.status === "rejected") throw before.reason;
    if (before.value !== "running") return "lost";
    if (read.status === "rejected") throw read.reason;
    const slice = read.value;
    if (slice === undefined) return await explainLostText(database, job, resource, from);
    row += slice.rows;
    const last = slice.broken === undefined && text.isAtEnd;
    const { rows, batches, failures } = slice;
    const step = { from, to: text.position, rows, batches, failures, last };
    pending = budget.measure(() => advanceImport(database, job, resource, step));
    if (last || slice.broken !== undefined || slices >= MAX_SLICES || budget.isSpent) {
      const status = await pending;
      if (status === "lost") return "lost";
      if (slice.broken === undefined) return last ? "finished" : "more";
      await failImport(database, job, slice.broken);
      return "finished";
    }
  }
}

/** The text of an import is seen no more: it was cancelled, or its key may not write any longer, which is thrown. */
async function explainLostText(database: Database, job: ImportJob, resource: Resource, at: number): Promise<Ending> {
  const nothing = { from: at, to: at, rows: 0, batches: [], failures: [], last: false };
  const status = await advanceImport(database, job, resource, nothing);
  if (status === "lost") return "lost";
  throw new ApiError("internal_error", { cause: "the text of the import is gone" });
}

/** The next rows; undefined when the text is gone. A row that is longer than what is at hand has more of it fetched. */
async function nextSlice(
  text: Stretch,
  reader: RowReader,
  { firstRow, max }: { firstRow: number; max: number },
  budget: Budget,
): Promise<Slice | undefined> {
  if (!(await text.fill(STRETCH_BYTES))) return undefined;
  for (;;) {
    const { bytes, isEnd } = text;
    const slice = budget.measure(() => reader.read(bytes, { firstRow, isEnd, max }));
    if (slice.length > 0 || slice.broken !== undefined || isEnd) {
      text.consume(slice.length);
      return slice;
    }
    if (bytes.length >= MAX_ROW_BYTES) return { ...slice, broken: tooLong(firstRow) };
    if (!(await text.fill(MAX_ROW_BYTES))) return undefined;
  }
}

function tooLong(row: number): ReportedError {
  const sentence = `Row ${row} is longer than ${MAX_ROW_BYTES / 1024 / 1024} MB, or has a quoted cell that is not closed.`;
  return { code: "validation_error", message: sentence, details: { content: [sentence] } };
}

/** The part of a job's text that is in memory, from the first byte that is in no slice yet. */
class Stretch {
  bytes: Uint8Array = new Uint8Array();
  position: number;

  constructor(
    private readonly database: Database,
    private readonly job: ImportJob,
  ) {
    this.position = job.bytesProcessed;
  }

  /** Whether the text ends where the stretch does. */
  get isEnd(): boolean {
    return this.position + this.bytes.length >= this.job.bytesTotal;
  }

  get isAtEnd(): boolean {
    return this.position >= this.job.bytesTotal;
  }

  /**
   * Has at least `length` bytes at hand, where the text has as many; false when it is gone. Fetched are twice as
   * many, so that it is not every time.
   */
  async fill(length: number): Promise<boolean> {
    if (this.bytes.length >= length || this.isEnd) return true;
    const { id, claims } = this.job;
    const from = this.position + this.bytes.length;
    const more = await readImportText(this.database, claims, { id, from, length: length * 2 - this.bytes.length });
    if (more.length === 0) return false;
    const joined = new Uint8Array(this.bytes.length + more.length);
    joined.set(this.bytes);
    joined.set(more, this.bytes.length);
    this.bytes = joined;
    return true;
  }

  consume(length: number): void {
    this.bytes = this.bytes.subarray(length);
    this.position += length;
  }
}

/** What is left of an invocation. Nobody else runs while rows are read, so the time that takes is CPU. */
class Budget {
  private cpu = 0;
  private readonly startedAt = performance.now();

  constructor(
    private readonly cpuMs: number,
    private readonly wallMs: number,
  ) {}

  get isSpent(): boolean {
    return this.cpu >= this.cpuMs || performance.now() - this.startedAt >= this.wallMs;
  }

  measure<Result>(work: () => Result): Result {
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      this.cpu += performance.now() - startedAt;
    }
  }
}

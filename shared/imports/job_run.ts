import { MAX_ROW_BYTES } from "../bounds.ts";
import type { Database } from "../db/database.ts";
import { advanceImport, failImport, type ImportJob, type ImportStep } from "../db/imports.ts";
import { withStoredPhones } from "../db/phones.ts";
import { ApiError } from "../errors.ts";
import type { Budget } from "../jobs/budget.ts";
import type { Resource } from "../resources/define.ts";
import { IMPORTABLE } from "../resources/imports.ts";
import type { Column, CsvColumns } from "./columns.ts";
import { csvReader, ndjsonReader, type ReportedError, type RowReader, type Slice } from "./slice.ts";
import { Stretch } from "./stretch.ts";

/** How a job was left: done, with more to do, or to somebody else. */
export type JobEnding = "finished" | "more" | "lost";

const STRETCH_BYTES = 512 * 1024;
const MAX_ROWS = 1_500;
/** A slice that was too much for the database is tried again with so many times fewer rows. */
const SHRINKAGE = 4;
const MAX_WRITES = 2;

/**
 * Takes a job on slice by slice, for `turnMs` at most: while the database writes one, the next is read and checked.
 */
export async function drainJob(database: Database, job: ImportJob, budget: Budget, turnMs: number): Promise<JobEnding> {
  const writes = new Writes();
  try {
    return await drainSlices(database, job, budget, { writes, until: performance.now() + turnMs });
  } finally {
    await writes.settled();
  }
}

async function drainSlices(
  database: Database,
  job: ImportJob,
  budget: Budget,
  { writes, until }: { writes: Writes; until: number },
): Promise<JobEnding> {
  const resource = IMPORTABLE[job.resource];
  if (resource === undefined) throw new ApiError("internal_error", { cause: `no resource ${job.resource}` });
  const text = new Stretch(database, job);
  const reader = budget.measure(() => readerOf(resource, job));
  const max = Math.ceil(MAX_ROWS / SHRINKAGE ** (job.attempts - 1));
  let row = job.rowsProcessed + 1;
  let line = job.linesProcessed;
  for (;;) {
    const from = text.position;
    const slice = await nextSlice(text, reader, { firstRow: row, linesBefore: line, max }, budget);
    if (slice === undefined) {
      return (await writes.allDone()) ? await explainLostText(database, job, from) : "lost";
    }
    row += slice.rows;
    line += slice.lines;
    const { rows, lines, failures, broken } = slice;
    const last = broken === undefined && text.isAtEnd;
    const records = await withStoredPhones(database, job.claims, resource, slice.batch.records, [job.matchBy]);
    const batch = { ...slice.batch, records };
    const step: ImportStep = { from, to: text.position, rows, lines, batch, failures, last };
    const isOurs = await writes.add(() => budget.measure(() => advanceImport(database, job, step)));
    if (!isOurs) return "lost";
    if (last || broken !== undefined || performance.now() >= until || budget.isSpent) {
      if (!(await writes.allDone())) return "lost";
      if (broken === undefined) return last ? "finished" : "more";
      await failImport(database, job, broken);
      return "finished";
    }
  }
}

function readerOf(resource: Resource, { format, matchBy, columns }: ImportJob): RowReader {
  return format === "csv"
    ? csvReader(resource, matchBy, columns as CsvColumns)
    : ndjsonReader(resource, matchBy, columns as Record<string, Column>);
}

/**
 * The writes that are under way. The second waits in the database until the first has committed, which locks the job;
 * so the database never waits for us, and what follows a slice that failed finds the job elsewhere and does nothing.
 */
class Writes {
  private readonly underWay: ReturnType<typeof advanceImport>[] = [];

  /** Starts a write once there is room for it; false when one before it was lost. */
  async add(start: () => ReturnType<typeof advanceImport>): Promise<boolean> {
    if (this.underWay.length >= MAX_WRITES && !(await this.firstDone())) return false;
    const write = start();
    write.catch(() => {}); // Whoever waits for it gets the error.
    this.underWay.push(write);
    return true;
  }

  /** Whether all have been done. @throws what the first of them did that failed */
  async allDone(): Promise<boolean> {
    while (this.underWay.length > 0) if (!(await this.firstDone())) return false;
    return true;
  }

  /** When none is under way any more, however they ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.underWay);
  }

  private async firstDone(): Promise<boolean> {
    return (await this.underWay.shift()) !== "lost";
  }
}

/** The text of an import is seen no more: it was cancelled, or its key may not write any longer, which is thrown. */
async function explainLostText(database: Database, job: ImportJob, at: number): Promise<JobEnding> {
  const batch = { records: [], keys: [], numbers: [], lines: [] };
  const nothing = { from: at, to: at, rows: 0, lines: 0, batch, failures: [], last: false };
  const status = await advanceImport(database, job, nothing);
  if (status === "lost") return "lost";
  throw new ApiError("internal_error", { cause: "the text of the import is gone" });
}

/** The next rows; undefined when the text is gone. A row that is longer than what is at hand has more of it fetched. */
async function nextSlice(
  text: Stretch,
  reader: RowReader,
  { firstRow, linesBefore, max }: { firstRow: number; linesBefore: number; max: number },
  budget: Budget,
): Promise<Slice | undefined> {
  if (!(await text.fill(STRETCH_BYTES))) return undefined;
  for (;;) {
    const { bytes, isEnd } = text;
    const slice = budget.measure(() => reader.read(bytes, { firstRow, linesBefore, isEnd, max }));
    if (slice.length > 0 || slice.broken !== undefined || isEnd) {
      text.consume(slice.length);
      return slice;
    }
    if (bytes.length >= MAX_ROW_BYTES) {
      const long = budget.measure(() => reader.read(bytes, { firstRow, linesBefore, isEnd, isLong: true, max: 1 }));
      text.consume(long.length);
      return long.length > 0 ? long : { ...slice, broken: tooLong(firstRow) };
    }
    if (!(await text.fill(MAX_ROW_BYTES))) return undefined;
  }
}

function tooLong(row: number): ReportedError {
  const sentence = `Row ${row} is longer than ${MAX_ROW_BYTES / 1024 / 1024} MB, or has a quoted cell that is not closed.`;
  return { code: "validation_error", message: sentence, details: { content: [sentence] } };
}

import { MAX_ROW_BYTES } from "../bounds.ts";
import type { Database } from "../db/database.ts";
import { withStoredPhones } from "../db/phones.ts";
import { ApiError, type ReportedError, reported } from "../errors.ts";
import { type ApiVersion, unknownVersion } from "../http/versions.ts";
import type { Budget } from "../jobs/budget.ts";
import { SLICE_MS, type Slice } from "../jobs/slice.ts";
import { Writes } from "../jobs/writes.ts";
import { resourceNamed } from "../resources/all.ts";
import type { Resource } from "../resources/define.ts";
import { type Batch, csvReader, ndjsonReader, type RowReader } from "./batch.ts";
import type { Column, CsvColumns } from "./columns.ts";
import { advanceImport, claimImport, failImport, type ImportJob, releaseImport } from "./store.ts";
import { ImportText } from "./text.ts";

/** How an import was left: done, with more to do, or to somebody else. */
type Ending = "finished" | "more" | "lost";

const TEXT_BYTES = 512 * 1024;
const MAX_ROWS = 1_500;
/** A batch that was too much for the database is tried again with so many times fewer rows. */
const SHRINKAGE = 4;

/** A slice of an import, of the workspace that had the least work done of late; undefined when none waits. */
export async function claimImportSlice(
  database: Database,
  budget: Budget,
  versions: readonly ApiVersion[],
): Promise<Slice | undefined> {
  const known = versions.map(({ name }) => name);
  const job = await claimImport(database, known);
  if (job === undefined) return undefined;
  const resources = versions.find(({ name }) => name === job.version)?.resources;
  return {
    id: job.id,
    attempts: job.attempts,
    async run() {
      if (resources === undefined) return failImport(database, job, reported(unknownVersion(job.version, known)));
      const writes: ImportWrites = new Writes();
      const ending = await writeBatches(database, job, budget, {
        resources,
        writes,
        until: performance.now() + SLICE_MS,
      }).finally(() => writes.settled());
      // One that was lost is ours still when what was lost is a retry of ours.
      if (ending !== "finished") await releaseImport(database, job, { wait: 0, blameless: true });
    },
    release: (options) => releaseImport(database, job, options),
    fail: (error) => failImport(database, job, error),
  };
}

type ImportWrites = Writes<"running" | "completed">;

/** Writes batch after batch: while the database writes one, the next is read and checked. */
async function writeBatches(
  database: Database,
  job: ImportJob,
  budget: Budget,
  { resources, writes, until }: { resources: readonly Resource[]; writes: ImportWrites; until: number },
): Promise<Ending> {
  const resource = resourceNamed(job.resource, resources);
  const text = new ImportText(database, job);
  const reader = budget.measure(() => readerOf(resource, job));
  const max = Math.ceil(MAX_ROWS / SHRINKAGE ** (job.attempts - 1));
  let row = job.rowsProcessed + 1;
  let line = job.linesProcessed;
  for (;;) {
    const from = text.position;
    const batch = await nextBatch(text, reader, { firstRow: row, linesBefore: line, max }, budget);
    if (batch === undefined) {
      return (await writes.allDone()) ? await explainLostText(database, job, from) : "lost";
    }
    row += batch.rows;
    line += batch.lines;
    const { rows, lines, failures, broken } = batch;
    const last = broken === undefined && text.isAtEnd;
    const records = await withStoredPhones(database, job.claims, resource, batch.written.records, [job.matchColumn]);
    const written = { ...batch.written, records };
    const placed = { from, to: text.position, rows, lines, written, failures, last };
    const isOurs = await writes.add(() => budget.measure(() => advanceImport(database, job, placed)));
    if (!isOurs) return "lost";
    if (last || broken !== undefined || performance.now() >= until || budget.isSpent) {
      if (!(await writes.allDone())) return "lost";
      if (broken === undefined) return last ? "finished" : "more";
      await failImport(database, job, broken);
      return "finished";
    }
  }
}

function readerOf(resource: Resource, { format, columns }: ImportJob): RowReader {
  return format === "csv"
    ? csvReader(resource, columns as CsvColumns)
    : ndjsonReader(resource, columns as Record<string, Column>);
}

/** The text of an import is seen no more: it was cancelled, or its key may not write any longer, which is thrown. */
async function explainLostText(database: Database, job: ImportJob, at: number): Promise<Ending> {
  const written = { records: [], numbers: [], lines: [] };
  const nothing = { from: at, to: at, rows: 0, lines: 0, written, failures: [], last: false };
  const status = await advanceImport(database, job, nothing);
  if (status === "lost") return "lost";
  throw new ApiError("internal_error", { cause: "the text of the import is gone" });
}

/** The next rows; undefined when the text is gone. A row that is longer than what is at hand has more of it fetched. */
async function nextBatch(
  text: ImportText,
  reader: RowReader,
  { firstRow, linesBefore, max }: { firstRow: number; linesBefore: number; max: number },
  budget: Budget,
): Promise<Batch | undefined> {
  if (!(await text.fill(TEXT_BYTES))) return undefined;
  for (;;) {
    const { bytes, isEnd } = text;
    const batch = budget.measure(() => reader.read(bytes, { firstRow, linesBefore, isEnd, max }));
    if (batch.length > 0 || batch.broken !== undefined || isEnd) {
      text.consume(batch.length);
      return batch;
    }
    if (bytes.length >= MAX_ROW_BYTES) {
      const long = budget.measure(() => reader.read(bytes, { firstRow, linesBefore, isEnd, isLong: true, max: 1 }));
      text.consume(long.length);
      return long.length > 0 ? long : { ...batch, broken: tooLong(firstRow) };
    }
    if (!(await text.fill(MAX_ROW_BYTES))) return undefined;
  }
}

function tooLong(row: number): ReportedError {
  const sentence = `Row ${row} is longer than ${MAX_ROW_BYTES / 1024 / 1024} MB, or has a quoted cell that is not closed.`;
  return { code: "validation_error", message: sentence, details: { content: [sentence] } };
}

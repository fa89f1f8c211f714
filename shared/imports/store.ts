import type { Principal } from "../auth/principal.ts";
import {
  MAX_IMPORT_BYTES,
  MAX_LISTED_FAILURES,
  MAX_REPORT_BYTES,
  MAX_UNFINISHED_IMPORTS,
  MAX_UPLOADED_BYTES,
} from "../bounds.ts";
import { type Claims, callWithRetry, type Database } from "../db/database.ts";
import type {
  CreatedImport,
  ImportStart,
  ImportStatus,
  NewImport,
  PlacedBatch,
  UploadBounds,
} from "../db/long_work.ts";
import { claimsOf, type Idempotency, type ReadResult, type RecordData } from "../db/records.ts";
import { fieldError } from "../errors.ts";

const WORKER: Claims = { role: "crm_worker" };
const BOUNDS: UploadBounds = {
  max_unfinished: MAX_UNFINISHED_IMPORTS,
  max_bytes: MAX_IMPORT_BYTES,
  max_workspace_bytes: MAX_UPLOADED_BYTES,
  max_report_bytes: MAX_REPORT_BYTES,
};

/**
 * Makes an import, which starts at once when it comes with its text.
 * @throws ApiError `too_many_imports`, `upload_quota_exceeded` for what the workspace has that has not ended,
 * `import_reports_full` for what it keeps of those that have
 */
export async function createImport(
  database: Database,
  principal: Principal,
  { made, content, idempotency }: { made: NewImport; content?: string; idempotency?: Idempotency },
): Promise<CreatedImport> {
  const argument = {
    import: made,
    content: content ?? null,
    bounds: BOUNDS,
    ...(idempotency && { idempotency }),
  };
  return database.call("create_import", argument, claimsOf(principal));
}

/** An import as it is shown; null when the principal may not see it. */
export async function readImport(database: Database, principal: Principal, id: string): Promise<RecordData | null> {
  return database.call("read_import", { id }, claimsOf(principal));
}

/**
 * Keeps a part of the text, or replaces it.
 * @throws ApiError `payload_too_large`, `upload_quota_exceeded`
 */
export async function putImportPart(
  database: Database,
  principal: Principal,
  id: string,
  { part, content }: { part: number; content: string },
): Promise<RecordData> {
  const argument = { id, part, content, bounds: BOUNDS };
  return database.call("put_import_part", argument, claimsOf(principal));
}

/** @throws ApiError `validation_error` naming the first part that is missing */
export async function requireAllParts(database: Database, principal: Principal, id: string): Promise<void> {
  const missing = await database.call("missing_import_part", { id }, claimsOf(principal));
  if (missing !== null) throw fieldError("validation_error", "part", `Part ${missing} is missing.`);
}

export async function startImport(
  database: Database,
  principal: Principal,
  id: string,
  start: ImportStart,
): Promise<RecordData> {
  return database.call("start_import", { id, ...start }, claimsOf(principal));
}

export async function cancelImport(database: Database, principal: Principal, id: string): Promise<RecordData> {
  return database.call("cancel_import", { id }, claimsOf(principal));
}

/** The rows of an import after a row; null when it can't be read. */
export async function readImportRows(
  database: Database,
  principal: Principal,
  asked: { id: string; after: number; limit: number; status?: string },
): Promise<ReadResult | null> {
  return database.call("read_import_rows", asked, claimsOf(principal));
}

/** Of an import's text `length` bytes after `from`, fewer at its end. */
export function readImportText(
  database: Database,
  claims: Claims,
  part: { id: string; from: number; length: number },
): Promise<Uint8Array> {
  return database.bytes("read_import_text", part, claims);
}

/** An import that this worker alone may take on, until its lease is over. */
export interface ImportJob {
  id: string;
  lease: string;
  /** Those of the key or person that made it: its batches have their rights, no others. */
  claims: Claims;
  resource: string;
  /** The version of the API whose names the columns have. */
  version: string;
  format: "csv" | "ndjson";
  matchColumn: string;
  columns: unknown;
  bytesTotal: number;
  bytesProcessed: number;
  linesProcessed: number;
  rowsProcessed: number;
  /** How often it was claimed since its last batch, this time included. */
  attempts: number;
}

/**
 * Claims an import of the workspace that had the least work done of late; undefined when none waits. One of a version
 * that is not named is left to others, for as long as there may be any.
 */
export async function claimImport(database: Database, versions: readonly string[]): Promise<ImportJob | undefined> {
  const lease = crypto.randomUUID();
  const row = await database.call("claim_import", { lease, versions }, WORKER);
  if (row === null) return undefined;
  const { type, id } = row.created_by;
  return {
    id: row.id,
    lease,
    claims: {
      role: "crm_api",
      lane: "job",
      workspace_id: row.workspace_id,
      ...(type === "api_key" ? { key_id: id } : { user_id: id }),
    },
    resource: row.resource,
    version: row.api_version,
    format: row.format,
    matchColumn: row.match_column,
    columns: row.columns,
    bytesTotal: row.bytes_total,
    bytesProcessed: row.bytes_processed,
    linesProcessed: row.lines_processed,
    rowsProcessed: row.rows_processed,
    attempts: row.attempts,
  };
}

/**
 * Writes the records of a batch and moves the import on, in one transaction, with the rights of who made it.
 * Answers `lost` when the import has been moved on, cancelled or claimed by somebody else: then nothing was done.
 */
export async function advanceImport(
  database: Database,
  { id, lease, claims, resource }: ImportJob,
  { written, lines: linesRead, ...batch }: PlacedBatch,
): Promise<ImportStatus> {
  const listed = { lines_read: linesRead, max_listed: MAX_LISTED_FAILURES, max_report_bytes: MAX_REPORT_BYTES };
  const argument = { id, lease, ...batch, ...listed, ...written, resource };
  const { status } = await callWithRetry(database, "advance_import", argument, claims);
  return status;
}

/** Gives an import back, for whoever claims it after `wait` seconds. */
export async function releaseImport(
  database: Database,
  { id, lease }: ImportJob,
  options: { wait: number; blameless: boolean },
): Promise<void> {
  await database.call("release_import", { id, lease, ...options }, WORKER);
}

/** Ends an import with an error. */
export async function failImport(database: Database, { id, lease }: ImportJob, error: unknown): Promise<void> {
  await database.call("fail_import", { id, lease, error }, WORKER);
}

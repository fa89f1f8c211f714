import type { ReportedError } from "../errors.ts";
import type { RecordData } from "./records.ts";

// What the functions of `api` for imports, for changes of many records and for mails take and answer.

/** What an import is made of. */
export interface NewImport {
  resource: string;
  api_version: string;
  format: "csv" | "ndjson";
  dry_run: boolean;
  on_conflict: "error" | "return" | "update";
  /** The field that finds records, as the version calls it, and its column. */
  match_by: string | null;
  match_column: string | null;
  mapping: Record<string, string | null>;
  columns: unknown;
  bytes_processed: number;
  lines_processed: number;
}

/** What a header says, once it can be read. */
export type ImportStart = Omit<NewImport, "resource" | "api_version" | "format" | "dry_run" | "on_conflict">;

/** An import that was made, and when and by which request where this one repeats it. */
export interface CreatedImport {
  import: RecordData;
  replayed: { request_id: string; timestamp: string } | null;
}

/** An import as `api.claim_import` tells it. */
export interface ClaimedImport {
  id: string;
  workspace_id: string;
  created_by: { type: "api_key" | "user"; id: string };
  resource: string;
  api_version: string;
  format: "csv" | "ndjson";
  match_column: string;
  columns: unknown;
  bytes_total: number;
  bytes_processed: number;
  lines_processed: number;
  rows_processed: number;
  attempts: number;
}

/** A batch, and where in the text it stands. */
export interface PlacedBatch {
  rows: number;
  lines: number;
  written: Written;
  failures: RowFailure[];
  from: number;
  to: number;
  last: boolean;
}

/** A batch as `api.advance_import` takes it. */
export interface ImportAdvance extends Omit<PlacedBatch, "written" | "lines">, Written {
  resource: string;
  lines_read: number;
  max_listed: number;
  max_report_bytes: number;
}

/** How an import stands after a batch; `lost` to whoever sent it. */
export type ImportStatus = "running" | "completed" | "lost";

/** A job as `api.claim_job` tells it. */
export interface ClaimedJob {
  id: string;
  kind: string;
  /** How often it was claimed since its last batch, this time included. */
  attempts: number;
}

/** How a job stands after a batch; `lost` to whoever sent it. */
export type JobState = "running" | "succeeded" | "lost";

/** A mail as `api.claim_mail` tells it. */
export interface ClaimedMail {
  id: string;
  template: string;
  recipient: string;
  /** What its text is made of. */
  details: unknown;
  /** How often it was claimed, this time included. */
  attempts: number;
}

/** Records, and the number and the line of the row of each. */
export interface Written {
  records: RecordData[];
  numbers: number[];
  lines: number[];
}

/** A row that failed, and why. */
export interface RowFailure {
  row: number;
  line: number;
  error: ReportedError & {
    /** The cells that it is about, as they were given. */
    given?: Record<string, string>;
  };
}

/** What a workspace may keep of imports. */
export interface UploadBounds {
  max_unfinished: number;
  max_bytes: number;
  max_workspace_bytes: number;
  max_report_bytes: number;
}

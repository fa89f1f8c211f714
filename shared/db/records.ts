import type { Principal } from "../auth/principal.ts";
import { MIN_BULK_RECORDS } from "../bounds.ts";
import type { ApiError } from "../errors.ts";
import type { ListQuery } from "../query/list_query.ts";
import { type ReadPlan, recordPlan, shownColumns } from "../query/read_plan.ts";
import type { Resource } from "../resources/define.ts";
import { writeBlock } from "../standards/address_blocks.ts";
import { type Claims, callWithRetry, type Database } from "./database.ts";
import { misreadPhones, withStoredPhones } from "./phones.ts";
import { type FailedWrite, writeError } from "./sql_errors.ts";

/** A record as JSON: field names as in SQL. */
export type RecordData = Record<string, unknown>;

/** A page of rows, and the total where the plan asked for one. */
export interface ReadResult {
  rows: RecordData[];
  /** Whether the page ended before its limit, because of its size. */
  cut?: boolean;
  total: number | null;
  /** The newest position of the feed: what the rows don't show has a later one. */
  event_position?: number;
  /** Where the plan asked for it: up to when all stamps are seen, RFC 3339. */
  updated_through?: string | null;
}

/** What SQL needs to keep or replay an answer, in the transaction of the change. */
export interface Idempotency {
  key: string;
  /** Digest of what makes two requests the same. */
  fingerprint: string;
  request_id: string;
  timestamp: string;
}

export interface WriteRequest {
  /** Or an action of the resource: `crm.<table>_<operation>`. */
  operation: "create" | "update" | "delete" | "restore" | (string & {});
  /** Fields by name; each with its `id`, new ones too. */
  records: RecordData[];
  onConflict?: "error" | "return" | "update";
  /** Versions one of which the record must have. */
  versions?: number[] | undefined;
  /** Where what refers to a deleted record goes first. */
  moveTo?: string | undefined;
  /** The fields that the path names: only records that have them are there. */
  below?: RecordData;
  atomic?: boolean;
  dryRun?: boolean;
  idempotency?: Idempotency | undefined;
}

export type WrittenStatus = "created" | "updated" | "unchanged" | "existing" | "deleted" | "restored";

/** What became of one record. */
export type WriteResult =
  | { status: WrittenStatus; record: RecordData; meta?: Record<string, unknown> }
  | { status: "failed"; error: ApiError };

export interface WriteAnswer {
  /** In the order of the records. */
  results: WriteResult[];
  /** The job that goes on with the change, where it is too large for a request. */
  job: RecordData | null;
  /** Whether the records were too large together, and are told by id, version and time alone. */
  abridged: boolean;
  /** The first answer's id and time, when this is a repetition of it. */
  replayed: { request_id: string; timestamp: string } | null;
  /** Whether endpoints are to be sent what it has changed. */
  hasEndpoints: boolean;
}

/** A `WriteRequest` as `api.write_records` takes it. */
export interface WriteArgument {
  resource: string;
  operation: string;
  records: RecordData[];
  on_conflict: "error" | "return" | "update";
  versions?: number[];
  move_to?: string;
  below?: RecordData | undefined;
  atomic: boolean;
  dry_run: boolean;
  request_id: string;
  idempotency?: Idempotency;
}

/** A `WriteAnswer` as `api.write_records` gives it. */
export interface WrittenAnswer {
  results: (Exclude<WriteResult, { status: "failed" }> | FailedWrite)[];
  job: RecordData | null;
  abridged?: boolean;
  replayed: WriteAnswer["replayed"];
  /** Absent in an answer that is repeated. */
  has_endpoints?: boolean;
}

/**
 * One record by its id. Without embedded records that is a row of the resource's view, the cheapest
 * read there is; where the view shows none, the plan is asked, which tells a revoked key from an absent record.
 */
export async function findRecord(
  database: Database,
  principal: Principal,
  resource: Resource,
  id: string,
  query: Pick<ListQuery, "fields" | "include">,
): Promise<RecordData | undefined> {
  if (query.include.length === 0) {
    const row = await database.find(resource.plural, id, claimsOf(principal));
    if (row !== undefined) return row;
  }
  const { rows } = await readRecords(database, principal, recordPlan(resource, id, query));
  return rows[0];
}

/** Where records that were merged went: the id of the winner by their own. */
export async function findMergeWinners(
  database: Database,
  principal: Principal,
  resource: Resource,
  ids: readonly string[],
): Promise<Record<string, string>> {
  if (!resource.mergeable || ids.length === 0) return {};
  const argument = { resource: resource.table, ids };
  return database.call("merged_into", argument, claimsOf(principal));
}

/** Runs a plan with the principal's rights. */
export async function readRecords(database: Database, principal: Principal, plan: ReadPlan): Promise<ReadResult> {
  return database.call("read_records", plan, claimsOf(principal));
}

/** Who asks for a write, and by which request. */
export interface Writer {
  principal: Principal;
  requestId: string;
}

/** Writes records in one transaction with the principal's rights, under row-level security. */
export async function writeRecords(
  database: Database,
  writer: Writer,
  resource: Resource,
  request: WriteRequest,
): Promise<WriteAnswer> {
  const { principal, requestId } = writer;
  const upserted = request.onConflict === "update" ? shownColumns(resource, resource.names.unique) : [];
  const by = request.operation === "create" ? upserted : ["id"];
  const argument = {
    resource: resource.table,
    operation: request.operation,
    records: await withStoredPhones(database, claimsOf(principal), resource, request.records, by),
    on_conflict: request.onConflict ?? "error",
    ...(request.versions && { versions: request.versions }),
    ...(request.moveTo !== undefined && { move_to: request.moveTo }),
    ...(resource.parent && { below: request.below }),
    atomic: request.atomic ?? false,
    dry_run: request.dryRun ?? false,
    request_id: requestId,
    ...(request.idempotency && { idempotency: request.idempotency }),
  };
  const lane = request.records.length >= MIN_BULK_RECORDS ? "bulk" : undefined;
  const claims: Claims = { ...claimsOf(principal), ...(lane && { lane }) };
  const answer = await callWithRetry(database, "write_records", argument, claims);
  const results = answer.results.map(
    (result): WriteResult =>
      result.status === "failed" ? { status: "failed", error: writeError(resource, result) } : result,
  );
  if (request.dryRun !== true && answer.replayed === null && by.length > 0)
    await correctPhones(database, writer, resource, request.records, results);
  const { job, abridged = false, replayed, has_endpoints: hasEndpoints = false } = answer;
  return { results, job, abridged, replayed, hasEndpoints };
}

/** Puts right what `misreadPhones` finds, in `results` too. A record that somebody has changed again is left to them. */
async function correctPhones(
  database: Database,
  writer: Writer,
  resource: Resource,
  rows: readonly RecordData[],
  results: WriteResult[],
): Promise<void> {
  const written = results.map((result) => (result.status === "failed" ? undefined : result.record));
  for (const { version, ...change } of misreadPhones(resource, rows, written)) {
    const request: WriteRequest = { operation: "update", records: [change], versions: [Number(version)] };
    const [corrected] = (await writeRecords(database, writer, resource, request)).results;
    const index = written.findIndex((record) => record?.["id"] === change["id"]);
    if (corrected !== undefined && corrected.status !== "failed") results[index] = corrected;
  }
}

/** The claims that row-level security knows the principal by. */
export function claimsOf(principal: Principal): Claims {
  const who =
    principal.kind === "api_key"
      ? { key_id: principal.keyId, ips: (principal.allowedIps ?? []).map(writeBlock).join() }
      : { user_id: principal.userId };
  return { role: "crm_api", workspace_id: principal.workspaceId, ...who };
}

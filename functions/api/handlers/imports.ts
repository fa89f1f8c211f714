import { Buffer } from "node:buffer";
import { z } from "zod";
import { customFieldsOf } from "../../../shared/db/custom_fields.ts";
import * as jobs from "../../../shared/db/imports.ts";
import { claimsOf, type RecordData } from "../../../shared/db/records.ts";
import { writeError } from "../../../shared/db/sql_errors.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { readHeader, requireMatch } from "../../../shared/imports/header.ts";
import { reported } from "../../../shared/imports/slice.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import { readIdempotency } from "../../../shared/middleware/idempotency.ts";
import { type CursorScope, decodeCursor, encodeCursor } from "../../../shared/query/cursor.ts";
import { allowOnly, parseLimit, parseListUrl, parseReadUrl } from "../../../shared/query/list_query.ts";
import { listPlan } from "../../../shared/query/read_plan.ts";
import { sortText } from "../../../shared/query/sort.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { IMPORTABLE, imports } from "../../../shared/resources/imports.ts";
import { present, presentPage } from "../../../shared/resources/present.ts";
import { boolean, integer, oneOf } from "../../../shared/resources/schemas.ts";
import { recordId } from "./list.ts";

const content = z.string("must be text").min(1, "must not be empty");
const importBody = z.strictObject({
  resource: oneOf(["contacts", "companies", "deals", "tasks", "activities"]),
  format: oneOf(["csv", "ndjson"]),
  content: content.optional(),
  mapping: z
    .record(
      z.string(),
      z.string("must be a field's name, or null").nullable(),
      "must be an object of columns and fields",
    )
    .optional(),
  on_conflict: oneOf(["error", "return", "update"]).optional(),
  match_by: z.string("must be a field's name").optional(),
  dry_run: boolean().optional(),
});
const partBody = z.strictObject({ part: integer(0, 9999), content });
const emptyBody = z.strictObject({});

const ROW_STATUSES = ["created", "updated", "unchanged", "failed"];
/** A header is at the beginning, and no longer than this. */
const HEADER_BYTES = 1024 * 1024;

/** `POST /v1/imports`: with its text, which starts it, or without, for parts to come. */
export async function createImport(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  const { services, principal } = exchange;
  const body = validate(importBody, exchange.body);
  const resource = importable(body.resource);
  requireScope(principal, `${resource.scope}:write`);
  const { mapping = {}, match_by: matchBy } = body;
  requireMatch(resource, matchBy);
  const start =
    body.content === undefined
      ? { match_by: matchBy ?? null, mapping, columns: null, bytes_processed: 0 }
      : await startOf(exchange, resource, { ...body, mapping }, { bytes: Buffer.from(body.content), isEnd: true });
  const idempotency = readIdempotency(exchange);
  const answer = await jobs.createImport(services.database, principal, {
    scope: resource.scope,
    made: {
      resource: resource.plural,
      format: body.format,
      dry_run: body.dry_run ?? false,
      on_conflict: body.on_conflict ?? "update",
      ...start,
    },
    ...(body.content !== undefined && { content: body.content }),
    ...(idempotency && { idempotency }),
  });
  if (body.content !== undefined) services.imports.wake();
  const reply = accepted(exchange, answer.import);
  if (answer.replayed === null) return reply;
  const { request_id, timestamp } = answer.replayed;
  return {
    ...reply,
    meta: { request_id, timestamp: `${timestamp.slice(0, 19)}Z` },
    headers: { ...reply.headers, "Idempotent-Replayed": "true" },
  };
}

/** `POST /v1/imports/{id}/parts`: in any order; the same part again takes the place of the first. */
export async function addImportPart(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  const { services, principal } = exchange;
  const part = validate(partBody, exchange.body);
  const { id } = await ownImport(exchange);
  return { data: present(imports, await jobs.putImportPart(services.database, principal, id, part)) };
}

/** `POST /v1/imports/{id}/start`: all parts are there. */
export async function startImport(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  const { services, principal } = exchange;
  const { database } = services;
  validate(emptyBody, exchange.body);
  const { id, row, resource } = await ownImport(exchange);
  if (row["status"] !== "uploading") throw new ApiError("import_not_uploading", { details: { status: row["status"] } });
  await jobs.requireAllParts(database, principal, id);
  const bytes = await jobs.readImportText(database, claimsOf(principal), { id, from: 0, length: HEADER_BYTES });
  const asked = {
    format: row["format"] as "csv" | "ndjson",
    mapping: row["mapping"] as Record<string, string | null>,
    match_by: (row["match_by"] as string | null) ?? undefined,
  };
  const start = await startOf(exchange, resource, asked, { bytes, isEnd: bytes.length >= Number(row["bytes_total"]) });
  const started = await jobs.startImport(database, principal, id, start);
  services.imports.wake();
  return accepted(exchange, started);
}

/** `POST /v1/imports/{id}/cancel`: it stops where it is. */
export async function cancelImport(exchange: AuthorizedExchange): Promise<Reply> {
  allowOnly(exchange.url.searchParams, []);
  validate(emptyBody, exchange.body);
  const { id } = await ownImport(exchange);
  return { data: present(imports, await jobs.cancelImport(exchange.services.database, exchange.principal, id)) };
}

/** `GET /v1/imports/{id}` */
export async function readImport(exchange: AuthorizedExchange): Promise<Reply> {
  const { fields } = parseReadUrl(imports, exchange.url.searchParams);
  return { data: present(imports, (await findImport(exchange)).row, fields) };
}

/** `GET /v1/imports`: those of what the key may read. */
export async function listImports(exchange: AuthorizedExchange): Promise<Reply> {
  const { services, principal, url } = exchange;
  const query = parseListUrl(imports, url.searchParams);
  const scope: CursorScope = {
    workspace: principal.workspaceId,
    resource: imports.plural,
    sort: sortText(query.sort),
    filter: JSON.stringify(query.where),
  };
  const { cursorSecret } = services.config;
  const position = query.cursor === undefined ? undefined : decodeCursor(cursorSecret, scope, query.cursor);
  const plan = listPlan(imports, query, position?.values, position === undefined ? "count" : "none");
  const { rows, total } = await jobs.listImports(services.database, principal, plan);
  const exactTotal = position?.total ?? total;
  const shown = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? shown.at(-1) : undefined;
  const values = query.sort.map(({ column }) => (last?.[column] == null ? null : String(last[column])));
  const nextCursor = last === undefined ? null : encodeCursor(cursorSecret, scope, { values, total: exactTotal });
  const visible = query.fields ?? imports.names.all;
  const hidden = query.sort.map(({ column }) => column).filter((column) => !visible.includes(column));
  return {
    data: presentPage(imports, shown, hidden),
    meta: { total: exactTotal, limit: query.limit, next_cursor: nextCursor, has_more: nextCursor !== null },
  };
}

/** `GET /v1/imports/{id}/rows`: what became of each row, or of those of a `status`. */
export async function listImportRows(exchange: AuthorizedExchange): Promise<Reply> {
  const { services, principal, url } = exchange;
  const options = allowOnly(url.searchParams, ["status", "limit", "cursor"]);
  const limit = parseLimit(options.get("limit"));
  const status = readRowStatus(options.get("status"));
  const { id, resource } = await findImport(exchange);
  const scope: CursorScope = {
    workspace: principal.workspaceId,
    resource: "imports.rows",
    sort: "row",
    filter: JSON.stringify([id, status]),
  };
  const { cursorSecret } = services.config;
  const cursor = options.get("cursor");
  const after = cursor === undefined ? "0" : decodeCursor(cursorSecret, scope, cursor).values[0];
  const asked = { id, after: Number(after), limit: limit + 1, ...(status !== undefined && { status }) };
  const found = await jobs.readImportRows(services.database, principal, asked);
  if (found === null) throw new ApiError("not_found");
  const shown = found.rows.slice(0, limit);
  const last = found.rows.length > limit ? shown.at(-1) : undefined;
  const nextCursor =
    last === undefined ? null : encodeCursor(cursorSecret, scope, { values: [String(last["row"])], total: null });
  return {
    data: shown.map((row) => ({ ...row, error: shownError(resource, row["error"]) })),
    meta: { total: found.total, limit, next_cursor: nextCursor, has_more: nextCursor !== null },
  };
}

/** Where an import starts: what its header says, and how it finds records. */
async function startOf(
  exchange: AuthorizedExchange,
  resource: Resource,
  asked: { format: "csv" | "ndjson"; mapping: Record<string, string | null>; match_by?: string | undefined },
  text: { bytes: Uint8Array; isEnd: boolean },
): Promise<jobs.ImportStart> {
  const { services, principal } = exchange;
  return readHeader(resource, asked, text, () => customFieldsOf(services.database, principal, resource));
}

function accepted({ services }: AuthorizedExchange, row: RecordData): Reply {
  const data = present(imports, row);
  const Location = `${services.config.publicApiUrl}/v1/imports/${data["id"]}`;
  return { status: 202, data, headers: { Location } };
}

interface FoundImport {
  id: string;
  row: RecordData;
  resource: Resource;
}

async function findImport(exchange: AuthorizedExchange): Promise<FoundImport> {
  const id = recordId(exchange);
  const row = await jobs.readImport(exchange.services.database, exchange.principal, id);
  if (row === null) throw new ApiError("not_found");
  return { id, row, resource: importable(String(row["resource"])) };
}

/** An import that the key may also run. */
async function ownImport(exchange: AuthorizedExchange): Promise<FoundImport> {
  const found = await findImport(exchange);
  requireScope(exchange.principal, `${found.resource.scope}:write`);
  return found;
}

function importable(name: string): Resource {
  const resource = IMPORTABLE[name];
  if (resource === undefined) throw new ApiError("internal_error", { cause: `${name} can't be imported` });
  return resource;
}

/** What a row's validation said is kept as it was; what the database said is told in the API's words. */
function shownError(resource: Resource, error: unknown) {
  if (error === null || (typeof error === "object" && "message" in error)) return error;
  return reported(writeError(resource, error as Parameters<typeof writeError>[1]));
}

function readRowStatus(raw: string | undefined): string | undefined {
  if (raw === undefined || ROW_STATUSES.includes(raw)) return raw;
  const sentence = unknownName("status", raw, ROW_STATUSES);
  throw new ApiError("validation_error", { message: sentence, details: { status: [sentence] } });
}

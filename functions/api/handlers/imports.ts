import { Buffer } from "node:buffer";
import { z } from "zod";
import { customFieldsOf } from "../../../shared/db/custom_fields.ts";
import type { ImportStart } from "../../../shared/db/long_work.ts";
import { claimsOf, type RecordData } from "../../../shared/db/records.ts";
import { writeError } from "../../../shared/db/sql_errors.ts";
import { ApiError, reported } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { type ApiVersion, unknownVersion } from "../../../shared/http/versions.ts";
import { DELIMITERS, type Delimiter } from "../../../shared/imports/csv_rows.ts";
import { matching, readHeader, requireMatch, requireSmall } from "../../../shared/imports/header.ts";
import * as jobs from "../../../shared/imports/store.ts";
import { requireScope } from "../../../shared/middleware/authorize.ts";
import type { ListQuery } from "../../../shared/query/list_query.ts";
import { resourceNamed } from "../../../shared/resources/all.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { IMPORTABLE, imports } from "../../../shared/resources/imports.ts";
import { present } from "../../../shared/resources/present.ts";
import { boolean, integer, oneOf } from "../../../shared/resources/schemas.ts";
import { absent, recordId, urlOf } from "./addressed.ts";
import { answerPage } from "./page.ts";
import { answerOf } from "./write.ts";

const content = z.string("must be text").min(1, "must not be empty");
export const importBody = z.strictObject({
  resource: oneOf(IMPORTABLE),
  format: oneOf(["csv", "ndjson"]),
  // As it is: trimmed, a tab would be nothing.
  delimiter: z.enum(DELIMITERS, 'must be one of: ",", ";", a tab or "|"').optional(),
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
export const partBody = z.strictObject({ part: integer(0, 9999), content });

export const ROW_STATUSES = ["created", "updated", "unchanged", "failed"] as const;
/** A row of an import's report. */
export const importRow = z.strictObject({
  row: z.int(),
  line: z.int().nullable(),
  status: z.enum(ROW_STATUSES),
  id: z.uuid().nullable(),
  error: z.strictObject({ code: z.string(), message: z.string(), details: z.unknown() }).nullable(),
  given: z.unknown().optional(),
});

/** A header is at the beginning, and no longer than this. */
const HEADER_BYTES = 1024 * 1024;

/** `POST /v1/imports`: with its text, which starts it, or without, for parts to come. */
export const createImport: Handler<unknown, z.infer<typeof importBody>> = async (exchange, { body, idempotency }) => {
  const { services, principal } = exchange;
  const resource = resourceNamed(body.resource, exchange.version.resources);
  requireScope(exchange, `${resource.scope}:write`);
  const { mapping = {}, match_by: matchBy } = body;
  // What was asked for, until the header is read.
  const delimiter = body.delimiter === undefined ? null : { delimiter: body.delimiter };
  requireMatch(resource, matchBy);
  requireSmall(mapping);
  await exchange.turns.next(principal.workspaceId);
  const start =
    body.content === undefined
      ? { ...matching(resource, matchBy), mapping, columns: delimiter, bytes_processed: 0, lines_processed: 0 }
      : await startOf(exchange, resource, { ...body, mapping }, { bytes: Buffer.from(body.content), isEnd: true });
  const answer = await jobs.createImport(services.database, principal, {
    made: {
      resource: resource.plural,
      api_version: exchange.version.name,
      format: body.format,
      dry_run: body.dry_run ?? false,
      on_conflict: body.on_conflict ?? "update",
      ...start,
    },
    ...(body.content !== undefined && { content: body.content }),
    ...(idempotency && { idempotency }),
  });
  if (body.content !== undefined) services.worker.wake();
  return answerOf(answer, accepted(exchange, answer.import));
};

/** `POST /v1/imports/{id}/parts`: in any order; the same part again takes the place of the first. */
export const addImportPart: Handler<unknown, z.infer<typeof partBody>> = async (exchange, { body }) => {
  const { services, principal } = exchange;
  const { id } = await ownImport(exchange);
  return { data: present(imports, await jobs.putImportPart(services.database, principal, id, body)) };
};

/** `POST /v1/imports/{id}/start`: all parts are there. Their header is read in the version that the import was made in. */
export const startImport: Handler = async (exchange) => {
  const { services, principal } = exchange;
  const { database } = services;
  const { id, row, version, resource } = await ownImport(exchange);
  if (version.name !== row["api_version"])
    throw unknownVersion(
      String(row["api_version"]),
      services.versions.map(({ name }) => name),
    );
  if (row["status"] !== "uploading") throw new ApiError("import_not_uploading", { details: { status: row["status"] } });
  await jobs.requireAllParts(database, principal, id);
  const bytes = await jobs.readImportText(database, claimsOf(principal), { id, from: 0, length: HEADER_BYTES });
  const asked = {
    format: row["format"] as "csv" | "ndjson",
    mapping: row["mapping"] as Record<string, string | null>,
    match_by: (row["match_by"] as string | null) ?? undefined,
    delimiter: (row["delimiter"] as Delimiter | null) ?? undefined,
  };
  const start = await startOf(exchange, resource, asked, { bytes, isEnd: bytes.length >= Number(row["bytes_total"]) });
  const started = await jobs.startImport(database, principal, id, start);
  services.worker.wake();
  return accepted(exchange, started);
};

/** `POST /v1/imports/{id}/cancel`: it stops where it is. */
export const cancelImport: Handler = async (exchange) => {
  const { id } = await ownImport(exchange);
  return { data: present(imports, await jobs.cancelImport(exchange.services.database, exchange.principal, id)) };
};

/** `GET /v1/imports/{id}` */
export const readImport: Handler<Pick<ListQuery, "fields">> = async (exchange, { query }) => ({
  data: present(imports, (await findImport(exchange)).row, query.fields),
});

/** `GET /v1/imports/{id}/rows`: what became of each row, or of those of a `status`. */
export const listImportRows: Handler<{
  status?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}> = async (exchange, { query: { status, limit, cursor } }) => {
  const { services, principal } = exchange;
  const { id, resource } = await findImport(exchange);
  return answerPage(exchange, {
    of: "imports.rows",
    sort: "row",
    filter: JSON.stringify([id, status]),
    limit,
    cursor,
    async read(position) {
      const after = Number(position?.values[0] ?? 0);
      const asked = { id, after, limit: limit + 1, ...(status !== undefined && { status }) };
      const found = await jobs.readImportRows(services.database, principal, asked);
      if (found === null) throw new ApiError("not_found");
      return found;
    },
    valuesOf: (row) => [row["row"]],
    show: (rows) => rows.map((row) => shownRow(resource, row)),
    carriesTotal: false,
    advice: [],
  });
};

/** Where an import starts: what its header says, and how it finds records. */
async function startOf(
  exchange: AuthorizedExchange,
  resource: Resource,
  asked: {
    format: "csv" | "ndjson";
    mapping: Record<string, string | null>;
    match_by?: string | undefined;
    delimiter?: Delimiter | undefined;
  },
  text: { bytes: Uint8Array; isEnd: boolean },
): Promise<ImportStart> {
  const { services, principal } = exchange;
  return readHeader(resource, asked, text, () => customFieldsOf(services.database, principal, resource));
}

function accepted(exchange: AuthorizedExchange, row: RecordData): Reply {
  const data = present(imports, row);
  return { status: 202, data, headers: { Location: urlOf(exchange, `/imports/${data["id"]}`) } };
}

interface FoundImport {
  id: string;
  row: RecordData;
  /** The version that it was made in, whose names it has; the one that asks where that is not known here. */
  version: ApiVersion;
  resource: Resource;
}

async function findImport(exchange: AuthorizedExchange): Promise<FoundImport> {
  const id = recordId(exchange);
  const row = await jobs.readImport(exchange.services.database, exchange.principal, id);
  if (row === null) throw await absent(exchange);
  const { services, version: asking } = exchange;
  const version = services.versions.find(({ name }) => name === row["api_version"]) ?? asking;
  return { id, row, version, resource: resourceNamed(String(row["resource"]), version.resources) };
}

/** An import that the key may also run. */
async function ownImport(exchange: AuthorizedExchange): Promise<FoundImport> {
  const found = await findImport(exchange);
  requireScope(exchange, `${found.resource.scope}:write`);
  return found;
}

/** A row of the report; of one that failed with the cells that it failed for, as they were given. */
function shownRow(resource: Resource, row: RecordData): RecordData {
  const { given, ...error } = (row["error"] ?? {}) as { given?: unknown };
  const told = row["error"] === null ? null : error;
  return { ...row, error: shownError(resource, told), ...(given !== undefined && { given }) };
}

/** What a row's validation said is kept as it was; what the database said is told in the API's words. */
function shownError(resource: Resource, error: unknown) {
  if (error === null || (typeof error === "object" && "message" in error)) return error;
  return reported(writeError(resource, error as Parameters<typeof writeError>[1]));
}

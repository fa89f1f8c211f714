import { type RecordData, type WriteAnswer, type WriteRequest, writeRecords } from "../../../shared/db/records.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { entityTag } from "../../../shared/middleware/conditional.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { toRow } from "../../../shared/resources/row.ts";
import { notFound, recordId, requireParent, urlOf } from "./addressed.ts";
import { acceptedJob } from "./jobs.ts";

/** The options of a write in its query. */
interface Options {
  dry_run: boolean;
}

/** `POST /v1/<resource>` */
export function createRecord(
  resource: Resource,
): Handler<Options & { on_conflict: "error" | "return" | "update" }, RecordData> {
  return async (exchange, { query, body, idempotency }) => {
    const [id = ""] = uuidsV7(1);
    return writeOne(resource, exchange, {
      operation: "create",
      records: [{ ...toRow(resource, body), ...(await parentOf(resource, exchange)), id }],
      onConflict: query.on_conflict,
      dryRun: query.dry_run,
      idempotency,
    });
  };
}

/** `PATCH /v1/<resource>/{id}`: changes what is sent, null clears. */
export function updateRecord(resource: Resource): Handler<Options, RecordData> {
  return async (exchange, { query, body, versions, idempotency }) =>
    writeOne(resource, exchange, {
      operation: "update",
      records: [{ ...toRow(resource, body), id: recordId(exchange) }],
      below: await parentOf(resource, exchange),
      versions,
      dryRun: query.dry_run,
      idempotency,
    });
}

/** `DELETE /v1/<resource>/{id}`: restorable for 90 days. `move_to` says where what refers to it goes first. */
export function deleteRecord(resource: Resource): Handler<Options & { move_to?: string | undefined }> {
  return async (exchange, { query, versions }) =>
    writeOne(resource, exchange, {
      operation: "delete",
      records: [{ id: recordId(exchange) }],
      below: await parentOf(resource, exchange),
      moveTo: query.move_to,
      versions,
      dryRun: query.dry_run,
    });
}

/** `POST /v1/<resource>/{id}/restore` */
export function restoreRecord(resource: Resource): Handler<Options> {
  return async (exchange, { query, idempotency }) =>
    writeOne(resource, exchange, {
      operation: "restore",
      records: [{ id: recordId(exchange) }],
      below: await parentOf(resource, exchange),
      dryRun: query.dry_run,
      idempotency,
    });
}

/** `POST /v1/<resource>/{id}/<action>`: what the resource does beyond changing fields, in SQL. */
export function actOnRecord(resource: Resource, action: string): Handler<Options, RecordData> {
  return async (exchange, { query, body, versions, idempotency }) =>
    writeOne(resource, exchange, {
      operation: action,
      records: [{ ...toRow(resource, body), id: recordId(exchange) }],
      versions,
      dryRun: query.dry_run,
      idempotency,
    });
}

/** Writes one record, and answers what became of it. */
export async function writeOne(
  resource: Resource,
  exchange: AuthorizedExchange,
  request: WriteRequest,
): Promise<Reply> {
  const { services } = exchange;
  const answer = await writeRecords(services.database, exchange, resource, request);
  if (answer.hasEndpoints) services.worker.dispatch();
  const [result] = answer.results;
  if (result === undefined || result.status === "failed") {
    const error = result?.error ?? new ApiError("internal_error");
    throw error.code === "not_found" ? await notFound(resource, exchange, recordId(exchange)) : error;
  }
  if (answer.job !== null) {
    services.worker.wake();
    return answerOf(answer, acceptedJob(exchange, answer.job));
  }
  const reply = result.status === "deleted" ? { data: result.record } : shownRecord(resource, result.record);
  const created = result.status === "created";
  const base = resource.path.replace(/\{(\w+)\}/g, (_, name: string) => exchange.params[name] ?? "");
  const location = created && !request.dryRun ? { Location: urlOf(exchange, `${base}/${result.record["id"]}`) } : {};
  return answerOf(
    answer,
    {
      ...reply,
      status: created ? 201 : 200,
      ...(result.meta && { meta: result.meta }),
      headers: { ...reply.headers, ...location },
    },
    request.dryRun,
  );
}

/** The field that the path gives a record: the pipeline of a stage. @throws ApiError `not_found` when it is not there */
export async function parentOf(resource: Resource, exchange: AuthorizedExchange): Promise<RecordData> {
  const id = await requireParent(resource, exchange);
  return resource.parent === undefined ? {} : { [resource.parent.field]: id };
}

function shownRecord(resource: Resource, row: RecordData): Reply {
  const data = present(resource, row);
  return { data, headers: { ETag: entityTag(data) } };
}

/** Marks a dry run, and gives a repetition the id and time of the first answer. */
export function answerOf(answer: Pick<WriteAnswer, "replayed">, reply: Reply, dryRun = false): Reply {
  const meta = { ...reply.meta, ...(dryRun && { dry_run: true }) };
  if (answer.replayed === null) return { ...reply, meta };
  const timestamp = `${answer.replayed.timestamp.slice(0, 19)}Z`;
  return {
    ...reply,
    meta: { request_id: answer.replayed.request_id, timestamp, ...meta },
    headers: { ...reply.headers, "Idempotent-Replayed": "true" },
  };
}

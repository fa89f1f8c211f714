import { z } from "zod";
import { type RecordData, type WriteAnswer, type WriteRequest, writeRecords } from "../../../shared/db/records.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { ApiError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { validate } from "../../../shared/http/validation.ts";
import { entityTag, matchVersions } from "../../../shared/middleware/conditional.ts";
import { readIdempotency } from "../../../shared/middleware/idempotency.ts";
import { allowOnly } from "../../../shared/query/list_query.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { withE164 } from "../../../shared/resources/phone.ts";
import { present } from "../../../shared/resources/present.ts";
import { recordId } from "./list.ts";
import { readFlag, readOnConflict } from "./write_options.ts";

type Handler = (exchange: AuthorizedExchange) => Promise<Reply>;

const emptyBody = z.strictObject({});

/** `POST /v1/<resource>` */
export function createRecord(resource: Resource): Handler {
  return (exchange) => {
    const options = allowOnly(exchange.url.searchParams, ["dry_run", "on_conflict"]);
    const [id = ""] = uuidsV7(1);
    return writeOne(resource, exchange, {
      operation: "create",
      records: [{ ...withE164(resource, validate(resource.create, exchange.body, resource)), id }],
      onConflict: readOnConflict(options),
      dryRun: readFlag(options, "dry_run"),
    });
  };
}

/** `PATCH /v1/<resource>/{id}`: changes what is sent, null clears. */
export function updateRecord(resource: Resource): Handler {
  return (exchange) => {
    const options = allowOnly(exchange.url.searchParams, ["dry_run"]);
    return writeOne(resource, exchange, {
      operation: "update",
      records: [{ ...withE164(resource, validate(resource.update, exchange.body, resource)), id: recordId(exchange) }],
      versions: matchVersions(exchange.request),
      dryRun: readFlag(options, "dry_run"),
    });
  };
}

/** `DELETE /v1/<resource>/{id}`: restorable for 90 days. */
export function deleteRecord(resource: Resource): Handler {
  return (exchange) => {
    const options = allowOnly(exchange.url.searchParams, ["dry_run"]);
    return writeOne(resource, exchange, {
      operation: "delete",
      records: [{ id: recordId(exchange) }],
      versions: matchVersions(exchange.request),
      dryRun: readFlag(options, "dry_run"),
    });
  };
}

/** `POST /v1/<resource>/{id}/restore` */
export function restoreRecord(resource: Resource): Handler {
  return (exchange) => {
    const options = allowOnly(exchange.url.searchParams, ["dry_run"]);
    validate(emptyBody, exchange.body);
    return writeOne(resource, exchange, {
      operation: "restore",
      records: [{ id: recordId(exchange) }],
      dryRun: readFlag(options, "dry_run"),
    });
  };
}

async function writeOne(resource: Resource, exchange: AuthorizedExchange, request: WriteRequest): Promise<Reply> {
  const { services, principal } = exchange;
  const idempotency = readIdempotency(exchange);
  const answer = await writeRecords(services.database, principal, resource, { ...request, idempotency });
  const [result] = answer.results;
  if (result === undefined || result.status === "failed") throw result?.error ?? new ApiError("internal_error");
  const reply = result.status === "deleted" ? { data: result.record } : shownRecord(resource, result.record);
  const created = result.status === "created";
  const location =
    created && !request.dryRun
      ? { Location: `${services.config.publicApiUrl}/v1/${resource.plural}/${result.record["id"]}` }
      : {};
  return answerOf(
    answer,
    { ...reply, status: created ? 201 : 200, headers: { ...reply.headers, ...location } },
    request.dryRun,
  );
}

function shownRecord(resource: Resource, row: RecordData): Reply {
  const data = present(resource, row);
  return { data, headers: { ETag: entityTag(data) } };
}

/** Marks a dry run, and gives a repetition the id and time of the first answer. */
export function answerOf(answer: WriteAnswer, reply: Reply, dryRun = false): Reply {
  const meta = { ...reply.meta, ...(dryRun && { dry_run: true }) };
  if (answer.replayed === null) return { ...reply, meta };
  const timestamp = `${answer.replayed.timestamp.slice(0, 19)}Z`;
  return {
    ...reply,
    meta: { request_id: answer.replayed.request_id, timestamp, ...meta },
    headers: { ...reply.headers, "Idempotent-Replayed": "true" },
  };
}

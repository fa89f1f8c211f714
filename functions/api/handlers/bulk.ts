import { z } from "zod";
import { MAX_BULK_STAGES, MAX_BULK_VIOLATIONS } from "../../../shared/bounds.ts";
import { findMergeWinners, type RecordData, type WriteRequest, writeRecords } from "../../../shared/db/records.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { ApiError, fieldError } from "../../../shared/errors.ts";
import { dryRunMeta, one } from "../../../shared/http/answers.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import { faultError } from "../../../shared/http/json.ts";
import type { Answer, Given, Handler, SuccessStatus } from "../../../shared/http/route.ts";
import { validateRecord } from "../../../shared/query/validation.ts";
import { Telling } from "../../../shared/query/violations.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { toRow } from "../../../shared/resources/row.ts";
import { mergedInto } from "./addressed.ts";
import { answerOf, parentOf } from "./write.ts";

const uuid = z.uuid();

const bulkMeta = { succeeded: z.int(), failed: z.int(), abridged: z.literal(true).optional(), ...dryRunMeta };

/** What a bulk write answers: of each entry the record, or why it failed. */
export function bulkAnswers(record: z.ZodType): Partial<Record<SuccessStatus, Answer>> {
  const error = z.strictObject({ code: z.string(), message: z.string(), details: z.unknown() });
  const abridged = z.strictObject({ id: uuid, version: z.int(), updated_at: z.string() });
  const outcome = z.union([
    z.strictObject({ index: z.int(), success: z.literal(true), data: z.union([record, abridged]) }),
    z.strictObject({ index: z.int(), success: z.literal(false), error }),
  ]);
  const answer = one(z.array(outcome), bulkMeta);
  return { 200: answer, 201: answer, 207: answer };
}

/** The record of a bulk update: the fields to change beside its id. */
export function withId(update: z.ZodObject): z.ZodObject {
  return update.extend({ id: uuid });
}

/** The options of a bulk write in its query. */
interface Options {
  dry_run: boolean;
  atomic: boolean;
}

/** `POST /v1/<resource>/bulk`: creates, or with `on_conflict` upserts. */
export function bulkCreate(
  resource: Resource,
): Handler<Options & { on_conflict: "error" | "return" | "update" }, { records: unknown[] }> {
  return async (exchange, given) => {
    const { records } = given.body;
    refuseTooManyRows(records);
    const ids = uuidsV7(records.length);
    const parent = await parentOf(resource, exchange);
    const telling = new Telling(MAX_BULK_VIOLATIONS);
    const read = (record: unknown, index: number) => {
      const fields = faultOf(exchange, record) ?? validateRecord(resource.create, record, resource, telling);
      return fields instanceof ApiError ? fields : { ...toRow(resource, fields), ...parent, id: ids[index] };
    };
    const rows = await exchange.turns.map(exchange.principal.workspaceId, records, read);
    const { on_conflict: onConflict } = given.query;
    return writeMany(resource, exchange, given, rows, { operation: "create", below: parent, onConflict });
  };
}

function faultOf({ isBodySuspicious }: AuthorizedExchange, record: unknown): ApiError | undefined {
  return isBodySuspicious ? faultError(record, "record") : undefined;
}

/** Refuses records that bring more beside themselves than one transaction writes in time. */
function refuseTooManyRows(records: readonly unknown[]): void {
  const stages = records.flatMap((record) => (record as { stages?: unknown } | null)?.stages ?? []);
  if (stages.length <= MAX_BULK_STAGES) return;
  throw new ApiError("payload_too_large", {
    message: `The records have more than ${MAX_BULK_STAGES.toLocaleString("en-US")} stages together. Send them in smaller parts.`,
    details: { max_stages: MAX_BULK_STAGES },
  });
}

/** `PATCH /v1/<resource>/bulk`: each record with its `id` and the fields to change. */
export function bulkUpdate(resource: Resource): Handler<Options, { records: unknown[] }> {
  return async (exchange, given) => {
    const { records } = given.body;
    refuseTooManyRows(records);
    refuseRepeated(
      records.map((record) => (record as { id?: unknown } | null)?.id),
      "records",
    );
    const telling = new Telling(MAX_BULK_VIOLATIONS);
    const read = (record: unknown) => {
      const fault = faultOf(exchange, record);
      if (fault !== undefined) return fault;
      const isObject = typeof record === "object" && record !== null;
      const { id, ...changes } = isObject ? (record as RecordData) : {};
      const fields = validateRecord(resource.update, isObject ? changes : record, resource, telling);
      if (fields instanceof ApiError) return fields;
      return existingId(id) ?? { ...toRow(resource, fields), id: String(id).toLowerCase() };
    };
    const below = await parentOf(resource, exchange);
    const rows = await exchange.turns.map(exchange.principal.workspaceId, records, read);
    return writeMany(resource, exchange, given, rows, { operation: "update", below });
  };
}

/** `DELETE /v1/<resource>/bulk`: `{"ids": […]}` */
export function bulkDelete(resource: Resource): Handler<Options, { ids: unknown[] }> {
  return async (exchange, given) => {
    const { ids } = given.body;
    refuseRepeated(ids, "ids");
    const rows = ids.map((id) => existingId(id) ?? { id: String(id).toLowerCase() });
    return writeMany(resource, exchange, given, rows, {
      operation: "delete",
      below: await parentOf(resource, exchange),
    });
  };
}

type Outcome =
  | { success: true; data: RecordData }
  | { success: false; error: { code: string; message: string; details: unknown } };

async function writeMany(
  resource: Resource,
  exchange: AuthorizedExchange,
  { query: { atomic, dry_run: dryRun }, idempotency }: Given<Options, unknown>,
  records: (RecordData | ApiError)[],
  request: Pick<WriteRequest, "operation" | "onConflict" | "below">,
): Promise<Reply> {
  const refused = records.findIndex((record) => record instanceof ApiError);
  if (atomic && refused >= 0) throw aborted(records);

  const { services, principal } = exchange;
  const sent = records.filter((record): record is RecordData => !(record instanceof ApiError));
  const answer =
    sent.length === 0
      ? { results: [], job: null, abridged: false, replayed: null, hasEndpoints: false }
      : await writeRecords(services.database, exchange, resource, {
          ...request,
          records: sent,
          atomic,
          dryRun,
          idempotency,
        });
  if (answer.job !== null) services.worker.wake();
  else if (answer.hasEndpoints) services.worker.dispatch();
  const results = answer.results.values();
  const answers = await withMerged(
    resource,
    exchange,
    records,
    records.map((record) => {
      if (record instanceof ApiError) return record;
      const result = results.next().value;
      if (result === undefined || result.status === "failed") return result?.error ?? new ApiError("internal_error");
      return result;
    }),
  );
  if (atomic && answers.some((one) => one instanceof ApiError)) throw aborted(answers);

  const failed = answers.filter((one) => one instanceof ApiError).length;
  const allCreated = answers.every((one) => !(one instanceof ApiError) && one.status === "created");
  return answerOf(
    answer,
    {
      status: failed > 0 ? 207 : allCreated ? 201 : 200,
      data: await exchange.turns.map(principal.workspaceId, answers, (one, index) => ({
        index,
        ...outcome(resource, one),
      })),
      meta: { succeeded: answers.length - failed, failed, ...(answer.abridged && { abridged: true }) },
    },
    dryRun,
  );
}

/** The answers, of which those that are not found because they were merged say where they went. */
async function withMerged<Answer>(
  resource: Resource,
  { services, principal }: AuthorizedExchange,
  records: readonly (RecordData | ApiError)[],
  answers: readonly (Answer | ApiError)[],
): Promise<(Answer | ApiError)[]> {
  const isMissing = (answer: Answer | ApiError) => answer instanceof ApiError && answer.code === "not_found";
  const idAt = (index: number) => {
    const record = records[index];
    return record instanceof ApiError || record === undefined ? "" : String(record["id"]);
  };
  const missing = answers.flatMap((answer, index) => (isMissing(answer) && idAt(index) !== "" ? [idAt(index)] : []));
  const winners = await findMergeWinners(services.database, principal, resource, missing);
  return answers.map((answer, index) => {
    const winner = isMissing(answer) ? winners[idAt(index)] : undefined;
    return winner === undefined ? answer : mergedInto(winner);
  });
}

function outcome(resource: Resource, answer: ApiError | { status: string; record: RecordData }): Outcome {
  if (answer instanceof ApiError) return { success: false, error: shownError(answer) };
  return { success: true, data: answer.status === "deleted" ? answer.record : present(resource, answer.record) };
}

function shownError({ code, message, details }: ApiError) {
  return { code, message, details };
}

/** All or nothing, and it was nothing: the first failure is the answer, all of them are its details. */
function aborted(answers: readonly unknown[]): ApiError {
  const errors = answers.flatMap((one, index) => (one instanceof ApiError ? [{ index, error: shownError(one) }] : []));
  const first = answers.find((one) => one instanceof ApiError);
  const { code, message } = first instanceof ApiError ? first : new ApiError("internal_error");
  return new ApiError(code, {
    message: `Nothing was written, because record ${errors[0]?.index} failed: ${message}`,
    details: { records: errors },
  });
}

function existingId(id: unknown): ApiError | undefined {
  if (id === undefined) {
    return fieldError("validation_error", "id", "The id field is required.");
  }
  return uuid.safeParse(id).success ? undefined : new ApiError("not_found");
}

function refuseRepeated(given: unknown[], at: string): void {
  const seen = new Set<unknown>();
  const ids = given.map((id) => (typeof id === "string" ? id.toLowerCase() : id));
  const index = ids.findIndex((id) => id !== undefined && (seen.has(id) || !seen.add(id)));
  if (index < 0) return;
  const entry = `${at}.${index}`;
  throw fieldError("validation_error", entry, `The ${entry} entry repeats an id.`);
}

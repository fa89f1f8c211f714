import { z } from "zod";
import { isGranted } from "../../../shared/auth/principal.ts";
import { type RecordData, readRecords } from "../../../shared/db/records.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { fieldError } from "../../../shared/errors.ts";
import type { AuthorizedExchange } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { parseListUrl } from "../../../shared/query/list_query.ts";
import { listPlan } from "../../../shared/query/read_plan.ts";
import { unknownName } from "../../../shared/query/suggest.ts";
import { EVENT_TYPES } from "../../../shared/resources/event_types.ts";
import { boolean, integer } from "../../../shared/resources/schemas.ts";
import { webhookDeliveries } from "../../../shared/resources/webhook_deliveries.ts";
import { act, changed, created, type Options } from "./acts.ts";
import { findVisible, recordId } from "./addressed.ts";

// What an endpoint is sent because somebody asks for it: a sample, one delivery again, a part of the feed again.

const position = integer(1, Number.MAX_SAFE_INTEGER);

export const sampleBody = z.strictObject({ type: z.string("must be the name of an event").optional() });

export const replayBody = z.strictObject({
  from: position.optional(),
  to: position.optional(),
  only_failed: boolean().optional(),
  dry_run: boolean().optional(),
});

/** What a replay would send. */
export const replayed = z.strictObject({
  webhook_id: z.uuid(),
  from: z.int(),
  to: z.int(),
  only_failed: z.boolean(),
  total: z.int().nullable(),
});

/** `POST /v1/webhooks/{id}/test`: sends an event of a type that the endpoint gets, marked as a test, once. */
export const testWebhook: Handler<Options, z.infer<typeof sampleBody>> = async (exchange, given) => {
  const id = recordId(exchange);
  const { events } = await findVisible(exchange, "webhooks", id);
  const type = given.body.type ?? EVENT_TYPES.find((name) => isAskedFor(name, events as string[])) ?? "";
  if (!EVENT_TYPES.includes(type))
    throw fieldError("validation_error", "type", unknownName("event", type, EVENT_TYPES));
  const answer = await act(exchange, given, "test_webhook", { id, event: await sampleOf(exchange, type) });
  return created(exchange, { ...webhookDeliveries, path: `/webhooks/${id}/deliveries` }, answer, given.query);
};

/** `POST /v1/webhooks/{webhook_id}/deliveries/{id}/redeliver` */
export const redeliverEvent: Handler<Options> = async (exchange, given) => {
  const values = { webhook_id: recordId(exchange, "webhook_id"), id: recordId(exchange) };
  return changed(exchange, webhookDeliveries, await act(exchange, given, "redeliver_event", values), given.query);
};

/** `POST /v1/webhooks/{id}/replay`: a dry run says how many events that is. */
export const replayEvents: Handler<Options, z.infer<typeof replayBody>> = async (exchange, given) => {
  const { dry_run: isDry = given.query.dry_run, ...range } = given.body;
  if (range.from !== undefined && range.to !== undefined && range.from > range.to)
    throw fieldError("validation_error", "to", "The to field must not be before from.");
  const options = { ...given, query: { dry_run: isDry } };
  const answer = await act(exchange, options, "replay_events", { ...range, id: recordId(exchange) });
  if (isDry) return { data: answer.record, meta: { dry_run: true } };
  return changed(exchange, webhookDeliveries, answer, options.query);
};

/** Whether an event of a type is one of those that patterns name (`crm.is_asked_for`). */
function isAskedFor(type: string, patterns: readonly string[]): boolean {
  return [type, `${type.split(".")[0]}.*`, "*"].some((name) => patterns.includes(name));
}

/** An event as there could be one, of the newest record that there is. */
async function sampleOf(exchange: AuthorizedExchange, type: string): Promise<RecordData> {
  const { services, principal, version, requestId, receivedAt } = exchange;
  const resource = version.resources.find(
    ({ singular, operations }) => singular === type.split(".")[0] && operations.includes("create"),
  );
  let data: RecordData | undefined;
  if (resource !== undefined && resource.parent === undefined && isGranted(principal, `${resource.scope}:read`)) {
    const query = parseListUrl(resource, new URLSearchParams("limit=1"));
    [data] = (await readRecords(services.database, principal, listPlan(query, undefined, "none"))).rows;
  }
  const [id, recordOf = ""] = uuidsV7(2);
  const sample = data ?? { id: recordOf };
  return {
    id,
    position: null,
    type,
    types: [type],
    resource: resource?.table ?? type.split(".")[0],
    record_id: sample["id"],
    version: sample["version"] ?? null,
    occurred_at: receivedAt.toISOString(),
    actor:
      principal.kind === "user" ? { type: "user", id: principal.userId } : { type: "api_key", id: principal.keyId },
    source: "test",
    request_id: requestId,
    data: sample,
    changes: {},
    test: true,
  };
}

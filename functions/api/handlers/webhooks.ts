import { z } from "zod";
import { isGranted } from "../../../shared/auth/principal.ts";
import { MAX_ROTATION_GRACE_SECONDS, ROTATION_GRACE_SECONDS } from "../../../shared/bounds.ts";
import type { ActAnswer } from "../../../shared/db/acts.ts";
import { customFieldsOf } from "../../../shared/db/custom_fields.ts";
import type { RecordData } from "../../../shared/db/records.ts";
import { uuidsV7 } from "../../../shared/db/uuid_v7.ts";
import { fieldError } from "../../../shared/errors.ts";
import type { AuthorizedExchange, Reply } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { PLAIN_CONTEXT } from "../../../shared/query/query_context.ts";
import type { Resource } from "../../../shared/resources/define.ts";
import { present } from "../../../shared/resources/present.ts";
import { integer } from "../../../shared/resources/schemas.ts";
import { webhookDeliveries } from "../../../shared/resources/webhook_deliveries.ts";
import { webhooks } from "../../../shared/resources/webhooks.ts";
import { type EventFilter, filteredResource, parseEventFilter } from "../../../shared/webhooks/filter.ts";
import { webhookSecret } from "../../../shared/webhooks/secret.ts";
import { act, changed, created, ended, type Options } from "./acts.ts";
import { absent, findVisible, isBelow, recordId, requireParent } from "./addressed.ts";

/** An endpoint as the answer to its creation, and to a rotation, shows it: the only ones that have the secret. */
export const webhookWithSecret = webhooks.record.extend({ secret: z.string().optional() });

const FROM = "must be last, now or a position";

/** Where an endpoint goes on: where it stopped, with what is written from now on, or with the event of a position. */
export const resumption = z.strictObject({
  from: z.union([z.enum(["last", "now"], FROM), z.int(FROM).min(0, FROM)], FROM).optional(),
});

export const rotation = z.strictObject({ grace_period_seconds: integer(0, MAX_ROTATION_GRACE_SECONDS).optional() });

/** Where deliveries come from. */
export const sourceIps = z.strictObject({
  static: z.boolean(),
  addresses: z.array(z.string()),
  connection: z.enum(["pinned", "checked", "proxied"]),
});

/** `POST /v1/webhooks` */
export const createWebhook: Handler<Options, RecordData> = async (exchange, given) => {
  const { events, filter, url } = given.body;
  const matcher = await matcherOf(exchange, exchange.version.resources, { events, filter } as Filtered);
  await requireTarget(exchange, String(url));
  const [id = ""] = uuidsV7(1);
  const values = { ...given.body, matcher, id, api_version: exchange.version.name };
  const answer = await act(exchange, given, "create_webhook", values);
  return withSecret(exchange, answer, created(exchange, webhooks, answer, given.query), given.query);
};

/** `PATCH /v1/webhooks/{id}`: where it is on its way stays as it is. */
export const updateWebhook: Handler<Options, RecordData> = async (exchange, given) => {
  const { body } = given;
  const id = recordId(exchange);
  const row = await findVisible(exchange, "webhooks", id);
  const filtered = await filteredChange(exchange, row, body);
  if (body["url"] !== undefined && body["url"] !== row["url"]) await requireTarget(exchange, String(body["url"]));
  const matched = given.versions && { versions: given.versions };
  const answer = await act(exchange, given, "update_webhook", { ...body, ...filtered, ...matched, id });
  return changed(exchange, webhooks, answer, given.query);
};

/** `DELETE /v1/webhooks/{id}` */
export const deleteWebhook: Handler<Options> = async (exchange, given) => {
  const values = { id: recordId(exchange), ...(given.versions && { versions: given.versions }) };
  return ended(exchange, await act(exchange, given, "delete_webhook", values), given.query);
};

/** `POST /v1/webhooks/{id}/pause`: it gets nothing, and loses nothing for 30 days. */
export const pauseWebhook: Handler<Options> = async (exchange, given) =>
  changed(exchange, webhooks, await act(exchange, given, "pause_webhook", { id: recordId(exchange) }), given.query);

/** `POST /v1/webhooks/{id}/resume` */
export const resumeWebhook: Handler<Options, z.infer<typeof resumption>> = async (exchange, given) => {
  const { from = "last" } = given.body;
  const answer = await act(exchange, given, "resume_webhook", { id: recordId(exchange), from: String(from) });
  return changed(exchange, webhooks, answer, given.query);
};

/** `POST /v1/webhooks/{id}/rotate_secret` */
export const rotateWebhookSecret: Handler<Options, z.infer<typeof rotation>> = async (exchange, given) => {
  const { grace_period_seconds = ROTATION_GRACE_SECONDS } = given.body;
  const values = { id: recordId(exchange), grace_period_seconds };
  const answer = await act(exchange, given, "rotate_webhook_secret", values);
  return withSecret(exchange, answer, changed(exchange, webhooks, answer, given.query), given.query);
};

/** `GET /v1/webhooks/{webhook_id}/deliveries/{id}`: with every attempt. */
export const readDelivery: Handler = async (exchange) => {
  await requireParent(webhookDeliveries, exchange);
  const row = await findVisible(exchange, "webhook_deliveries", recordId(exchange));
  if (!isBelow(webhookDeliveries, exchange, row)) throw await absent(exchange);
  return { data: { ...present(webhookDeliveries, row), attempts: row["attempts"] } };
};

/** `GET /v1/webhooks/source_ips` */
export const readSourceIps: Handler = ({ services }) => {
  const { egressAddresses: addresses } = services.config;
  return { data: { static: addresses.length > 0, addresses, connection: services.sender.connection } };
};

/**
 * The secret is made anew of the endpoint and its generation, so a repetition shows what the first answer did. A dry run has
 * none: there is no such endpoint, or it keeps the one that it has.
 */
function withSecret(exchange: AuthorizedExchange, { record }: ActAnswer, reply: Reply, { dry_run }: Options): Reply {
  if (dry_run) return reply;
  const { masterKey } = exchange.services.config;
  const secret = webhookSecret(masterKey, String(record["id"]), Number(record["secret_generation"]));
  return {
    ...reply,
    data: { ...(reply.data as object), secret },
    headers: { ...reply.headers, "Cache-Control": "no-store" },
  };
}

/** @throws ApiError `url_not_allowed` with why nothing may be sent there */
async function requireTarget({ services }: AuthorizedExchange, url: string): Promise<void> {
  const problem = await services.sender.check(url);
  if (problem !== undefined) throw fieldError("url_not_allowed", "url", problem);
}

interface Filtered {
  events: string[];
  filter?: Record<string, unknown> | null | undefined;
}

/** What is asked of each event, in the names of a version. @throws ApiError `invalid_filter` */
async function matcherOf(
  { services, principal }: AuthorizedExchange,
  resources: readonly Resource[],
  { events, filter = null }: Filtered,
): Promise<EventFilter | null> {
  if (filter === null) return null;
  const resource = filteredResource(events, resources);
  const isCustom = resource.customizable && JSON.stringify(filter).includes("custom_fields.");
  const customFields = isCustom
    ? await customFieldsOf(services.database, principal, resource)
    : PLAIN_CONTEXT.customFields;
  return parseEventFilter(resource, filter, {
    customFields,
    mayRead: (scope) => isGranted(principal, `${scope}:read`),
  });
}

/** Events and filter as they will be, where one of them changes: together, for each must fit the other. */
async function filteredChange(exchange: AuthorizedExchange, row: RecordData, body: RecordData): Promise<RecordData> {
  if (body["events"] === undefined && body["filter"] === undefined) return {};
  const { events, filter } = { ...row, ...body };
  const { versions } = exchange.services;
  // It was made in a version, whose names its filter has and its events are sent in.
  const { resources } = versions.find(({ name }) => name === row["api_version"]) ?? exchange.version;
  return { events, filter, matcher: await matcherOf(exchange, resources, { events, filter } as Filtered) };
}

import type { ErrorCode } from "../../shared/errors.ts";
import { deletedRecord, dryRunMeta, one } from "../../shared/http/answers.ts";
import { emptyBody, jsonBody } from "../../shared/http/body_schemas.ts";
import { parameters } from "../../shared/http/parameters.ts";
import { type Route, route } from "../../shared/http/route.ts";
import { jobs } from "../../shared/resources/jobs.ts";
import { deliveryWithAttempts, webhookDeliveries } from "../../shared/resources/webhook_deliveries.ts";
import { webhooks } from "../../shared/resources/webhooks.ts";
import {
  redeliverEvent,
  replayBody,
  replayEvents,
  replayed,
  sampleBody,
  testWebhook,
} from "./handlers/redeliveries.ts";
import {
  createWebhook,
  deleteWebhook,
  pauseWebhook,
  readDelivery,
  readSourceIps,
  resumeWebhook,
  resumption,
  rotateWebhookSecret,
  rotation,
  sourceIps,
  updateWebhook,
  webhookWithSecret,
} from "./handlers/webhooks.ts";
import { dryRun, noParameters } from "./queries.ts";
import { resourceRoutes } from "./resource_routes.ts";

const ACT: readonly ErrorCode[] = ["too_many_acts"];
const GIVEN: readonly ErrorCode[] = [...ACT, "invalid_filter", "url_not_allowed"];

const reading = {
  method: "GET",
  scope: "webhooks:read",
  query: noParameters,
  body: null,
  takes: [],
  headers: [],
  errors: [],
} as const;
const acting = {
  method: "POST",
  scope: "webhooks:write",
  query: parameters(dryRun),
  takes: ["Idempotency-Key"],
  headers: ["ETag", "Idempotent-Replayed"],
} as const;
const aWebhook = { 200: one(webhooks.record, dryRunMeta) };
const withSecret = one(webhookWithSecret, dryRunMeta);

/** Endpoints, and what was delivered to them. */
export const webhookRoutes: Route[] = [
  route({
    ...reading,
    path: "/webhooks/source_ips",
    operation: "webhooks.sourceIps",
    answers: { 200: one(sourceIps) },
    handler: readSourceIps,
  }),
  route({
    ...acting,
    path: "/webhooks",
    operation: "webhooks.create",
    body: jsonBody(webhooks.create, { resource: webhooks }),
    answers: { 201: withSecret },
    headers: ["ETag", "Idempotent-Replayed", "Location", "Cache-Control"],
    errors: [...GIVEN, "webhook_limit_reached"],
    handler: createWebhook,
  }),
  ...resourceRoutes(webhooks),
  route({
    ...acting,
    method: "PATCH",
    path: "/webhooks/{id}",
    operation: "webhooks.update",
    body: jsonBody(webhooks.update, { resource: webhooks }),
    takes: ["Idempotency-Key", "If-Match"],
    answers: aWebhook,
    errors: GIVEN,
    handler: updateWebhook,
  }),
  route({
    ...acting,
    method: "DELETE",
    path: "/webhooks/{id}",
    operation: "webhooks.delete",
    body: null,
    takes: ["If-Match"],
    answers: { 200: one(deletedRecord, dryRunMeta) },
    headers: [],
    errors: [],
    handler: deleteWebhook,
  }),
  route({
    ...acting,
    path: "/webhooks/{id}/pause",
    operation: "webhooks.pause",
    body: emptyBody,
    answers: aWebhook,
    errors: [],
    handler: pauseWebhook,
  }),
  route({
    ...acting,
    path: "/webhooks/{id}/resume",
    operation: "webhooks.resume",
    body: jsonBody(resumption),
    answers: aWebhook,
    errors: [...ACT, "webhook_not_paused", "events_expired", "position_not_reached"],
    handler: resumeWebhook,
  }),
  route({
    ...acting,
    path: "/webhooks/{id}/rotate_secret",
    operation: "webhooks.rotateSecret",
    body: jsonBody(rotation),
    answers: { 200: withSecret },
    headers: ["ETag", "Idempotent-Replayed", "Cache-Control"],
    errors: ACT,
    handler: rotateWebhookSecret,
  }),
  route({
    ...acting,
    path: "/webhooks/{id}/test",
    operation: "webhooks.test",
    body: jsonBody(sampleBody),
    answers: { 201: one(webhookDeliveries.record, dryRunMeta) },
    headers: ["Idempotent-Replayed", "Location"],
    errors: [...ACT, "webhook_paused", "too_many_tests"],
    handler: testWebhook,
  }),
  route({
    ...acting,
    path: "/webhooks/{id}/replay",
    operation: "webhooks.replay",
    body: jsonBody(replayBody),
    answers: { 200: one(replayed, dryRunMeta), 202: one(jobs.record) },
    headers: ["Idempotent-Replayed", "Location"],
    errors: [...ACT, "webhook_paused", "events_expired", "nothing_to_redeliver", "too_many_jobs"],
    handler: replayEvents,
  }),
  ...resourceRoutes(webhookDeliveries),
  route({
    ...reading,
    path: `${webhookDeliveries.path}/{id}`,
    operation: "webhook_deliveries.get",
    answers: { 200: one(deliveryWithAttempts) },
    handler: readDelivery,
  }),
  route({
    ...acting,
    path: `${webhookDeliveries.path}/{id}/redeliver`,
    operation: "webhook_deliveries.redeliver",
    body: emptyBody,
    answers: { 200: one(webhookDeliveries.record, dryRunMeta) },
    errors: [...ACT, "webhook_paused", "events_expired", "nothing_to_redeliver"],
    handler: redeliverEvent,
  }),
];

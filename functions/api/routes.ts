import { z } from "zod";
import { MAX_BULK_BODY_BYTES } from "../../shared/bounds.ts";
import { chosen, dryRunMeta, one, page } from "../../shared/http/answers.ts";
import { emptyBody, jsonBody } from "../../shared/http/body_schemas.ts";
import { parameters } from "../../shared/http/parameters.ts";
import { type Route, route } from "../../shared/http/route.ts";
import type { ApiVersion } from "../../shared/http/versions.ts";
import { oneName, pageParameters } from "../../shared/query/parameters.ts";
import { resourceNamed } from "../../shared/resources/all.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { imports } from "../../shared/resources/imports.ts";
import { jobs } from "../../shared/resources/jobs.ts";
import { administrationRoutes } from "./administration_routes.ts";
import { eventRoutes } from "./event_routes.ts";
import { dealSummary, dealTransitions, groupsOf, summaryGroup, transition } from "./handlers/deals.ts";
import {
  addImportPart,
  cancelImport,
  createImport,
  importBody,
  importRow,
  listImportRows,
  partBody,
  ROW_STATUSES,
  readImport,
  startImport,
} from "./handlers/imports.ts";
import { readJob, stopJob } from "./handlers/jobs.ts";
import { leakReport, reportLeakedKeys, verdicts } from "./handlers/leaked_keys.ts";
import { listRecords } from "./handlers/list.ts";
import { mergeData, readMerge, revertMerge } from "./handlers/merges.ts";
import { hitOf, searchEverything, searchQuery } from "./handlers/search.ts";
import { health, healthData, jwks, jwksDocument, me, meData } from "./handlers/system.ts";
import { entryOf, readTimeline, timelineQuery } from "./handlers/timeline.ts";
import { dryRun, listQuery, noParameters, readQuery, summaryQuery } from "./queries.ts";
import { resourceRoutes } from "./resource_routes.ts";
import { webhookRoutes } from "./webhook_routes.ts";

/** Of a route that only reads, and needs nothing but its path. */
const reading = { method: "GET", query: noParameters, body: null, takes: [], headers: [], errors: [] } as const;

const systemRoutes = (resources: readonly Resource[]): Route[] => [
  route({
    ...reading,
    path: "/health",
    scope: "public",
    operation: "health",
    answers: { 200: one(healthData) },
    handler: health,
  }),
  route({
    ...reading,
    path: "/.well-known/jwks.json",
    scope: "public",
    operation: "jwks",
    answers: {},
    document: jwksDocument,
    headers: ["Cache-Control"],
    handler: jwks,
  }),
  route({
    method: "POST",
    path: "/leaked_keys",
    scope: "public",
    operation: "leaked_keys.report",
    query: noParameters,
    body: leakReport,
    takes: [],
    answers: {},
    document: verdicts,
    headers: [],
    errors: [],
    handler: reportLeakedKeys,
  }),
  route({ ...reading, path: "/me", scope: "any", operation: "me", answers: { 200: one(meData) }, handler: me }),
  route({
    ...reading,
    path: "/search",
    scope: "any",
    operation: "search",
    query: searchQuery(resources),
    answers: { 200: page(hitOf(resources), { total_at_least: z.int().optional() }) },
    headers: ["Link"],
    errors: ["invalid_cursor", "query_too_expensive"],
    handler: searchEverything,
  }),
];

const timelineRoutes = (resources: readonly Resource[]): Route[] =>
  ["contacts", "companies", "deals"].map((plural) => timelineRoute(resourceNamed(plural, resources), resources));

const timelineRoute = (resource: Resource, resources: readonly Resource[]): Route =>
  route({
    ...reading,
    path: `${resource.path}/{id}/timeline`,
    scope: `${resource.scope}:read`,
    operation: `${resource.plural}.timeline`,
    query: timelineQuery,
    answers: { 200: page(entryOf(resources)) },
    headers: ["Link"],
    errors: ["invalid_cursor", "query_too_expensive", "merged"],
    handler: readTimeline(resource),
  });

/** Before the generic ones: what stands here is not taken for an id. */
const dealRoutes = (deals: Resource): Route[] => [
  route({
    ...reading,
    path: "/deals/summary",
    scope: "deals:read",
    operation: "deals.summary",
    query: summaryQuery(deals, groupsOf(deals)),
    answers: { 200: one(z.array(summaryGroup(deals)), { group_by: z.array(z.enum(groupsOf(deals))) }) },
    handler: dealSummary,
  }),
  route({
    ...reading,
    path: "/deals/{id}/transitions",
    scope: "deals:read",
    operation: "deals.transitions",
    answers: { 200: one(z.array(transition(deals))) },
    handler: dealTransitions,
  }),
];

/** Whose scope they take depends on what was merged, so the handlers ask for it. */
const mergeRoutes = (resources: readonly Resource[]): Route[] => [
  route({
    ...reading,
    path: "/merges/{id}",
    scope: "any",
    operation: "merges.get",
    answers: { 200: one(mergeData) },
    handler: readMerge,
  }),
  route({
    method: "POST",
    path: "/merges/{id}/revert",
    scope: "any",
    operation: "merges.revert",
    query: parameters(dryRun),
    body: emptyBody,
    takes: ["Idempotency-Key"],
    answers: {
      200: one(z.union(resources.filter(({ mergeable }) => mergeable).map(({ record }) => record)), {
        ...dryRunMeta,
        merge_id: z.uuid(),
      }),
      202: one(jobs.record),
    },
    headers: ["ETag", "Location", "Idempotent-Replayed"],
    errors: [
      "merge_already_reverted",
      "merge_not_finished",
      "merge_not_revertible",
      "duplicate_email",
      "duplicate_domain",
      "duplicate_external_id",
      "too_many_jobs",
    ],
    handler: revertMerge,
  }),
];

const anImport = one(imports.record);
const changing = { method: "POST", scope: "any", query: noParameters, takes: [] } as const;

/** Whose scope they take depends on what is imported, so the handlers and row-level security ask for it. */
const importRoutes: Route[] = [
  ...ownRoutes(imports),
  route({
    ...changing,
    path: "/imports",
    operation: "imports.create",
    body: jsonBody(importBody, { maxBytes: MAX_BULK_BODY_BYTES }),
    takes: ["Idempotency-Key"],
    answers: { 202: anImport },
    headers: ["Location", "Idempotent-Replayed"],
    errors: ["read_only_field", "too_many_imports", "upload_quota_exceeded", "import_reports_full"],
    handler: createImport,
  }),
  route({
    ...reading,
    path: "/imports/{id}",
    scope: "any",
    operation: "imports.get",
    query: readQuery(imports),
    answers: { 200: one(chosen(imports)) },
    handler: readImport,
  }),
  route({
    ...reading,
    path: "/imports/{id}/rows",
    scope: "any",
    operation: "imports.rows",
    query: parameters({ status: oneName("status", ROW_STATUSES).optional(), ...pageParameters }),
    answers: { 200: page(importRow) },
    headers: ["Link"],
    errors: ["invalid_cursor"],
    handler: listImportRows,
  }),
  route({
    ...changing,
    path: "/imports/{id}/parts",
    operation: "imports.addPart",
    body: jsonBody(partBody, { maxBytes: MAX_BULK_BODY_BYTES }),
    answers: { 200: anImport },
    headers: [],
    errors: ["import_not_uploading", "upload_quota_exceeded"],
    handler: addImportPart,
  }),
  route({
    ...changing,
    path: "/imports/{id}/start",
    operation: "imports.start",
    body: emptyBody,
    answers: { 202: anImport },
    headers: ["Location"],
    errors: ["import_not_uploading", "unknown_field", "read_only_field", "unknown_version"],
    handler: startImport,
  }),
  route({
    ...changing,
    path: "/imports/{id}/cancel",
    operation: "imports.cancel",
    body: emptyBody,
    answers: { 200: anImport },
    headers: [],
    errors: ["import_finished"],
    handler: cancelImport,
  }),
];

/** Whose scope they take depends on what they change, so row-level security asks for it. */
const jobRoutes: Route[] = [
  ...ownRoutes(jobs),
  route({
    ...reading,
    path: "/jobs/{id}",
    scope: "any",
    operation: "jobs.get",
    query: readQuery(jobs),
    answers: { 200: one(chosen(jobs)) },
    handler: readJob,
  }),
  route({
    ...changing,
    path: "/jobs/{id}/cancel",
    operation: "jobs.cancel",
    query: parameters(dryRun),
    body: emptyBody,
    answers: { 200: one(jobs.record, dryRunMeta) },
    headers: [],
    errors: ["job_finished"],
    handler: stopJob,
  }),
];

/** A list of what the key may read, which row-level security decides. */
function ownRoutes(resource: Resource): Route[] {
  return [
    route({
      ...reading,
      path: resource.path,
      scope: "any",
      operation: `${resource.plural}.list`,
      query: listQuery(resource),
      answers: { 200: page(chosen(resource)) },
      headers: ["Link", "X-Event-Position"],
      handler: listRecords,
    }),
  ];
}

/** The map: every path of a version of the API, with all that it takes, answers and refuses. */
export function routesOf({ resources }: Pick<ApiVersion, "resources">): readonly Route[] {
  return [
    ...systemRoutes(resources),
    ...dealRoutes(resourceNamed("deals", resources)),
    ...resources.flatMap(resourceRoutes),
    ...timelineRoutes(resources),
    ...mergeRoutes(resources),
    ...importRoutes,
    ...jobRoutes,
    ...eventRoutes,
    ...administrationRoutes(resources),
    ...webhookRoutes,
  ];
}

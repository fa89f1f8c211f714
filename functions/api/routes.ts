import { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES } from "../../shared/bounds.ts";
import type { Route } from "../../shared/http/route.ts";
import { resources } from "../../shared/resources/all.ts";
import { companies } from "../../shared/resources/companies.ts";
import { contacts } from "../../shared/resources/contacts.ts";
import { deals } from "../../shared/resources/deals.ts";
import { dealSummary, dealTransitions } from "./handlers/deals.ts";
import {
  addImportPart,
  cancelImport,
  createImport,
  listImportRows,
  listImports,
  readImport,
  startImport,
} from "./handlers/imports.ts";
import { listJobs, readJob, stopJob } from "./handlers/jobs.ts";
import { readMerge, revertMerge } from "./handlers/merges.ts";
import { searchEverything } from "./handlers/search.ts";
import { health, me } from "./handlers/system.ts";
import { readTimeline } from "./handlers/timeline.ts";
import { resourceRoutes } from "./resource_routes.ts";

const timelineRoutes = [contacts, companies, deals].map(
  (resource): Route => ({
    method: "GET",
    path: `${resource.path}/{id}/timeline`,
    scope: `${resource.scope}:read`,
    operation: `${resource.plural}.timeline`,
    handler: readTimeline(resource),
  }),
);

/** Before the generic ones: what stands here is not taken for an id. */
const dealRoutes: Route[] = [
  { method: "GET", path: "/deals/summary", scope: "deals:read", operation: "deals.summary", handler: dealSummary },
  {
    method: "GET",
    path: "/deals/{id}/transitions",
    scope: "deals:read",
    operation: "deals.transitions",
    handler: dealTransitions,
  },
];

/** Whose scope they take depends on what was merged, so the handlers ask for it. */
const mergeRoutes: Route[] = [
  { method: "GET", path: "/merges/{id}", scope: "any", operation: "merges.get", handler: readMerge },
  {
    method: "POST",
    path: "/merges/{id}/revert",
    scope: "any",
    operation: "merges.revert",
    maxBodyBytes: MAX_BODY_BYTES,
    handler: revertMerge,
  },
];

/** Whose scope they take depends on what is imported, so the handlers and row-level security ask for it. */
const importRoutes: Route[] = [
  { method: "GET", path: "/imports", scope: "any", operation: "imports.list", handler: listImports },
  {
    method: "POST",
    path: "/imports",
    scope: "any",
    operation: "imports.create",
    maxBodyBytes: MAX_BULK_BODY_BYTES,
    handler: createImport,
  },
  { method: "GET", path: "/imports/{id}", scope: "any", operation: "imports.get", handler: readImport },
  { method: "GET", path: "/imports/{id}/rows", scope: "any", operation: "imports.rows", handler: listImportRows },
  {
    method: "POST",
    path: "/imports/{id}/parts",
    scope: "any",
    operation: "imports.addPart",
    maxBodyBytes: MAX_BULK_BODY_BYTES,
    handler: addImportPart,
  },
  {
    method: "POST",
    path: "/imports/{id}/start",
    scope: "any",
    operation: "imports.start",
    maxBodyBytes: MAX_BODY_BYTES,
    handler: startImport,
  },
  {
    method: "POST",
    path: "/imports/{id}/cancel",
    scope: "any",
    operation: "imports.cancel",
    maxBodyBytes: MAX_BODY_BYTES,
    handler: cancelImport,
  },
];

/** Whose scope they take depends on what they change, so row-level security asks for it. */
const jobRoutes: Route[] = [
  { method: "GET", path: "/jobs", scope: "any", operation: "jobs.list", handler: listJobs },
  { method: "GET", path: "/jobs/{id}", scope: "any", operation: "jobs.get", handler: readJob },
  {
    method: "POST",
    path: "/jobs/{id}/cancel",
    scope: "any",
    operation: "jobs.cancel",
    maxBodyBytes: MAX_BODY_BYTES,
    handler: stopJob,
  },
];

/** The map: every path of the API, with the scope it needs. */
export const routes: readonly Route[] = [
  { method: "GET", path: "/health", scope: "public", operation: "health", handler: health },
  { method: "GET", path: "/me", scope: "any", operation: "me", handler: me },
  { method: "GET", path: "/search", scope: "any", operation: "search", handler: searchEverything },
  ...dealRoutes,
  ...resources.flatMap(resourceRoutes),
  ...timelineRoutes,
  ...mergeRoutes,
  ...importRoutes,
  ...jobRoutes,
];

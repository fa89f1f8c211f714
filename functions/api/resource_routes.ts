import type { ErrorCode } from "../../shared/errors.ts";
import { chosen, deletedRecord, dryRunMeta, one, page } from "../../shared/http/answers.ts";
import { emptyBody, idsBody, jsonBody, recordsBody } from "../../shared/http/body_schemas.ts";
import { parameters } from "../../shared/http/parameters.ts";
import { type Method, type RequestHeader, type Route, route } from "../../shared/http/route.ts";
import type { Action, Operation, Resource } from "../../shared/resources/define.ts";
import { jobs } from "../../shared/resources/jobs.ts";
import { bulkAnswers, bulkCreate, bulkDelete, bulkUpdate, withId } from "./handlers/bulk.ts";
import { EXPORT_TYPES, exportRecords } from "./handlers/export.ts";
import { listRecords, readRecord, searchRecords } from "./handlers/list.ts";
import { actOnRecord, createRecord, deleteRecord, restoreRecord, updateRecord } from "./handlers/write.ts";
import {
  atomic,
  dryRun,
  exportQuery,
  listQuery,
  moveTo,
  noParameters,
  onConflict,
  readQuery,
  searchOf,
} from "./queries.ts";

/** The order of a resource's routes: a path that names no record stands before the one with {id}, or it would be an id. */
const ORDER: readonly Operation[] = [
  "list",
  "create",
  "search",
  "bulk",
  "export",
  "get",
  "update",
  "delete",
  "restore",
];

/** What was merged leads those who read to where it went, and tells those who write. */
const MERGED: readonly ErrorCode[] = ["merged"];

/** The routes that a resource has: those of its operations, and one for each of its actions. */
export function resourceRoutes(resource: Resource): Route[] {
  const { plural, path, scope, operations, actions } = resource;
  const id = `${path}/{id}`;
  const at = (method: Method, where: string, operation: string) => ({
    method,
    path: where,
    scope: `${scope}:${method === "GET" || operation === "search" ? "read" : "write"}` as const,
    operation: `${plural}.${operation}`,
  });
  const reading = { body: null, takes: [], errors: resource.parent?.resource().mergeable ? MERGED : [] } as const;
  const shown = chosen(resource);
  const listed = { 200: page(shown) };
  const written = [...uniqueCodes(resource), ...referenceCodes(resource), ...resource.rules.write];
  const changed = {
    errors: [...written, "merged", "too_many_jobs"],
    headers: ["ETag", "Idempotent-Replayed"],
  } as const;
  const record = one(resource.record, dryRunMeta);
  const job = one(jobs.record);
  const retried: RequestHeader[] = ["Idempotency-Key"];
  const of: Partial<Record<Operation, Route[]>> = {
    list: [
      route({
        ...at("GET", path, "list"),
        ...reading,
        query: listQuery(resource),
        answers: listed,
        headers: ["Link", "X-Event-Position"],
        handler: listRecords,
      }),
    ],
    create: [
      route({
        ...at("POST", path, "create"),
        query: parameters({ ...dryRun, ...onConflict }),
        body: jsonBody(resource.create, { resource }),
        takes: retried,
        answers: { 201: record, 200: record },
        headers: ["ETag", "Location", "Idempotent-Replayed"],
        errors: written,
        handler: createRecord(resource),
      }),
    ],
    search: [
      route({
        ...at("POST", `${path}/search`, "search"),
        ...reading,
        query: noParameters,
        body: searchOf(resource),
        answers: listed,
        headers: [],
        handler: searchRecords,
      }),
    ],
    bulk: [
      route({
        ...at("POST", `${path}/bulk`, "bulkCreate"),
        query: parameters({ ...dryRun, ...atomic, ...onConflict }),
        body: recordsBody(resource.create),
        takes: retried,
        answers: bulkAnswers(resource.record),
        headers: ["Idempotent-Replayed"],
        errors: written,
        handler: bulkCreate(resource),
      }),
      route({
        ...at("PATCH", `${path}/bulk`, "bulkUpdate"),
        query: parameters({ ...dryRun, ...atomic }),
        body: recordsBody(withId(resource.update)),
        takes: retried,
        answers: bulkAnswers(resource.record),
        headers: ["Idempotent-Replayed"],
        errors: [...written, "not_found", "merged"],
        handler: bulkUpdate(resource),
      }),
      route({
        ...at("DELETE", `${path}/bulk`, "bulkDelete"),
        query: parameters({ ...dryRun, ...atomic }),
        body: idsBody,
        takes: retried,
        answers: bulkAnswers(deletedRecord),
        headers: ["Idempotent-Replayed"],
        errors: [...resource.rules.delete, "not_found", "merged"],
        handler: bulkDelete(resource),
      }),
    ],
    export: [
      route({
        ...at("GET", `${path}/export`, "export"),
        ...reading,
        query: exportQuery(resource),
        answers: {},
        file: Object.values(EXPORT_TYPES),
        headers: ["Content-Disposition", "X-Event-Position"],
        handler: exportRecords,
      }),
    ],
    get: [
      route({
        ...at("GET", id, "get"),
        query: readQuery(resource),
        body: null,
        takes: ["If-None-Match"],
        answers: { 200: one(shown) },
        headers: ["ETag"],
        errors: resource.mergeable ? MERGED : [],
        handler: readRecord(resource),
      }),
    ],
    update: [
      route({
        ...at("PATCH", id, "update"),
        ...changed,
        query: parameters(dryRun),
        body: jsonBody(resource.update, { resource }),
        takes: [...retried, "If-Match"],
        answers: { 200: record, 202: job },
        headers: [...changed.headers, "Location"],
        handler: updateRecord(resource),
      }),
    ],
    delete: [
      route({
        ...at("DELETE", id, "delete"),
        query: parameters(resource.movable ? { ...dryRun, ...moveTo } : dryRun),
        body: null,
        takes: ["If-Match"],
        answers: { 200: one(deletedRecord, dryRunMeta), 202: job },
        headers: ["Location"],
        errors: [
          ...resource.rules.delete,
          ...(resource.movable ? (["reference_not_found"] as const) : []),
          "merged",
          "too_many_jobs",
        ],
        handler: deleteRecord(resource),
      }),
    ],
    restore: [
      route({
        ...at("POST", `${id}/restore`, "restore"),
        ...changed,
        query: parameters(dryRun),
        body: emptyBody,
        takes: retried,
        answers: { 200: record, 202: job },
        handler: restoreRecord(resource),
      }),
    ],
  };
  return [
    ...ORDER.filter((operation) => operations.includes(operation)).flatMap((operation) => of[operation] ?? []),
    ...Object.entries(actions).map(([name, action]) => actionRoute(resource, name, action)),
  ];
}

function actionRoute(resource: Resource, name: string, { body, errors, meta = {} }: Action): Route {
  return route({
    method: "POST",
    path: `${resource.path}/{id}/${name}`,
    scope: `${resource.scope}:write`,
    operation: `${resource.plural}.${name}`,
    query: parameters(dryRun),
    body: jsonBody(body),
    takes: ["Idempotency-Key", "If-Match"],
    answers: { 200: one(resource.record, { ...dryRunMeta, ...meta }), 202: one(jobs.record) },
    headers: ["ETag", "Location", "Idempotent-Replayed"],
    errors: [...errors, ...uniqueCodes(resource), "merged", "too_many_jobs"],
    handler: actOnRecord(resource, name),
  });
}

function uniqueCodes({ fields }: Resource): ErrorCode[] {
  return Object.values(fields).flatMap(({ unique }) => unique ?? []);
}

function referenceCodes({ fields }: Resource): ErrorCode[] {
  return Object.values(fields).some(({ references }) => references) ? ["reference_not_found"] : [];
}

import type { z } from "zod";
import { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES } from "../../shared/bounds.ts";
import type { Route } from "../../shared/http/route.ts";
import type { Operation, Resource } from "../../shared/resources/define.ts";
import { bulkCreate, bulkDelete, bulkUpdate } from "./handlers/bulk.ts";
import { exportRecords } from "./handlers/export.ts";
import { listRecords, readRecord, searchRecords } from "./handlers/list.ts";
import { actOnRecord, createRecord, deleteRecord, restoreRecord, updateRecord } from "./handlers/write.ts";

/** The routes that a resource has: those of its operations, and one for each of its actions. */
export function resourceRoutes(resource: Resource): Route[] {
  const { plural, path, scope, operations, actions } = resource;
  const read = `${scope}:read` as const;
  const write = `${scope}:write` as const;
  const one = { maxBodyBytes: MAX_BODY_BYTES };
  const many = { maxBodyBytes: MAX_BULK_BODY_BYTES, recordsIn: "records" as const };
  const of: Partial<Record<Operation, Route[]>> = {
    list: [{ method: "GET", path, scope: read, operation: `${plural}.list`, handler: listRecords(resource) }],
    create: [
      { method: "POST", path, scope: write, operation: `${plural}.create`, ...one, handler: createRecord(resource) },
    ],
    search: [
      {
        method: "POST",
        path: `${path}/search`,
        scope: read,
        operation: `${plural}.search`,
        ...one,
        handler: searchRecords(resource),
      },
    ],
    bulk: [
      {
        method: "POST",
        path: `${path}/bulk`,
        scope: write,
        operation: `${plural}.bulkCreate`,
        ...many,
        handler: bulkCreate(resource),
      },
      {
        method: "PATCH",
        path: `${path}/bulk`,
        scope: write,
        operation: `${plural}.bulkUpdate`,
        ...many,
        handler: bulkUpdate(resource),
      },
      {
        method: "DELETE",
        path: `${path}/bulk`,
        scope: write,
        operation: `${plural}.bulkDelete`,
        ...many,
        recordsIn: "ids",
        handler: bulkDelete(resource),
      },
    ],
    export: [
      {
        method: "GET",
        path: `${path}/export`,
        scope: read,
        operation: `${plural}.export`,
        handler: exportRecords(resource),
      },
    ],
    get: [
      { method: "GET", path: `${path}/{id}`, scope: read, operation: `${plural}.get`, handler: readRecord(resource) },
    ],
    update: [
      {
        method: "PATCH",
        path: `${path}/{id}`,
        scope: write,
        operation: `${plural}.update`,
        ...one,
        handler: updateRecord(resource),
      },
    ],
    delete: [
      {
        method: "DELETE",
        path: `${path}/{id}`,
        scope: write,
        operation: `${plural}.delete`,
        handler: deleteRecord(resource),
      },
    ],
    restore: [
      {
        method: "POST",
        path: `${path}/{id}/restore`,
        scope: write,
        operation: `${plural}.restore`,
        ...one,
        handler: restoreRecord(resource),
      },
    ],
  };
  // A path that names no record stands before the one with {id}, or it would be taken for an id.
  const order: Operation[] = ["list", "create", "search", "bulk", "export", "get", "update", "delete", "restore"];
  return [
    ...order.filter((operation) => operations.includes(operation)).flatMap((operation) => of[operation] ?? []),
    ...Object.entries(actions).map(([action, body]) => actionRoute(resource, action, body)),
  ];
}

function actionRoute(resource: Resource, action: string, body: z.ZodType<Record<string, unknown>>): Route {
  return {
    method: "POST",
    path: `${resource.path}/{id}/${action}`,
    scope: `${resource.scope}:write`,
    operation: `${resource.plural}.${action}`,
    maxBodyBytes: MAX_BODY_BYTES,
    handler: actOnRecord(resource, action, body),
  };
}

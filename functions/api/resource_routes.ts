import { MAX_BODY_BYTES, MAX_BULK_BODY_BYTES } from "../../shared/http/body.ts";
import type { Route } from "../../shared/http/route.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { bulkCreate, bulkDelete, bulkUpdate } from "./handlers/bulk.ts";
import { listRecords, readRecord, searchRecords } from "./handlers/list.ts";
import { createRecord, deleteRecord, restoreRecord, updateRecord } from "./handlers/write.ts";

/** The routes that every resource has. */
export function resourceRoutes(resource: Resource): Route[] {
  const { plural } = resource;
  const read = `${plural}:read` as const;
  const write = `${plural}:write` as const;
  const one = { maxBodyBytes: MAX_BODY_BYTES };
  const many = { maxBodyBytes: MAX_BULK_BODY_BYTES };
  return [
    { method: "GET", path: `/${plural}`, scope: read, operation: `${plural}.list`, handler: listRecords(resource) },
    {
      method: "POST",
      path: `/${plural}`,
      scope: write,
      operation: `${plural}.create`,
      ...one,
      handler: createRecord(resource),
    },
    {
      method: "POST",
      path: `/${plural}/search`,
      scope: read,
      operation: `${plural}.search`,
      ...one,
      handler: searchRecords(resource),
    },
    {
      method: "POST",
      path: `/${plural}/bulk`,
      scope: write,
      operation: `${plural}.bulkCreate`,
      ...many,
      handler: bulkCreate(resource),
    },
    {
      method: "PATCH",
      path: `/${plural}/bulk`,
      scope: write,
      operation: `${plural}.bulkUpdate`,
      ...many,
      handler: bulkUpdate(resource),
    },
    {
      method: "DELETE",
      path: `/${plural}/bulk`,
      scope: write,
      operation: `${plural}.bulkDelete`,
      ...many,
      handler: bulkDelete(resource),
    },
    { method: "GET", path: `/${plural}/{id}`, scope: read, operation: `${plural}.get`, handler: readRecord(resource) },
    {
      method: "PATCH",
      path: `/${plural}/{id}`,
      scope: write,
      operation: `${plural}.update`,
      ...one,
      handler: updateRecord(resource),
    },
    {
      method: "DELETE",
      path: `/${plural}/{id}`,
      scope: write,
      operation: `${plural}.delete`,
      handler: deleteRecord(resource),
    },
    {
      method: "POST",
      path: `/${plural}/{id}/restore`,
      scope: write,
      operation: `${plural}.restore`,
      ...one,
      handler: restoreRecord(resource),
    },
  ];
}

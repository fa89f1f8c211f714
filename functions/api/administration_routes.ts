import { z } from "zod";
import type { ErrorCode } from "../../shared/errors.ts";
import { chosen, deletedRecord, dryRunMeta, one, page } from "../../shared/http/answers.ts";
import { emptyBody, jsonBody } from "../../shared/http/body_schemas.ts";
import { parameters } from "../../shared/http/parameters.ts";
import { type Route, route } from "../../shared/http/route.ts";
import { wholeNumber } from "../../shared/query/parameters.ts";
import { apiKeys } from "../../shared/resources/api_keys.ts";
import { auditLog } from "../../shared/resources/audit_log.ts";
import type { Resource } from "../../shared/resources/define.ts";
import { jobs } from "../../shared/resources/jobs.ts";
import { invitations, members } from "../../shared/resources/people.ts";
import { sandboxes } from "../../shared/resources/sandboxes.ts";
import {
  createApiKey,
  createdKey,
  keyChange,
  newKey,
  readApiKey,
  readCurrentKey,
  readUsedPermissions,
  revokeApiKey,
  revokeCurrentKey,
  rollApiKey,
  rollBody,
  updateApiKey,
  usedPermissions,
} from "./handlers/api_keys.ts";
import { listRecords } from "./handlers/list.ts";
import {
  acceptance,
  acceptInvitation,
  createInvitation,
  memberChange,
  removeMember,
  revokeInvitation,
  updateMember,
} from "./handlers/people.ts";
import { createSandbox, deleteSandbox, resetSandbox } from "./handlers/sandboxes.ts";
import { dryRun, listQuery, readQuery } from "./queries.ts";
import { resourceRoutes } from "./resource_routes.ts";

/** What acts are refused with: any but those that end something, and those that a sandbox has not. */
const ACT: readonly ErrorCode[] = ["too_many_acts"];
const LIVE: readonly ErrorCode[] = ["live_workspace_required"];

const reading = { method: "GET", body: null, takes: [], headers: [] } as const;
const acting = { query: parameters(dryRun), takes: ["Idempotency-Key"], headers: ["Idempotent-Replayed"] } as const;
const creating = { ...acting, method: "POST", headers: ["Idempotent-Replayed", "Location"] } as const;
const ending = { ...acting, body: null, takes: [], headers: [] } as const;
const gone = { 200: one(deletedRecord, dryRunMeta) };

const keyRoutes = (resources: readonly Resource[]): Route[] => {
  const aKey = one(apiKeys.record, dryRunMeta);
  const aNewKey = { 201: one(createdKey, dryRunMeta) };
  const made = { ...creating, headers: ["Location", "Cache-Control"], answers: aNewKey } as const;
  return [
    route({
      ...reading,
      path: "/api_keys",
      scope: "api_keys:read",
      operation: "api_keys.list",
      query: listQuery(apiKeys),
      answers: { 200: page(chosen(apiKeys)) },
      headers: ["Link", "X-Event-Position"],
      errors: [],
      handler: listRecords,
    }),
    route({
      ...made,
      path: "/api_keys",
      scope: "api_keys:write",
      operation: "api_keys.create",
      body: jsonBody(newKey(resources), { resource: apiKeys }),
      errors: [...ACT, "idempotency_key_used", "api_key_limit_reached", "expiry_in_past"],
      handler: createApiKey,
    }),
    route({
      ...reading,
      path: "/api_keys/current",
      scope: "any",
      operation: "api_keys.current",
      query: readQuery(apiKeys),
      answers: { 200: one(chosen(apiKeys)) },
      errors: ["not_found"],
      handler: readCurrentKey,
    }),
    route({
      ...ending,
      method: "POST",
      path: "/api_keys/current/revoke",
      scope: "any",
      operation: "api_keys.revokeCurrent",
      body: emptyBody,
      answers: gone,
      errors: ["not_found", "api_key_revoked"],
      handler: revokeCurrentKey,
    }),
    route({
      ...reading,
      path: "/api_keys/{id}",
      scope: "api_keys:read",
      operation: "api_keys.get",
      query: readQuery(apiKeys),
      answers: { 200: one(chosen(apiKeys)) },
      errors: [],
      handler: readApiKey,
    }),
    route({
      ...acting,
      method: "PATCH",
      path: "/api_keys/{id}",
      scope: "api_keys:write",
      operation: "api_keys.update",
      body: jsonBody(keyChange(resources), { resource: apiKeys }),
      answers: { 200: aKey },
      errors: [...ACT, "api_key_revoked", "scope_cannot_widen", "expiry_cannot_extend", "expiry_in_past"],
      handler: updateApiKey,
    }),
    route({
      ...ending,
      method: "DELETE",
      path: "/api_keys/{id}",
      scope: "api_keys:revoke",
      operation: "api_keys.revoke",
      answers: gone,
      errors: ["api_key_revoked"],
      handler: revokeApiKey,
    }),
    route({
      ...made,
      path: "/api_keys/{id}/roll",
      scope: "api_keys:write",
      operation: "api_keys.roll",
      body: jsonBody(rollBody),
      errors: [
        ...ACT,
        "idempotency_key_used",
        "api_key_limit_reached",
        "api_key_revoked",
        "api_key_expired",
        "api_key_rolled",
      ],
      handler: rollApiKey,
    }),
    route({
      ...reading,
      path: "/api_keys/{id}/used_permissions",
      scope: "api_keys:read",
      operation: "api_keys.usedPermissions",
      query: parameters({ days: days() }),
      answers: { 200: one(usedPermissions) },
      errors: [],
      handler: readUsedPermissions,
    }),
  ];
};

/** How far back is looked. */
function days() {
  return wholeNumber(1, 365).default(30);
}

const peopleRoutes: Route[] = [
  ...resourceRoutes(members),
  route({
    ...acting,
    method: "PATCH",
    path: "/members/{id}",
    scope: "members:write",
    operation: "members.update",
    body: jsonBody(memberChange, { resource: members }),
    answers: { 200: one(members.record, dryRunMeta) },
    errors: [...ACT, ...LIVE, "last_owner"],
    handler: updateMember,
  }),
  route({
    ...ending,
    method: "DELETE",
    path: "/members/{id}",
    scope: "members:write",
    operation: "members.remove",
    answers: gone,
    errors: [...LIVE, "last_owner"],
    handler: removeMember,
  }),
  route({
    ...creating,
    path: "/invitations",
    scope: "invitations:write",
    operation: "invitations.create",
    body: jsonBody(invitations.create, { resource: invitations }),
    answers: { 201: one(invitations.record, dryRunMeta) },
    errors: [...ACT, ...LIVE, "already_member", "already_invited", "invitation_limit_reached", "too_many_mails"],
    handler: createInvitation,
  }),
  route({
    ...ending,
    method: "POST",
    path: "/invitations/accept",
    scope: "session",
    operation: "invitations.accept",
    body: jsonBody(acceptance),
    answers: {
      200: one(members.record, { ...dryRunMeta, workspace: z.strictObject({ id: z.uuid(), name: z.string() }) }),
    },
    errors: ["not_found", "invitation_for_another_address", "invitation_not_pending", "already_member"],
    handler: acceptInvitation,
  }),
  ...resourceRoutes(invitations),
  route({
    ...ending,
    method: "DELETE",
    path: "/invitations/{id}",
    scope: "invitations:write",
    operation: "invitations.revoke",
    answers: gone,
    errors: [...LIVE, "invitation_not_pending"],
    handler: revokeInvitation,
  }),
];

const aJob = { 202: one(jobs.record) };

const sandboxRoutes: Route[] = [
  route({
    ...creating,
    path: "/sandboxes",
    scope: "sandboxes:write",
    operation: "sandboxes.create",
    body: jsonBody(sandboxes.create, { resource: sandboxes }),
    answers: { 201: one(sandboxes.record, dryRunMeta) },
    errors: [...ACT, ...LIVE, "duplicate_name", "sandbox_limit_reached"],
    handler: createSandbox,
  }),
  ...resourceRoutes(sandboxes),
  route({
    ...creating,
    path: "/sandboxes/{id}/reset",
    scope: "sandboxes:write",
    operation: "sandboxes.reset",
    body: emptyBody,
    answers: { 200: one(sandboxes.record, dryRunMeta), ...aJob },
    errors: [...ACT, ...LIVE, "sandbox_not_ready", "too_many_jobs"],
    handler: resetSandbox,
  }),
  route({
    ...ending,
    method: "DELETE",
    path: "/sandboxes/{id}",
    scope: "sandboxes:write",
    operation: "sandboxes.delete",
    answers: { ...gone, ...aJob },
    headers: ["Location"],
    errors: [...LIVE, "sandbox_not_ready", "too_many_jobs"],
    handler: deleteSandbox,
  }),
];

/** What people do around the records of a workspace: keys, members, sandboxes, what was done. */
export function administrationRoutes(resources: readonly Resource[]): Route[] {
  return [...keyRoutes(resources), ...peopleRoutes, ...sandboxRoutes, ...resourceRoutes(auditLog)];
}

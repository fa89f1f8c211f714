import { z } from "zod";
import type { Exchange, Reply } from "../../../shared/http/exchange.ts";
import type { Handler } from "../../../shared/http/route.ts";
import { LIMITS } from "../../../shared/limits/plans.ts";
import { shownTime } from "../../../shared/resources/time.ts";
import { ROLES } from "../../../shared/rights.ts";
import { publicKey } from "../../../shared/signing_key.ts";

/** `GET /v1/health`: the function runs. No key, no I/O. */
export const health = () => ({ data: { status: "ok" } });

export const healthData = z.strictObject({ status: z.literal("ok") });

/** `GET /v1/.well-known/jwks.json`: what the database checks the function's tokens with (RFC 7517). */
export const jwks = ({ services }: Exchange): Reply => ({
  document: { keys: services.config.publicKeys },
  headers: { "Cache-Control": "public, max-age=600" },
});

export const jwksDocument = z.strictObject({ keys: z.array(publicKey.strict()) });

/** `GET /v1/me`: what the key is and may do; who has signed in, and where else they are at home. */
export const me: Handler = ({ principal }) => {
  const limits = LIMITS[principal.plan];
  return {
    data: {
      ...(principal.kind === "api_key"
        ? {
            type: "api_key",
            id: principal.keyId,
            name: principal.keyName,
            prefix: principal.prefix,
            last_four: principal.lastFour,
            scope: principal.scope,
            permissions: principal.scope === "custom" ? principal.permissions : null,
            expires_at: principal.expiresAt == null ? null : shownTime(principal.expiresAt),
          }
        : {
            type: "user",
            id: principal.userId,
            member_id: principal.memberId,
            role: principal.role,
            workspaces: principal.places,
          }),
      environment: principal.environment,
      workspace: { id: principal.workspaceId, name: principal.workspaceName, plan: principal.plan },
      rate_limit: {
        requests_per_minute: limits.limit,
        burst: limits.algorithm === "token_bucket" ? limits.capacity : limits.limit,
      },
    },
  };
};

const inWorkspace = {
  environment: z.string(),
  workspace: z.strictObject({ id: z.uuid(), name: z.string(), plan: z.string() }),
  rate_limit: z.strictObject({ requests_per_minute: z.int(), burst: z.int() }),
};

export const meData = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("api_key"),
    id: z.uuid(),
    name: z.string(),
    prefix: z.string(),
    last_four: z.string(),
    scope: z.string(),
    permissions: z.record(z.string(), z.enum(["none", "read", "write"])).nullable(),
    expires_at: z.string().nullable(),
    ...inWorkspace,
  }),
  z.strictObject({
    type: z.literal("user"),
    id: z.uuid(),
    member_id: z.uuid(),
    role: z.enum(ROLES),
    workspaces: z.array(
      z.strictObject({ id: z.uuid(), name: z.string(), environment: z.enum(["live", "sandbox"]), role: z.enum(ROLES) }),
    ),
    ...inWorkspace,
  }),
]);

import { granted } from "../../../shared/auth/principal.ts";
import type { AuthorizedExchange, Exchange, Reply } from "../../../shared/http/exchange.ts";
import { LIMITS } from "../../../shared/limits/plans.ts";
import { allowOnly } from "../../../shared/query/list_query.ts";
import { shownTime } from "../../../shared/resources/time.ts";

/** `GET /v1/health`: the function runs. No key, no I/O. */
export function health({ url }: Exchange): Reply {
  allowOnly(url.searchParams, []);
  return { data: { status: "ok" } };
}

/** `GET /v1/me`: what the key is and may do. */
export function me({ url, principal }: AuthorizedExchange): Reply {
  allowOnly(url.searchParams, []);
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
        : { type: "user", id: principal.userId, member_id: principal.memberId, role: granted(principal) }),
      environment: principal.environment,
      workspace: { id: principal.workspaceId, name: principal.workspaceName, plan: principal.plan },
      rate_limit: {
        requests_per_minute: limits.limit,
        burst: limits.algorithm === "token_bucket" ? limits.capacity : limits.limit,
      },
    },
  };
}
